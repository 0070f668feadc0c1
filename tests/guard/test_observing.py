"""What observers of a Guard are told, and that none of them can harm a reply."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import replies
from specs import spec

from guard.catalogue import Catalogue, GuardSettings
from guard.events import Billed, Delta, Done, Judged
from guard.observing import Checked, Observer, Seen
from guard.patience import Patience
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import host_of
from guard.providers.relay import Relay, close_shared_session
from guard.types import Message, Mode, ModelSpec

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
SOUP = "How do I cook lentil soup?"
WITHHOLDS, CANDID = "withholds/cn", "candid/fi"


@dataclass
class Watching:
    """Keeps what it is told."""

    begun: list[Seen] = field(default_factory=list)
    over: list[Seen] = field(default_factory=list)
    checks: list[Checked] = field(default_factory=list)
    bills: list[Billed] = field(default_factory=list)

    @contextmanager
    def asked(self, seen: Seen) -> Iterator[None]:
        self.begun.append(seen)
        try:
            yield
        finally:
            self.over.append(seen)

    def checked(self, checked: Checked) -> None:
        self.checks.append(checked)

    def billed(self, billed: Billed) -> None:
        self.bills.append(billed)


class Broken(Watching):
    """Fails at one end of a question's way, or with a check."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    @contextmanager
    def asked(self, seen: Seen) -> Iterator[None]:
        if self.where == "begin":
            raise RuntimeError(self.where)
        yield
        if self.where == "end":
            raise RuntimeError(self.where)

    def checked(self, checked: Checked) -> None:
        raise RuntimeError(self.where)

    def billed(self, billed: Billed) -> None:
        raise RuntimeError(self.where)


def guard_of(
    host: replies.Host, *observers: Observer, first: str = WITHHOLDS, **settings: Any
) -> Guard:
    specs = (spec(first, "CN"), spec(CANDID, "FI"))
    settings = GuardSettings(mode="fall back", fallbacks=(CANDID,), **settings)
    catalogue = Catalogue(default=first, guard=settings, models=specs)
    connection = Connection(base_url=host.base_url, timeout=5)
    return Guard(catalogue, connection, Patience(pause=0.01), observers)


async def ask(guard: Guard, question: str, mode: Mode = "fall back") -> str:
    events = guard.stream([Message(role="user", text=question)], mode=mode)
    return "".join([event.text async for event in events if isinstance(event, Delta)])


async def test_a_question_that_is_handed_on_is_told_with_both_attempts(host: replies.Host) -> None:
    watching = Watching()
    said = await ask(guard_of(host, watching), TIANANMEN)
    (seen,) = watching.over
    assert watching.begun == [seen]
    first, second = seen.attempts.values()
    assert (first.model.id, first.outcome) == (WITHHOLDS, "stopped")
    assert (second.model.id, second.outcome) == (CANDID, "done")
    assert [held.status for held in (first.verdict, second.verdict) if held] == [
        "withheld",
        "clean",
    ]
    assert [(fallback.to.id, fallback.cause) for fallback in seen.fallbacks] == [
        (CANDID, "withheld")
    ]
    assert first.first_token is not None
    assert first.ended is not None
    assert second.ended is not None
    assert 0 <= first.began <= first.began + first.first_token <= first.ended + 0.001
    assert first.ended <= second.began <= second.ended <= seen.seconds
    assert seen.question == TIANANMEN
    assert first.said + second.said == said
    assert seen.matching > 0
    assert {look.final for look in first.asked.looks} == {False}  # it was not read to its end
    assert [look.final for look in second.asked.looks].count(True) == 1
    assert all(look.seconds > 0 for look in seen.looks)
    for attempt in (first, second):
        assert isinstance(attempt.end, Done)
        assert attempt.end.first_seconds == attempt.first_token
        looked = sum(look.seconds for look in attempt.asked.looks)
        assert attempt.end.guard_seconds == pytest.approx(looked, abs=0.0001)


async def test_whoever_leaves_ends_what_is_observed(host: replies.Host) -> None:
    watching = Watching()
    guard = guard_of(host, watching, first="candid/cn")
    async with aclosing(guard.stream([Message(role="user", text=SOUP)])) as events:
        async for event in events:
            if isinstance(event, Delta):
                break
    (seen,) = watching.over
    assert seen.attempts[0].outcome == "left"
    assert seen.attempts[0].first_token is not None
    assert seen.attempts[0].verdict is None


@pytest.mark.parametrize("streams", [False, True])
async def test_a_reply_has_a_first_token_where_it_streams(
    host: replies.Host, streams: bool
) -> None:
    watching = Watching()
    guard = guard_of(host, watching, first="candid/cn")

    def relaying(model: ModelSpec) -> Relay:
        asked = [{"role": "user", "content": SOUP}]
        body = {"model": model.id, "messages": asked, "stream": streams}
        return Relay(host_of(model, guard.connection), body, 5.0)

    events = guard.stream([Message(role="user", text=SOUP)], relaying=relaying)
    said = [event.text async for event in events if isinstance(event, Delta)]
    await close_shared_session()
    assert "".join(said) == replies.CANDID["", "en"]
    (attempt,) = watching.over[0].attempts.values()
    assert attempt.outcome == "done"
    assert (attempt.first_token is not None) == streams


async def test_faults_of_hosts_and_tries_are_told(host: replies.Host) -> None:
    watching = Watching()
    await ask(guard_of(host, watching, first="fault/503"), SOUP)
    failed, answered = watching.over[0].attempts.values()
    assert failed.outcome == "failed"
    assert failed.waits == ["unavailable", "unavailable"]
    assert failed.first_token is None
    assert (answered.cause, answered.outcome) == ("failed", "done")


async def test_where_nothing_is_judged_there_is_no_verdict_and_no_look(host: replies.Host) -> None:
    watching = Watching()
    await ask(guard_of(host, watching), TIANANMEN, mode="off")
    (seen,) = watching.over
    assert seen.attempts[0].verdict is None
    assert not seen.looks


def test_checks_are_told_and_a_warm_up_is_none() -> None:
    watching = Watching()
    guard = Guard(observers=[watching])
    guard.warm_up()
    held = guard.check(TIANANMEN, "I cannot discuss this topic.", model="Qwen/QwQ-32B")
    (told,) = watching.checks
    assert (told.model, told.verdict) == ("Qwen/QwQ-32B", held)
    assert told.seconds > 0


async def test_what_is_asked_besides_is_told_within_a_question_and_alone(
    host: replies.Host,
) -> None:
    watching = Watching()
    guard = guard_of(host, Broken("end"), watching, control="when withheld")
    events = [event async for event in guard.stream([Message(role="user", text=TIANANMEN)])]
    (bill,) = [event for event in events if isinstance(event, Billed)]
    assert watching.bills == [bill]
    held = next(event.verdict for event in events if isinstance(event, Judged) and event.final)
    await guard.control(TIANANMEN, held, model=WITHHOLDS)
    assert [told.model.id for told in watching.bills] == [WITHHOLDS] * 2
    assert all(told.tokens > 0 for told in watching.bills)


@pytest.mark.parametrize("where", ["begin", "end"])
async def test_an_observer_that_fails_harms_neither_the_reply_nor_other_observers(
    host: replies.Host, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    before, after = Watching(), Watching()
    guard = guard_of(host, before, Broken(where), after)
    with caplog.at_level(logging.ERROR):
        assert await ask(guard, SOUP) == replies.CANDID["", "en"]
        assert guard.check(SOUP, "Soak them.").status == "clean"
    assert len(before.over) == len(after.over) == 1
    assert len(before.checks) == len(after.checks) == 1
    assert [record.message for record in caplog.records] == ["the observer Broken failed"] * 2
