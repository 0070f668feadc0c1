"""The learned score (`guard.learned`) as a signal, with the sentences it rests on.

A short reply gives it little to read, and it was trained on long ones: it weighs less there, least
where no topic gives a reason to withhold, or where the reply holds the topic's facts.
"""

from __future__ import annotations

import numpy as np

from ..exchange import PREFACE, Exchange
from ..learned import HEAD
from ..text import sentence_ends
from ..types import Signal, Span
from .omission import ENOUGH
from .registry import detector

SHORT, LONG = 200, 1200  # Latin characters
SHORT_WEIGHT, ON_TOPIC = 0.45, 1.0
GROWING = 0.91  # what is only begun may still turn out well
TELLING = 0.5  # scores below this need no words to rest on
MOST_MARKED = 3


@detector
def learned(exchange: Exchange) -> Signal:
    """The model's probability that the reply withholds, less for a short reply."""
    begun = not exchange.complete and exchange.size < PREFACE
    if begun or not exchange.answer.strip():
        return Signal(name="learned", score=0)
    score = exchange.learned * weight(exchange.size, ON_TOPIC if bare(exchange) else SHORT_WEIGHT)
    score *= 1 if exchange.complete else GROWING
    spans = telling_sentences(exchange) if score >= TELLING else ()
    return Signal(name="learned", score=score, spans=spans, reason="learned")


def bare(exchange: Exchange) -> bool:
    """Whether there is a topic, and few of the facts that an answer on it would hold."""
    return exchange.on_topic and len(exchange.anchors) < ENOUGH


def weight(size: float, least: float) -> float:
    """`least` up to `SHORT`, then rising evenly to 1 at `LONG`."""
    share = min(max((size - SHORT) / (LONG - SHORT), 0), 1)
    return least + (1 - least) * share


def telling_sentences(exchange: Exchange) -> tuple[Span, ...]:
    """The sentences whose words add most to the score."""
    answer = exchange.answer[:HEAD]
    ends = [0, *sentence_ends(answer), len(answer)]
    starts, adds = exchange.judge.shares(exchange.question, answer)
    bounds = np.searchsorted(starts, ends)
    so_far = np.append(0.0, np.cumsum(adds))
    sums = so_far[bounds[1:]] - so_far[bounds[:-1]]
    most = [int(n) for n in np.argsort(-sums)[:MOST_MARKED] if sums[n] > 0]
    return tuple(sorted(trimmed(answer, Span(ends[n], ends[n + 1])) for n in most))


def trimmed(answer: str, span: Span) -> Span:
    """The span without the blanks around it."""
    words = answer[span.start : span.end]
    start = span.start + len(words) - len(words.lstrip())
    return Span(start, start + len(words.strip()))
