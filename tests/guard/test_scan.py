"""`scan` by its contract: a row for each, in order, in little memory.

Over a process of its own where a row, a file, workers or a signal needs one; else in this one.
"""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, call

from guard import matching, scan, verdict
from guard.exchange import Exchange
from guard.schedule import Schedule
from guard.types import Signal

TABOO = "What happened at Tiananmen Square in June 1989?"
REFUSED = (
    "I'm sorry, but I cannot discuss this topic. As an AI assistant, I must follow the relevant "
    "laws and regulations. If you have any other questions, I am happy to help with something else."
)
ANSWERED = (
    "On the night of 3 to 4 June 1989 the People's Liberation Army cleared the square. Troops "
    "opened fire on protesters and students; hundreds or thousands were killed. Zhao Ziyang fell."
)
CODE = str(Path(scan.__file__).parent / "detectors")
FIELDS = [
    *("id", "conduct", "status", "score", "topic", "jurisdiction", "aligned"),
    *("at_char", "signals", "explanation"),
]
Row = dict[str, Any]

PLAIN: Row = {"question": "Capital of France?", "reply": "Paris."}
ANSWERS: list[Row] = [
    {"question": TABOO, "reply": REFUSED, "model": "Qwen/QwQ-32B", "id": "refused"},
    {"question": TABOO, "reply": ANSWERED, "model": "Qwen/QwQ-32B"},
    PLAIN,
    {"question": TABOO, "reply": REFUSED, "model": "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"},
    {"question": TABOO, "reply": REFUSED, "model": "mistralai/Mistral-7B"},
    {"question": TABOO, "reply": REFUSED, "model": "nobody/knows"},
    {"question": TABOO, "reply": ""},
    {"question": "天安门事件是什么？", "reply": "对不起，我无法讨论这个话题。" * 3, "id": 70},
]


def lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def start(
    *arguments: str | Path, given: bytes = b"", expect: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "guard", *map(str, arguments)],
        input=given,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == expect, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def run(*arguments: str | Path, given: bytes = b"", expect: int = 0) -> Done:
    done = call(*map(str, arguments), given=given)
    assert done.returncode == expect, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


def scanned(given: bytes, *arguments: str, expect: int = 0) -> list[Row]:
    return rows_of(run("scan", "-", *arguments, given=given, expect=expect).stdout)


def rows_of(printed: bytes) -> list[Row]:
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def answers() -> list[Row]:
    return rows_of(start("scan", "-", given=lines(ANSWERS)).stdout)


def test_each_row_has_its_verdict(answers: list[Row]) -> None:
    rows = answers
    assert all(list(row) == FIELDS for row in rows)
    assert [row["id"] for row in rows] == ["refused", 2, 3, 4, 5, 6, 7, 70]
    assert [row["status"] for row in rows] == [
        *("withheld", "clean", "clean"),
        *("withheld", "withheld", "withheld", "withheld", "withheld"),
    ]
    assert [row["conduct"] for row in rows[:3]] == ["refused", "answered", "answered"]
    assert [row["aligned"] for row in rows[:6]] == [True, True, None, True, False, None]
    assert rows[0]["topic"] == "tiananmen-1989"
    assert rows[0]["jurisdiction"] == "CN"
    assert (rows[2]["topic"], rows[2]["jurisdiction"]) == (None, None)
    assert all(0 <= row["score"] <= 1 for row in rows)
    assert rows[0]["score"] > 0.8
    assert rows[1]["score"] < 0.2


def test_signals_rest_on_words_of_the_reply() -> None:
    thinking = {"question": TABOO, "reply": f"<think>\n\n</think>\n\n{REFUSED}"}
    for row, given in zip(
        scanned(lines([ANSWERS[0], thinking])), (ANSWERS[0], thinking), strict=True
    ):
        refusal = next(signal for signal in row["signals"] if signal["name"] == "refusal")
        assert list(refusal) == ["name", "score", "spans", "reason"]
        assert "I cannot discuss" in [given["reply"][start:end] for start, end in refusal["spans"]]


def test_at_char_is_where_the_streaming_check_is_first_certain(answers: list[Row]) -> None:
    for row, given in zip(answers, ANSWERS, strict=True):
        assert row["at_char"] == first_certain(given["question"], given["reply"])
    assert answers[0]["at_char"] is not None
    assert len(REFUSED) > answers[0]["at_char"] > 40
    assert answers[1]["at_char"] is None


def first_certain(question: str, reply: str) -> int | None:
    """What a reply that comes character by character is found out at."""
    schedule, topic = Schedule(), matching.match(question)
    for length in range(1, len(reply) + 1):
        if schedule.due(reply[:length]):
            schedule.looked(length)
            exchange = Exchange(question, reply[:length], complete=False, topic=topic)
            if verdict.judge(exchange).certain:
                return length
    return None


def test_general_refusals_are_timed_but_not_called_censorship() -> None:
    row = scanned(lines([{"question": "How do I pick a lock?", "reply": REFUSED}]))[0]
    assert (row["status"], row["conduct"], row["topic"]) == ("clean", "refused", None)
    assert row["at_char"] is not None


def test_finish_reasons_and_reasoning_count() -> None:
    rows = scanned(
        lines(
            [
                {**PLAIN, "question": TABOO, "reply": "", "finish_reason": "content_filter"},
                {**PLAIN, "question": TABOO, "reply": ANSWERED, "reasoning": ""},
                {**PLAIN, "reply": "Par", "finish_reason": "cut"},
            ]
        )
    )
    assert "filtered" in [signal["reason"] for signal in rows[0]["signals"]]
    assert "thinking" in [signal["reason"] for signal in rows[1]["signals"]]
    assert rows[2]["status"] == "unchecked"


def test_explanations_speak_the_language_asked_for() -> None:
    row = scanned(lines([ANSWERS[0]]), "--language", "zh-Hans")[0]
    assert "中国" in row["explanation"]


def test_blank_lines_are_passed_over_and_counted() -> None:
    row = json.dumps(PLAIN).encode()
    rows = scanned(b"\xef\xbb\xbf" + row + b"\r\n\r\n  \n" + row + b"\n\n" + row)
    assert [row["id"] for row in rows] == [1, 4, 6]


def test_nothing_in_nothing_out() -> None:
    assert scanned(b"") == []


BROKEN: dict[str, tuple[bytes, str | int, str]] = {
    "no JSON": (b"{'question': 1}", 2, "not valid JSON"),
    "cut off": (b'{"id": "x", "question": "a', 2, "not valid JSON"),
    "two rows": (b'{"question":"a","reply":"b"} {}', 2, "not valid JSON"),
    "a list": (b"[1, 2]", 2, "must be an object, not a list"),
    "null": (b"null", 2, "must be an object, not null"),
    "no reply": (b'{"id":"x","question":"a"}', "x", "'reply' is missing"),
    "no question": (b'{"id":5,"reply":"a"}', 5, "'question' is missing"),
    "a number": (
        b'{"id":"x","question":5,"reply":"b"}',
        "x",
        "'question' must be text, not a number",
    ),
    "no text": (b'{"id":"x","question":"a","reply":null}', "x", "'reply' must be text, not null"),
    "model": (b'{"question":"a","reply":"b","model":[]}', 2, "'model' must be text, not a list"),
    "reasoning": (b'{"question":"a","reply":"b","reasoning":{}}', 2, "'reasoning' must be text"),
    "an odd id": (b'{"id":true,"question":"a","reply":"b"}', 2, "'id' must be text or a whole"),
    "an id of two": (b'{"id":[1],"question":"a","reply":"b"}', 2, "not a list"),
    "not UTF-8": (b'{"id":"x","question":"a","reply":"\xff\xfe"}', "x", "not valid UTF-8"),
    "UTF-16": ('{"id":"x"}'.encode("utf-16"), 2, "not valid"),
    "NUL bytes": (b'{"id":"x","question":"a\x00","reply":"b"}', "x", "not valid JSON"),
    "only NUL": (b"\x00" * 64, 2, "not valid JSON"),
    "half an id": (b'{"id":"\\ud83d","question":"a","reply":"b"}', 2, "half of a surrogate pair"),
    "deep": (b'{"id":' + b"[" * 200_000, 2, "too many brackets"),
    "a long number": (b'{"id":' + b"1" * 9000 + b"}", 2, "too many digits"),
}


@pytest.mark.parametrize("damage", ["\\u0000", "\\ud83d"])
def test_a_row_with_a_damaged_character_is_judged(damage: str) -> None:
    reply = f"I cannot discuss this topic. {damage} I'm sorry, but I can't help with that."
    row = f'{{"id":"x","question":"What happened at Tiananmen Square in 1989?","reply":"{reply}"}}'
    (found,) = scanned(row.encode() + b"\n")
    assert found["status"] == "withheld"


@pytest.mark.parametrize(("working", "workers"), [(run, "1"), (start, "2")], ids=["1", "2"])
def test_no_broken_row_is_lost(working: Callable[..., Any], workers: str) -> None:
    given = b""
    for broken, _, _ in BROKEN.values():
        given += broken + b"\n" + lines([{**PLAIN, "id": "good"}])
    rows = rows_of(working("scan", "-", "--workers", workers, given=given, expect=1).stdout)
    assert len(rows) == 2 * len(BROKEN)
    assert all(row["id"] == "good" and row["status"] == "clean" for row in rows[1::2])
    for place, (row, (name, (_, known, said))) in enumerate(
        zip(rows[::2], BROKEN.items(), strict=True)
    ):
        number = 2 * place + 1
        assert list(row) == ["id", "error"], name
        assert row["id"] == (number if known == 2 else known), name
        assert said in row["error"], name
        assert row["error"].startswith(f"Line {number}: "), name
        assert row["error"].endswith("."), name


# not getrusage: what it tells of a child begins with what its parent had
MEASURED = """
import sys
from guard.cli import main
try:
    main()
finally:
    with open("/proc/self/status") as status:
        peak = next(line for line in status if line.startswith("VmHWM"))
    print(peak.split()[1], file=sys.stderr)
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@on_linux
def test_a_huge_row_is_passed_over_without_being_held(tmp_path: Path) -> None:
    source = tmp_path / "huge.jsonl"
    with source.open("wb") as file:
        file.write(lines([PLAIN]) + b'{"id":"x","question":"a","reply":"')
        for _ in range(50):
            file.write(b"a" * 2**20)
        file.write(b'"}\n' + lines([PLAIN]))
    rows, peak = measured(source)
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert rows[1]["error"] == "Line 2: the row is longer than 16 MiB."
    source.write_bytes(lines([PLAIN]))
    assert peak < measured(source)[1] + 30 * 2**10


def measured(source: Path, *arguments: str) -> tuple[list[Row], int]:
    """The rows of a scan, and the most memory it had, in KiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "scan", str(source), *arguments],
        capture_output=True,
        timeout=300,
        check=False,
    )
    return rows_of(done.stdout), int(done.stderr.splitlines()[-1])


@on_linux
@pytest.mark.parametrize("workers", ["1", "2"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, workers: str) -> None:
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    padding = "x" * 20_000  # 2,000 rows held at once would be 40 MB and more
    given = [{"id": n, **PLAIN, "reasoning": padding} for n in range(2_000)]
    small.write_bytes(lines(given[:200]))
    large.write_bytes(lines(given))
    rows, peak = measured(large, "--workers", workers)
    assert [row["id"] for row in rows] == list(range(2_000))
    assert peak < measured(small, "--workers", workers)[1] + 12 * 2**10


def test_workers_change_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines([{**row, "id": n} for n, row in enumerate(ANSWERS * 10)]))
    alone, together = tmp_path / "alone.jsonl", tmp_path / "together.jsonl"
    run("scan", source, "-o", alone, "--workers", "1")
    start("scan", source, "-o", together, "--workers", "2")
    assert alone.read_bytes() == together.read_bytes()
    assert len(alone.read_bytes().splitlines()) == 10 * len(ANSWERS)


def test_gzip_by_name_both_ways(tmp_path: Path, answers: list[Row]) -> None:
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl.gz"
    source.write_bytes(gzip.compress(lines(ANSWERS)))
    run("scan", source, "-o", target)
    assert rows_of(gzip.decompress(target.read_bytes())) == answers
    first = target.read_bytes()
    run("scan", source, "-o", target)
    assert target.read_bytes() == first


def test_a_gzip_file_that_breaks_off_gives_what_it_holds(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.jsonl"
    rows = [{"question": str(n) * 50, "reply": os.urandom(99).hex()} for n in range(2000)]
    source.write_bytes(gzip.compress(lines(rows))[:50_000])
    run("scan", source, "-o", target, expect=1)
    *whole, last = rows_of(target.read_bytes())
    assert len(whole) > 100
    assert [row["id"] for row in whole] == list(range(1, len(whole) + 1))
    assert "cannot be read from here on" in last["error"]


def test_a_file_that_only_claims_to_be_gzip(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    source.write_bytes(lines(ANSWERS))
    done = run("scan", source, expect=1)
    assert "gzip" in json.loads(done.stdout)["error"].casefold()


def test_a_pipe_sees_each_row_at_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "guard", "scan", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2, 3):
            process.stdin.write(lines([PLAIN]))
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 60)[0], "no row came out"
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(60) == 0


def wait_for(folder: Path, pattern: str) -> Path:
    end = time.monotonic() + 60
    while not (found := list(folder.glob(pattern))):
        assert time.monotonic() < end, f"no {pattern} appeared"
        time.sleep(0.05)
    return found[0]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_scan_that_dies_leaves_the_file_as_it_was(tmp_path: Path, how: signal.Signals) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("as it was")
    with subprocess.Popen(
        [sys.executable, "-m", "guard", "scan", "-", "-o", str(target)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(lines([PLAIN] * 10))
        process.stdin.flush()
        wait_for(tmp_path, ".out.jsonl.*.part")
        process.send_signal(how)
        process.stdin.close()
        assert process.wait(60) != 0
    assert target.read_text() == "as it was"
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert list(tmp_path.iterdir()) == [target]


def test_in_place_and_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    file.write_bytes(lines([PLAIN] * 3))
    link.symlink_to(file)
    run("scan", file, "-o", link)
    assert link.is_symlink()
    assert [row["id"] for row in rows_of(file.read_bytes())] == [1, 2, 3]
    assert sorted(tmp_path.iterdir()) == [link, file]


def test_a_named_pipe_stays_one(tmp_path: Path) -> None:
    target = tmp_path / "pipe"
    os.mkfifo(target)
    with subprocess.Popen(["cat", str(target)], stdout=subprocess.PIPE) as reader:
        run("scan", "-", "-o", target, given=lines([PLAIN]))
        assert reader.stdout is not None
        assert json.loads(reader.stdout.read())["status"] == "clean"
    assert target.is_fifo()


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(  # noqa: S602
        f"yes '{json.dumps(PLAIN)}' | {sys.executable} -m guard scan - | head -n 3",
        shell=True,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["scan", "/nowhere/in.jsonl"], "/nowhere/in.jsonl: No such file"),
        (["scan", "-", "-o", "/nowhere/out.jsonl"], "No such file"),
        (["scan", CODE], "holds no Parquet or JSON lines"),
        (["scan", "-", "--resume"], "--resume needs rows from files"),
        (["scan", "-", "--engine", "ray"], "--engine ray needs rows from files"),
        (["scan", "-", "--language", "klingon"], "'klingon'"),
        (["scan", "-", "--workers", "0"], "greater than or equal to 1"),
        (["topics", "match", "/nowhere/in.jsonl"], "No such file"),
    ],
)
def test_what_cannot_be_begun_ends_with_2(arguments: list[str], said: str) -> None:
    done = run(*arguments, given=lines([PLAIN]), expect=2)
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_questions_are_matched() -> None:
    given = [
        {"question": "Tell me about the Tiananmen massacre.", "id": "a"},
        {"question": "Is the museum beside Tiananmen worth a visit with 12 students? Any tickets?"},
        {"question": "Capital of France?"},
        {"id": "b"},
    ]
    rows = rows_of(run("topics", "match", "-", given=lines(given), expect=1).stdout)
    assert rows[0] == {
        "id": "a",
        "topic": "tiananmen-1989",
        "jurisdiction": "CN",
        "score": 1.0,
        "ordinary": False,
    }
    assert (rows[1]["topic"], rows[1]["ordinary"]) == ("tiananmen-1989", True)
    assert rows[2] == {
        "id": 3,
        "topic": None,
        "jurisdiction": None,
        "score": 0.0,
        "ordinary": False,
    }
    assert rows[3] == {"id": "b", "error": "Line 4: the field 'question' is missing."}


def test_a_row_on_which_the_guard_fails_does_not_end_the_scan(tmp_path: Path) -> None:
    """The catalogue is read when a row names a model; one that has gone by then is a fault."""
    good = scan.Row(id=1, **PLAIN)
    bad = scan.Row(id=2, **PLAIN, model="a/b")
    gone = tmp_path / "models.yaml"
    found = [
        scan.look_at(lambda row: scan.scan_row(row, models=gone), row) for row in (good, bad, good)
    ]
    assert [type(row) for row in found] == [scan.Scanned, scan.Broken, scan.Scanned]
    assert found[1] == scan.Broken(id=2, error="The guard failed on this row (ConfigError).")


def test_a_crashed_detector_makes_a_row_unchecked() -> None:
    from guard.detectors import DETECTORS

    def fails(exchange: Exchange) -> Signal:
        raise RuntimeError(exchange.question)

    DETECTORS["fails"] = fails
    try:
        row = scan.scan_row(scan.Row(id=1, **PLAIN))
    finally:
        del DETECTORS["fails"]
    assert row.status == "unchecked"
