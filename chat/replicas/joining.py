"""How a process comes to be one among others; what they take is imported where it is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..background import in_background
from ..limiting import Limiter
from ..routes import Chat
from ..settings import Settings
from ..store import Store

if TYPE_CHECKING:
    from .replica import Replica


def replica_of(settings: Settings, store: Store) -> Replica | None:
    """This process among others, where the operator names their Redis.

    Raises:
        ConfigError: its address cannot be read.
    """
    if settings.redis_url is None:
        return None
    from .link import Link
    from .replica import Replica

    return Replica(Link(settings.redis_url.get_secret_value()), store)


@asynccontextmanager
async def among_others(chat: Chat, replica: Replica, limiter: Limiter) -> AsyncIterator[None]:
    """Tell the other replicas, listen to them, and go on with what those leave that are gone."""
    from .taking import TakingOver

    replica.start()
    async with in_background(TakingOver(chat, replica, limiter).forever()):
        yield
