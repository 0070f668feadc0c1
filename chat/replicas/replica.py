"""What one replica tells the others, and hears of them; see `others.Others` for what each is for.

Three tasks: one holds the leases, one publishes what is new of the turns that run here and that
others follow or that the store does not take, one reads the streams that are followed and this
replica's own, into which others write what they want of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..live import Live
from ..others import Exclusive
from ..store import Reply, Store, new_id
from ..store.tables import State
from .breakers import SharedBreakers
from .following import BEGIN, Follower, stream_of
from .leases import RENEWED, Lease, Leases, milliseconds
from .link import Gone, Link
from .wire import Told

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

log = logging.getLogger(__name__)

TOGETHER = 0.05  # seconds in which words that come are told together
UNWATCHED = 20.0  # seconds after which a turn that nobody watches here is not followed any more
FOLLOWED = 6.0  # seconds for which a turn is told to others; who follows it asks again within half
TOLD_FOR = 600.0  # seconds for which a stream stays that nothing is added to
TOLD_AFTER = 60.0  # and after its end
STOPS_WITHIN = 5.0  # seconds in which another replica must end a reply
ASKED_EVERY = 0.05  # seconds
PROBED = 0.2  # seconds between two looks whether Redis is back
ADDS_WITHIN = 10.0  # seconds after which nobody is waited for who adds a turn
MOST_MAIL = 1_000  # entries


class Replica:
    """This process among the others of one database.

    Args:
        link: the way to Redis.
        store: where replies are kept.
    """

    left: State = "streaming"
    shared = True

    def __init__(self, link: Link, store: Store) -> None:
        self.id = new_id()
        self.leases = Leases(link, self.id)
        self.breakers = SharedBreakers(link)
        self._link, self._store = link, store
        self._held: dict[str, tuple[Live, Lease]] = {}  # by the run's mark
        self._claimed: dict[str, str] = {}  # the mark of the run that is to come, by conversation
        self._told: dict[str, Told] = {}
        self._followed_until: dict[str, float] = {}  # by others: by the run's mark
        self._new: dict[str, Live] = {}
        self._something = asyncio.Event()
        self._following: dict[str, Follower] = {}  # what runs elsewhere, by the run's mark
        self._mail_at = BEGIN
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to hold leases, to tell and to listen."""
        forever = (self._hold, self._publish, self._listen)
        self._loops = [asyncio.create_task(each()) for each in forever]

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- who runs what ----------------------------------------------------------------------------

    def alone(self, conversation_id: str, here: asyncio.Lock) -> Exclusive:
        return self._alone(conversation_id, here)

    @asynccontextmanager
    async def _alone(self, conversation_id: str, here: asyncio.Lock) -> AsyncIterator[None]:
        async with here:
            holder = new_id()
            await self._locked(conversation_id, holder)
            try:
                yield
            finally:
                with suppress(Gone):
                    await self.leases.unlock(conversation_id, holder)

    async def _locked(self, conversation_id: str, holder: str) -> None:
        """Wait for the others; without Redis, or where they take too long, for nobody."""
        with suppress(Gone, TimeoutError):
            async with asyncio.timeout(ADDS_WITHIN):
                while not await self.leases.lock(conversation_id, holder):  # noqa: ASYNC110
                    await asyncio.sleep(ASKED_EVERY)

    async def take(self, live: Live) -> bool:
        live.runner = self._claimed.pop(live.conversation_id, None) or new_id()
        lease = Lease(self.id, live.turn_id, live.run, live.first_step, live.runner)
        try:
            taken = await self.leases.take(live.conversation_id, lease)
        except Gone:
            taken = True  # nor can anybody else say that it is theirs
        if taken:
            self._held[live.runner] = live, lease
        return taken

    async def claim(self, conversation_id: str, turn: str, run: int, step: int) -> Lease | None:
        """Take a conversation that nobody runs a turn of; the lease of the run that is to come.

        Raises:
            Gone: Redis does not answer.
        """
        lease = Lease(self.id, turn, run, step, new_id())
        if not await self.leases.claim(conversation_id, lease):
            return None
        self._claimed[conversation_id] = lease.runner
        return lease

    def let_go(self, live: Live) -> None:
        runner = live.runner or ""
        held, told = self._held.pop(runner, None), self._told.pop(runner, None)
        self._new.pop(runner, None)
        self._followed_until.pop(runner, None)
        if held and not live.lost:
            self._do(self._let_go(live, held[1], told))

    async def _let_go(self, live: Live, lease: Lease, told: Told | None) -> None:
        """Tell those who were told of it how it ended, and that it has."""
        with suppress(Gone):
            if told is not None:
                await self._link(partial(self._tell_the_end, lease.runner, told.news(live)))
            await self.leases.let_go(live.conversation_id, lease)

    async def _tell_the_end(self, runner: str, news: str | None, redis: Redis) -> None:
        pipeline = redis.pipeline(transaction=False)
        pipeline.xadd(stream_of(runner), {"over": "1", **({"news": news} if news else {})})
        pipeline.pexpire(stream_of(runner), milliseconds(TOLD_AFTER))
        await pipeline.execute()

    async def unclaim(self, conversation_id: str, lease: Lease) -> None:
        """Let a conversation go that was claimed, and in which no turn runs after all."""
        if self._claimed.pop(conversation_id, None):
            await self.leases.let_go(conversation_id, lease)

    async def _hold(self) -> None:
        """Renew the leases of what runs here, and look whether what is followed still runs."""
        while True:
            try:
                await self._link.probe()
                await self._renew()
                await self._look_after()
            except Gone:
                self._follow_nobody()
            await asyncio.sleep(RENEWED if self._link.up else PROBED)

    async def _renew(self) -> None:
        held = [*self._held.values()]
        if held:
            leases = [(live.conversation_id, lease) for live, lease in held]
            for place in await self.leases.renew(leases):
                held[place][0].lose()

    async def _look_after(self) -> None:
        longest = time.monotonic() - UNWATCHED
        for follower in [*self._following.values()]:
            if follower.watched_at < longest or not follower.running:
                del self._following[follower.lease.runner]
            elif time.monotonic() - follower.asked_at > FOLLOWED / 2:
                await self._ask_for(follower)
        followed = [*self._following.values()]
        found = await self.leases.of([each.conversation_id for each in followed])
        for follower, lease in zip(followed, found, strict=True):
            if lease != follower.lease:
                follower.lose()

    def _follow_nobody(self) -> None:
        for follower in self._following.values():
            follower.lose()
        self._following.clear()

    # --- what runs here ---------------------------------------------------------------------------

    def grew(self, live: Live) -> None:
        if live.runner and live.runner in self._held and self._is_told(live):
            self._new[live.runner] = live
            self._something.set()

    def _is_told(self, live: Live) -> bool:
        """Whether others follow a turn, or would have to know of it what the store does not."""
        return not live.kept or self._followed_until.get(live.runner or "", 0) > time.monotonic()

    async def _publish(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            await asyncio.sleep(TOGETHER)
            new, self._new = self._new, {}
            if new:
                await self._tell(new)

    async def _tell(self, new: dict[str, Live]) -> None:
        """Add what is new of each turn to its stream; of one that Redis has lost, all."""
        told = {runner: self._told.setdefault(runner, Told()) for runner in new}
        news = {runner: told[runner].news(live) for runner, live in new.items()}
        runners = [runner for runner, one in news.items() if one is not None]
        try:
            added = await self._link(
                lambda redis: self._add(redis.pipeline(transaction=False), runners, news)
            )
        except Gone:
            added = [None] * len(runners)
        for runner, entry in zip(runners, added, strict=True):
            if entry is None:
                told[runner].entries = 0
                self._do(self._later(runner, new[runner]))

    async def _add(
        self, pipeline: Pipeline, runners: list[str], news: dict[str, str | None]
    ) -> list[Any]:
        whole = [runner for runner in runners if self._told[runner].entries == 1]
        for runner in runners:
            # what is whole takes the place of all before it, the rest must have something before it
            how: Any = {"maxlen": 1, "approximate": False} if runner in whole else {}
            entry: Any = {"news": news[runner] or ""}
            pipeline.xadd(stream_of(runner), entry, nomkstream=runner not in whole, **how)
        for runner in whole:
            pipeline.pexpire(stream_of(runner), milliseconds(TOLD_FOR))
        return list(await pipeline.execute())[: len(runners)]

    async def _later(self, runner: str, live: Live) -> None:
        """Tell a turn whole once more, when Redis may be back."""
        await asyncio.sleep(RENEWED)
        self.grew(live)

    # --- what runs elsewhere ----------------------------------------------------------------------

    async def find(self, conversation_id: str) -> Follower | None:
        try:
            (lease,) = await self.leases.of([conversation_id])
            if lease is None or lease.runner in self._held:
                return None
            known = self._following.get(lease.runner)
            return known or await self._follow(Follower(conversation_id, lease))
        except Gone:
            return None

    async def _follow(self, follower: Follower) -> Follower:
        """Have a turn told to this replica, and listen."""
        self._following[follower.lease.runner] = follower
        await self._ask_for(follower)
        await self._mail(self.id, look="again")  # what is read now does not know of it
        return follower

    async def _ask_for(self, follower: Follower) -> None:
        """Let who runs a turn tell of it for `FOLLOWED` seconds more."""
        follower.asked_at = time.monotonic()
        await self._mail(follower.lease.replica, follow=follower.lease.runner)

    async def _entries(self, runner: str) -> list[Any]:
        async def work(redis: Any) -> list[Any]:
            return list(await redis.xrange(stream_of(runner)))

        return await self._link(work)

    async def told(self, runner: str | None) -> list[Reply]:
        """What a run has told of its replies, which may be more or less than it has stored.

        Raises:
            Gone: Redis does not answer.
        """
        if runner is None:
            return []
        follower = Follower("", Lease("", "", 0, 0, runner))
        follower.take(await self._entries(runner))
        return follower.replies

    async def _listen(self) -> None:
        while True:
            followed = {each.stream: each for each in self._following.values() if each.running}
            streams = {mailbox(self.id): self._mail_at}
            streams |= {stream: each.at for stream, each in followed.items()}
            try:
                found = await self._link.read(streams)
            except Gone:
                await asyncio.sleep(PROBED)
                continue
            for stream, entries in found:
                if follower := followed.get(stream.decode()):
                    follower.take(entries)
                else:
                    self._mail_at = entries[-1][0].decode()
                    for _, fields in entries:
                        self._read_mail(fields)

    # --- what others want, and what is wanted of them ---------------------------------------------

    async def stop(self, conversation_id: str, state: State) -> None:
        with suppress(Gone, TimeoutError):
            async with asyncio.timeout(STOPS_WITHIN):
                await self._stop_elsewhere(conversation_id, state)
        if conversation_id not in self._claimed:
            await self._store.stop_left(conversation_id, new_id(), state)

    async def _stop_elsewhere(self, conversation_id: str, state: State) -> None:
        """Ask who runs a turn to end it, and wait until it has, or is gone."""
        asked = None
        while True:
            (lease,) = await self.leases.of([conversation_id])
            if lease is None or lease.replica == self.id:
                return
            if asked != lease:
                await self._mail(lease.replica, stop=lease.runner, state=state)
            asked = lease
            await asyncio.sleep(ASKED_EVERY)

    async def _mail(self, replica: str, **fields: str) -> None:
        async def work(redis: Any) -> None:
            pipeline = redis.pipeline(transaction=False)
            pipeline.xadd(mailbox(replica), fields, maxlen=MOST_MAIL)
            pipeline.pexpire(mailbox(replica), milliseconds(TOLD_FOR))
            await pipeline.execute()

        await self._link(work)

    def _read_mail(self, fields: dict[bytes, bytes]) -> None:
        stopped, _ = self._held.get(fields.get(b"stop", b"").decode(), (None, None))
        if stopped:
            interrupted = fields.get(b"state") == b"interrupted"
            self._do(stopped.stop("interrupted" if interrupted else "stopped"))
        followed, _ = self._held.get(fields.get(b"follow", b"").decode(), (None, None))
        if followed and followed.runner:
            self._followed_until[followed.runner] = time.monotonic() + FOLLOWED
            self.grew(followed)

    async def close(self) -> None:
        """Let the leases go at once, so that others go on."""
        for live, _ in [*self._held.values()]:
            self.let_go(live)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while going := [task for task in self._loops if not task.done()]:
            for task in going:
                task.cancel()
            await asyncio.wait(going, timeout=ASKED_EVERY)  # a client may swallow one
        await self._link.close()


def mailbox(replica: str) -> str:
    return f"candor:mail:{replica}"
