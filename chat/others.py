"""What other replicas run, as seen by one of them; `Alone` where there is only one process.

`replicas/` is the other implementation, over Redis.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from guard.patience import Breakers

from .store import Reply
from .store.tables import State

if TYPE_CHECKING:
    from .live import Live

Exclusive = AbstractAsyncContextManager[Any]


class Watched(Protocol):
    """A running turn, as far as a page watches it."""

    version: int

    @property
    def conversation_id(self) -> str: ...
    @property
    def turn_id(self) -> str: ...
    @property
    def run(self) -> int: ...
    @property
    def first_step(self) -> int: ...
    @property
    def replies(self) -> list[Reply]: ...
    @property
    def running(self) -> bool: ...
    @property
    def kept(self) -> bool: ...

    async def wait(self, seen: int, seconds: float) -> int:
        """The version, as soon as it is newer than `seen` or `seconds` have passed."""
        ...


class Others(Protocol):
    """What the other replicas run, and what they are told of this one's replies."""

    @property
    def left(self) -> State:
        """The state of replies that still run as this process ends."""
        ...

    @property
    def breakers(self) -> Breakers | None:
        """Where the state of circuits is kept; None: in this process."""
        ...

    @property
    def shared(self) -> bool:
        """Whether there may be other replicas."""
        ...

    def alone(self, conversation_id: str, here: asyncio.Lock) -> Exclusive:
        """A lock over all replicas; `here` is that of this process."""
        ...

    async def take(self, live: Live) -> bool:
        """Let a turn that is about to run be this replica's; False: another runs one there."""
        ...

    def grew(self, live: Live) -> None:
        """Something of a turn is new."""
        ...

    def let_go(self, live: Live) -> None:
        """A turn has ended, and is stored."""
        ...

    async def find(self, conversation_id: str) -> Watched | None:
        """The turn that another replica runs in a conversation."""
        ...

    async def stop(self, conversation_id: str, state: State) -> None:
        """End what another replica runs in a conversation, or what a dead one has left there."""
        ...

    async def close(self) -> None:
        """Let everything go, as this process ends."""
        ...


class Alone:
    """One process, and nobody beside it."""

    left: State = "interrupted"
    breakers = None
    shared = False

    def alone(self, conversation_id: str, here: asyncio.Lock) -> asyncio.Lock:
        return here

    async def take(self, live: Live) -> bool:
        return True

    def grew(self, live: Live) -> None:
        """Nobody else is told."""

    def let_go(self, live: Live) -> None:
        """Nobody else knows of it."""

    async def find(self, conversation_id: str) -> Watched | None:
        return None

    async def stop(self, conversation_id: str, state: State) -> None:
        """Nothing runs elsewhere."""

    async def close(self) -> None:
        """Nothing is held."""
