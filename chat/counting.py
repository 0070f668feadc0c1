"""Counts that bound what readers use: in this process, or in Redis for all replicas.

What is counted in a period stands in a fixed window (`limits` library): it begins with the first
count and ends as long after, so that when it goes on is known exactly; around its end, up to twice
the bound may come together. Running replies hold places, which expire unless they are renewed: a
replica that is killed frees its own. Where Redis fails, counting goes on in this process, from
nothing, until it is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:  # a quarter of a second to import, and no page needs them
    from limits import RateLimitItem
    from limits.aio.strategies import FixedWindowRateLimiter
    from redis.asyncio import Redis

    from .limits import Bound

log = logging.getLogger(__name__)

LEASE = 90  # seconds that a place is held without being renewed
REST = 5.0  # seconds until Redis is tried again
MICRO = 1_000_000  # counts are whole: of a dollar, millionths
PREFIX = "candor"
TAKE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local others = 0
for _, place in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(place, 1, #ARGV[4]) ~= ARGV[4] then others = others + 1 end
end
if others >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4] .. ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return 1
"""
T = TypeVar("T")


class Place(NamedTuple):
    """Where a running reply is counted: `whose`, in which `group`, by a `name` of its own.

    Places of one group count once: in a conversation, the next reply ends the one before.
    """

    whose: str
    group: str
    name: str

    @property
    def key(self) -> str:
        return f"{PREFIX}/streams/{self.whose}"

    @property
    def member(self) -> str:
        return f"{self.group}:{self.name}"


class Counts(Protocol):
    """Where it is counted."""

    windows: FixedWindowRateLimiter

    async def take(self, place: Place, most: int) -> bool: ...
    async def free(self, place: Place) -> None: ...
    async def renew(self, places: Iterable[Place]) -> None: ...


class InMemory:
    """Counts of this process."""

    def __init__(self) -> None:
        from limits.aio.storage import MemoryStorage
        from limits.aio.strategies import FixedWindowRateLimiter

        self.windows = FixedWindowRateLimiter(MemoryStorage())
        self.places: defaultdict[str, set[Place]] = defaultdict(set)

    async def take(self, place: Place, most: int) -> bool:
        held = self.places[place.whose]
        if len({one.group for one in held} - {place.group}) >= most:
            return False
        held.add(place)
        return True

    async def free(self, place: Place) -> None:
        held = self.places[place.whose]
        held.discard(place)
        if not held:
            del self.places[place.whose]

    async def renew(self, places: Iterable[Place]) -> None:
        """Nothing: they end with the process."""


class InRedis:
    """Counts that all replicas share."""

    def __init__(self, redis: Redis) -> None:
        from limits.aio.storage import RedisStorage
        from limits.aio.strategies import FixedWindowRateLimiter

        self.redis = redis
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=PREFIX,
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]
        )
        self.windows = FixedWindowRateLimiter(storage)
        self.taking = self.redis.register_script(TAKE)

    async def take(self, place: Place, most: int) -> bool:
        now = time.time()
        told: list[str | float] = [now, now + LEASE, most, f"{place.group}:", place.name, LEASE]
        return bool(await self.taking(keys=[place.key], args=told))

    async def free(self, place: Place) -> None:
        await self.redis.zrem(place.key, place.member)

    async def renew(self, places: Iterable[Place]) -> None:
        until = time.time() + LEASE
        async with self.redis.pipeline(transaction=False) as pipeline:
            for place in places:
                pipeline.zadd(place.key, {place.member: until})
                pipeline.expire(place.key, LEASE)
            await pipeline.execute()


class Counting:
    """Counts in Redis while it answers, else in this process.

    Args:
        redis_url: of the Redis that all replicas share; None where there are none.
    """

    def __init__(self, redis_url: str | None = None) -> None:
        self.url = redis_url
        self.shared: InRedis | None = None
        self.alone: InMemory | None = None
        self.away, self.rests_until = False, 0.0
        self.held: set[Place] = set()
        self.renewing: asyncio.Task[None] | None = None

    @cached_property
    def redis(self) -> Redis:
        """The client, where there is an address.

        Raises:
            ConfigError: the address cannot be read.
        """
        from .redis_client import client

        return client(self.url or "")

    async def ping(self) -> None:
        """Ask Redis whether it is there.

        Raises:
            RedisError, OSError: it is not.
            ConfigError: its address cannot be read.
        """
        await self.redis.ping()

    async def hit(self, whose: str, bound: Bound, cost: float = 1) -> bool:
        """Count; whether it stayed within the bound."""
        item, units = item_of(bound), units_of(bound, cost)
        return await self._try(lambda counts: counts.windows.hit(item, whose, cost=units))

    async def left(self, whose: str, bound: Bound) -> bool:
        """Whether anything is left; nothing is counted."""
        return await self._try(lambda counts: counts.windows.test(item_of(bound), whose))

    async def wait(self, whose: str, bound: Bound) -> float:
        """Seconds until the window ends."""
        item = item_of(bound)
        stats = await self._try(lambda counts: counts.windows.get_window_stats(item, whose))
        return max(0.0, stats.reset_time - time.time())

    async def take(self, place: Place, most: int) -> bool:
        """Hold a place for a reply, unless other groups hold as many as there are."""
        taken = await self._try(lambda counts: counts.take(place, most))
        if taken:
            self.held.add(place)
            if self.url and (self.renewing is None or self.renewing.done()):
                self.renewing = asyncio.create_task(self._renew())
        return taken

    async def free(self, place: Place) -> None:
        """Give a place back, wherever it was taken."""
        self.held.discard(place)
        if self.alone:
            await self.alone.free(place)
        if self.url:
            await self._try(lambda counts: counts.free(place))

    async def close(self) -> None:
        if self.renewing:
            self.renewing.cancel()
            await asyncio.wait([self.renewing])
        if self.url:
            await self.redis.aclose()

    async def _renew(self) -> None:
        while self.held:
            await asyncio.sleep(LEASE / 3)
            await self._try(lambda counts: counts.renew([*self.held]))

    async def _try(self, work: Callable[[Counts], Awaitable[T]]) -> T:
        """Do it in Redis; in this process where there is none, or it has just failed."""
        if self.url and time.monotonic() >= self.rests_until:
            from redis.exceptions import RedisError

            try:
                self.shared = self.shared or InRedis(self.redis)
                done = await work(self.shared)
            except (RedisError, OSError) as error:
                self._is_away(error)
            else:
                self._is_back()
                return done
        self.alone = self.alone or InMemory()
        return await work(self.alone)

    def _is_away(self, error: Exception) -> None:
        self.rests_until = time.monotonic() + REST
        if not self.away:
            log.warning("Redis fails (%s): limits are counted here until it is back", error)
        self.away = True

    def _is_back(self) -> None:
        if self.away:
            log.warning("Redis is back: limits are counted there again")
        self.away = False


def item_of(bound: Bound) -> RateLimitItem:
    """The bound as the library knows it."""
    from limits import RateLimitItemPerSecond

    return RateLimitItemPerSecond(units_of(bound, bound.most), bound.seconds, f"{bound.counts}")


def units_of(bound: Bound, amount: float) -> int:
    return round(amount * MICRO) if bound.counts == "dollars" else int(amount)
