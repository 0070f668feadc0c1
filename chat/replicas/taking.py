"""Replies of a replica that is gone go on in another.

Such a reply streams by the store, and nobody holds the lease of its conversation. One replica
claims it, closes it where it is, and lets the same model go on with it, as its reader could
(`continuing.py`). Of what the lost replica could not store, its stream has the rest. A reply that a
reader's own token pays for waits until their page is back, `WAITS` seconds at most; what nobody can
go on with stays as it is, and can be continued by hand. Not covered: a model that was to answer in
place of a withheld reply and had not begun.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from fastapi import HTTPException

from guard.errors import CandorError

from ..answering import run
from ..auth import Reader
from ..limiting import Admission, Limiter
from ..routes import Chat, offered
from ..store import UNREACHABLE, NotFound, now
from ..store.left import Left
from .leases import Lease
from .link import Gone
from .replica import Replica
from .wire import GROWING

log = logging.getLogger(__name__)

LOOKED = 0.7  # seconds between two looks for replies that were left
WAITS = 20.0  # seconds for a reader whose own token pays
AT_ONCE = 8  # conversations
FOREIGN = timedelta(minutes=10)  # after which a reply of a Candor that knows no leases is given up
SIGNED_IN = "hf:"  # how an owner begins who has a token of their own


class TakingOver:
    """Looks for replies that were left, and lets them go on here."""

    def __init__(self, chat: Chat, replica: Replica, limiter: Limiter) -> None:
        self._chat, self._replica, self._limiter = chat, replica, limiter
        self._seen: dict[str, float] = {}  # when a conversation's reply was first found left
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def forever(self) -> None:
        """Look now and then. Does not end."""
        while True:
            try:
                await self.look()
            except (Gone, *UNREACHABLE) as error:
                log.debug("not looked for replies that were left: %s", error)
            except Exception:
                log.exception("not looked for replies that were left")
            await asyncio.sleep(LOOKED)

    async def look(self) -> None:
        """Go on with all replies that were left.

        Raises:
            Gone: Redis does not answer; nobody can say then what was left.
        """
        by_conversation: dict[str, list[Left]] = {}
        for left in await self._chat.store.streaming():
            by_conversation.setdefault(left.conversation, []).append(left)
        found = [*by_conversation]
        leases = await self._replica.leases.of(found)
        unheld = [id_ for id_, lease in zip(found, leases, strict=True) if lease is None]
        self._seen = {id_: self._seen.get(id_, time.monotonic()) for id_ in unheld}
        self._chat.back = {i: who for i, who in self._chat.back.items() if i in by_conversation}
        await asyncio.gather(*(self._take(by_conversation[id_]) for id_ in unheld))

    async def _take(self, left: Sequence[Left]) -> None:
        """Go on with the first of the replies that a conversation was left with."""
        first = left[0]
        if first.runner is None and now() - first.created_at < FOREIGN:
            return
        who = await self._reader(first)
        if who is None and time.monotonic() - self._seen[first.conversation] < WAITS:
            return
        async with self._at_once, self._chat.live.alone(first.conversation):
            place = first.conversation, first.turn, first.run, first.step
            lease = await self._replica.claim(*place)
            if lease is None:
                return
            try:
                if await self._closed(left, lease) and who is not None and first.runner:
                    await self._go_on(who, first)
            finally:
                await self._replica.unclaim(first.conversation, lease)

    async def _reader(self, left: Left) -> Reader | None:
        """Who asked, as far as a model can be asked for them; None: not without their token."""
        back = self._chat.back.get(left.conversation)
        if back is not None and back.owner == left.owner:
            return back
        if left.owner.startswith(SIGNED_IN):
            return None
        preferences = await self._chat.store.preferences(left.owner)
        return Reader(left.owner, preferences.language or "en")

    async def _closed(self, left: Sequence[Left], lease: Lease) -> bool:
        """Mark the replies as interrupted, with all that is known of them; whether they were left.

        Whoever ran them can write them no more.
        """
        for each in left:
            more = await self._not_stored(each)
            if not await self._chat.store.close_left(each, lease.runner, **more):
                return False
        return True

    async def _not_stored(self, left: Left) -> dict[str, str | None]:
        """The columns of which more was told than is stored."""
        told = next((r for r in await self._replica.told(left.runner) if r.id == left.reply), None)
        if told is None:
            return {}
        turn = await self._chat.store.turn(left.owner, left.conversation, left.turn)
        stored = next(reply for reply in turn.replies if reply.id == left.reply)
        return {
            name: getattr(told, name)
            for name in GROWING
            if len(getattr(told, name) or "") > len(getattr(stored, name) or "")
        }

    async def _go_on(self, who: Reader, left: Left) -> None:
        log.warning("a reply in conversation %s goes on here", left.conversation)
        try:
            turn = await self._chat.store.turn(who.owner, left.conversation, left.turn)
            reply = next(one for one in turn.replies if one.id == left.reply)
            spec = offered(reply.model["id"], self._chat.view(who))
            pays = partial(self._chat.visitors.connection.pays, who.token)
            await run(
                *(self._chat, who, left.conversation, left.turn, spec),
                admitted=Admission(self._limiter, self._limiter.subjects(None, who), pays),
                grows=left.reply,
            )
        except (HTTPException, NotFound, CandorError) as error:
            log.warning("a reply in conversation %s stays cut: %s", left.conversation, error)
