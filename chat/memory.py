"""Temporary conversations: a store in this process's memory, so that all code paths are the same.

SQLite's `memdb` is one database for several connections, with locks as a file has them, and no
file: neither journal nor temporary files. What it holds is gone with the process. It is let go of
after `SILENCE`, and bounded in number and size. Not covered: memory that the system swaps out, and
what the models' hosts keep, which are asked as ever.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from .store import Attachment, Conversation, Store, Turn, now
from .store.database import execute_all, in_memory

SILENCE = 3600.0  # seconds without a request, after which a conversation is gone
EVERY = 60.0  # seconds
MOST_OF_A_READER = 5
MOST = 500
PAGES = 65_536  # of 4 KiB: 256 MB


class Full(Exception):
    """As many temporary conversations are open as may be."""


class Use(NamedTuple):
    """Whose a conversation is, and when it was used last."""

    owner: str
    at: float


class MemoryStore(Store):
    """A store that nothing of reaches a disk.

    Args:
        silence: seconds after which a conversation that nobody uses is let go.
        most: how many there may be; of one reader, the one that was silent longest makes room.
        pages: bound of the memory it takes.
        clock: seconds, ever more.
    """

    temporary = True

    def __init__(
        self,
        *,
        silence: float = SILENCE,
        most: int = MOST,
        of_a_reader: int = MOST_OF_A_READER,
        pages: int = PAGES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.silence, self.most, self.of_a_reader, self.pages = silence, most, of_a_reader, pages
        self.clock = clock
        self._uses: dict[str, Use] = {}
        self._files: set[str] = set()
        self._sweeping: asyncio.Task[None] | None = None
        super().__init__(in_memory())
        # holds the database while the pool has no connection: one that is cut off is closed
        name = str(self.url.database)
        self._anchor = sqlite3.connect(f"{name}?vfs=memdb", uri=True, check_same_thread=False)

    def _prepare(self, connection: Any, _: Any) -> None:
        super()._prepare(connection, _)
        execute_all(connection, "temp_store=MEMORY", f"max_page_count={self.pages}")

    async def open(self, *, alone: bool = True) -> Self:
        logging.getLogger("aiosqlite").setLevel(logging.WARNING)  # below, it writes out each value
        await asyncio.to_thread(importlib.import_module, "alembic.command")
        await super().open(alone=alone)
        self._sweeping = asyncio.create_task(self._sweep())
        return self

    async def close(self) -> None:
        if self._sweeping:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping
        await super().close()
        self._anchor.close()

    def holds(self, id_: str | None) -> bool:
        """Whether a conversation or a file is here; the conversation is used then."""
        if id_ in self._files:
            return True
        use = self._uses.get(id_ or "")
        if id_ is None or use is None or self._silent(use):
            return False
        self._uses[id_] = use._replace(at=self.clock())
        return True

    async def start(
        self,
        owner: str,
        question: str,
        model: str,
        mode: str,
        tools: Sequence[str] = (),
        *,
        first: Turn | None = None,
    ) -> Conversation:
        await self._make_room(owner)
        conversation = await super().start(owner, question, model, mode, tools, first=first)
        self._uses[conversation.id] = Use(owner, self.clock())
        return conversation

    async def add(self, conversation: Conversation) -> None:
        await self._make_room(conversation.owner)
        await super().add(conversation)
        self._uses[conversation.id] = Use(conversation.owner, self.clock())

    async def attach(self, attachment: Attachment) -> None:
        await super().attach(attachment)
        self._files.add(attachment.id)

    async def drop(self, ids: Iterable[str]) -> None:
        """Let conversations go, with all their rows."""
        gone = [*ids]
        for id_ in gone:
            self._uses.pop(id_, None)

        def work(session: Session) -> set[str]:
            session.execute(delete(Conversation).where(Conversation.id.in_(gone)))
            return {*session.scalars(select(Attachment.id))}

        self._files = await self.write(work)

    async def drop_silent(self) -> None:
        """Let go what nobody has used for long."""
        silent = [id_ for id_, use in self._uses.items() if self._silent(use)]
        if silent:
            await self.drop(silent)

    def _silent(self, use: Use) -> bool:
        return self.clock() - use.at >= self.silence

    async def _make_room(self, owner: str) -> None:
        """Let the reader's oldest go, if they have as many as they may.

        Raises:
            Full: there are too many, all in use; nobody's is taken from them for another's.
        """
        await self.drop_silent()
        own = sorted((use.at, id_) for id_, use in self._uses.items() if use.owner == owner)
        if len(own) >= self.of_a_reader:
            await self.drop([own[0][1]])
        elif len(self._uses) >= self.most:
            raise Full

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.forget(now() - timedelta(seconds=self.silence))  # files that were not sent
            await self.drop_silent()
