"""The store: all that the page keeps, in one database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from .conversations import ConversationStore
from .errors import UNREACHABLE
from .files import FileStore
from .left import LeftStore, interrupt
from .preferences import PreferenceStore
from .replies import ReplyStore
from .shares import ShareStore
from .turns import TurnStore


class Store(
    ConversationStore, TurnStore, ReplyStore, LeftStore, FileStore, ShareStore, PreferenceStore
):
    """All that the page keeps.

    Every row belongs to an owner, and no call reads another's.
    """

    async def open(self, *, alone: bool = True) -> Self:
        """Bring the tables up to date, and mark what a killed process left streaming.

        Args:
            alone: whether no other process runs replies in this database; else all is left as it
                is, for them or for who takes it over.

        Raises:
            ConfigError: the database cannot be reached, read or written, or is a newer Candor's.
        """
        async with self.usable():
            await self.migrate()
            if alone:
                await self.write(interrupt)
        return self

    @asynccontextmanager
    async def sole(self) -> AsyncIterator[None]:
        """Be the one process that runs replies in this database, and mark what the last one left.

        Raises:
            ConfigError: another one runs replies there, or it cannot be written.
        """
        async with AsyncExitStack() as held:
            try:
                await held.enter_async_context(self.locked())
                await self.write(interrupt)
            except UNREACHABLE as error:
                raise self.unusable(error) from error
            yield


async def ready(url: str, *, alone: bool = True) -> None:
    """Open the store once and close it, before anything is served.

    Args:
        alone: whether no other process may run replies in it.

    Raises:
        ConfigError: the database cannot be used.
    """
    store = await Store(url).open(alone=False)
    try:
        if alone:
            async with store.sole():
                pass
    finally:
        await store.close()


async def migrated(url: str) -> None:
    """Bring the tables up to date and do nothing else, as before replicas are started.

    Raises:
        ConfigError: the database cannot be used.
    """
    store = Store(url)
    async with store.usable():
        await store.migrate()
    await store.close()
