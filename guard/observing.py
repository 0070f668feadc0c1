"""What may watch a Guard: metrics, traces, logs. None of it changes a reply, or ends one.

An observer is told of each question at both ends of its way, and then reads what came of it. The
many events of a reply (`OFTEN`) cost a look into a set each, and no call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .attempt import STOPPED
from .errors import FaultKind
from .events import (
    Cause,
    Delta,
    Done,
    Event,
    Exhausted,
    Failed,
    FellBack,
    Judged,
    Passed,
    Started,
    Thought,
    Waiting,
)
from .types import Mode, ModelSpec, Value, Verdict

log = logging.getLogger(__name__)

OFTEN: frozenset[type] = frozenset((Delta, Passed, Thought))
Outcome = Literal["done", "stopped", "failed", "left"]


@dataclass
class AttemptSeen:
    """One model that was asked. Times are seconds since the question.

    `first` is when its first word came, None where none did, and `streamed` whether others followed
    it; `waits` are the faults after which its host was asked again; `end` is None where whoever
    asked left before the reply had ended.
    """

    number: int
    model: ModelSpec
    cause: Cause | None
    began: float
    first: float | None = None
    streamed: bool = False
    ended: float | None = None
    verdict: Verdict | None = None
    end: Done | Failed | None = None
    waits: list[FaultKind] = field(default_factory=list)

    @property
    def first_token(self) -> float | None:
        """Seconds from asking it to its first word; None where the reply did not come in pieces."""
        return self.first - self.began if self.first is not None and self.streamed else None

    @property
    def outcome(self) -> Outcome:
        """How it ended: `stopped` by the guard, `left` by whoever asked."""
        if self.end is None:
            return "left"
        if isinstance(self.end, Failed):
            return "failed"
        return "stopped" if self.end.finish_reason == STOPPED else "done"


@dataclass
class Seen:
    """One question and what has come of it so far.

    `matching` is the seconds that finding its topic took, `looks` those of each look at a reply and
    whether it was the one at its end; `began` is Unix time. `said` gives the text of an attempt.
    """

    question: str
    mode: Mode
    matching: float
    said: Callable[[int], str]
    began: float = field(default_factory=time.time)
    start: float = field(default_factory=time.monotonic)
    attempts: dict[int, AttemptSeen] = field(default_factory=dict)
    fallbacks: list[FellBack] = field(default_factory=list)
    exhausted: list[Exhausted] = field(default_factory=list)
    looks: list[tuple[bool, float]] = field(default_factory=list)
    streaming: set[int] = field(default_factory=set)

    @property
    def seconds(self) -> float:
        """Since the question."""
        return time.monotonic() - self.start

    def take(self, event: Event) -> None:
        """Note what an event tells; of the many, each attempt's first two words."""
        if type(event) in OFTEN:
            if event.attempt not in self.streaming and type(event) is not Passed:
                self.heard(self.attempts[event.attempt])
            return
        match event:
            case Started():
                self.attempts[event.attempt] = AttemptSeen(
                    event.attempt, event.model, event.cause, self.seconds
                )
            case Waiting():
                self.attempts[event.attempt].waits.append(event.kind)
            case Judged():
                self.judged(event)
            case Done() | Failed():
                attempt = self.attempts[event.attempt]
                attempt.end, attempt.ended = event, self.seconds
            case FellBack():
                self.fallbacks.append(event)
            case Exhausted():
                self.exhausted.append(event)

    def heard(self, attempt: AttemptSeen) -> None:
        if attempt.first is None:
            attempt.first = self.seconds
        else:
            attempt.streamed = True
            self.streaming.add(attempt.number)

    def judged(self, event: Judged) -> None:
        if event.seconds:
            self.looks.append((event.final, event.seconds))
        if event.final:
            self.attempts[event.attempt].verdict = event.verdict


class Checked(Value):
    """A finished reply that was judged; `model` is what whoever asked called it, if anything."""

    model: str | None
    verdict: Verdict
    seconds: float


class Observer(Protocol):
    """Watches questions and checks.

    `checked` may be called in any thread. What either raises is logged, and harms no reply.
    """

    def asked(self, seen: Seen) -> AbstractContextManager[None]:
        """Entered as a question is asked, left when nothing more will come of it."""

    def checked(self, checked: Checked) -> None:
        """A finished reply was judged."""


@contextmanager
def observed(observers: Iterable[Observer], seen: Seen) -> Iterator[None]:
    """A question's way, with the observers watching."""
    with ExitStack() as watching:
        for observer in observers:
            watching.enter_context(harmless(observer, seen))
        yield


@contextmanager
def harmless(observer: Observer, seen: Seen) -> Iterator[None]:
    """What an observer does at both ends, and no exception of its own."""
    watching = ExitStack()
    with logged(observer):
        watching.enter_context(observer.asked(seen))
    try:
        yield
    finally:
        with logged(observer):
            watching.close()


@contextmanager
def logged(observer: Observer) -> Iterator[None]:
    """Log what an observer raises."""
    try:
        yield
    except Exception:
        log.exception("the observer %s failed", type(observer).__name__)


def tell(observers: Iterable[Observer], checked: Checked) -> None:
    """Tell of a finished reply that was judged."""
    for observer in observers:
        with logged(observer):
            observer.checked(checked)
