"""SQLite's threads: one transaction after the other, reading meanwhile, and what fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chat.store import Conversation, Store

OWNER = "cookie:a"


@pytest.fixture(params=["file", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    where = ":memory:" if request.param == "memory" else f"{tmp_path}/candor.sqlite3"
    opened = await Store(f"sqlite+aiosqlite:///{where}").open()
    yield opened
    await opened.close()


def title(session: Session) -> str:
    return session.scalars(select(Conversation.title)).one()


def longer(session: Session) -> None:
    """Write what was read, and one sign more."""
    session.execute(update(Conversation).values(title=title(session) + "!"))


async def test_of_many_writers_each_sees_what_the_one_before_wrote(store: Store) -> None:
    await store.start(OWNER, "Why", "org/model", "warn")
    await asyncio.gather(*(store.write(longer) for _ in range(40)))
    assert await store.read(title) == "Why" + "!" * 40


async def test_what_fails_is_told_and_leaves_nothing_and_the_next_is_written(store: Store) -> None:
    await store.start(OWNER, "Why", "org/model", "warn")

    def broken(session: Session) -> None:
        longer(session)
        session.execute(text("INSERT INTO conversation SELECT * FROM conversation"))

    told = await asyncio.gather(
        store.write(longer), store.write(broken), store.write(longer), return_exceptions=True
    )
    assert [type(one) for one in told] == [type(None), IntegrityError, type(None)]
    assert await store.read(title) == "Why!!"


async def test_others_read_and_the_loop_goes_round_while_one_writes(tmp_path: Path) -> None:
    store = await Store(f"sqlite+aiosqlite:///{tmp_path}/candor.sqlite3").open()
    await store.start(OWNER, "Why", "org/model", "warn")
    begun, go = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        longer(session)
        begun.set()
        assert go.wait(20)

    writing = asyncio.create_task(store.write(slow))
    assert await asyncio.to_thread(begun.wait, 20)
    assert await store.read(title) == "Why"
    assert not writing.done()
    go.set()
    await store.close()  # what has begun is done first
    await writing
    again = await Store(f"sqlite+aiosqlite:///{tmp_path}/candor.sqlite3").open()
    assert await again.read(title) == "Why!"
    await again.close()


async def test_who_is_cancelled_in_line_does_not_write(store: Store) -> None:
    await store.start(OWNER, "Why", "org/model", "warn")
    begun, go = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        begun.set()
        assert go.wait(20)

    first = asyncio.create_task(store.write(slow))
    assert await asyncio.to_thread(begun.wait, 20)
    waiting = asyncio.create_task(store.write(longer))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    go.set()
    await first
    assert await store.read(title) == "Why"
