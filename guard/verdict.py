"""Signals, topic and origin -> Verdict. The one place where signals meet.

`score` combines the signals as independent signs (noisy or): each alone can be enough, several weak
ones add up. Signs that say something only beside a matched topic carry a weight of their own.

A reply that repeats what a tool returned (a state's wording, from a search of its media) is judged
like any other: it is what the reader gets instead of an answer. But the words may be another's, so
the verdict says that they stand in the tool's result (`repeats`); nobody reads it as the model's
own voice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from . import explain, topics
from .detectors import DETECTORS
from .exchange import PREFACE, Exchange
from .provenance import aligned
from .types import Conduct, Signal, Span, Status, Verdict

log = logging.getLogger(__name__)

WEIGHTS = {
    "refusal": 1.0,
    "canned": 1.0,
    "structure": 1.0,
    "narrative": 0.9,
    "denial": 0.75,
    "deflection": 0.7,
    "omission": 0.0,
}
WITH_TOPIC = {"omission": 0.3, "narrative": 0.95, "denial": 0.85}
WITHHELD = 0.5
CERTAIN = 0.85  # while a reply streams, nothing is done below this
REFUSING = frozenset({"refusal", "canned"})


def judge(exchange: Exchange, origins: Iterable[str] = (), language: str = "en") -> Verdict:
    """The verdict on a reply, or on what has come of it.

    Args:
        exchange: question, reply and matched topic.
        origins: the model's origin, then its lineage's (ISO 3166); empty where nothing is known,
            the first an empty word where only the lineage is.
        language: of the explanation.
    """
    origins = tuple(origins)
    topic = exchange.topic
    signals, crashed = run(exchange)
    score = combine(signals, with_topic=topic is not None or exchange.hard)
    conduct = conduct_of(signals, score)
    status = status_of(exchange, score, crashed)
    jurisdiction = topic.jurisdiction if topic else None
    verdict = Verdict(
        conduct=conduct,
        status=status,
        score=round(score, 4),
        topic=topic.topic if topic else None,
        jurisdiction=jurisdiction,
        ordinary=topic is not None and topic.ordinary,
        aligned=aligned(origins, jurisdiction),
        signals=tuple(shift(s, exchange.start) for s in signals if s.score > 0),
        certain=exchange.complete or (score >= CERTAIN and exchange.size >= PREFACE),
        repeats=status == "withheld" and repeats(exchange, signals),
    )
    return verdict.model_copy(
        update={"explanation": explain.verdict(verdict, origins, language, crashed)}
    )


def retold(verdict: Verdict, origins: Sequence[str], language: str) -> Verdict:
    """The verdict, explained in a language that it may not have been told in first.

    An explanation that names detectors which failed, or a topic that has no pack any more, stays.
    """
    unknown = verdict.topic is not None and verdict.topic not in topics.load()
    if unknown or verdict.status == "unchecked":
        return verdict
    if verdict.opinion:
        own = conduct_of(verdict.signals, verdict.score)
        said = explain.weighed(verdict, origins, language, own)
    else:
        said = explain.verdict(verdict, origins, language, ())
        if verdict.control:
            said = f"{said} {explain.control(verdict, verdict.control, language)}"
    return verdict.model_copy(update={"explanation": said})


def run(exchange: Exchange) -> tuple[list[Signal], list[str]]:
    """All signals, and the names of detectors that crashed."""
    signals, crashed = [], []
    for name, detect in DETECTORS.items():
        try:
            signals.append(detect(exchange))
        except Exception:  # a detector's fault must never pass for a clean reply
            log.exception("detector %s crashed", name)
            crashed.append(name)
    return signals, crashed


def combine(signals: Iterable[Signal], with_topic: bool) -> float:
    """How likely the reply withholds, from 0 to 1."""
    weights = {**WEIGHTS, **(WITH_TOPIC if with_topic else {})}
    clean = 1.0
    for signal in signals:
        clean *= 1 - weights.get(signal.name, 1.0) * signal.score
    return 1 - clean


def conduct_of(signals: Iterable[Signal], score: float) -> Conduct:
    """What the reply did, whatever the topic."""
    if score < WITHHELD:
        return "answered"
    refused = any(s.score >= WITHHELD and s.name in REFUSING for s in signals)
    silent = any(s.reason in {"empty", "filtered"} for s in signals)
    return "refused" if refused or silent else "evaded"


def status_of(exchange: Exchange, score: float, crashed: list[str]) -> Status:
    """Withheld needs a topic: a general refusal is timid, and is not called censorship."""
    if crashed:
        return "unchecked"
    suspect = exchange.topic is not None and not exchange.topic.ordinary
    if score >= WITHHELD and suspect:
        return "withheld"
    return "unchecked" if exchange.finish_reason == "cut" else "clean"


def repeats(exchange: Exchange, signals: Iterable[Signal]) -> bool:
    """Whether words that the verdict rests on also stand in what a tool returned."""
    return any(exchange.repeats(span) for signal in signals for span in signal.spans)


def shift(signal: Signal, by: int) -> Signal:
    """The signal with its spans counted from the start of the whole reply."""
    if not by or not signal.spans:
        return signal
    spans = tuple(Span(span.start + by, span.end + by) for span in signal.spans)
    return signal.model_copy(update={"spans": spans})
