"""The state's wording in place of facts: the topic's narratives and the country's general line."""

from __future__ import annotations

from ..exchange import Exchange
from ..types import Signal
from .density import density, first
from .registry import detector

OWN = 1.5  # a topic's own narrative says more than a general phrase


@detector
def narrative(exchange: Exchange) -> Signal:
    """By how thick the state's phrases stand; quoted and attributed ones do not count."""
    country = exchange.topic.jurisdiction if exchange.topic else None
    general = [
        hit.span for hit in exchange.hits.get("line", []) if country in (None, hit.meaning.country)
    ]
    own = [hit.span for hit in exchange.marks if hit.meaning[0] == "narrative"]
    if "line" in exchange.borrowed or not general + own:
        return Signal(name="narrative", score=0)
    general = [span for span in general if not exchange.attributed(span)]
    own = [s for s in own if not exchange.quoted(s) and not exchange.attributed(s)]
    score = density(len(general) + OWN * len(own), exchange.size, 0.4)
    spans = first(own + general)
    return Signal(name="narrative", score=score, spans=spans, reason="narrative" if spans else "")
