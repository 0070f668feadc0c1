"""Speech acts of declining, in the model's own voice; quoted ones do not count."""

from __future__ import annotations

from ..exchange import Exchange
from ..openings import openings
from ..types import Signal
from .density import fading, first
from .omission import ENOUGH
from .registry import detector

HEAD = 320  # Latin characters; a refusal nearly always stands in the first sentences
SHORT, LONG, LEAST = 900, 2500, 0.15  # a long text behind a refusal has often helped after all
OPENED, FAINT = 0.9, 0.15  # an opening is grammar alone: it says little but of a whole short reply
OPENED_LONG = 1800


@detector
def refusal(exchange: Exchange) -> Signal:
    """1 for a short reply that opens by declining, less where text follows or it stands late."""
    declined = [hit.span for hit in exchange.hits.get("refusal", [])]
    lawful = [hit.span for hit in exchange.hits.get("law", [])]
    early = [span for span in declined if exchange.position(span) <= HEAD]
    opened = openings(exchange)
    if not declined and not opened:
        return Signal(name="refusal", score=0)
    length = fading(exchange.size, SHORT, LONG, LEAST)
    said = 0.97 * length if early else 0.75 * length**2
    score = max(said * bool(declined), weight(exchange) * bool(opened))
    law = bool(lawful) and exchange.size < SHORT
    spans = first((early or opened or declined[:3]) + (lawful[:2] if law else []))
    return Signal(name="refusal", score=score, spans=spans, reason="law" if law else "refusal")


def weight(exchange: Exchange) -> float:
    """What a declining opening weighs: little while the reply grows, or where facts follow it."""
    sure = exchange.complete and len(exchange.anchors) < ENOUGH
    return (OPENED if sure else FAINT) * fading(exchange.size, SHORT, OPENED_LONG, 0)
