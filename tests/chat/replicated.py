"""Replicas of the app over one database, one Redis and one host, and what they have stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from served import API_KEY, HF_TOKEN, LLAMA, Page, page_of
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


@contextmanager
def same_reader(first: Page, url: str) -> Iterator[Page]:
    """The same reader's page at another replica."""
    with page_of(url) as page:
        page.http.cookies = first.http.cookies
        yield page


def stored(database: str, conversation: str) -> list[Any]:
    """The replies of a conversation as the database has them, in their order."""

    async def rows() -> list[Any]:
        engine = create_async_engine(database)
        query = text(
            "SELECT reply.text, reply.state, reply.run, reply.step, reply.lane FROM reply"
            " JOIN turn ON turn.id = turn_id WHERE conversation_id = :id"
            " ORDER BY turn.created_at, run, step"
        )
        async with engine.connect() as connection:
            found = [*await connection.execute(query, {"id": conversation})]
        await engine.dispose()
        return found

    return asyncio.run(rows())


def environment(host: str, database: str, redis: str, **more: str) -> dict[str, str]:
    return {
        "CANDOR_BASE_URL": host,
        "CANDOR_DEFAULT_MODEL": LLAMA,
        "CANDOR_API_KEY": API_KEY,
        "HF_TOKEN": HF_TOKEN,
        "CANDOR_DATABASE_URL": database,
        "CANDOR_REDIS_URL": redis,
        "CANDOR_DRAIN": "10",
    } | more
