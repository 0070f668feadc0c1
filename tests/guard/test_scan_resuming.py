"""A scan that is killed goes on: no row twice, none lost, none by halves, whenever it happens."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pytest
from command_line import call
from killing import killed_at
from pyarrow import parquet

from guard.checkpoint import Checkpoint, Journal
from guard.sources import CHUNK_ROWS

ROWS = 2 * CHUNK_ROWS + 50
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")


def rows(count: int = ROWS, reply: str = "Paris.") -> list[dict[str, Any]]:
    return [{"id": n, "question": f"Capital {n}?", "reply": reply} for n in range(count)]


def lines(given: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in given)


def jsonl_in(folder: Path) -> Path:
    source = folder / "in.jsonl"
    source.write_bytes(lines(rows()))
    return source


def packed_in(folder: Path) -> Path:
    source = folder / "in.jsonl.gz"
    source.write_bytes(gzip.compress(lines(rows())))
    return source


def parquet_in(folder: Path) -> Path:
    source = folder / "in.parquet"
    parquet.write_table(arrow.Table.from_pylist(rows()), source, row_group_size=CHUNK_ROWS + 9)
    return source


def folder_in(folder: Path) -> Path:
    source = folder / "in"
    source.mkdir()
    (source / "a.jsonl").write_bytes(lines(rows()[:300]))
    (source / "b.jsonl").write_bytes(b"")
    parquet.write_table(arrow.Table.from_pylist(rows()[300:]), source / "c.parquet")
    return source


def scan(*arguments: str | Path, expect: int = 0) -> str:
    """What a scan says on standard error."""
    done = call("scan", *map(str, arguments))
    assert done.returncode == expect, done.stderr.decode()
    return done.stderr.decode()


@on_linux
@pytest.mark.parametrize(
    ("source_in", "name"),
    [
        (jsonl_in, "out.jsonl"),
        (parquet_in, "out.parquet"),
    ],
    ids=["jsonl", "parquet"],
)
def test_killed_before_any_step_it_goes_on_to_the_same_bytes(
    tmp_path: Path, source_in: Callable[[Path], Path], name: str
) -> None:
    source, target = source_in(tmp_path), tmp_path / name
    scan(source, "-o", target)
    whole = target.read_bytes()
    target.unlink()
    moment = 0
    while killed_at(moment := moment + 1, source, "-o", target):
        if not Journal(target).place.exists():
            assert moment <= FIRST or target.read_bytes() == whole
        else:
            scan(source, "-o", target, "--resume")
        if target.exists():
            assert target.read_bytes() == whole, f"killed before step {moment}"
            target.unlink()
        for left in tmp_path.glob(".out*"):
            left.unlink()
    assert moment > 10  # so many steps there are at least
    assert target.read_bytes() == whole


@on_linux
@pytest.mark.parametrize("source_in", [packed_in, folder_in], ids=["gz", "folder"])
def test_it_goes_on_within_packed_files_and_folders(
    tmp_path: Path, source_in: Callable[[Path], Path]
) -> None:
    source, target = source_in(tmp_path), tmp_path / "out.jsonl.gz"
    assert killed_at(13, source, "-o", target)
    scan(source, "-o", target, "--resume")
    whole = tmp_path / "whole.jsonl.gz"
    scan(source, "-o", whole)
    assert target.read_bytes() == whole.read_bytes()


FIRST = 5  # steps, with which the first checkpoint is there


@on_linux
def test_killed_again_and_again_each_row_is_judged_once(tmp_path: Path) -> None:
    source, target = jsonl_in(tmp_path), tmp_path / "out.jsonl"
    scan(source, "-o", tmp_path / "whole.jsonl")
    more = ("--resume",)
    kills = 0
    while killed_at(10 + kills, source, "-o", target, *more):
        kills += 1
        assert kills < 20
    assert kills >= 2
    assert target.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def checkpoints(target: Path) -> Iterator[Checkpoint]:
    """The checkpoints of a scan as they come."""
    place, end = Journal(target).place, time.monotonic() + 120
    last = None
    while time.monotonic() < end:
        if place.exists() and (found := Journal(target).found()) != last and found:
            yield found
            last = found
        time.sleep(0.02)
    raise AssertionError("no further checkpoint came")


def children_of(process: int) -> set[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return {int(child) for child in listed.split()}


@on_linux
def test_workers_end_with_a_killed_parent_and_others_go_on(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(rows(8 * CHUNK_ROWS, "Paris is the capital of France. " * 20)))
    command = [sys.executable, "-m", "guard", "scan", source, "-o", target, "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        found = next(each for each in checkpoints(target) if each.rows)
        children = children_of(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert not target.exists()
    assert children
    end = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)
    subprocess.run([*command, "--resume"], check=True, timeout=300)
    ids = [json.loads(line)["id"] for line in target.read_bytes().splitlines()]
    assert ids == list(range(8 * CHUNK_ROWS))
    assert found.rows < len(ids)


@pytest.fixture
def broken_off(tmp_path: Path) -> Path:
    """The source of a scan to `out.jsonl` that was killed within the second chunk."""
    source = jsonl_in(tmp_path)
    assert killed_at(13, source, "-o", tmp_path / "out.jsonl")
    found = Journal(tmp_path / "out.jsonl").found()
    assert found
    assert found.rows == CHUNK_ROWS
    return source


def refused(source: Path, *more: str | Path) -> str:
    target = source.parent / "out.jsonl"
    before = {path: path.read_bytes() for path in source.parent.glob(".out*")}
    told = scan(source, "-o", target, *more, expect=2)
    assert {path: path.read_bytes() for path in source.parent.glob(".out*")} == before
    assert not target.exists()
    return told


@on_linux
def test_a_scan_that_broke_off_is_not_begun_anew_unasked(broken_off: Path) -> None:
    told = refused(broken_off)
    assert f"broke off after {CHUNK_ROWS} rows: --resume goes on with it" in told
    Journal(broken_off.parent / "out.jsonl").place.unlink()
    scan(broken_off, "-o", broken_off.parent / "out.jsonl")


@on_linux
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("input", "begun with other input;"),
        ("language", "begun with other options;"),
        ("column", "begun with other options;"),
        ("models", "begun with other models;"),
        ("both", "begun with other input and options;"),
    ],
)
def test_what_changed_is_told(
    broken_off: Path, change: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more: tuple[str, ...] = ("--resume",)
    if change in ("input", "both"):
        broken_off.write_bytes(broken_off.read_bytes() + b"\n")
    if change in ("language", "both"):
        more += ("--language", "de")
    if change == "column":
        more += ("--id-column", "question")
    if change == "models":
        other = broken_off.parent / "models.yaml"
        other.write_bytes(Path("models.yaml").read_bytes() + b"\n")
        monkeypatch.setenv("CANDOR_MODELS", str(other))
    assert named in refused(broken_off, *more)


@on_linux
@pytest.mark.parametrize("name", ["packs", "weights", "phrases", "code"])
def test_other_packs_weights_or_code_are_told(broken_off: Path, name: str) -> None:
    """As if the scan had been begun by a guard with others."""
    place = Journal(broken_off.parent / "out.jsonl").place
    kept = json.loads(place.read_bytes())
    kept["made"][name] = "another"
    place.write_text(json.dumps(kept))
    assert f"begun with other {name};" in refused(broken_off, "--resume")


@on_linux
def test_a_checkpoint_that_is_damaged_is_told(broken_off: Path) -> None:
    journal = Journal(broken_off.parent / "out.jsonl")
    kept = journal.place.read_bytes()
    journal.place.write_bytes(kept[:-9])
    assert f"{journal.place} cannot be read; delete it" in refused(broken_off, "--resume")
    journal.place.write_bytes(kept)
    journal.rows.write_bytes(b"")
    assert "lacks rows that it had" in refused(broken_off, "--resume")


def test_resuming_begins_where_nothing_is_and_refuses_what_has_ended(tmp_path: Path) -> None:
    source, target = jsonl_in(tmp_path), tmp_path / "out.jsonl"
    scan(source, "-o", target, "--resume")
    whole = target.read_bytes()
    told = scan(source, "-o", target, "--resume", expect=2)
    assert "no scan of it broke off; leave --resume out to scan anew" in told
    assert target.read_bytes() == whole
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_two_scans_cannot_write_to_one_file(tmp_path: Path) -> None:
    source, target = jsonl_in(tmp_path), tmp_path / "out.jsonl"
    with Journal(target).opened({}, resume=False):
        assert "another scan is writing" in scan(source, "-o", target, expect=2)
        assert "another scan is writing" in scan(source, "-o", target, "--resume", expect=2)


def test_ctrl_c_keeps_what_there_is_and_says_so(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(lines(rows(8 * CHUNK_ROWS, "Paris is the capital of France. " * 20)))
    command = [sys.executable, "-m", "guard", "scan", source, "-o", target, "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        next(each for each in checkpoints(target) if each.rows)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    kept = Journal(target).found()
    assert kept
    assert f"{kept.rows} rows are kept; the same command with --resume goes on" in told.decode()
