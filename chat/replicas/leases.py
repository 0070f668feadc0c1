"""Which replica runs which turn: a key for each conversation that expires unless it is renewed.

A lease keeps two replicas from doing the same work. What keeps them from writing the same reply is
the store (`Reply.runner`): a replica that has slept through its lease finds there that it is not
its own any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .link import Link

if TYPE_CHECKING:
    from redis.asyncio import Redis

TTL = 3.0  # seconds
RENEWED = 0.6  # seconds between two renewals
HELD = 15.0  # seconds for which whoever adds a turn may keep others from it

# keys: leases. arguments: TTL; for each, how a value begins that it may replace, and its own.
# The places of those that another holds are returned.
TAKE = """
local lost = {}
for i, key in ipairs(KEYS) do
  local held, mine, value = redis.call('GET', key), ARGV[2 * i], ARGV[2 * i + 1]
  if not held or string.sub(held, 1, #mine) == mine then
    redis.call('SET', key, value, 'PX', ARGV[1])
  else
    lost[#lost + 1] = i - 1
  end
end
return lost
"""
# keys: a lease, a mark of a Redis in use, one of a new Redis. arguments: TTL, value.
# A Redis that came back empty knows no lease: its holders have as long as TTL to take theirs again.
CLAIM = """
if redis.call('SET', KEYS[2], 1, 'NX') then redis.call('SET', KEYS[3], 1, 'PX', ARGV[1]) end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[1]) then return 1 end
return 0
"""
LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Lease(NamedTuple):
    """A replica runs a turn: which run of it from which step on, in the run marked `runner`."""

    replica: str
    turn: str
    run: int
    step: int
    runner: str

    @property
    def written(self) -> str:
        return " ".join(map(str, self))

    @classmethod
    def read(cls, value: Any) -> Self | None:
        if not value:
            return None
        replica, turn, run, step, runner = str(value, "ascii").split(" ")
        return cls(replica, turn, int(run), int(step), runner)


def key_of(conversation_id: str) -> str:
    return f"candor:running:{conversation_id}"


class Leases:
    """The leases of all replicas; `replica` is the mark of this one.

    Every call raises `Gone` where Redis does not answer.
    """

    def __init__(self, link: Link, replica: str) -> None:
        self._link, self._replica = link, replica

    async def take(self, conversation_id: str, lease: Lease) -> bool:
        """Let a conversation be this lease's; False: another replica runs a turn of it."""
        arguments = (key_of(conversation_id), milliseconds(TTL), f"{self._replica} ", lease.written)
        return not await self._link(lambda redis: redis.eval(TAKE, 1, *arguments))

    async def renew(self, held: Sequence[tuple[str, Lease]]) -> list[int]:
        """Hold leases on, by conversation; the places of those that are another's now."""
        keys = [key_of(conversation_id) for conversation_id, _ in held]
        values = (lease.written for _, lease in held for _ in ("mine", "value"))
        arguments: list[str | int] = [*keys, milliseconds(TTL), *values]
        return list(await self._link(lambda redis: redis.eval(TAKE, len(keys), *arguments)))

    async def claim(self, conversation_id: str, lease: Lease) -> bool:
        """Take a conversation that nobody runs a turn of."""
        keys = (key_of(conversation_id), "candor:known", "candor:begun")
        arguments = (*keys, milliseconds(TTL), lease.written)
        return bool(await self._link(lambda redis: redis.eval(CLAIM, 3, *arguments)))

    async def of(self, conversation_ids: Sequence[str]) -> list[Lease | None]:
        """Who runs these conversations."""
        if not conversation_ids:
            return []
        found = await self._link(lambda redis: redis.mget([*map(key_of, conversation_ids)]))
        return [Lease.read(value) for value in found]

    async def let_go(self, conversation_id: str, lease: Lease) -> None:
        await self._link(lambda redis: dropped(redis, key_of(conversation_id), lease.written))

    async def lock(self, conversation_id: str, holder: str) -> bool:
        """Keep others from adding turns to a conversation; False: somebody does so now."""
        key, life = f"candor:alone:{conversation_id}", milliseconds(HELD)
        return bool(await self._link(lambda redis: redis.set(key, holder, nx=True, px=life)))

    async def unlock(self, conversation_id: str, holder: str) -> None:
        key = f"candor:alone:{conversation_id}"
        await self._link(lambda redis: dropped(redis, key, holder))


async def dropped(redis: Redis, key: str, value: str) -> None:
    """Remove a key, if it has that value."""
    await redis.eval(LET_GO, 1, key, value)


def milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
