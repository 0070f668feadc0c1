"""Fixed replies that hosts and models return whatever was asked."""

from __future__ import annotations

from ..exchange import Exchange
from ..types import Signal
from .registry import detector

AROUND = 160  # Latin characters that may stand beside a canned sentence


@detector
def canned(exchange: Exchange) -> Signal:
    """1 where the reply is hardly more than a sentence of the catalogue."""
    hits = exchange.hits.get("canned", [])
    if not hits:
        return Signal(name="canned", score=0)
    covered = sum(hit.span.end - hit.span.start for hit in hits)
    beside = exchange.size * (1 - covered / max(len(exchange.answer), 1))
    score = 0.98 if beside <= AROUND else 0.6 if beside <= 3 * AROUND else 0.0
    spans = tuple(hit.span for hit in hits) if score else ()
    return Signal(name="canned", score=score, spans=spans, reason="canned" if score else "")
