"""SQLite's transactions in threads of their own: each is one trip from the event loop and back.

Beside a hundred streams every trip waits for its turn on the event loop, and whoever waits for the
one writer waits for all of its trips. There is one thread that writes, so that no two writers of
this process ever wait for each other in SQLite's own way, which is to try again; what waits for it
stands in line. Some threads read meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

READERS = 4
T = TypeVar("T")


class SqliteThreads:
    """Runs functions of a session in SQLite's threads.

    Args:
        url: of the database, by whichever driver.
        connected: called with each new connection.
        options: of the engine.
    """

    def __init__(self, url: URL, connected: Callable[[Any, Any], None], **options: Any) -> None:
        self.engine: Engine = create_engine(
            url.set(drivername="sqlite"), poolclass=QueuePool, pool_size=READERS + 1, **options
        )
        event.listen(self.engine, "connect", connected)
        self._readers = ThreadPoolExecutor(READERS, "sqlite-reader")
        self._writer = ThreadPoolExecutor(1, "sqlite-writer")

    async def read(self, work: Callable[[Session], T]) -> T:
        """What `work` reads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction. Who is cancelled once it has begun does not take it back."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._write, work)

    async def close(self) -> None:
        """Close the connections, once what was begun is done."""
        for threads in (self._readers, self._writer):
            await asyncio.to_thread(threads.shutdown)
        self.engine.dispose()

    def _read(self, work: Callable[[Session], T]) -> T:
        with Session(self.engine, expire_on_commit=False) as session:
            return work(session)

    def _write(self, work: Callable[[Session], T]) -> T:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            # another process may write: wait for it now, as what has been read must still hold
            session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            return work(session)
