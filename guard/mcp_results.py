"""What the MCP tools give back: values whose field names say who speaks.

What a model wrote stands in fields called `model_wrote`, without terminal escapes and without its
thinking; every other word is the guard's, the operator's or a source's. What a judge or a control
reply says in its own words is left out: the guard's sentence tells what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

from . import explain, matching, telling, topics
from .errors import InputError, ProviderError
from .events import Bound, Cause, Delta, Event, Failed, Started
from .plain import one_line, plain
from .telling import AttemptReport, Telling, ToldFact
from .text import split_thinking
from .topics import Pack
from .types import Action, Conduct, Country, Mode, Score, Signal, Status, Value, Verdict

MOST_QUOTES, MOST_TOPICS, MOST_NEAR = 10, 3, 5
QUOTED = 300  # characters of a model's words that a quotation repeats
HOST_WORDS = 60  # characters of what a host says of itself
NONE_FOUND = "no topic pack is about this question; that says nothing of the question"
BESIDE = 1  # the lane of a second model that answers beside the one that was asked


class Quote(Value):
    """Words of the reply, characters `start` to `end` (excluded) of it."""

    start: int
    end: int
    model_wrote: str


class Finding(Value):
    """What one detector saw: `score` of 1 is sure. `meaning` completes "This reply …"."""

    signal: str
    score: Score
    meaning: str
    quotes: tuple[Quote, ...]


class CheckedReply(Value):
    """The verdict on a reply. `explanation` is the guard's sentence, to be shown as it is.

    `status`: `withheld` on a topic that a state suppresses, `clean`, or `unchecked`; `conduct` is
    what the reply did, `score` how likely it withholds. `aligned`: the topic is a taboo of the
    model's own origin or lineage; null where either is unknown. `ordinary`: the question holds the
    topic's words, not its subject. `topic` can be given to `topic_facts`.
    """

    status: Status
    conduct: Conduct
    score: Score
    explanation: str
    topic: str | None
    jurisdiction: Country | None
    ordinary: bool
    aligned: bool | None
    model_origins: tuple[str, ...]
    findings: tuple[Finding, ...]


class ModelReply(Value):
    """What one model said; `attempt` is its place in `attempts`, counted from 0."""

    attempt: int
    model: str
    model_wrote: str


class GuardedAnswer(Value):
    """A question's replies, and what the guard holds of them.

    `reply` is the last that did not withhold; where all did, the last there is: its status is in
    `attempts`. `attempts` are the models in the order in which they were asked, each with who made
    it, where, who served it, and the guard's verdict. `action` is the strongest that was taken.
    `facts` are there where a reply withheld. `exhausted` says why a further model was wanted where
    none could be asked, `bound` which of the operator's limits ended it.
    """

    reply: ModelReply
    other_replies: tuple[ModelReply, ...]
    mode: Mode
    action: Action
    attempts: tuple[AttemptReport, ...]
    facts: tuple[ToldFact, ...]
    exhausted: Cause | None
    bound: Bound | None


class TopicFacts(Value):
    """What independent sources hold on one topic that a state suppresses.

    `jurisdiction` and `country` say which state. `match` says how sure it is that a question is
    about it, null where the topic was named; `ordinary`: only its words are there.
    """

    topic: str
    name: str
    jurisdiction: Country
    country: str
    about: str
    match: Score | None = None
    ordinary: bool = False
    facts: tuple[ToldFact, ...]


class FoundTopics(Value):
    """The topics that were asked for, likeliest first; where there are none, `advice` says so."""

    topics: tuple[TopicFacts, ...]
    advice: str


def checked(verdict: Verdict, reply: str, origins: tuple[str, ...], language: str) -> CheckedReply:
    """A verdict with the words of the reply that it rests on."""
    strongest_first = sorted(verdict.signals, key=lambda signal: -signal.score)
    return CheckedReply(
        **verdict.model_dump(
            include={"status", "conduct", "score", "explanation", "topic", "jurisdiction"}
        ),
        ordinary=verdict.ordinary,
        aligned=verdict.aligned,
        model_origins=origins,
        findings=tuple(finding(signal, reply, language) for signal in strongest_first),
    )


def finding(signal: Signal, reply: str, language: str) -> Finding:
    meanings = explain.sentences(language).reasons
    return Finding(
        signal=signal.name,
        score=round(signal.score, 4),
        meaning=meanings.get(signal.reason, ""),
        quotes=tuple(
            Quote(start=start, end=end, model_wrote=one_line(reply[start:end], QUOTED))
            for start, end in signal.spans[:MOST_QUOTES]
        ),
    )


@dataclass
class Answering:
    """The answer to one question as far as its events have come."""

    telling: Telling
    pieces: dict[int, list[str]] = field(default_factory=dict)
    beside: set[int] = field(default_factory=set)
    failed: Failed | None = None

    def take(self, event: Event) -> None:
        self.telling.take(event)
        match event:
            case Started(lane=lane):
                self.pieces[event.attempt] = []
                if lane == BESIDE:
                    self.beside.add(event.attempt)
            case Delta():
                self.pieces[event.attempt].append(event.text)
            case Failed():
                self.failed = event

    def answer(self) -> GuardedAnswer:
        """All of it, once the last event has come.

        Raises:
            ProviderError: the hosts failed before any model said anything.
        """
        report = self.telling.report
        said = {n: split_thinking("".join(all_)).answer for n, all_ in self.pieces.items()}
        if self.failed and not any(text.strip() for text in said.values()):
            raise silent(self.failed, report.attempts, self.telling.language)
        chosen = self.chosen(said, report.attempts)
        replies = {
            n: ModelReply(attempt=n, model=report.attempts[n].model, model_wrote=plain(text))
            for n, text in said.items()
        }
        return GuardedAnswer(
            reply=replies.pop(chosen),
            other_replies=tuple(reply for reply in replies.values() if reply.model_wrote),
            attempts=tuple(map(in_short, report.attempts)),
            **{name: getattr(report, name) for name in SAME},
        )

    def chosen(self, said: dict[int, str], attempts: tuple[AttemptReport, ...]) -> int:
        """The attempt whose reply is the answer: before all others one of the model's own lane."""
        spoken = [n for n in reversed(said) if said[n].strip()] or [0]
        answers = [n for n in spoken if attempts[n].status != "withheld"]
        own = [n for n in answers if n not in self.beside]
        return (own or answers or spoken)[0]


def silent(failed: Failed, attempts: tuple[AttemptReport, ...], language: str) -> ProviderError:
    """Nobody answered: what happened to the last that was asked, and what can be done."""
    what, advice = explain.fault(failed.kind, language, model=attempts[failed.attempt].name)
    return ProviderError(failed.kind, f"{what} {advice}", retry_after=failed.retry_after)


SAME = ("mode", "action", "facts", "exhausted", "bound")  # as the report has them


def in_short(attempt: AttemptReport) -> AttemptReport:
    """An attempt with no more of the host's own words than name it."""
    provider, reason = attempt.provider, attempt.finish_reason
    return attempt.model_copy(
        update={
            "provider": one_line(provider, HOST_WORDS),
            "finish_reason": one_line(reason, HOST_WORDS),
        }
    )


def facts_of(pack: Pack, language: str, match: float | None, ordinary: bool) -> TopicFacts:
    return TopicFacts(
        topic=pack.id,
        name=explain.in_language(pack.names, language),
        jurisdiction=pack.jurisdiction,
        country=explain.country(pack.jurisdiction, language),
        about=explain.in_language(pack.about, language),
        match=match,
        ordinary=ordinary,
        facts=telling.facts(pack.id, language),
    )


def topic_named(topic: str, language: str) -> FoundTopics:
    """The topic of that id.

    Raises:
        InputError: there is none; the error names those that may be meant.
    """
    packs = topics.load()
    if topic not in packs:
        near = near_topics(topic)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise InputError(
            f"There is no topic {one_line(topic)!r}.{hint} To find topics by a question, give"
            " `query` in place of `topic`."
        )
    return FoundTopics(topics=(facts_of(packs[topic], language, None, False),), advice="")


def near_topics(words: str) -> list[str]:
    """The ids that are spelt alike, hold the words, or that the words would match as a question."""
    folded = words.casefold()
    packs = topics.load()
    spelt = get_close_matches(folded, packs, MOST_NEAR)
    holding = (id_ for id_ in packs if len(folded) > 2 and folded.replace(" ", "-") in id_)
    matched = (found.topic for found in matching.matches(words))
    return list(dict.fromkeys((*spelt, *holding, *matched)))[:MOST_NEAR]


def topics_matching(question: str, language: str) -> FoundTopics:
    """The topics that a question is about."""
    packs = topics.load()
    found = tuple(
        facts_of(packs[match.topic], language, match.score, match.ordinary)
        for match in matching.matches(question)[:MOST_TOPICS]
    )
    return FoundTopics(topics=found, advice="" if found else NONE_FOUND)
