"""What may watch a Guard: metrics, traces, logs. None of it changes a reply, or ends one.

An observer is told of each question at both ends of its way, and then reads what came of it. The
many events of a reply (`OFTEN`) cost a look into a set each.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .attempt import STOPPED, Attempt, Look
from .errors import FaultKind
from .events import (
    Billed,
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

    `waits` are the faults after which its host was asked again; `end` is None where whoever asked
    left before the reply had ended.
    """

    asked: Attempt
    began: float
    ended: float | None = None
    verdict: Verdict | None = None
    end: Done | Failed | None = None
    waits: list[FaultKind] = field(default_factory=list)

    @property
    def model(self) -> ModelSpec:
        return self.asked.model

    @property
    def cause(self) -> Cause | None:
        """Why it was asked, where that was not chosen."""
        return self.asked.cause

    @property
    def said(self) -> str:
        """The text of its reply, as far as it has come."""
        return self.asked.said.text

    @property
    def first_token(self) -> float | None:
        """Seconds from asking it to its first word, of a reply that came in pieces."""
        return self.asked.first_seconds

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

    `matching` is the seconds that finding its topic took; `began` is Unix time. `running` are the
    attempts by number, as they run.
    """

    question: str
    mode: Mode
    matching: float
    running: Sequence[Attempt]
    began: float = field(default_factory=time.time)
    start: float = field(default_factory=time.monotonic)
    attempts: dict[int, AttemptSeen] = field(default_factory=dict)
    fallbacks: list[FellBack] = field(default_factory=list)
    exhausted: list[Exhausted] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Since the question."""
        return time.monotonic() - self.start

    @property
    def looks(self) -> list[Look]:
        """All looks at its replies."""
        return [look for attempt in self.attempts.values() for look in attempt.asked.looks]

    def take(self, event: Event) -> None:
        """Note what an event tells."""
        if type(event) in OFTEN:
            return
        match event:
            case Started():
                asked = self.running[event.attempt]
                self.attempts[event.attempt] = AttemptSeen(asked, asked.began - self.start)
            case Waiting():
                self.attempts[event.attempt].waits.append(event.kind)
            case Judged(final=True):
                self.attempts[event.attempt].verdict = event.verdict
            case Done() | Failed():
                attempt = self.attempts[event.attempt]
                attempt.end, attempt.ended = event, self.seconds
            case FellBack():
                self.fallbacks.append(event)
            case Exhausted():
                self.exhausted.append(event)


class Checked(Value):
    """A finished reply that was judged; `model` is what whoever asked called it, if anything."""

    model: str | None
    verdict: Verdict
    seconds: float


class Observer(Protocol):
    """Watches questions and checks.

    `checked` may be called in any thread. What any raises is logged, and harms no reply.
    """

    def asked(self, seen: Seen) -> AbstractContextManager[None]:
        """Entered as a question is asked, left when nothing more will come of it."""

    def checked(self, checked: Checked) -> None:
        """A finished reply was judged."""

    def billed(self, billed: Billed) -> None:
        """A model was asked besides the replies."""


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


def tell(observers: Iterable[Observer], what: Checked | Billed) -> None:
    """Tell of a finished reply that was judged, or of what was asked besides."""
    for observer in observers:
        with logged(observer):
            if isinstance(what, Checked):
                observer.checked(what)
            else:
                observer.billed(what)
