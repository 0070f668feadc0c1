"""What came of one question, told in one value: built from the events as they come.

For callers that want an account beside the reply (LangChain's `response_metadata`, an API's
answer). The models' words are not in it, but for what a second opinion or a control reply that the
operator asked for brings along in the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from . import explain, topics
from .errors import FaultKind
from .events import Bound, Cause, Done, Event, Exhausted, Failed, FellBack, Judged, Started
from .types import Action, Conduct, Country, Mode, ModelSpec, Score, Source, Status, Value, Verdict

STRONGER: tuple[Action, ...] = ("pass", "warn", "fall back")


class ToldFact(Value):
    """What independent sources hold, in the reader's `language` or the nearest there is."""

    text: str
    language: str
    sources: tuple[Source, ...]


class AttemptReport(Value):
    """One model that was asked, and what the guard holds of its reply so far.

    `origin` is None where nobody knows it. `provider` is who served the reply, empty until it has
    ended. `conduct`, `status` and `score` are None where no verdict was given: nothing is judged
    in the mode `off`, nor where the host failed before the model said anything. `fault` says how
    the host failed, if it did.
    """

    model: str
    name: str
    developer: str
    origin: Country | None = None
    provider: str = ""
    cause: Cause | None = None
    conduct: Conduct | None = None
    status: Status | None = None
    score: Score | None = None
    action: Action = "pass"
    explanation: str = ""
    finish_reason: str = ""
    fault: FaultKind | None = None


class GuardReport(Value):
    """What the guard holds of one question's replies, and what was done.

    `attempts` are the models in the order in which they were asked; `verdict` is the last one's.
    `action` is the strongest that was taken of any. `facts` are there where a reply withheld.
    `exhausted` says why a further model was wanted where none might be asked, `bound` which limit
    kept it from that.
    """

    mode: Mode
    verdict: Verdict | None = None
    action: Action = "pass"
    attempts: tuple[AttemptReport, ...] = ()
    facts: tuple[ToldFact, ...] = ()
    exhausted: Cause | None = None
    bound: Bound | None = None


@dataclass
class Telling:
    """The account of one question as far as its events have come; `language` is the reader's."""

    mode: Mode
    language: str = explain.FALLBACK
    attempts: dict[int, AttemptReport] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    handed_on: bool = False
    end: Exhausted | None = None

    def take(self, event: Event) -> None:
        """Add what an event tells."""
        match event:
            case Started():
                self.attempts[event.attempt] = asked(event.model, event.cause)
            case Judged(verdict=held):
                self.verdicts[event.attempt] = held
                self.learn(event.attempt, action=event.action, **judged(held))
            case FellBack(cause="withheld"):
                self.handed_on = True
            case Done():
                ended = {"provider": event.served.provider, "finish_reason": event.finish_reason}
                self.learn(event.attempt, **ended)
            case Failed():
                self.learn(event.attempt, fault=event.kind)
            case Exhausted():
                self.end = event

    def learn(self, attempt: int, **known: object) -> None:
        self.attempts[attempt] = self.attempts[attempt].model_copy(update=known)

    @property
    def report(self) -> GuardReport:
        """All that is known by now."""
        attempts = [self.attempts[number] for number in sorted(self.attempts)]
        withheld = (held for held in self.verdicts.values() if held.status == "withheld")
        topic = next((held.topic for held in withheld), None)
        action = max((each.action for each in attempts), key=STRONGER.index, default="pass")
        return GuardReport(
            mode=self.mode,
            verdict=self.verdicts.get(max(self.attempts, default=0)),
            action="fall back" if self.handed_on else action,
            attempts=tuple(attempts),
            facts=facts(topic, self.language),
            exhausted=self.end.cause if self.end else None,
            bound=self.end.bound if self.end else None,
        )


def asked(model: ModelSpec, cause: Cause | None) -> AttemptReport:
    """A model of which nothing is known yet but that it was asked."""
    return AttemptReport(
        model=model.id,
        name=model.name,
        developer=model.developer,
        origin=model.origin or None,
        cause=cause,
    )


def judged(held: Verdict) -> dict[str, object]:
    return held.model_dump(include={"conduct", "status", "score", "explanation"})


def facts(topic: str | None, language: str) -> tuple[ToldFact, ...]:
    """What independent sources hold on a topic; nothing where no pack of it is here."""
    pack = topics.load().get(topic or "")
    return tuple(
        ToldFact(
            text=explain.in_language(fact.text, language),
            language=explain.nearest_language(language, tuple(fact.text)),
            sources=fact.sources,
        )
        for fact in (pack.facts if pack else ())
    )
