"""Markdown that grows: a page that is told only what changes shows what the whole text shows."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.growing import GrowingText, Growth
from chat.markdown import blocks
from guard.types import Span

TEXT = (
    "# A title\n\nA first *paragraph*, with `code` and **bold words**.\nA second line, plain.\n\n"
    "- one item\n- another, longer one\n  - below it\n\n1. first\n2. second\n\n> a “quotation”\n\n"
    "```python\ndef f(n):\n    return n + 1  # <b>\n```\n\n| a | b |\n|---|---|\n| c | d e |\n\n"
    "Maths: $x + y$, and 3 < 4 &amp; more. 中文也行，没问题。\n\nThe last words"
)
SIGNS = st.sampled_from(
    "foo¦ bar¦baz.¦ ¦  ¦\n¦\n\n¦*¦**¦_¦`¦```¦~~~¦# ¦- ¦1. ¦1¦.¦> ¦--¦[¦]¦(¦)¦<¦&amp¦;¦$¦\\(¦\\)¦!¦="
    "¦\t¦, ¦ a_b¦ https://x¦é¦中文¦。¦?¦'¦\"¦\n- ¦\n  ¦    ¦</p>¦<b>¦+ ¦:¦\n```py\n¦\n~~~\n¦|¦\n"
    "|--|\n".split("¦")
)


class Page:
    """What a browser shows: blocks, and words put behind the last text that is there."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    def take(self, change: Growth | None) -> None:
        if change is None:
            return
        if change.words:
            self.blocks[-1] = behind_the_last_text(self.blocks[-1], change.words)
        else:
            self.blocks[change.start :] = change.blocks


def behind_the_last_text(block: str, words: str) -> str:
    """As `grow` in candor.js puts them there."""
    pieces = re.split(r"(<[^>]*>)", block)
    last = max(n for n, piece in enumerate(pieces) if not piece.startswith("<") and piece.strip())
    pieces[last] = pieces[last].rstrip("\n") + html.escape(words, quote=False)
    return "".join(pieces)


def shown_as(found: Sequence[str]) -> list[str]:
    """Blocks without what may differ until a line of code has ended: colours, and blanks."""
    plain = [re.sub(r"</?span[^>]*>", "", one) if one.startswith("<pre") else one for one in found]
    return [re.sub(r"\s*(</code></pre>)\s*", r"\1", one) for one in plain]


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_what_streams_shows_what_the_whole_does_at_every_step(step: int) -> None:
    growing, page, words = GrowingText(), Page(), 0
    for end in range(step, len(TEXT) + step, step):
        change = growing.grow(TEXT[:end])
        words += bool(change and change.words)
        page.take(change)
        assert shown_as(page.blocks) == shown_as(blocks(TEXT[:end]))
    assert words > 60 / step


@settings(max_examples=300, deadline=None)
@given(st.lists(SIGNS, max_size=14))
def test_whatever_comes_nothing_else_is_shown(pieces: list[str]) -> None:
    growing, page, source = GrowingText(), Page(), ""
    for piece in pieces:
        source += piece
        page.take(growing.grow(source))
        if "]:" not in source:  # a link's definition does not reach settled blocks
            assert shown_as(page.blocks) == shown_as(blocks(source))


def test_of_plain_words_nothing_is_sent_twice() -> None:
    growing = GrowingText()
    growing.grow("A paragraph.\n\nAnother one, with *some*")
    assert growing.grow("A paragraph.\n\nAnother one, with *some* w") == Growth(
        start=1, blocks=["<p>Another one, with <em>some</em> w</p>\n"]
    )
    assert growing.grow("A paragraph.\n\nAnother one, with *some* words ") == Growth(words="ords")
    assert growing.grow("A paragraph.\n\nAnother one, with *some* words in") == Growth(words=" in")


@pytest.mark.parametrize("added", ["<b>", "*", "\n", "](https://x)", "`", "&", "$", "|", "\\", "_"])
def test_what_may_mean_something_is_never_mere_words(added: str) -> None:
    growing = GrowingText()
    growing.grow("Some words")
    change = growing.grow(f"Some words{added}")
    assert change is None or not change.words


def test_marks_stay_where_they_are_while_more_comes() -> None:
    source, growing, page = (
        "I cannot say.\n\nOf this\n\nnothing at all, and no more of it",
        GrowingText(),
        Page(),
    )
    spans = [Span(2, 12), Span(25, 32)]
    for end in range(1, len(source) + 1):
        page.take(growing.grow(source[:end], spans if end > 35 else []))
    assert page.blocks == blocks(source, spans)
    assert "<mark>cannot say</mark>" in page.blocks[0]


@pytest.mark.parametrize(
    "line", ["- one of", "12. one of", "> one of", "## one of", "- **one** of"]
)
def test_words_behind_a_marker_are_told_as_words(line: str) -> None:
    growing = GrowingText()
    growing.grow(line)
    assert growing.grow(line + " them") == Growth(words=" them")
