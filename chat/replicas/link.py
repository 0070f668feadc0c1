"""Calls of Redis, each with a bound; after one has failed, none is sent until it answers again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..redis_client import client

log = logging.getLogger(__name__)
T = TypeVar("T")

BLOCK = 1.0  # seconds for which a read waits for news


class Gone(Exception):
    """Redis cannot be asked now."""


class Link:
    """A connection to Redis that is lost and found again.

    Args:
        url: of the server, with the number of the database.

    Raises:
        ConfigError: the address cannot be read.
    """

    def __init__(self, url: str) -> None:
        self._redis, self._reading = client(url), client(url, BLOCK)
        self.up = True

    async def __call__(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """What a call gives.

        Raises:
            Gone: Redis does not answer, or has not since the last call that failed.
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
        if not self.up:
            raise Gone
        try:
            return await work(redis)
        except (RedisError, OSError) as error:
            if self.up:
                log.error("Redis is gone (%s): this replica goes on by itself", error)  # noqa: TRY400
            self.up = False
            raise Gone from error

    async def probe(self) -> None:
        """Find out whether Redis answers again, where it did not.

        Raises:
            Gone: it does not.
        """
        if self.up:
            return
        try:
            await self._redis.ping()
        except (RedisError, OSError) as error:
            raise Gone from error
        log.warning("Redis is back")
        self.up = True

    async def close(self) -> None:
        await self._redis.aclose()
        await self._reading.aclose()
