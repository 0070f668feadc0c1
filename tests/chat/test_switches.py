"""What admins set, as it lies in a real database: broken rows, races, a database that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, text

from chat.store import Store, now
from chat.store.tables import AdminAction, Setting
from chat.switches import (
    BANNER,
    DEFAULT,
    LIMIT,
    MODEL,
    Banner,
    Switchboard,
    Switches,
    banner_now,
    switches_of,
)
from guard import catalogue

LISTED = catalogue.load()
QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"


def action(name: str = "limits") -> AdminAction:
    return AdminAction(admin="hf:ada", action=name)


async def until(reached: Callable[[], bool]) -> None:
    """Wait for a board that follows."""
    async with asyncio.timeout(20):
        while True:
            if reached():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def taken() -> list[Switches]:
    return []


@pytest.fixture
async def board(store: Store, taken: list[Switches]) -> Switchboard:
    made = Switchboard(store, taken.append)
    await made.read()
    return made


async def test_nothing_is_set_at_first(board: Switchboard, taken: list[Switches]) -> None:
    assert board.now == Switches()
    assert taken == []


async def test_what_is_set_holds_at_once_and_is_noted(
    store: Store, board: Switchboard, taken: list[Switches]
) -> None:
    values = {MODEL + LLAMA: {"why": "slow"}, LIMIT + "CANDOR_LIMITS": {"text": "none"}}
    await board.change(values | {DEFAULT: {"model": QWEN}}, action())
    assert board.now.models_off == {LLAMA}
    assert board.now.off == {LLAMA: "slow"}
    assert board.now.limits == {"CANDOR_LIMITS": "none"}
    assert board.now.default == QWEN
    await board.change({MODEL + LLAMA: None}, action())
    assert board.now.models_off == frozenset()
    assert len(taken) == 2
    number = select(func.count()).select_from(AdminAction)
    assert await store.read(lambda session: session.scalar(number)) == 2


async def test_what_is_as_before_is_not_taken_again(
    board: Switchboard, taken: list[Switches]
) -> None:
    for _ in range(3):
        await board.change({DEFAULT: {"model": QWEN}}, action())
    assert len(taken) == 1


async def test_admins_who_change_at_once_overwrite_nothing(store: Store) -> None:
    boards = [Switchboard(store, lambda _: None) for _ in range(8)]
    changes = ({MODEL + f"acme/{n}": {"why": ""}} for n in range(8))
    await asyncio.gather(*(b.change(c, action()) for b, c in zip(boards, changes, strict=True)))
    await boards[0].read()
    assert len(boards[0].now.models_off) == 8


async def test_another_process_follows(store: Store, board: Switchboard) -> None:
    other = Switchboard(store, lambda _: None)
    following = asyncio.create_task(other.follow(every=0.01))
    await board.change({BANNER: {"text": "Hello."}}, action())
    await until(lambda: other.now == board.now)
    following.cancel()


async def test_without_the_database_all_stays(
    store: Store, board: Switchboard, caplog: pytest.LogCaptureFixture
) -> None:
    await board.change({BANNER: {"text": "Hello."}}, action())
    async with store.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE setting RENAME TO away"))
    following = asyncio.create_task(board.follow(every=0.01))
    await until(lambda: "cannot be read" in caplog.text)
    await asyncio.sleep(0.05)
    assert board.now.banner
    assert caplog.text.count("cannot be read") == 1
    async with store.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO setting"))
    await store.write(lambda session: session.delete(session.get_one(Setting, BANNER)))
    await until(lambda: board.now.banner is None)
    following.cancel()


@pytest.mark.parametrize(
    "value", [None, 7, "x", [], {"text": ""}, {"text": 1}, {"text": "x", "html": "<b>"}]
)
def test_a_row_that_cannot_be_understood_is_left_out(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rows = {BANNER: value, MODEL + LLAMA: {"why": "so"}, "of a newer Candor": value}
    assert switches_of(rows) == Switches(off={LLAMA: "so"})
    assert "passed over" in caplog.text


@pytest.mark.parametrize("told", [None, 20, "x", "", "20/minute; 4", "1/day, " * 99 + "1/day"])
def test_a_limit_that_is_none_is_left_out(told: Any) -> None:
    assert switches_of({LIMIT + "CANDOR_LIMITS": {"text": told}}).limits == {}


def test_a_banner_stands_until_its_time() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    banner = Banner(text="Hello.", until=moment)
    assert banner.stands(moment - timedelta(seconds=1))
    assert not banner.stands(moment)
    assert banner_now(Switches(banner=Banner(text="Hello.", until=now()))) is None
    with pytest.raises(ValidationError):
        Banner(text="Hello.", until=datetime(2030, 1, 1))


def test_a_model_that_is_off_is_in_no_chain() -> None:
    left = LISTED.without({LLAMA, "acme/none"})
    assert LLAMA not in left.by_id
    assert LLAMA not in left.guard.fallbacks
    assert all(LLAMA not in ids for ids in left.guard.fallbacks_for.values())
    assert LLAMA not in left.guard.second_opinion.judges
    assert left.default == LISTED.default
    assert left.snapshot is LISTED.snapshot
    assert len(left.models) == len(LISTED.models) - 1


def test_the_default_is_never_off() -> None:
    every = set(LISTED.by_id)
    assert set(LISTED.without(every).by_id) == {LISTED.default}
    assert set(LISTED.without(every, LLAMA).by_id) == {LLAMA}
    assert LISTED.without((), "acme/none").default == LISTED.default


def test_a_model_that_is_off_makes_no_titles() -> None:
    assert LISTED.with_titles(LLAMA).without({LLAMA}).titles is None
    assert LISTED.with_titles(LLAMA).without({QWEN}).titles == LLAMA
