"""The words that the search knows a text by, and where they stand in it.

One form for both databases, neither of which parses: words are folded (case, accents, traditional
characters) and hold letters and digits alone, so that nothing typed can be a query's syntax.
Scripts that write no spaces (Han, kana, Thai and their like) give each pair of neighbouring
characters, and the last one of a run by itself: a word of two characters is then looked up whole.
Not covered: what stands behind the first `READ` characters of a message, words in another
inflection, and in PostgreSQL phrases behind the first 16,383 words of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from guard.text import RANGES, UNSPACED, fold, question_table
from guard.types import Span

READ = 60_000  # characters of a message; PostgreSQL bounds what it indexes to a megabyte
LONGEST = 60  # characters of a word; PostgreSQL takes no more than 2 kB
MOST_PHRASES = 20
BEFORE, AROUND = 40, 160  # characters of a snippet: before what was found, and in all
JOINED = (
    "".join(f"{chr(low)}-{chr(high)}" for s in sorted(UNSPACED) for low, high in RANGES[s])
    + "\u3005-\u3007\uf900-\ufaff\U00020000-\U0003ffff"
)
MARKS = "\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670"  # laid over letters
WORD = re.compile(rf"([{JOINED}]+)|[^\W_{JOINED}](?:[{MARKS}]|[^\W_{JOINED}])*")
MARK = re.compile(f"[{MARKS}]+")
MARKUP = re.compile(r"[*`#|]+")


class Word(NamedTuple):
    """A folded word, and where it begins and ends in the text."""

    text: str
    start: int
    end: int


class Phrase(NamedTuple):
    """Words that follow one another; with `open`, the last one may go on."""

    words: tuple[str, ...]
    open: bool


class Piece(NamedTuple):
    """A part of a text to be shown; `found` is what was searched for."""

    text: str
    found: bool


def words(text: str) -> Iterator[Word]:
    """The words of a text, in order."""
    for match in WORD.finditer(fold(text[:READ], question_table)):
        if match[1]:
            yield from pairs(match[1], match.start())
        else:
            yield Word(MARK.sub("", match[0])[:LONGEST], *match.span())


def pairs(run: str, start: int) -> Iterator[Word]:
    for n in range(len(run)):
        pair = run[n : n + 2]
        yield Word(pair, start + n, start + n + len(pair))


def phrases(query: str) -> list[Phrase]:
    """What a query looks for: all of its phrases. What was typed between two spaces is one."""
    *whole, last = query.split() or [""]
    found = [phrase(typed, last=False) for typed in whole] + [phrase(last, last=True)]
    return list(dict.fromkeys(one for one in found if one.words))[:MOST_PHRASES]


def phrase(typed: str, *, last: bool) -> Phrase:
    """A phrase as it is found; the last word of a query may go on, as it may be half typed.

    The last character of a run stands alone in a text only where the run ends too.
    """
    found = list(words(typed))
    if len(found) > 1 and found[-2].end > found[-1].start:
        return Phrase(tuple(word.text for word in found[:-1]), open=False)
    single = bool(found) and re.fullmatch(f"[{JOINED}]", found[-1].text) is not None
    return Phrase(tuple(word.text for word in found), open=last or single)


def for_sqlite(wanted: Sequence[Phrase]) -> str:
    """A query of FTS5."""
    return " ".join(f'"{" ".join(one.words)}"{"*" * one.open}' for one in wanted)


def for_postgresql(wanted: Sequence[Phrase]) -> str:
    """A `tsquery`."""
    quoted = (" <-> ".join(f"'{word}'" for word in one.words) + ":*" * one.open for one in wanted)
    return " & ".join(f"({one})" for one in quoted)


class WordList(TypeDecorator[list[str]]):
    """A column of words: text for FTS5, which splits it at spaces; a `tsvector` in PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if dialect.name == "postgresql":
            value = [f"'{word}':{place}" for place, word in enumerate(value, 1)]
        return " ".join(value)


def spans(text: str, wanted: Sequence[Phrase]) -> list[Span]:
    """Where the phrases stand in a text, in order; those that touch are one."""
    there = list(words(text))
    found = (
        Span(word.start, end)
        for one in wanted
        for at, word in enumerate(there)
        if word.text.startswith(one.words[0])
        and (end := matched(there[at : at + len(one.words)], one))
    )
    return joined(sorted(found))


def matched(there: Sequence[Word], wanted: Phrase) -> int:
    """Where a phrase ends that stands here; 0 where another does."""
    *whole, last = (word.text for word in there)
    fits = last.startswith(wanted.words[-1]) if wanted.open else last == wanted.words[-1]
    if not fits or (*whole,) != wanted.words[:-1]:
        return 0
    single = wanted.open and re.fullmatch(f"[{JOINED}]", wanted.words[-1])
    return there[-1].start + 1 if single else there[-1].end


def joined(found: Sequence[Span]) -> list[Span]:
    whole: list[Span] = []
    for span in found:
        if whole and span.start <= whole[-1].end:
            whole[-1] = Span(whole[-1].start, max(whole[-1].end, span.end))
        else:
            whole.append(span)
    return whole


def marked(text: str, wanted: Sequence[Phrase]) -> list[Piece]:
    """A text in pieces, those that were searched for marked as found."""
    return pieces(text, spans(text, wanted), Span(0, len(text)))


def snippet(text: str, wanted: Sequence[Phrase]) -> list[Piece]:
    """The surroundings of the first place where a text holds what was searched for."""
    found = spans(text, wanted)
    first = found[0].start if found else 0
    start = max(0, first - BEFORE)
    shown = pieces(text, found, Span(start, min(start + AROUND, len(text))))
    return [Piece("…", found=False), *shown] if start else shown


def pieces(text: str, found: Sequence[Span], shown: Span) -> list[Piece]:
    """The part `shown` on one line, without the signs of Markdown."""
    inside = [Span(max(a, shown.start), min(b, shown.end)) for a, b in found]
    kept = [span for span in inside if span.start < span.end]
    edges = [shown.start, *(edge for span in kept for edge in span), shown.end]
    cut = [Piece(one_line(text[a:b]), bool(n % 2)) for n, (a, b) in enumerate(pairwise(edges))]
    return [piece for piece in cut if piece.text]


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", MARKUP.sub("", text))
