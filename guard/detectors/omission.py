"""The facts one would expect are absent. Anchors are the topic's; without one this is silent.

A short reply without anchors says more than a long one: a long one has said something. In a
language that the topic's anchors are not written in, or in a translation or a poem, their absence
says nothing.
"""

from __future__ import annotations

from .. import topics
from ..exchange import Exchange
from ..text import LANGUAGE_SCRIPTS, Script, is_english
from ..topics import Pack
from ..types import Signal
from .density import fading
from .registry import detector

ENOUGH = 3  # anchors; an answer to one question need not hold all of a topic's
SHORT, LONG, LEAST = 900, 2500, 0.2  # Latin characters, and what counts of a long reply


@detector
def omission(exchange: Exchange) -> Signal:
    """1 where a short finished reply keeps none of the topic's anchors, 0 where it keeps three."""
    if exchange.topic is None or not exchange.complete or not exchange.answer.strip():
        return Signal(name="omission", score=0)
    if exchange.tasks:
        return Signal(name="omission", score=0)
    pack = topics.load()[exchange.topic.topic]
    if not written_for(pack, exchange.script, exchange.answer):
        return Signal(name="omission", score=0)
    lack = 1 - min(len(exchange.anchors) / min(ENOUGH, len(pack.anchors)), 1)
    score = lack * fading(exchange.size, SHORT, LONG, LEAST)
    return Signal(name="omission", score=score, reason="omission" if score else "")


def written_for(pack: Pack, script: Script | None, answer: str) -> bool:
    """Whether the pack's anchors are in the answer's language, as far as its script tells."""
    if script == "Latin":
        return is_english(answer)
    written = {tag.partition("-")[0] for anchor in pack.anchors for tag in anchor.any}
    return script in {LANGUAGE_SCRIPTS.get(tag) for tag in written}
