"""Whether the process lives, and whether it is ready to answer: what it needs, part by part.

No model is asked: a host counts as down while the guard leaves it alone, after faults in a row. An
answer holds for a second, so that asking often costs the database nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from guard.pipeline import Guard
from guard.providers.connect import Kind
from guard.types import Value

log = logging.getLogger(__name__)

LIMIT = 2.0  # seconds that a part may take to answer
FRESH = 1.0  # seconds for which an answer holds


class Part(Value):
    """What is needed to answer; `resting` are models whose hosts are left alone for now."""

    status: Literal["ok", "down"] = "ok"
    kind: Kind | None = None
    resting: tuple[str, ...] | None = None


class Readiness(Value):
    """All parts that this deployment needs; down where one of them is."""

    status: Literal["ok", "down"]
    parts: dict[str, Part]


Check = Callable[[], Awaitable[Part]]
DOWN = Part(status="down")


class Health:
    """The readiness of one app.

    Args:
        checks: by which its parts are looked at.
        fresh: seconds for which an answer holds.
        limit: seconds that a part may take to answer.
    """

    def __init__(
        self, checks: Mapping[str, Check], *, fresh: float = FRESH, limit: float = LIMIT
    ) -> None:
        self.checks, self.fresh, self.limit = checks, fresh, limit
        self._looking = asyncio.Lock()
        self._found: Readiness | None = None
        self._until = 0.0
        self._tasks: dict[str, asyncio.Future[Part]] = {}

    async def ready(self) -> Readiness:
        """As it is now, or was a moment ago."""
        async with self._looking:
            if self._found is None or time.monotonic() >= self._until:
                found = await self._look()
                if found.status == "down" and found != self._found:
                    down = [name for name, part in found.parts.items() if part.status == "down"]
                    log.warning("not ready: %s", ", ".join(down))
                self._found, self._until = found, time.monotonic() + self.fresh
            return self._found

    async def _look(self) -> Readiness:
        found = await asyncio.gather(*map(self._part, self.checks))
        parts = dict(zip(self.checks, found, strict=True))
        down = any(part.status == "down" for part in found)
        return Readiness(status="down" if down else "ok", parts=parts)

    async def _part(self, name: str) -> Part:
        """What a check finds; down where it fails, or has not ended in time.

        It is then left to end, not broken off, and the next look waits for it: a store that is
        being opened is not to be opened anew each second.
        """
        if name not in self._tasks:
            self._tasks[name] = asyncio.ensure_future(self.checks[name]())
        task = self._tasks[name]
        await asyncio.wait([task], timeout=self.limit)
        if not task.done():
            return DOWN
        del self._tasks[name]
        return DOWN if task.cancelled() or task.exception() else task.result()

    async def close(self) -> None:
        """Give up on checks that have not ended, as the server goes down."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def answers(asking: Callable[[], Awaitable[object]]) -> Check:
    """A part that is there where asking it succeeds."""

    async def check() -> Part:
        await asking()
        return Part()

    return check


def providers(guard: Guard) -> Check:
    """The hosts of models: one is needed that is not left alone. Scripted replies need none."""

    async def check() -> Part:
        kind = guard.connection.kind
        reached = [spec.id for spec in guard.models.models if guard.connection.serves(spec)]
        resting = tuple([id_ for id_ in reached if await guard.patience.resting(id_)])
        down = len(resting) == len(reached)
        return Part(status="down" if down else "ok", kind=kind, resting=resting)

    return check


async def live(_: Request) -> Response:
    """`/health/live`: the event loop answers."""
    return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})


async def ready(request: Request) -> Response:
    """`/health/ready`: 200 where all that is needed is there, else 503; names each part.

    `?needs=store` asks by which part alone the status is to be: a proxy that took every replica
    away while a host or Redis is down would leave readers without even a word on it.
    """
    health: Health = request.app.state.health
    found = await health.ready()
    told = found.model_dump(mode="json", exclude_none=True)
    asked = {*request.query_params.get("needs", "").split(",")}
    needed = [found.parts[name] for name in asked & {*found.parts}] or [*found.parts.values()]
    down = any(part.status == "down" for part in needed)
    status = 503 if down else 200
    return JSONResponse(told, status, headers={"cache-control": "no-store"})
