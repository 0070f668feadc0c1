"""Calls of Redis, each with a bound; where one fails, none is sent for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from guard.errors import ConfigError

log = logging.getLogger(__name__)
T = TypeVar("T")

ANSWERS = 1.0  # seconds in which Redis must; this process may be slow to hear it
REST = 1.0  # seconds without a call after one has failed
BLOCK = 1.0  # seconds for which a read waits for news


class Gone(Exception):
    """Redis cannot be asked now."""


def client(url: str, answers: float) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=answers,
        socket_connect_timeout=ANSWERS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


class Link:
    """A connection to Redis that is lost and found again.

    Args:
        url: of the server, with the number of the database.

    Raises:
        ConfigError: the address cannot be read.
    """

    def __init__(self, url: str) -> None:
        try:
            self._redis = client(url, ANSWERS)
            self._reading = client(url, BLOCK + ANSWERS)
        except ValueError as error:
            raise ConfigError(f"CANDOR_REDIS_URL: {error}", key="CANDOR_REDIS_URL") from error
        self.up = True
        self._rests_until = 0.0

    async def __call__(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """What a call gives.

        Raises:
            Gone: Redis does not answer, or did not within the last second.
        """
        return await self._answered(work, self._redis)

    async def read(self, streams: dict[str, str]) -> list[Any]:
        """Entries of streams behind those places, as soon as there are any; none after a while.

        Raises:
            Gone: Redis does not answer.
        """

        async def work(redis: Redis) -> list[Any]:
            return list(await redis.xread(streams, block=int(BLOCK * 1000)) or ())  # type: ignore[arg-type]

        return await self._answered(work, self._reading)

    async def _answered(self, work: Callable[[Redis], Awaitable[T]], redis: Redis) -> T:
        if time.monotonic() < self._rests_until:
            raise Gone
        try:
            found = await work(redis)
        except (RedisError, OSError) as error:
            self._rests_until = time.monotonic() + REST
            if self.up:
                log.error("Redis is gone (%s): this replica goes on by itself", error)  # noqa: TRY400
            self.up = False
            raise Gone from error
        if not self.up:
            log.warning("Redis is back")
        self.up = True
        return found

    async def close(self) -> None:
        await self._redis.aclose()
        await self._reading.aclose()
