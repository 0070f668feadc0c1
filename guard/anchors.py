"""The facts of a topic that replies mention, side by side and in their own words.

A mention is one of an anchor's spellings in the reply, and says nothing of whether what stands
around it is true. Not covered: facts that the pack has no anchor for, and facts told in other
words. Only the first `SCANNED` characters of a reply are looked at.
"""

from __future__ import annotations

from . import topics
from .detectors.omission import written_for
from .exchange import Exchange
from .explain import nearest_language
from .plain import one_line
from .text import joins_word
from .types import Span, TopicMatch, Value

LONGEST = 60  # characters of one phrase
SPELLINGS = 2  # that name an anchor


class Mentions(Value):
    """What one reply mentions of a topic: phrases as they stand in it, by anchor.

    `looked_for`: the anchors are spelled in the reply's language, so that their absence says
    something.
    """

    found: dict[str, str]
    looked_for: bool = True


class Named(Value):
    """An anchor by its first spellings in one language; `more` where it has others."""

    id: str
    language: str
    spellings: tuple[str, ...]
    more: bool


def mentions(topic: str, reply: str) -> Mentions:
    """What a reply mentions, in the pack's order. A thinking block is no part of it.

    Nothing is mentioned of a topic that there is no pack of.
    """
    pack = topics.load().get(topic)
    if pack is None:
        return Mentions(found={}, looked_for=False)
    match = TopicMatch(topic=topic, jurisdiction=pack.jurisdiction, score=1)
    exchange = Exchange("", reply, topic=match)
    first: dict[str, Span] = {}
    for hit in sorted(exchange.marks, key=lambda hit: (hit.span.start, -hit.span.end)):
        kind, anchor = hit.meaning
        if kind == "anchor":
            first.setdefault(anchor, hit.span)
    order = [anchor.id for anchor in pack.anchors if anchor.id in first]
    found = {anchor: phrase(exchange.answer, first[anchor]) for anchor in order}
    return Mentions(
        found=found,
        looked_for=bool(found)
        or (exchange.script is not None and written_for(pack, exchange.script, exchange.answer)),
    )


def named(topic: str, language: str) -> tuple[Named, ...]:
    """A topic's anchors in the language nearest to the reader's that each is spelled in."""
    pack = topics.load().get(topic)
    return tuple(
        Named(
            id=anchor.id,
            language=(tag := nearest_language(language, tuple(anchor.any))),
            spellings=tuple(word.rstrip("*") for word in anchor.any[tag][:SPELLINGS]),
            more=len(anchor.any[tag]) > SPELLINGS,
        )
        for anchor in (pack.anchors if pack else ())
    )


def phrase(answer: str, span: Span) -> str:
    """The words at `span`, the last one to its end: a pack may know but how it begins."""
    end, furthest = span.end, min(len(answer), span.start + LONGEST)
    while end < furthest and joins_word(answer[end - 1]) and joins_word(answer[end]):
        end += 1
    return one_line(answer[span.start : end], LONGEST)
