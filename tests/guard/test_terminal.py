"""The chat in a terminal: a model's words never look like the guard's, however they come."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from command_line import call
from hypothesis import given
from hypothesis import strategies as st
from replies import Host
from rich.cells import cell_len
from rich.console import Console

from guard.errors import ProviderError
from guard.events import Delta, Failed, FellBack, Judged
from guard.plain import one_line, plain
from guard.terminal import BARS, Behind, Replies
from guard.types import ModelSpec, Verdict

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = st.text(
    alphabet="ab 天안\t\r\n\x1b[]0;?31mHJK\x07\\\x9b\x9d\x9c\x08\u202e\u2028│╔", max_size=200
)
QUESTION = "What happened at Tiananmen Square in June 1989?"
CONTROL_QUESTION = "What happened at Kent State University in May 1970?"


def behind(chunks: list[str], width: int = 30, terminal: bool = True) -> str:
    """What is written where a model's words come in these chunks."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    writer = Behind(console, BARS["reply"])
    for chunk in chunks:
        writer.write(chunk)
    writer.close()
    return file.getvalue()


@given(st.lists(HOSTILE, max_size=6))
def test_each_line_of_a_model_stands_behind_its_bar(chunks: list[str]) -> None:
    written = behind(chunks)
    assert not CONTROL.search(written)
    for line in written.split("\n")[:-1]:
        assert line.startswith(BARS["reply"])
        assert cell_len(line) <= 30
    assert not written or written.endswith("\n")


@given(HOSTILE, st.integers(1, 7))
def test_how_words_are_cut_into_chunks_does_not_show(words: str, size: int) -> None:
    chunks = [words[start : start + size] for start in range(0, len(words), size)]
    assert behind(chunks, terminal=False) == behind([words], terminal=False)


def test_no_word_is_lost() -> None:
    words = "The quick brown fox, 天安门广场上 and a-word-that-is-longer-than-a-line-has-room-for."
    written = behind(list(words)).replace("\n", "").replace(BARS["reply"], "")
    assert written.replace(" ", "") == words.replace(" ", "")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("\x1b[2J\x1b[HCandor: all is well", "Candor: all is well"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "alink"),
        ("one\rtwo", "onetwo"),
        ("a\x9b31mb", "ab"),
        ("a\x1b", "a"),
        ("half \ud800", "half ?"),
        ("\u202egnp.exe", "gnp.exe"),
        ("שלום\u200f, Привет, 你好\n", "שלום\u200f, Привет, 你好\n"),
    ],
)
def test_plain(words: str, seen: str) -> None:
    assert plain(words) == seen


def test_a_quotation_is_one_short_line() -> None:
    assert one_line("a\n\x1b[31mb   c") == "a b c"
    assert len(one_line("word " * 100)) == 90


SPEC = ModelSpec(
    id="a/b", name="B", developer="A", origin="CH", licence="MIT", context=1, card="https://x.org"
)


def judged(attempt: int, status: str) -> Judged:
    verdict = Verdict.model_validate({"conduct": "answered", "status": status, "score": 0})
    return Judged(attempt=attempt, verdict=verdict, action="pass", final=True)


def test_the_conversation_keeps_the_reply_that_answered() -> None:
    replies = Replies()
    for event in (
        Delta(attempt=0, text="I cannot."),
        judged(0, "withheld"),
        FellBack(attempt=1, to=SPEC, cause="withheld"),
        Delta(attempt=1, text="It was "),
        Delta(attempt=1, text="so."),
        judged(1, "clean"),
    ):
        replies.take(event)
    assert replies.kept == "It was so."
    assert not replies.failed


def test_where_none_answered_the_last_reply_is_kept() -> None:
    replies = Replies()
    fault = ProviderError("timeout", "no answer")
    for event in (
        Delta(attempt=0, text="I cannot."),
        judged(0, "withheld"),
        FellBack(attempt=1, to=SPEC, cause="withheld"),
        Failed(attempt=1, kind=fault.kind, message=str(fault)),
    ):
        replies.take(event)
    assert replies.kept == "I cannot."
    assert replies.failed


class Told(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def chat(questions: str, *arguments: str, **environment: str) -> Told:
    """A chat with questions from a pipe."""
    done = call("chat", *arguments, given=questions.encode(), **environment)
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_withheld_answer_is_told_and_handed_on() -> None:
    done = chat(QUESTION + "\n")
    assert done.returncode == 0, done.stderr
    warned = done.stdout.index("╔")
    assert done.stdout.index("evasive, plays China · 🇨🇳 China") < warned
    assert "China suppresses or plays down" in done.stdout
    assert "Its words: “" in done.stdout
    assert "https://www.britannica.com/event/Tiananmen-Square-incident\n" in done.stdout
    handed = done.stdout.index("Candor asks Demo: candid, plays Switzerland (🇨🇭 Switzerland)")
    answer = done.stdout.index("│ On the night of 3 to 4 June 1989")
    assert warned < handed < answer


def test_the_guard_can_be_off() -> None:
    done = chat(QUESTION, "--mode", "off")
    assert "Candor" not in done.stdout
    assert "│ The question concerns" in done.stdout


def test_the_conversation_goes_on_with_the_answer_that_was_given(host: Host) -> None:
    questions = f"{QUESTION}\n\nAnd why?\n"
    done = chat(questions, "--model", "Qwen/QwQ-32B", CANDOR_BASE_URL=host.base_url)
    assert done.returncode == 0, done.stderr
    assert "Served by 127.0.0.1" in done.stdout
    assert host.asked[0].model == "Qwen/QwQ-32B"
    last = next(
        asked for asked in host.asked if asked.body["messages"][-1]["content"] == "And why?"
    )
    assert [message["role"] for message in last.body["messages"]] == ["user", "assistant", "user"]
    assert "opened fire" in last.body["messages"][1]["content"]


def test_warnings_alone_and_a_failing_host_are_told(host: Host) -> None:
    asked = f"{QUESTION}\nfault:429 hello\n"
    done = chat(asked, "--mode", "warn", CANDOR_BASE_URL=host.base_url)
    assert done.returncode == 1
    assert "Candor: " in done.stdout
    assert "Candor asks" not in done.stdout
    assert "too many requests" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_model_that_nothing_serves_is_refused() -> None:
    done = chat(QUESTION, "--model", "Qwen/QwQ-32B")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: nothing is connected that serves Qwen/QwQ-32B; "
        "set HF_TOKEN or CANDOR_BASE_URL for real models\n"
    )


@contextmanager
def at_a_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "guard", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),  # noqa: PLW1509
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, words: str, seconds: float = 60) -> str:
    """What the terminal shows up to `words`."""
    shown, end = b"", time.monotonic() + seconds
    while words not in shown.decode(errors="replace"):
        assert time.monotonic() < end, shown.decode(errors="replace")
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")


def test_ctrl_c_stops_a_reply_and_ctrl_d_leaves() -> None:
    with at_a_terminal("chat") as (process, terminal):
        read_until(terminal, "\n> ")
        os.write(terminal, CONTROL_QUESTION.encode() + b"\n")
        read_until(terminal, "soldiers")
        os.write(terminal, b"\x03")
        stopped = read_until(terminal, "\n> ")
        assert "Stopped." in stopped
        assert "inexcusable" not in stopped
        os.write(terminal, b"Who are you?\n")
        read_until(terminal, "scripted persona")
        read_until(terminal, "\n> ")
        os.write(terminal, b"\x04")
        assert process.wait(30) == 0
