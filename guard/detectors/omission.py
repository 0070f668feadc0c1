"""The facts one would expect are absent. Anchors are the topic's; without a topic this says nothing."""

from __future__ import annotations

from .. import topics
from ..exchange import Exchange
from ..types import Signal
from .registry import detector

ENOUGH = 3  # anchors; an answer to one question need not hold all of a topic's


@detector
def omission(exchange: Exchange) -> Signal:
    """1 where a finished reply keeps none of the topic's anchors, 0 where it keeps three or more."""
    if exchange.topic is None or not exchange.complete or not exchange.answer.strip():
        return Signal(name="omission", score=0)
    kept = {anchor for kind, anchor in (hit.meaning for hit in exchange.marks) if kind == "anchor"}
    total = len(topics.load()[exchange.topic.topic].anchors)
    score = 1 - min(len(kept) / min(ENOUGH, total), 1)
    return Signal(name="omission", score=score, reason="omission" if score else "")
