"""A turn that streams by the store, though nobody is known to run it.

Its replica is gone and another has not taken it over yet, or Redis is gone, which would say who
runs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from .news import News
from .store import UNREACHABLE, Reply, Turn

LOOKED = 0.5  # seconds between two looks


class Left(News):
    """Its replies as they are stored, until somebody runs it or they have ended.

    Args:
        turn: with its replies, of which one streams.
        look: the turn as it is stored now.
        found: who runs it, if that is known.
    """

    kept = True

    def __init__(
        self,
        turn: Turn,
        look: Callable[[], Awaitable[Turn]],
        found: Callable[[], Awaitable[Any]],
    ) -> None:
        super().__init__()
        self.conversation_id, self.turn_id = turn.conversation_id, turn.id
        first = next(reply for reply in turn.replies if reply.state == "streaming")
        self.run, self.first_step = first.run, first.step
        self.replies = self._of_the_run(turn.replies)
        self._look, self._found = look, found

    def _of_the_run(self, replies: Sequence[Reply]) -> list[Reply]:
        same = (reply for reply in replies if reply.run == self.run)
        return [reply for reply in same if reply.step >= self.first_step]

    async def wait(self, seen: int, seconds: float) -> int:
        if self.version == seen and self.running:
            await asyncio.sleep(min(LOOKED, seconds))
            await self._look_again()
        return self.version

    async def _look_again(self) -> None:
        if await self._found():
            self.over = True
            return
        try:
            turn = await self._look()
        except UNREACHABLE:
            return
        before = [(reply.text, reply.state) for reply in self.replies]
        self.replies = self._of_the_run(turn.replies)
        self.over = all(reply.state != "streaming" for reply in self.replies)
        if before != [(reply.text, reply.state) for reply in self.replies]:
            self.tell()
