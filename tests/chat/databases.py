"""Databases for tests: SQLite files, and servers of PostgreSQL and Redis where they are installed.

`TEST_POSTGRES_URL` and `TEST_REDIS_URL` name servers that are there already; tests empty them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import own_postgres, own_redis
from sqlalchemy.ext.asyncio import create_async_engine


@contextmanager
def server() -> Iterator[str]:
    """The address of a PostgreSQL server: the one of `TEST_POSTGRES_URL`, else one for the time."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with own_postgres() as server:
        yield server.url


async def emptied(server: str) -> str:
    """The server's address, its public schema new."""
    engine = create_async_engine(server)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await engine.dispose()
    return server


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a Redis server: the one of `TEST_REDIS_URL`, else one for the time."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with own_redis() as server:
        yield server.url


def address(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"
