"""What the operator is told, worked out by SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chat import disputes
from chat.figures import SPANS, Figures, Recent, Times, figures
from chat.record import record_of, rows_of
from chat.store import Reply, Store, Turn, new_id, now
from chat.store.tables import AdminAction
from guard import catalogue

ANNA = "cookie:anna"
MODELS = {spec.id: spec for spec in catalogue.load().models}
QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
WITHHELD = {
    "conduct": "refused",
    "status": "withheld",
    "score": 0.9,
    "topic": "tiananmen-1989",
    "jurisdiction": "CN",
}
CLEAN = {"conduct": "answered", "status": "clean", "score": 0.1}


async def turn(store: Store, owner: str = ANNA) -> tuple[str, str]:
    first = Turn(question="Why?")
    begun = await store.start(owner, "Why?", QWEN, "warn", first=first)
    return begun.id, first.id


def reply(turn_id: str, model: str = QWEN, **values: Any) -> Reply:
    told = {"text": "It is so.", "state": "done", "created_at": now()} | values
    run = told.pop("run", 0)
    spec = MODELS[model].model_dump(mode="json")
    return Reply(
        id=new_id(), turn_id=turn_id, run=run, step=told.pop("step", 0), model=spec, **told
    )


async def kept(store: Store, *rows: dict[str, Any]) -> tuple[str, str]:
    """Replies in one conversation, each another run."""
    id_, turn_id = await turn(store)
    for run, values in enumerate(rows):
        await store.add_reply(reply(turn_id, **({"run": run} | values)))
    return id_, turn_id


async def day(store: Store) -> Figures:
    return await figures(store, "day")


async def test_an_empty_store_has_figures_too(store: Store) -> None:
    found = await day(store)
    assert found.total.replies == 0
    assert found.total.dollars is None
    assert found.first is None
    assert len(found.bars) == 24
    assert found.models == found.topics == ()


async def test_replies_are_counted_by_model_origin_topic_and_conduct(store: Store) -> None:
    await kept(
        store,
        {"verdict": WITHHELD, "tokens": 5, "dollars": 0.25},
        {"verdict": WITHHELD | {"conduct": "evaded"}, "tokens": 7, "not_withheld": True},
        {"model": LLAMA, "verdict": CLEAN, "cause": "withheld", "step": 1, "dollars": 0.5},
        {"model": LLAMA, "verdict": CLEAN | {"status": "unchecked"}},
        {"model": LLAMA, "state": "failed", "fault": {"kind": "timeout", "message": "x"}},
    )
    found = await day(store)
    assert (found.total.replies, found.total.withheld, found.total.failed) == (5, 2, 1)
    assert (found.total.unchecked, found.total.unjudged, found.total.disputed) == (1, 1, 1)
    assert (found.total.tokens, found.total.dollars) == (12, 0.75)
    assert [(one.model, one.origin, one.tally.replies) for one in found.models] == [
        (LLAMA, "US", 3),
        (QWEN, "CN", 2),
    ]
    assert {code: tally.withheld for code, tally in found.origins.items()} == {"US": 0, "CN": 2}
    assert [(one.topic, one.jurisdiction) for one in found.topics] == [("tiananmen-1989", "CN")]
    topic = found.topics[0].tally
    assert (topic.refused, topic.evaded, topic.disputed) == (1, 1, 1)
    assert found.instead == {"withheld": 1}
    assert found.faults == {"timeout": 1}


async def test_why_no_other_model_answered_is_counted(store: Store) -> None:
    await kept(store, {"exhausted": "withheld"}, {"exhausted": "failed", "bound": "seconds"})
    assert (await day(store)).unanswered == {"seconds": 1, "withheld": 1}


async def test_half_and_most_of_the_times_are_exact(store: Store) -> None:
    took = [float(n) for n in range(1, 21)]
    await kept(store, *({"first_seconds": n, "guard_seconds": n / 100} for n in took), {})
    await kept(store, {"model": LLAMA, "first_seconds": 99.0})
    found = await day(store)
    qwen, llama = (next(m for m in found.models if m.model == id_) for id_ in (QWEN, LLAMA))
    assert qwen.first == Times(half=10, most=19)
    assert qwen.guard == Times(half=0.1, most=0.19)
    assert llama.first == Times(half=99, most=99)
    assert llama.guard is None
    assert found.first == Times(half=11, most=20)


@pytest.mark.parametrize(("period", "within"), [("day", 1), ("week", 2), ("month", 3)])
async def test_a_period_holds_what_came_in_it(store: Store, period: Any, within: int) -> None:
    moments = (timedelta(hours=2), timedelta(days=3), timedelta(days=20), timedelta(days=40))
    await kept(store, *({"created_at": now() - ago} for ago in moments))
    found = await figures(store, period)
    assert found.total.replies == within
    assert sum(bar.replies for bar in found.bars) == within
    length, bar = SPANS[period]
    assert len(found.bars) * bar == length


async def test_each_bar_holds_what_came_while_it_lasted(store: Store) -> None:
    ago = timedelta(minutes=30)
    old = {"created_at": now() - timedelta(hours=23, minutes=30)}
    await kept(store, old, {"created_at": now() - ago, "verdict": WITHHELD}, {"state": "failed"})
    bars = (await day(store)).bars
    assert [bar.replies for bar in bars] == [1, *[0] * 22, 2]
    assert (bars[-1].withheld, bars[-1].failed) == (1, 1)
    assert bars[0].since < bars[1].since


async def test_copies_and_imports_are_no_replies_of_ours(store: Store) -> None:
    id_, turn_id = await kept(store, {"verdict": WITHHELD, "dollars": 0.25})
    whole = await store.conversation(ANNA, id_)
    await store.add(rows_of(record_of(whole), "cookie:bert"))
    await store.add_reply(reply(turn_id, run=1, source="chatgpt"))
    found = await day(store)
    assert (found.total.replies, found.total.dollars) == (1, 0.25)


async def test_what_streams_is_counted_in_all_processes(store: Store) -> None:
    await kept(store, {"state": "streaming"}, {"state": "done"})
    assert (await day(store)).coming == 1


async def test_disputes_are_counted_by_decision(store: Store) -> None:
    id_, turn_id = await kept(store, {"verdict": WITHHELD})
    found = (await store.turn(ANNA, id_, turn_id)).replies[0]
    await store.rate(ANNA, id_, found.id, not_withheld=True)
    assert (await day(store)).disputes == {"": 1}


async def test_who_sends_a_reply_again_does_not_undo_what_was_decided(store: Store) -> None:
    id_, turn_id = await kept(store, {"verdict": WITHHELD})
    found = (await store.turn(ANNA, id_, turn_id)).replies[0]
    await store.rate(ANNA, id_, found.id, not_withheld=True)
    action = AdminAction(admin="hf:ada", action="decision")
    await disputes.decide(store, found.id, "guard right", "", action)
    await store.rate(ANNA, id_, found.id, not_withheld=True)
    assert (await day(store)).disputes == {"guard right": 1}


async def test_what_a_reader_has_deleted_is_counted_no_more(store: Store) -> None:
    id_, turn_id = await kept(store, {"verdict": WITHHELD, "first_seconds": 1.0})
    found = (await store.turn(ANNA, id_, turn_id)).replies[0]
    await store.rate(ANNA, id_, found.id, not_withheld=True)
    await store.change(ANNA, id_, deleted_at=now())
    figures_now = await day(store)
    assert (figures_now.total.replies, figures_now.first) == (0, None)
    assert figures_now.disputes == {}, "as in the list of disputes"
    await store.change(ANNA, id_, deleted_at=None)
    assert (await day(store)).disputes == {"": 1}


async def test_who_looks_again_soon_costs_the_database_nothing(store: Store) -> None:
    recent, anew = Recent(store), Recent(store, fresh=0)
    first = await recent.figures("day")
    await kept(store, {})
    assert await recent.figures("day") is first
    assert (await recent.figures("week")).total.replies == 1
    assert (await anew.figures("day")).total.replies == 1
