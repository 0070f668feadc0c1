"""The examples of docs/python.md and docs/langchain.md run as they stand, against a real host."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import replies

from guard.langchain import GuardedChatModel

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```\n(?:```text\n(.*?)```\n)?", re.DOTALL)
LONGEST = 18  # lines of one example


class Example(NamedTuple):
    """A block of a page, and what it prints where the page tells."""

    program: str
    printed: str


def examples(page: str) -> list[Example]:
    found = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    return [Example(program, printed) for program, printed in found]


def lines_of(program: str) -> int:
    return sum(bool(line.strip()) for line in program.splitlines())


@pytest.mark.parametrize(("page", "least"), [("python.md", 4), ("langchain.md", 6)])
def test_the_examples_of_a_page_run_in_their_order_and_print_what_it_says(
    page: str,
    least: int,
    host: replies.Host,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CANDOR_BASE_URL", host.base_url)
    monkeypatch.chdir(DOCS.parent)
    known: dict[str, Any] = {"__name__": "example"}
    for example in examples(page):
        exec(compile(example.program, page, "exec"), known)  # noqa: S102
        printed = capsys.readouterr().out
        assert printed.strip(), example.program
        assert example.printed in ("", printed)
    assert len(examples(page)) >= least


@pytest.mark.parametrize("page", ["python.md", "langchain.md"])
def test_no_example_is_long(page: str) -> None:
    assert all(lines_of(each.program) <= LONGEST for each in examples(page))


def test_the_page_names_every_argument() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", (DOCS / "langchain.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    own = {*GuardedChatModel.__annotations__} - {"model_config"}
    named = {
        field.alias or name for name, field in GuardedChatModel.model_fields.items() if name in own
    }
    assert told == named
