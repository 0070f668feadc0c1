"""The facts one would expect are absent. Anchors are the topic's; without one this is silent.

A short reply without anchors says more than a long one: a long one has said something.
"""

from __future__ import annotations

from .. import topics
from ..exchange import Exchange
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
    kept = {anchor for kind, anchor in (hit.meaning for hit in exchange.marks) if kind == "anchor"}
    total = len(topics.load()[exchange.topic.topic].anchors)
    lack = 1 - min(len(kept) / min(ENOUGH, total), 1)
    score = lack * fading(exchange.size, SHORT, LONG, LEAST)
    return Signal(name="omission", score=score, reason="omission" if score else "")
