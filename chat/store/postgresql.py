"""How the store reaches PostgreSQL, so that no request waits long for a server that is not there.

A connection is tried before it is lent, so that one to a server that was restarted is made anew.
What the server does not answer in time fails, and its connection is given up. Through PgBouncer
this works in its session mode; see docs/deploying.md.
"""

from __future__ import annotations

import asyncpg
from sqlalchemy import URL, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECTING = 3  # seconds until a server must have let a connection in
COMMAND = 4  # seconds that one statement may take; as long again to take it back
WAITING = 5  # seconds to wait for one of the pool's connections
NAME = {"application_name": "candor"}  # as the server lists who is connected

DRIVER = "postgresql+asyncpg"
SPELLINGS = {"postgres", "postgresql", DRIVER}
OPTIONS = {"host", "port", "ssl", "target_session_attrs"}

# What asyncpg raises; SQLAlchemy hands it on as it is where a connection is being set up.
FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError)


def address(url: URL) -> URL:
    """An address as providers and PostgreSQL's own tools write it, as SQLAlchemy takes it.

    Raises:
        ValueError: it is of another database, or holds an option that has no meaning here.
    """
    if url.drivername not in SPELLINGS:
        raise ValueError(f"{url.drivername!r} is neither postgresql nor sqlite+aiosqlite")
    options = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    if unknown := options.keys() - OPTIONS:
        told = ", ".join(sorted({*OPTIONS, "sslmode"}))
        raise ValueError(f"{min(unknown)!r} is no option of the address; there are {told}")
    return url.set(drivername=DRIVER, query=options)


def serving_engine(url: URL, connections: int) -> AsyncEngine:
    """An engine for requests, which holds so many connections at most."""
    return create_async_engine(
        url,
        pool_pre_ping=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=WAITING,
        connect_args={"timeout": CONNECTING, "command_timeout": COMMAND, "server_settings": NAME},
    )


def migrating_engine(url: URL) -> AsyncEngine:
    """An engine for migrations, which may take long and need one connection once."""
    patience = {"timeout": CONNECTING, "server_settings": NAME}
    return create_async_engine(url, poolclass=NullPool, connect_args=patience)
