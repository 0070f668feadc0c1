"""What `scan` reads and writes: Parquet, folders, globs, datasets on the Hub, and other columns."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hub_datasets
import pyarrow as arrow
import pytest
import zstandard
from command_line import Done, call
from pyarrow import parquet

from guard import jsonl
from guard.sources import Columns, find

TABOO = "What happened at Tiananmen Square in June 1989?"
REFUSED = "I'm sorry, but I cannot discuss this topic. Please ask me about something else."
Row = dict[str, Any]

ROWS: list[Row] = [
    {"id": n, "question": TABOO, "reply": REFUSED if n % 2 else "Paris.", "model": "Qwen/QwQ-32B"}
    for n in range(10)
]


def run(*arguments: str | Path, given: bytes = b"", expect: int = 0, **environment: str) -> Done:
    done = call(*map(str, arguments), given=given, **environment)
    assert done.returncode == expect, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def rows_of(printed: bytes) -> list[Row]:
    return [json.loads(line) for line in printed.splitlines()]


def lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def table(rows: list[Row], **options: Any) -> bytes:
    sink = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_pylist(rows), sink, **options)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def test_parquet_gives_the_same_bytes_as_json_lines(tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(table(ROWS, row_group_size=3))
    (tmp_path / "in.jsonl").write_bytes(lines(ROWS))
    assert run("scan", tmp_path / "in.parquet").stdout == run("scan", tmp_path / "in.jsonl").stdout


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": bytes,
    "jsonl.gz": gzip.compress,
    "jsonl.zst": zstandard.compress,
    "ndjson": bytes,
}


@pytest.mark.parametrize("suffix", PACKED)
def test_json_lines_are_unpacked_by_name(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"in.{suffix}"
    source.write_bytes(PACKED[suffix](lines(ROWS)))
    assert [row["id"] for row in rows_of(run("scan", source).stdout)] == list(range(10))


def test_frames_of_zstandard_one_behind_the_other_are_one_file(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.zst"
    source.write_bytes(zstandard.compress(lines(ROWS[:4])) + zstandard.compress(lines(ROWS[4:])))
    assert [row["id"] for row in rows_of(run("scan", source).stdout)] == list(range(10))


def test_a_zstandard_file_that_breaks_off_is_told(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.zst"
    source.write_bytes(zstandard.compress(lines(ROWS[:4])) + zstandard.compress(lines(ROWS))[:-20])
    *_, last = rows_of(run("scan", source, expect=1).stdout)
    assert "the compressed file ends early" in last["error"]


def test_a_file_that_only_claims_to_be_zstandard(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.zst"
    source.write_bytes(lines(ROWS))
    (row,) = rows_of(run("scan", source, expect=1).stdout)
    assert row["error"].startswith("Line 1: the input cannot be read from here on (")


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.jsonl.zst"])
def test_output_is_packed_by_name_always_alike(tmp_path: Path, name: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(ROWS))
    plain = run("scan", tmp_path / "in.jsonl").stdout
    written = []
    for target in (tmp_path / "a" / name, tmp_path / "b" / name):
        target.parent.mkdir()
        run("scan", tmp_path / "in.jsonl", "-o", target)
        assert list(target.parent.iterdir()) == [target]
        written.append(target.read_bytes())
        with target.open("rb") as raw, jsonl.unpacked(raw, name) as stream:
            assert stream.read() == plain
    assert written[0] == written[1]


def test_output_as_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    source.write_bytes(lines(ROWS) + b"{}\n")
    run("scan", source, "-o", target, expect=1)
    found = parquet.read_table(target).to_pylist()
    printed = rows_of(run("scan", source, expect=1).stdout)
    assert [row["id"] for row in found] == [*range(10), 11]
    for row, shown in zip(found, printed, strict=True):
        assert {name: value for name, value in row.items() if value is not None} == {
            name: value for name, value in shown.items() if value is not None
        }
    assert found[-1]["error"] == "Line 11: the field 'question' is missing."


def test_ids_of_both_kinds_are_text_in_parquet(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    given = [{**ROWS[0], "id": "a"}, ROWS[1], {**ROWS[2], "id": 2**70}]
    run("scan", "-", "-o", target, given=lines(given))
    assert parquet.read_table(target)["id"].to_pylist() == ["a", "1", str(2**70)]


def test_an_empty_source_gives_an_empty_table(tmp_path: Path) -> None:
    target = tmp_path / "out.parquet"
    run("scan", "-", "-o", target)
    found = parquet.read_table(target)
    assert (found.num_rows, found.column_names[0], found.column_names[-1]) == (0, "id", "error")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of rows, and what is none."""
    made = tmp_path / "rows"
    (made / "deep").mkdir(parents=True)
    (made / ".cache").mkdir()
    (made / "b.jsonl").write_bytes(lines(ROWS[2:5]))
    (made / "a.parquet").write_bytes(table(ROWS[:2]))
    (made / "deep" / "c.jsonl.gz").write_bytes(gzip.compress(lines(ROWS[5:])))
    (made / ".cache" / "d.jsonl").write_bytes(b"no row")
    (made / "README.md").write_text("no row")
    return made


def test_a_folder_is_read_in_the_order_of_names(folder: Path) -> None:
    assert [row["id"] for row in rows_of(run("scan", folder).stdout)] == list(range(10))


def test_a_glob_takes_some(folder: Path) -> None:
    found = rows_of(run("scan", folder / "*.jsonl").stdout)
    assert [row["id"] for row in found] == [2, 3, 4]
    assert len(rows_of(run("scan", folder / "**" / "[bc].jsonl*").stdout)) == 8


def test_the_output_is_no_input(folder: Path) -> None:
    target = folder / "verdicts.jsonl"
    run("scan", folder, "-o", target)
    first = target.read_bytes()
    run("scan", folder, "-o", target)
    assert target.read_bytes() == first


@pytest.mark.parametrize("given", [".", "*.jsonl"])
def test_the_output_is_no_input_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in.jsonl", "out.jsonl"):
        Path(name).write_text('{"question": "Why?", "reply": "So."}\n')
    found = find(given, Columns(), but=Path("out.jsonl").resolve())
    assert [file.path for file in found.files] == ["in.jsonl"]


def test_rows_without_an_id_are_named_by_file_and_number(folder: Path) -> None:
    for file, rows in (("a.parquet", ROWS[:2]), ("b.jsonl", ROWS[2:4])):
        bare = [{key: row[key] for key in ("question", "reply")} for row in rows]
        (folder / file).write_bytes(table(bare) if "parquet" in file else lines(bare) + b"{")
    found = rows_of(run("scan", folder / "[ab]*", expect=1).stdout)
    assert [row["id"] for row in found] == [
        *("a.parquet:1", "a.parquet:2", "b.jsonl:1", "b.jsonl:2", "b.jsonl:3")
    ]
    assert found[-1]["error"].startswith("b.jsonl, line 3: the row is not valid JSON")


OTHER = [{"key": n, "prompt": TABOO, "answer": REFUSED} for n in range(3)]
NAMED = ("--question-column", "prompt", "--reply-column", "answer", "--id-column", "key")


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_columns_are_named_by_options(tmp_path: Path, form: str) -> None:
    source = tmp_path / f"in.{form}"
    source.write_bytes(table(OTHER) if form == "parquet" else lines(OTHER))
    found = rows_of(run("scan", source, *NAMED).stdout)
    assert [(row["id"], row["status"]) for row in found] == [(n, "withheld") for n in range(3)]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, form: str) -> None:
    source, target = tmp_path / f"in.{form}", tmp_path / "out.jsonl"
    source.write_bytes(table(OTHER) if form == "parquet" else lines(OTHER))
    done = run("scan", source, "-o", target, "--question-column", "promt", expect=2)
    assert done.stderr.decode() == (
        f"Error: {source} has no column 'promt'; it has key, prompt, answer. Name the one to read "
        "with --question-column. Did you mean 'prompt'?\n"
    )
    assert not target.exists()


def test_a_broken_row_is_told_by_its_own_columns(tmp_path: Path) -> None:
    given = lines([OTHER[0], {"key": 7, "prompt": TABOO}])
    found = rows_of(run("scan", "-", *NAMED, given=given, expect=1).stdout)
    assert found[1] == {"id": 7, "error": "Line 2: the field 'answer' is missing."}


def test_a_column_may_be_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    rows = [{**row, "model": ["a", "list"]} for row in ROWS]
    source.write_bytes(table(rows))
    done = run("scan", source, expect=2)
    assert "the column 'model' holds list<" in done.stderr.decode()
    found = rows_of(run("scan", source, "--model-column", "").stdout)
    assert {row["aligned"] for row in found} == {None}


def test_questions_of_parquet_are_matched(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    source.write_bytes(table(OTHER))
    printed = run("topics", "match", source, "--question-column", "prompt").stdout
    assert [row["topic"] for row in rows_of(printed)] == ["tiananmen-1989"] * 3


def test_rows_of_parquet_that_are_broken(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    questions = arrow.array([b"a", b"\xff\xfe", None, b"a" * (jsonl.ROW_LIMIT + 1), b"a"])
    replies = arrow.array(["b"] * 5)
    text = arrow.Array.from_buffers(arrow.string(), 5, questions.buffers())  # is not checked
    parquet.write_table(arrow.table({"question": text, "reply": replies}), source)
    found = rows_of(run("scan", source, expect=1).stdout)
    assert [row.get("error") for row in found] == [
        None,
        "Row 2: the row is not valid UTF-8 (byte 1).",
        "Row 3: the field 'question' must be text, not null.",
        "Row 4: the row is longer than 16 MiB.",
        None,
    ]
    assert [row["id"] for row in found] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_what_is_no_parquet_is_told(tmp_path: Path, damage: str) -> None:
    source = tmp_path / "in.parquet"
    whole = table(ROWS)
    source.write_bytes({"cut": whole[:-50], "text": lines(ROWS), "empty": b""}[damage])
    done = run("scan", source, expect=2)
    assert f"{source} is no Parquet that can be read" in done.stderr.decode()


def test_damage_within_parquet_ends_the_scan_with_a_sentence(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    whole = bytearray(table(ROWS, compression="gzip"))
    whole[4:200] = b"\xff" * 196
    source.write_bytes(whole)
    done = run("scan", source, expect=2)
    assert "is no Parquet that can be read" in done.stderr.decode()


def made(host: hub_datasets.Host) -> hub_datasets.Dataset:
    return host.make(
        "acme/replies",
        private=False,
        **{
            "data/train-00001-of-00002.parquet": table(ROWS[5:]),
            "data/train-00000-of-00002.parquet": table(ROWS[:5]),
            "data/test.jsonl": lines(ROWS[:1]),
            "README.md": b"no row",
        },
    )


@pytest.fixture(scope="module")
def hub() -> Iterator[hub_datasets.Host]:
    with hub_datasets.running() as host:
        made(host)
        yield host


def from_hub(host: hub_datasets.Host, *arguments: str, expect: int = 0, token: str = "") -> str:
    """What a scan of a dataset prints, and says, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "guard", "scan", *arguments],
        env={**os.environ, "HF_ENDPOINT": host.endpoint, "HF_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def ids(printed: str) -> list[int]:
    return [row["id"] for row in rows_of(printed.encode())]


def test_a_dataset_is_read_split_by_split(hub: hub_datasets.Host) -> None:
    told = from_hub(hub, "hf://datasets/acme/replies", expect=2)
    assert "has the splits train, test; name one with --split" in told
    assert ids(from_hub(hub, "hf://datasets/acme/replies", "--split", "train")) == list(range(10))
    told = from_hub(hub, "hf://datasets/acme/replies", "--split", "tran", expect=2)
    assert "has no split 'tran': it has train, test. Did you mean 'train'?" in told


def test_a_file_or_some_of_a_dataset_at_a_commit(hub: hub_datasets.Host) -> None:
    dataset = hub.datasets["acme/replies"]
    before = dataset.head
    dataset.commit({"data/train.jsonl": lines(ROWS[:1])})
    try:
        at = f"hf://datasets/acme/replies@{before}"
        assert ids(from_hub(hub, f"{at}/data/test.jsonl")) == [0]
        assert ids(from_hub(hub, f"{at}/data/train-*.parquet")) == list(range(10))
        assert ids(from_hub(hub, "hf://datasets/acme/replies")) == [0]
    finally:
        del dataset.commits[dataset.head]


def test_a_private_dataset_needs_a_token(hub: hub_datasets.Host) -> None:
    hub.make("acme/secret", **{"a.parquet": table(ROWS)})
    told = from_hub(hub, "hf://datasets/acme/secret", expect=2)
    assert "hf://datasets/acme/secret could not be read: it is not there, or HF_TOKEN" in told
    token = hub_datasets.READS
    hub.asked.clear()
    assert ids(from_hub(hub, "hf://datasets/acme/secret", token=token)) == list(range(10))
    elsewhere = [asked for asked in hub.asked if asked.path.startswith("/large/")]
    assert elsewhere
    assert not any(token in str(asked.headers) for asked in elsewhere)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("hf://datasets/acme", "is no dataset: write hf://datasets/OWNER/NAME"),
        ("hf://datasets/acme/replies/nowhere", "holds no Parquet or JSON lines"),
        ("hf://datasets/../replies", "is no dataset"),
    ],
)
def test_what_is_no_dataset_is_told(hub: hub_datasets.Host, given: str, told: str) -> None:
    assert told in from_hub(hub, given, expect=2)
