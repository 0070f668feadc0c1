"""What a reply costs, and where a limit in dollars ends a chain."""

from __future__ import annotations

import pytest
import replies
from langchain_core.messages.ai import UsageMetadata
from specs import spec

from guard.catalogue import Catalogue, GuardSettings, Limits, joined
from guard.events import Done, Event, Exhausted, Started
from guard.pipeline import Guard
from guard.prices import Spent
from guard.providers import Connection
from guard.snapshot import HubModel, Offer, Snapshot
from guard.types import Message

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
OFFER = Offer(provider="127.0.0.1", model="x", input_price=2.0, output_price=10.0)


def test_a_host_that_counts_has_the_last_word() -> None:
    spent = Spent.asking([Message(role="user", text="x" * 400)])
    assert (spent.prompt, spent.completion) == (100, 0)
    spent.read("word")
    spent.read("word " * 40)
    assert spent.completion == 51
    spent.take(UsageMetadata(input_tokens=7, output_tokens=90, total_tokens=97))
    spent.read("one more")
    assert (spent.prompt, spent.completion) == (7, 90)
    assert spent.dollars(OFFER) == pytest.approx((7 * 2 + 90 * 10) / 1e6)


@pytest.mark.parametrize(
    "usage", [None, UsageMetadata(input_tokens=7, output_tokens=0, total_tokens=7)]
)
def test_a_count_of_nothing_is_none(usage: UsageMetadata | None) -> None:
    spent = Spent()
    spent.read("word")
    spent.take(usage)
    assert spent.completion == 1


@pytest.mark.parametrize("offer", [None, OFFER.model_copy(update={"input_price": None})])
def test_without_a_price_no_cost_is_known(offer: Offer | None) -> None:
    assert Spent(prompt=10, completion=10).dollars(offer) is None


def guard_of(host: replies.Host, limits: Limits, priced: bool = True) -> Guard:
    models = tuple(
        spec(id_, origin)
        for id_, origin in (("withholds/cn", "CN"), ("refuses/fi", "FI"), ("candid/ch", "CH"))
    )
    chain = tuple(spec.id for spec in models[1:])
    settings = GuardSettings(mode="fall back", fallbacks=chain, limits=limits)
    known = {spec.id: HubModel(id=spec.id, offers=(OFFER,)) for spec in models}
    held = Snapshot(models=known if priced else {})
    catalogue = joined(Catalogue(default="withholds/cn", guard=settings, models=models), held)
    return Guard(catalogue, Connection(base_url=host.base_url, timeout=5))


async def ask(guard: Guard) -> list[Event]:
    return [event async for event in guard.stream([Message(role="user", text=TIANANMEN)])]


async def test_each_reply_tells_its_tokens_and_its_cost(host: replies.Host) -> None:
    events = await ask(guard_of(host, Limits()))
    done = [event for event in events if isinstance(event, Done)]
    assert len(done) == 3
    for one in done:
        assert one.tokens > 0
        assert one.dollars is not None
        assert one.dollars == pytest.approx(one.tokens * 10 / 1e6, rel=0.5)


async def test_no_further_model_is_asked_once_the_money_is_spent(host: replies.Host) -> None:
    events = await ask(guard_of(host, Limits(dollars=1e-6)))
    assert [event.model.id for event in events if isinstance(event, Started)] == ["withholds/cn"]
    assert isinstance(events[-1], Exhausted)
    assert events[-1].bound == "dollars"


async def test_unknown_prices_do_not_count(host: replies.Host) -> None:
    events = await ask(guard_of(host, Limits(dollars=1e-6), priced=False))
    assert isinstance(events[-1], Done)
    assert events[-1].dollars is None
