"""Changing the subject, generalities, sending the reader to official sources."""

from __future__ import annotations

from ..exchange import Exchange
from ..types import Signal
from .density import density, first
from .registry import detector


@detector
def deflection(exchange: Exchange) -> Signal:
    """By how thick deflecting phrases stand in the reply."""
    hits = exchange.hits.get("deflection", [])
    score = density(len(hits), exchange.size, 0.45)
    spans = first([hit.span for hit in hits])
    return Signal(name="deflection", score=score, spans=spans, reason="deflection" if hits else "")
