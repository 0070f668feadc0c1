"""The learned score (`guard.learned`) as a signal, with the sentences it rests on.

A short reply gives it little to read, and it was trained on long ones: it weighs less there, so
that it is never sure of a short reply by itself.
"""

from __future__ import annotations

from itertools import pairwise

from .. import learned as model
from ..exchange import Exchange
from ..text import sentence_ends
from ..types import Signal, Span
from .registry import detector

SHORT, LONG = 200, 800  # Latin characters
SHORT_WEIGHT = 0.52
TELLING = 0.5  # scores below this need no words to rest on
MOST_SENTENCES, MOST_MARKED = 24, 3


@detector
def learned(exchange: Exchange) -> Signal:
    """The model's probability that the reply withholds, less for a short reply."""
    if not exchange.answer.strip():
        return Signal(name="learned", score=0)
    probability = score_of(exchange, exchange.answer)
    score = probability * weight(exchange.size)
    telling = exchange.complete and score >= TELLING
    spans = telling_sentences(exchange, probability) if telling else ()
    return Signal(name="learned", score=score, spans=spans, reason="learned")


def score_of(exchange: Exchange, answer: str) -> float:
    return model.score(exchange.question, answer, complete=exchange.complete)


def weight(size: float) -> float:
    """`SHORT_WEIGHT` up to `SHORT`, then rising evenly to 1 at `LONG`."""
    share = min(max((size - SHORT) / (LONG - SHORT), 0), 1)
    return SHORT_WEIGHT + (1 - SHORT_WEIGHT) * share


def telling_sentences(exchange: Exchange, whole: float) -> tuple[Span, ...]:
    """The sentences without which the score would fall most."""
    answer = exchange.answer
    ends = [0, *sentence_ends(answer), len(answer)]
    sentences = [Span(a, b) for a, b in pairwise(ends) if answer[a:b].strip()]
    drops = [
        (whole - score_of(exchange, answer[: span.start] + answer[span.end :]), span)
        for span in sentences[:MOST_SENTENCES]
        if len(sentences) > 1
    ]
    told = sorted((drop, span) for drop, span in drops if drop > 0)[-MOST_MARKED:]
    return tuple(sorted(trimmed(answer, span) for _, span in told))


def trimmed(answer: str, span: Span) -> Span:
    """The span without the blanks around it."""
    words = answer[span.start : span.end]
    start = span.start + len(words) - len(words.lstrip())
    return Span(start, start + len(words.strip()))
