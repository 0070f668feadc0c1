"""Workers of a scan that die: it is told, no row is lost, and the others go on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet

from guard import jsonl, workers
from guard.errors import CandorError
from guard.scan import Asked, Matched, Work
from guard.sources import Chunk, Columns, Position, find

DEADLY = "Kill me."
ROWS = [{"id": n, "question": DEADLY if n in (3, 9) else "Capital?"} for n in range(12)]
COLUMNS = Columns(reply="", model="", reasoning="", finish_reason="")


def look(row: Asked) -> Matched:
    """What ends the process on some rows, as the system does where memory runs out."""
    if row.question == DEADLY and os.getpid() != PARENT:
        os.kill(os.getpid(), signal.SIGKILL)
    return Matched(id=row.id, topic=row.question)


PARENT = int(os.environ.setdefault("SCAN_TESTS_PARENT", str(os.getpid())))


def nothing() -> None:
    """To be prepared."""


def fails() -> None:
    os._exit(1)


WORK = Work(Asked, Matched, look, COLUMNS, nothing)


def chunks(form: str, folder: Path, size: int = 4) -> list[Chunk]:
    source = folder / f"in.{form}"
    if form == "jsonl":
        source.write_text("\n".join(map(json.dumps, ROWS)))
        return list(find(str(source), COLUMNS).chunks(most=size))
    parquet.write_table(arrow.Table.from_pylist(ROWS), source, row_group_size=size)
    return list(find(str(source), COLUMNS).chunks())


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_the_row_on_which_a_worker_dies_is_told_and_no_other_is_lost(
    form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = chunks(form, tmp_path)
    done = list(workers.spread(WORK, given, 2))
    assert [each.after for each in done] == [chunk.after for chunk in given]
    found = [json.loads(line) for each in done for line in each.part.lines.splitlines()]
    assert [row["id"] for row in found] == list(range(12))
    dead = [row for row in found if "error" in row]
    assert dead == [{"id": n, "error": workers.DIED} for n in (3, 9)]
    assert [each.part.broken for each in done] == [1, 0, 1]
    assert "a worker process ended unexpectedly on the row 3" in caplog.text
    assert "a worker process ended unexpectedly on the row 9" in caplog.text


def test_workers_that_always_die_end_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST_DEATHS", 2)
    hopeless = Work(Asked, Matched, look, COLUMNS, fails)
    with pytest.raises(CandorError, match="ended unexpectedly 3 times; is memory short"):
        list(workers.spread(hopeless, chunks("jsonl", tmp_path), 2))


def test_no_more_is_read_than_is_soon_wanted(tmp_path: Path) -> None:
    read = []

    def lazily() -> object:
        for number in range(1, 30):
            read.append(number)
            line = jsonl.Line(number, b'{"question": "Capital?"}')
            yield Chunk((line,), number, "", Position(number=number))

    for taken, done in enumerate(workers.spread(WORK, lazily(), 2), 1):  # type: ignore[arg-type]
        assert done.after.number == taken
        assert len(read) <= taken + 2 * workers.AHEAD
    assert len(read) == 29
