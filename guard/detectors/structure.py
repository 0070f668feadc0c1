"""What the shape of a reply tells: empty, filtered, thinking suppressed, in another script.

An empty thinking block alone proves nothing (distilled models leave it empty on science questions
too); it counts only together with a topic.
"""

from __future__ import annotations

from .. import text
from ..exchange import Exchange
from ..types import Signal
from .registry import detector

FILTERED = frozenset({"content_filter", "data_inspection_failed", "sensitive", "risk_control"})
LETTERS = 20  # fewer letters than these do not make a language


@detector
def structure(exchange: Exchange) -> Signal:
    """The strongest of the structural signs."""
    signs = {
        "filtered": 0.97 if exchange.finish_reason in FILTERED else 0.0,
        "empty": 0.9 if exchange.complete and not exchange.answer.strip() else 0.0,
        "thinking": 0.35 if exchange.topic and exchange.thoughts == "" else 0.0,
        "script": 0.3 if switches_script(exchange) else 0.0,
        "cut": 0.2 if exchange.finish_reason == "cut" else 0.0,
    }
    reason, score = max(signs.items(), key=lambda sign: sign[1])
    return Signal(name="structure", score=score, reason=reason if score else "")


def switches_script(exchange: Exchange) -> bool:
    """Whether the reply is in another script than the question."""
    if len(exchange.answer) < LETTERS or len(exchange.question) < LETTERS / 2:
        return False
    asked = text.main_script(exchange.question)
    if asked is None or exchange.script is None or asked == exchange.script:
        return False
    return "retell" not in exchange.tasks  # a translation may well change it
