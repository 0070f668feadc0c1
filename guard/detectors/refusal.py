"""Speech acts of declining, in the model's own voice; quoted ones do not count."""

from __future__ import annotations

from ..exchange import Exchange
from ..types import Signal
from .density import fading
from .registry import detector

HEAD = 320  # Latin characters; a refusal nearly always stands in the first sentences
SHORT, LONG, LEAST = 900, 2500, 0.15  # a long text behind a refusal has often helped after all


@detector
def refusal(exchange: Exchange) -> Signal:
    """1 for a short reply that opens by declining, less where text follows or it stands late."""
    declined = exchange.hits.get("refusal", [])
    lawful = exchange.hits.get("law", [])
    early = [hit for hit in declined if exchange.position(hit.span) <= HEAD]
    if not declined:
        return Signal(name="refusal", score=0)
    length = fading(exchange.size, SHORT, LONG, LEAST)
    score = 0.97 * length if early else 0.75 * length**2
    law = bool(lawful) and exchange.size < SHORT
    spans = tuple(hit.span for hit in (early or declined[:3]) + (lawful[:2] if law else []))
    return Signal(
        name="refusal", score=score, spans=tuple(sorted(spans)), reason="law" if law else "refusal"
    )
