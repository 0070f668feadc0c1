"""Replies that are coming in. They belong to the server: a page may leave and come back.

`Live` holds one conversation's running turn, stores every step of it and tells those who watch that
something is new. What is new, and how it looks, is for the watcher (`stream.py`) to work out. A
reply that cannot be stored still runs, and says that it was not kept.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

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

from .store import UNREACHABLE, Reply, State, Store, fault_of, new_id, now
from .telemetry.logs import hashed
from .tools import noted

log = logging.getLogger(__name__)

SAVE_EVERY = 0.5  # seconds; what a killed process may lose of a reply
NUL = str.maketrans({"\x00": "\ufffd"})  # PostgreSQL keeps no NUL in text

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


class Live:
    """One running turn: its replies so far, and the task that reads them.

    `grows` is a reply that is there and goes on: the first attempt adds to it.
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
    ) -> None:
        self.conversation_id, self.turn_id, self.run = conversation_id, turn_id, run
        self.version = 0
        self.first_step = step  # above 0 where a reader asked another model about a withheld reply
        self._store, self._drafts, self._grows = store, drafts, grows
        self._news = asyncio.Event()
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

    async def ended(self) -> None:
        """Wait until it is over."""
        if self._task:
            await asyncio.wait([self._task])

    async def wait(self, seen: int, seconds: float) -> int:
        """The version, as soon as it is newer than `seen` or `seconds` have passed."""
        if self.version == seen and self.running:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
        return self.version

    def _tell(self) -> None:
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    def _over(self, ended: Callable[[], None]) -> None:
        ended()
        self._tell()

    async def _read(self, source: EventSource) -> None:
        try:
            async with aclosing(source()) as events:  # type: ignore[type-var]
                async for event in events:
                    await self._take(event)
                    self._tell()
        except asyncio.CancelledError:
            await self._end(self._stopped_as or "interrupted")
        except Exception:
            told = {"conversation": hashed(self.conversation_id)}
            log.exception("a reply broke", extra={"fields": told})
            await self._end("failed", fault={"kind": "malformed", "message": "internal error"})
        finally:
            await self._end("interrupted")

    async def _end(self, state: State, **values: Any) -> None:
        """Close the replies that are still open."""
        for row in self._rows.values():
            if row.reply.state == "streaming":
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
                reply.text += event.text.translate(NUL)
                await self._grown(row)
            case Thought():
                reply.waits = None
                reply.thoughts = (reply.thoughts or "") + event.text.translate(NUL)
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
        """Have a reply stored while its model is asked; all that is written of it comes after."""

        async def stored() -> None:
            await self._save(row)
            if not row.reply.kept:
                self._tell()

        task = asyncio.create_task(stored())
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _go_on(self, reply: Reply) -> None:
        """Add to a reply that is stored. Its words and verdict stay what they are until then."""
        before = Took(reply.seconds, reply.tokens, reply.dollars)
        self._rows[0] = Row(reply, stored=True, before=before)
        await self._save(self._rows[0], **AS_IT_GOES_ON)

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
            await self._save(row)

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
                reply.kept = await written(self._store.save_reply(reply.id, **marks, **values))
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


class LiveReplies:
    """The running turns by conversation; one at a time in each."""

    def __init__(self, store: Store) -> None:
        self._store, self._drafts = store, Drafts(store)
        self._by_conversation: dict[str, Live] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_conversation)

    def alone(self, conversation_id: str) -> asyncio.Lock:
        """Held by who adds a turn or a run, so that two pages never take the same place."""
        return self._locks.setdefault(conversation_id, asyncio.Lock())

    def get(self, conversation_id: str) -> Live | None:
        """The conversation's running turn."""
        live = self._by_conversation.get(conversation_id)
        return live if live and live.running else None

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
        while self.get(conversation_id):
            await self.stop(conversation_id)
        live = Live(
            self._store, self._drafts, conversation_id, turn_id, run=run, step=step, grows=grows
        )
        self._by_conversation[conversation_id] = live
        live.begin(source, lambda: self._ended(live))
        return live

    def _ended(self, live: Live) -> None:
        if self._by_conversation.get(live.conversation_id) is live:
            del self._by_conversation[live.conversation_id]

    async def stop(self, conversation_id: str, state: State = "stopped") -> None:
        """Stop what runs in a conversation, if anything does."""
        live = self._by_conversation.get(conversation_id)
        if live:
            await live.stop(state)

    async def stop_these(self, conversation_ids: Iterable[str]) -> None:
        """Stop what runs in any of them."""
        await asyncio.gather(*map(self.stop, conversation_ids))

    async def close(self) -> None:
        """Interrupt all, as the server goes down."""
        await asyncio.gather(*(self.stop(id_, "interrupted") for id_ in [*self._by_conversation]))
        await self._drafts.close()
