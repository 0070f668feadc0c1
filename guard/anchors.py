"""What is missing: the facts of a topic that one reply holds and another lacks, in its own words.

Not covered: facts that the pack has no anchor for, and anchors that are not spelled in the language
of the reply. Only the first `SCANNED` characters of a reply are looked at.
"""

from __future__ import annotations

from . import topics
from .exchange import Exchange
from .plain import one_line
from .text import joins_word
from .types import Span, TopicMatch

MOST = 6
LONGEST = 60  # characters of one phrase


def missing(topic: str, reply: str, other: str) -> tuple[str, ...]:
    """The anchors that `reply` lacks and `other` holds, as they stand in `other`; at most `MOST`.

    They come in the pack's order. A thinking block is no part of a reply. Nothing is missing for a
    topic that there is no pack of.
    """
    return differences(topic, reply, other)[0]


def differences(topic: str, one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What each of two replies lacks and the other one holds; see `missing`."""
    ours, theirs = held(topic, one), held(topic, other)
    return lacking(ours, theirs), lacking(theirs, ours)


def lacking(ours: dict[str, str], theirs: dict[str, str]) -> tuple[str, ...]:
    return tuple(phrase for anchor, phrase in theirs.items() if anchor not in ours)[:MOST]


def held(topic: str, reply: str) -> dict[str, str]:
    """The anchors that a reply holds, in the pack's order, each as it first stands there."""
    pack = topics.load().get(topic)
    if pack is None:
        return {}
    match = TopicMatch(topic=topic, jurisdiction=pack.jurisdiction, score=1)
    exchange = Exchange("", reply, topic=match)
    first: dict[str, Span] = {}
    for hit in sorted(exchange.marks, key=lambda hit: (hit.span.start, -hit.span.end)):
        kind, anchor = hit.meaning
        if kind == "anchor":
            first.setdefault(anchor, hit.span)
    order = [anchor.id for anchor in pack.anchors if anchor.id in first]
    return {anchor: phrase(exchange.answer, first[anchor]) for anchor in order}


def phrase(answer: str, span: Span) -> str:
    """The words at `span`, the last one to its end: a pack may know but how it begins."""
    end, furthest = span.end, min(len(answer), span.start + LONGEST)
    while end < furthest and joins_word(answer[end - 1]) and joins_word(answer[end]):
        end += 1
    return one_line(answer[span.start : end], LONGEST)
