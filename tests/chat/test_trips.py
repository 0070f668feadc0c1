"""How often SQLite's thread is asked to do something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from chat.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store(f"sqlite+aiosqlite:///{tmp_path}/candor.sqlite3").open()
    yield opened
    await opened.close()


@pytest.fixture
def trips(store: Store) -> list[str]:
    """The SQL that each connection ran, as SQLite itself tells it, ends of transactions too."""
    told: list[str] = []

    def traced(connection: Any, *_: Any) -> None:
        connection.driver_connection._conn.set_trace_callback(told.append)

    event.listen(store.engine.sync_engine, "checkout", traced)
    return told


async def test_reading_ends_nothing(store: Store, trips: list[str]) -> None:
    async with store.session() as session:
        assert (await session.execute(text("SELECT 1 AS one"))).mappings().all() == [{"one": 1}]
    assert trips == ["SELECT 1 AS one"]


async def test_what_is_written_stays(store: Store, trips: list[str]) -> None:
    begun = await store.start("cookie:a", "Why?", "org/model", "warn", ["web"])
    assert trips == [], "what is written has a thread of its own"
    assert (await store.heading("cookie:a", begun.id)).tools == ["web"]


async def test_what_fails_is_taken_back(store: Store) -> None:
    begun = await store.start("cookie:a", "Why?", "org/model", "warn")

    def work(session: Session) -> None:
        session.execute(text("UPDATE conversation SET title = 'Other'"))
        session.execute(text("INSERT INTO conversation SELECT * FROM conversation"))

    with pytest.raises(IntegrityError):
        await store.write(work)
    assert (await store.heading("cookie:a", begun.id)).title == "Why?"


async def test_who_is_cancelled_leaves_nothing_open(store: Store) -> None:
    begun = await store.start("cookie:a", "Why?", "org/model", "warn")

    async def write() -> None:
        async with store.session() as session:
            await session.execute(text("UPDATE conversation SET title = 'Other'"))
            await asyncio.sleep(0)

    for turns in range(30):
        task = asyncio.create_task(write())
        for _ in range(turns % 6):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await store.change("cookie:a", begun.id, title="Mine")
    assert (await store.heading("cookie:a", begun.id)).title == "Mine"
