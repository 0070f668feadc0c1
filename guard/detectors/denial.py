"""Denying the question's premise, or the motives of those who report it."""

from __future__ import annotations

from ..exchange import Exchange
from ..types import Signal
from .density import density, first
from .registry import detector


@detector
def denial(exchange: Exchange) -> Signal:
    """By how thick denying phrases stand in the reply."""
    hits = exchange.hits.get("denial", [])
    score = density(len(hits), exchange.size, 0.4)
    spans = first([hit.span for hit in hits])
    return Signal(name="denial", score=score, spans=spans, reason="denial" if hits else "")
