"""Replies that are coming in. They belong to the server: a page may leave and come back.

`Live` holds one conversation's running turn, stores every step of it and tells those who watch that
something is new. What is new, and how it looks, is for the watcher (`stream.py`) to work out. A
reply that cannot be stored still runs, and says that it was not kept; it is stored as soon as that
works. What other replicas run is behind `Others`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from guard.characters import repaired
from guard.events import (
    Called,
    Consulted,
    Delta,
    Done,
    Event,
    Exhausted,
    Failed,
    Judged,
    Returned,
    Started,
    Thought,
    Unoffered,
    Waiting,
)

from .news import News
from .others import Alone, Exclusive, Others, Watched
from .store import UNREACHABLE, Reply, Store, Taken, fault_of, new_id, now
from .store.tables import State
from .telemetry.logs import hashed
from .tools import noted

log = logging.getLogger(__name__)

SAVE_EVERY = 0.5  # seconds; what a killed process may lose of a reply
KNOWN_WITHIN = 2.0  # seconds for which a run that other replicas are to see waits for the store
AGAIN = 1.0  # seconds until what the store did not take is tried again
MOST_UNKEPT = 1_000  # turns that ended and wait for the store; the oldest are given up
LAST_TRIES = 5.0  # seconds in which they are still tried as the server goes down

# of a reply that goes on; what it took is known again when its model ends it
AS_IT_GOES_ON: dict[str, Any] = {
    **{"state": "streaming", "finish_reason": "", "not_withheld": False},
    **dict.fromkeys(("fault", "exhausted", "bound", "seconds", "tokens", "dollars")),
}

EventSource = Callable[[], AsyncIterator[Event]]


class Took(NamedTuple):
    """Seconds, tokens and US dollars; None where that is not known."""

    seconds: float | None
    tokens: int | None
    dollars: float | None

    def and_then(self, other: Took) -> dict[str, float | None]:
        """Both together, by column; not known where one of them is not."""
        return {
            name: None if first is None or second is None else first + second
            for name, first, second in zip(self._fields, self, other, strict=True)
        }


NOTHING = Took(0.0, 0, 0.0)


@dataclass
class Row:
    """A reply that comes in, and how far its row in the store has come.

    `unsaved` are columns that could not be written yet; `saved_at` is when the last write ended.
    `before` is what the first part took of a reply that goes on; `withheld` says that its
    conversation is to be marked. Who writes the row holds `writing`.
    """

    reply: Reply
    stored: bool = False
    withheld: bool = False
    before: Took = NOTHING
    unsaved: dict[str, Any] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self, values: dict[str, Any]) -> None:
        """Set columns of the reply, which are to be written."""
        for name, value in values.items():
            setattr(self.reply, name, value)
        self.unsaved |= values


class Live(News):
    """One running turn: its replies so far, and the task that reads them.

    `grows` is a reply that is there and goes on: the first attempt adds to it. `runner` is this
    run's mark on the rows it writes, where there are other replicas; `lost` says that another run
    has them now.
    """

    def __init__(
        self,
        store: Store,
        drafts: Drafts,
        conversation_id: str,
        turn_id: str,
        *,
        run: int,
        step: int,
        grows: Reply | None = None,
        others: Others | None = None,
    ) -> None:
        super().__init__()
        self.conversation_id, self.turn_id, self.run = conversation_id, turn_id, run
        self.runner: str | None = None
        self.lost = False
        self.first_step = step  # above 0 where a reader asked another model about a withheld reply
        self._store, self._drafts, self._grows = store, drafts, grows
        self._others = others or Alone()
        self.settled = asyncio.Event()  # it has ended, and is stored or another's
        self._task: asyncio.Task[None] | None = None
        self._stopped_as: State | None = None
        self._rows: dict[int, Row] = {}  # by attempt
        self._beginning: set[asyncio.Task[None]] = set()

    @property
    def replies(self) -> list[Reply]:
        return [row.reply for row in self._rows.values()]

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def kept(self) -> bool:
        """Whether all that came of the turn is in the store."""
        return all(reply.kept for reply in self.replies)

    def begin(self, source: EventSource, ended: Callable[[], None]) -> None:
        """Start reading events in a task of the server; `ended` is called when it is over."""
        self._task = asyncio.create_task(self._read(source))
        self._task.add_done_callback(lambda _: self._over(ended))

    async def stop(self, state: State = "stopped") -> None:
        """End the reply where it is; what has come of it stays, with `state`."""
        while self.running and not self.version:  # a turn never stays without any reply
            await self._news.wait()
        if self._task is None or self._task.done():
            return
        if self._stopped_as is None:
            self._stopped_as = state
            self._task.cancel()
        await asyncio.wait([self._task])

    def lose(self) -> None:
        """Another replica has taken it over: end without writing any more."""
        if self.running and not self.lost:
            log.warning("a reply in conversation %s goes on elsewhere", self.conversation_id)
            self.lost = True
            if self._task:
                self._task.cancel()

    async def settle(self) -> None:
        """Try again to store what could not be."""
        for row in self._rows.values():
            if row.unsaved or not (row.stored and row.reply.kept):
                try:
                    await self._store_row(row)
                except Taken:
                    self.lost = row.reply.kept = True
                    row.unsaved = {}

    async def known(self, seconds: float) -> None:
        """Wait until its first reply is in the store, or the store has not taken it in that time.

        From then on everybody can see that it runs, also while nobody can say where.
        """
        end = time.monotonic() + seconds
        await self.wait(0, seconds)
        if self._beginning:
            await asyncio.wait([*self._beginning], timeout=max(0.0, end - time.monotonic()))

    async def ended(self) -> None:
        """Wait until it is over."""
        if self._task:
            await asyncio.wait([self._task])

    def tell(self) -> None:
        super().tell()
        self._others.grew(self)

    def _over(self, ended: Callable[[], None]) -> None:
        ended()
        self.tell()

    async def _read(self, source: EventSource) -> None:
        try:
            async with aclosing(source()) as events:  # type: ignore[type-var]
                async for event in events:
                    await self._take(event)
                    self.tell()
        except asyncio.CancelledError:
            await self._end(self._stopped_as or "interrupted")
        except Taken:
            self.lost = True
        except Exception:
            told = {"conversation": hashed(self.conversation_id)}
            log.exception("a reply broke", extra={"fields": told})
            await self._end("failed", fault={"kind": "malformed", "message": "internal error"})
        finally:
            if self._stopped_as != "streaming":
                await self._end("interrupted")

    async def _end(self, state: State, **values: Any) -> None:
        """Close the replies that are still open; `streaming`: for another replica to go on."""
        for row in self._rows.values():
            if row.reply.state == "streaming" and not self.lost:
                with suppress(Taken):
                    await self._save(row, state=state, **values)

    async def _take(self, event: Event) -> None:
        if isinstance(event, Started):
            if self._grows and event.attempt == 0:
                await self._go_on(self._grows)
            else:
                self._rows[event.attempt] = Row(self._reply(event))
                self._begin(self._rows[event.attempt])
            return
        row = self._rows[event.attempt]
        reply = row.reply
        match event:
            case Waiting():
                reply.waits = event.seconds
            case Delta():
                reply.waits = None
                reply.text += repaired(event.text)
                await self._grown(row)
            case Thought():
                reply.waits = None
                reply.thoughts = (reply.thoughts or "") + repaired(event.text)
                await self._grown(row)
            case Called() | Returned() | Unoffered():
                reply.waits = None
                await self._save(row, calls=noted(reply.calls or [], event))
            case Judged():
                await self._judge(row, event)
            case Consulted():
                reply.consulted = event.model.name
            case Done():
                stopped = event.finish_reason == "stopped by guard"
                await self._save(
                    row,
                    state="stopped" if stopped else "done",
                    finish_reason=event.finish_reason,
                    served=event.served.model_dump(),
                    **timed(reply, event),
                    **row.before.and_then(Took(event.seconds, event.tokens, event.dollars)),
                )
            case Failed():
                fault = event.model_dump(include={"kind", "message", "retry_after"})
                await self._save(row, state="failed", fault=fault)
            case Exhausted():
                await self._save(row, exhausted=event.cause, bound=event.bound)

    def _begin(self, row: Row) -> None:
        """Have a reply stored while its model speaks; all that is written of it comes after."""

        async def stored() -> None:
            kept = row.reply.kept
            try:
                await self._save(row)
            except Taken:
                self.lose()
            if row.reply.kept != kept:
                self.tell()

        task = asyncio.create_task(stored())
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _go_on(self, reply: Reply) -> None:
        """Add to a reply that is stored. Its words and verdict stay what they are until then."""
        before = Took(reply.seconds, reply.tokens, reply.dollars)
        self._rows[0] = Row(reply, stored=True, before=before)
        await self._save(self._rows[0], **AS_IT_GOES_ON, runner=self.runner)

    def _reply(self, event: Started) -> Reply:
        """The row of a reply that begins. One that a reader asked for follows a withheld one."""
        return Reply(
            id=new_id(),
            turn_id=self.turn_id,
            run=self.run,
            step=self.first_step + event.attempt,
            lane=event.lane,
            model=event.model.model_dump(mode="json"),
            text="",
            thoughts=None,
            state="streaming",
            finish_reason="",
            action="pass",
            cause=event.cause or ("withheld" if self.first_step else None),
            not_withheld=False,
            omitted=event.omitted.model_dump() if event.omitted else None,
            options=event.options.model_dump(exclude_defaults=True) or None,
            prompted=bool(event.options.system.strip()),
            runner=self.runner,
            created_at=now(),
        )

    async def _judge(self, row: Row, event: Judged) -> None:
        """Keep the newest verdict that is final, or that acts.

        The final one of a reply that comes in is written with its end, which follows at once.
        """
        if not event.final and event.action == "pass":
            return
        row.reply.consulted = None
        row.withheld = event.final and event.verdict.status == "withheld"
        values = {"verdict": event.verdict.model_dump(mode="json"), "action": event.action}
        if event.final and row.reply.state == "streaming":
            row.take(values)
        else:
            await self._save(row, **values)

    async def _grown(self, row: Row) -> None:
        """Have more of a reply written soon, which nobody waits for unless a write has failed."""
        if row.stored and not row.unsaved:
            self._drafts.add(row.reply)
        elif not row.writing.locked() and time.monotonic() - row.saved_at > SAVE_EVERY:
            row.saved_at = time.monotonic()
            self._begin(row)

    async def _save(self, row: Row, **values: Any) -> None:
        """Write the reply as it stands, with what is new of it and what could not be written."""
        row.take(values)
        await to_the_end(self._store_row(row))
        row.saved_at = time.monotonic()

    async def _store_row(self, row: Row) -> None:
        async with row.writing:
            reply, unsaved = row.reply, row.unsaved
            values = {"text": reply.text, "thoughts": reply.thoughts, **unsaved}
            marks = {"withheld_in": self.conversation_id if row.withheld else None}
            row.unsaved = {}
            if row.stored:
                fence = None if "runner" in unsaved else self.runner
                save = self._store.save_reply(reply.id, **marks, fence=fence, **values)
                reply.kept = await written(save)
            else:
                reply.kept = row.stored = await written(self._store.add_reply(reply, **marks))
            if not reply.kept:
                row.unsaved = unsaved | row.unsaved


class Drafts:
    """Replies that have grown since they were written. Now and then all are, in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._grown: dict[str, Reply] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, reply: Reply) -> None:
        """Write the reply within `SAVE_EVERY` seconds; what ends before that is left alone."""
        self._grown[reply.id] = reply
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._grown:
            await asyncio.sleep(SAVE_EVERY)
            await to_the_end(self._write_now())

    async def _write_now(self) -> None:
        replies = [one for one in self._grown.values() if one.state == "streaming"]
        self._grown = {}
        kept = not replies or await written(self._store.save_growing(replies))
        for reply in replies:
            if reply.state == "streaming":
                reply.kept = kept

    async def close(self) -> None:
        """Write no more; a write that has begun is waited for."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])


def timed(reply: Reply, done: Done) -> dict[str, float | None]:
    """When a reply began to come, and the guard's own time; of one that went on, of all of it.

    The latter is None where nothing was checked.
    """
    first = done.first_seconds if reply.first_seconds is None else reply.first_seconds
    checked = (reply.guard_seconds or 0) + done.guard_seconds
    return {"first_seconds": first, "guard_seconds": checked or None}


async def to_the_end(work: Coroutine[Any, Any, Any]) -> None:
    """Await `work`; who is cancelled meanwhile is so only after it has ended."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def written(work: Coroutine[Any, Any, None]) -> bool:
    """Whether the database took a write."""
    try:
        await work
    except UNREACHABLE as error:
        log.error("a reply was not stored: %s", fault_of(error))  # noqa: TRY400
        return False
    return True


class Outbox:
    """Turns that have ended and are not wholly stored: tried again until they are.

    Args:
        kept: called with each, once it is stored or given up.
    """

    def __init__(self, kept: Callable[[Live], None]) -> None:
        self._kept = kept
        self._waiting: list[Live] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, live: Live) -> None:
        """Store what is left of a turn soon."""
        self._waiting.append(live)
        if len(self._waiting) > MOST_UNKEPT:
            given_up = self._waiting.pop(0)
            log.error("a reply in conversation %s is lost", given_up.conversation_id)
            self._kept(given_up)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(AGAIN)
            for live in [*self._waiting]:
                await to_the_end(self._try(live))
                if not live.kept:
                    break  # nor will it take the others

    async def hurry(self, conversation_id: str) -> None:
        """Try to store what is left of a conversation's turns before anything else of it is."""
        for live in [*self._waiting]:
            if live.conversation_id == conversation_id:
                await self._try(live)

    async def _try(self, live: Live) -> None:
        await live.settle()
        if live.kept and live in self._waiting:
            self._waiting.remove(live)
            self._kept(live)

    async def close(self) -> None:
        """Try for a last time."""
        if self._task:
            await asyncio.wait([self._task], timeout=LAST_TRIES)
            self._task.cancel()
            await asyncio.wait([self._task])


class LiveReplies:
    """The running turns by conversation; one at a time in each, in all replicas.

    Args:
        store: where they are kept.
        others: what other replicas run; None: there are none.
    """

    def __init__(self, store: Store, others: Others | None = None) -> None:
        self._store, self._drafts = store, Drafts(store)
        self._others: Others = others or Alone()
        self._outbox = Outbox(self._let_go)
        self._by_conversation: dict[str, Live] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_conversation)

    @property
    def shared(self) -> bool:
        """Whether other replicas may run turns of the same conversations."""
        return self._others.shared

    def alone(self, conversation_id: str) -> Exclusive:
        """Held by who adds a turn or a run, so that two pages never take the same place."""
        here = self._locks.setdefault(conversation_id, asyncio.Lock())
        return self._others.alone(conversation_id, here)

    def get(self, conversation_id: str) -> Live | None:
        """The conversation's running turn, if it runs in this process."""
        live = self._by_conversation.get(conversation_id)
        return live if live and live.running else None

    async def find(self, conversation_id: str) -> Watched | None:
        """The conversation's running turn, wherever it runs."""
        return self.get(conversation_id) or await self._others.find(conversation_id)

    async def begin(
        self,
        conversation_id: str,
        turn_id: str,
        source: EventSource,
        *,
        run: int,
        step: int = 0,
        grows: Reply | None = None,
    ) -> Live:
        """Start a run of a turn, or go on with one at `step`; what still runs is stopped first.

        Args:
            grows: the reply to which the first attempt adds, in place of a new one.
        """
        where = conversation_id, turn_id
        live = Live(
            self._store, self._drafts, *where, run=run, step=step, grows=grows, others=self._others
        )
        while self.get(conversation_id) or not await self._taken(live):
            await self.stop(conversation_id)
        self._by_conversation[conversation_id] = live
        live.begin(source, lambda: self._ended(live))
        if self.shared:
            await live.known(KNOWN_WITHIN)
        return live

    async def _taken(self, live: Live) -> bool:
        """Whether the conversation is this turn's; meanwhile another may have begun here."""
        taken = await self._others.take(live)
        return taken and self.get(live.conversation_id) is None

    def _ended(self, live: Live) -> None:
        if self._by_conversation.get(live.conversation_id) is live:
            del self._by_conversation[live.conversation_id]
        if live.kept or live.lost:
            self._let_go(live)
        else:
            self._outbox.add(live)

    def _let_go(self, live: Live) -> None:
        live.settled.set()
        self._others.let_go(live)

    async def stop(self, conversation_id: str, state: State = "stopped") -> None:
        """Stop what runs in a conversation, if anything does, wherever it runs."""
        live = self._by_conversation.get(conversation_id)
        if live:
            await live.stop(state)
        else:
            await self._outbox.hurry(conversation_id)
            await self._others.stop(conversation_id, state)

    async def stop_these(self, conversation_ids: Iterable[str]) -> None:
        """Stop what runs in any of them."""
        await asyncio.gather(*map(self.stop, conversation_ids))

    async def close(self) -> None:
        """Interrupt all, or leave it to other replicas, as the server goes down."""
        running = [*self._by_conversation.values()]
        await asyncio.gather(*(live.stop(self._others.left) for live in running))
        await self._outbox.close()
        await self._drafts.close()
        await self._others.close()

    async def stored(self, turn: Watched, seconds: float) -> bool:
        """Whether a turn that has ended is stored, or is soon; of another replica's, it looks."""
        if not isinstance(turn, Live):
            await asyncio.sleep(AGAIN)
            return await self.find(turn.conversation_id) is None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await turn.settled.wait()
        return turn.settled.is_set()

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while running := [*self._by_conversation.values()]:
                    await asyncio.gather(*(live.ended() for live in running))
