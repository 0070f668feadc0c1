"""Markdown that grows: what a page that shows all of before has to change.

Most of what streams is plain words at the end of a paragraph or a line of code. They are told as
words, to be put at the end of what stands there: no Markdown is in them, nothing is parsed, and the
page is as if all had been. Anything else has the last blocks drawn again; those before are settled.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from guard.types import Span

from .markdown import Block, parse

# Signs that mean nothing to Markdown, wherever they stand behind a letter of their line.
WORDS = r"[^\W_]|[ ,.?'\"%/–—…-]|[。，、？！：；（）《》“”‘’«»؟،]"
PLAIN = re.compile(rf"(?:{WORDS})+")
LAST_WORDS = re.compile(rf"(?:{WORDS})+\Z")
CODE = re.compile("[^\n\r\t`~\x00\ue000-\uf8ff]+")
# A line of ordinary text: behind its markers comes a letter, and it is no row of a table.
MARKERS = r"[ >]*(?:(?:[-*+]|\d{1,9}[.)]|#{1,6}) +)*"
ORDINARY = re.compile(rf"{MARKERS}([*_\"'“‘«(]*[^\W\d_][^|\n]*)\Z")
ENDS = re.compile(r"(?:\s*</(?:p|li|ul|ol|blockquote|h[1-6]|code|pre)>)+\s*\Z")
DEFINITION = "]:"  # a link's definition shows nothing of itself
FENCE = ("`", "~")


class Growth(NamedTuple):
    """Words to put at the end of the last block; or the blocks from number `start` on, as HTML."""

    words: str = ""
    start: int = 0
    blocks: Sequence[str] = ()


class GrowingText:
    """What is shown of a text, and where it may still change.

    The last blocks stay open, as more text may change them (a list goes on, a line below makes a
    heading). A link defined further down does not reach settled blocks. `shown` are all blocks,
    `spans` what is marked in them, `start` is where in the source the open ones begin.
    """

    OPEN_BLOCKS = 2

    def __init__(self) -> None:
        self.shown: list[str] = []
        self._settled = 0  # blocks that are not drawn again
        self.start = 0
        self._length = 0  # of the source
        self.spans: Sequence[Span] = ()
        self._held = ""  # blanks at the end, of which nothing is shown
        self._plain: re.Pattern[str] | None = None  # what is mere words where the source ends

    def blocks(self, source: str, spans: Sequence[Span] = ()) -> list[str]:
        """The HTML blocks of the whole source, which begins with what it was before."""
        self.grow(source, spans)
        return [*self.shown]

    def grow(self, source: str, spans: Sequence[Span] = ()) -> Growth | None:
        """What to change, now that the source has grown; None where nothing shows.

        Args:
            source: the whole text, which begins with what it was before.
            spans: offsets in it to mark.
        """
        added, self._length = source[self._length :], len(source)
        if not added and spans == self.spans:
            return None
        if self._plain and spans == self.spans and self._plain.fullmatch(added):
            return self._append(added)
        return self._draw(source, spans)

    def _append(self, added: str) -> Growth | None:
        """Put plain words behind those that are there; blanks wait for what follows them."""
        words = (self._held + added).rstrip(" ")
        self._held = (self._held + added)[len(words) :]
        if not words:
            return None
        last = self.shown[-1]
        end = ENDS.search(last)
        place = end.start() if end else len(last)
        self.shown[-1] = last[:place] + html.escape(words, quote=False) + last[place:]
        return Growth(words=words)

    def _draw(self, source: str, spans: Sequence[Span]) -> Growth | None:
        """Parse what is open, or all where other words are to be marked."""
        if spans != self.spans:
            self._settled, self.start, self.spans = 0, 0, spans
        rest = source[self.start :]
        found = list(parse(rest, shifted(spans, self.start)))
        fresh = [block.html for block in found]
        before = self.shown[self._settled :]
        pairs = zip(before, fresh, strict=False)
        same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(before), len(fresh)))
        change = Growth(start=self._settled + same, blocks=fresh[same:])
        self.shown[self._settled :] = fresh
        self._plain = plain_at_the_end(rest, found)
        self._held = rest[len(rest.rstrip(" ")) :]
        self._settle(rest, found)
        return change if change.blocks or len(before) > len(fresh) else None

    def _settle(self, rest: str, found: Sequence[Block]) -> None:
        if len(found) > self.OPEN_BLOCKS:
            first_open = found[-self.OPEN_BLOCKS].line
            self._settled += len(found) - self.OPEN_BLOCKS
            self.start += sum(len(line) + 1 for line in rest.split("\n")[:first_open])


def shifted(spans: Sequence[Span], start: int) -> list[Span]:
    """The spans that reach behind `start`, counted from there."""
    return [Span(max(a - start, 0), b - start) for a, b in spans if b > start]


def plain_at_the_end(source: str, found: Sequence[Block]) -> re.Pattern[str] | None:
    """What may follow the source as mere words; None where anything may mean something."""
    line = source[source.rfind("\n") + 1 :]
    if not found or not line.strip() or found[-1].end <= source.count("\n"):
        return None
    last = found[-1].html
    if last.startswith("<pre"):
        return CODE if in_open_fence(source, found[-1], line) else None
    end, ordinary = ENDS.search(last), ORDINARY.match(line)
    words = LAST_WORDS.search(ordinary[1].rstrip(" ")) if ordinary else None
    if not end or not words or DEFINITION in source:
        return None
    return PLAIN if last.endswith(words[0].lstrip(" "), 0, end.start()) else None


def in_open_fence(source: str, block: Block, line: str) -> bool:
    """Whether the last line is code between fences, of which the second has not come."""
    opening = source.split("\n")[block.line].lstrip(" ")
    return (
        opening.startswith(FENCE)
        and source.count("\n") > block.line
        and line[-1] not in " \t"
        and not (line.lstrip().startswith(FENCE))
    )
