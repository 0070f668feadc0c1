"""Circuit breakers that all replicas share: purgatory's model, its state in Redis.

A request asks Redis at most once a second for each model, in one trip; a failure is one trip more.
While Redis is gone, each replica counts for itself, from what it knew last. Times are Redis's own:
a circuit is open for as long as a key lives.
"""

from __future__ import annotations

import time
from typing import Any

from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, Context
from purgatory.service._async.repository import AsyncInMemoryRepository
from purgatory.service._async.unit_of_work import AsyncInMemoryUnitOfWork

from .leases import milliseconds
from .link import Gone, Link

KNOWN_FOR = 1.0  # seconds
COUNTED_FOR = 10  # times as long as a circuit rests are its failures remembered


class SharedBreakers(AsyncInMemoryUnitOfWork):
    """The unit of work that `Patience` takes."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.contexts: AsyncInMemoryRepository = Circuits(link)


class Circuits(AsyncInMemoryRepository):
    """Circuits in memory, brought up to what the other replicas have met."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self._asked_at: dict[str, float] = {}

    async def get(self, name: str) -> Context | None:
        """The circuit of that name, None where it is new here."""
        known = self.breakers.get(name)
        if known and time.monotonic() - self._asked_at.get(name, -KNOWN_FOR) >= KNOWN_FOR:
            await self._ask(known)
        return known

    async def register(self, context: Context) -> None:
        await super().register(context)
        await self._ask(context)

    async def _ask(self, known: Context) -> None:
        """Let a circuit be as Redis has it."""
        self._asked_at[known.name] = time.monotonic()

        async def work(redis: Any) -> Any:
            pipeline = redis.pipeline(transaction=False)
            pipeline.get(failures_of(known.name))
            pipeline.pttl(open_of(known.name))
            return await pipeline.execute()

        try:
            failures, rests = await self._link(work)
        except Gone:
            return
        met = int(failures or 0)
        tried = met >= known.threshold
        state = OPENED if rests > 0 else HALF_OPENED if tried else CLOSED
        opened_at = time.time() - known.ttl + rests / 1000 if rests > 0 else None
        if state != known.state or (state == CLOSED and met != known.failure_count):
            fresh = Context(known.name, known.threshold, known.ttl, state, met, opened_at)
            known._state = fresh._state

    async def inc_failures(self, name: str, failure_count: int) -> None:
        """One more failure, of any replica; the one that is too many opens the circuit for all."""
        circuit = self.breakers[name]

        async def work(redis: Any) -> int:
            pipeline = redis.pipeline(transaction=False)
            pipeline.incr(failures_of(name))
            pipeline.pexpire(failures_of(name), milliseconds(COUNTED_FOR * circuit.ttl))
            return int((await pipeline.execute())[0])

        try:
            met = await self._link(work)
        except Gone:
            return
        if met >= circuit.threshold and circuit.state == CLOSED:
            await self.update_state(name, OPENED, None)
            self._asked_at.pop(name, None)

    async def update_state(self, name: str, state: str, opened_at: float | None) -> None:
        circuit = self.breakers[name]

        async def work(redis: Any) -> None:
            pipeline = redis.pipeline(transaction=False)
            if state == OPENED:
                pipeline.set(open_of(name), 1, px=milliseconds(circuit.ttl))
                pipeline.set(
                    failures_of(name),
                    circuit.threshold,
                    px=milliseconds(COUNTED_FOR * circuit.ttl),
                )
            elif state == CLOSED:
                pipeline.delete(open_of(name), failures_of(name))
            await pipeline.execute()

        try:
            await self._link(work)
        except Gone:
            return

    async def reset_failure(self, name: str) -> None:
        await self.update_state(name, CLOSED, None)


def failures_of(name: str) -> str:
    return f"candor:failures:{name}"


def open_of(name: str) -> str:
    return f"candor:open:{name}"
