"""Replies that are coming in. They belong to the server: a page may leave and come back.

`Live` holds one conversation's running turn, stores every step of it and tells those who watch that
something is new. What is new, and how it looks, is for the watcher (`stream.py`) to work out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from guard.events import Delta, Done, Event, Exhausted, Failed, FellBack, Judged, Started, Thought

from .store import Reply, Store, new_id

log = logging.getLogger(__name__)

SAVE_EVERY = 0.5  # seconds; what a killed process may lose of a reply
NUL = str.maketrans({"\x00": "\ufffd"})  # PostgreSQL keeps no NUL in text

EventSource = Callable[[], AsyncIterator[Event]]


class Live:
    """One running turn: its replies so far, and the task that reads them."""

    def __init__(self, store: Store, conversation_id: str, turn_id: str, run: int, step: int) -> None:
        self.conversation_id, self.turn_id = conversation_id, turn_id
        self.replies: list[Reply] = []
        self.version = 0
        self.running = True
        self.first_step = step  # above 0 where a reader asked another model about a withheld reply
        self._store, self._run = store, run
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._saved_at = 0.0
        self._cause = "withheld" if step else None

    def begin(self, source: EventSource) -> None:
        """Start reading events in a task of the server."""
        self._task = asyncio.create_task(self._read(source))

    async def stop(self) -> None:
        """End the reply where it is; what has come of it stays."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def wait(self, seen: int, timeout: float) -> int:
        """The version, as soon as it is newer than `seen` or `timeout` seconds have passed."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.version != seen or not self.running)
        except TimeoutError:
            pass
        return self.version

    async def _read(self, source: EventSource) -> None:
        try:
            async with aclosing(source()) as events:  # type: ignore[type-var]
                async for event in events:
                    await self._take(event)
                    await self._tell()
        except asyncio.CancelledError:
            await self._end("stopped")
        except Exception:
            log.exception("a reply in conversation %s broke", self.conversation_id)
            await self._end("failed", fault={"kind": "malformed", "message": "internal error"})
        finally:
            await self._end("interrupted")
            self.running = False
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self.version += 1
            self._changed.notify_all()

    async def _end(self, state: str, **values: Any) -> None:
        """Close the reply that is still open, if any."""
        if self.replies and self.replies[-1].state == "streaming":
            await self._save(state=state, **values)

    async def _take(self, event: Event) -> None:
        match event:
            case Started():
                await self._start(event)
            case Delta():
                self.replies[-1].text += event.text.translate(NUL)
                await self._save_now_and_then()
            case Thought():
                reply = self.replies[-1]
                reply.thoughts = (reply.thoughts or "") + event.text.translate(NUL)
                await self._save_now_and_then()
            case Judged():
                await self._judge(event)
            case Done():
                stopped = event.finish_reason == "stopped by guard"
                await self._save(
                    state="stopped" if stopped else "done",
                    finish_reason=event.finish_reason,
                    served=event.served.model_dump(),
                    seconds=event.seconds,
                )
            case Failed():
                fault = event.model_dump(include={"kind", "message", "retry_after"})
                await self._save(state="failed", fault=fault)
            case FellBack():
                self._cause = event.cause
            case Exhausted():
                await self._save(exhausted=event.cause)

    async def _start(self, event: Started) -> None:
        reply = Reply(
            id=new_id(),
            turn_id=self.turn_id,
            run=self._run,
            step=self.first_step + event.attempt,
            model=event.model.model_dump(mode="json"),
            text="",
            thoughts=None,
            state="streaming",
            finish_reason="",
            action="pass",
            cause=self._cause,
            not_withheld=False,
        )
        self.replies.append(reply)
        await self._store.add_reply(reply)

    async def _judge(self, event: Judged) -> None:
        """Keep the newest verdict; only a final or an acting one is worth a write of its own."""
        verdict = event.verdict.model_dump(mode="json")
        if event.final or event.action != "pass":
            await self._save(verdict=verdict, action=event.action)
        if event.final and event.verdict.status == "withheld":
            await self._store.mark_withheld(self.conversation_id)

    async def _save_now_and_then(self) -> None:
        if time.monotonic() - self._saved_at > SAVE_EVERY:
            await self._save()

    async def _save(self, **values: Any) -> None:
        """Write the reply as it stands, with what is new of it."""
        reply = self.replies[-1]
        for name, value in values.items():
            setattr(reply, name, value)
        self._saved_at = time.monotonic()
        await self._store.save_reply(reply.id, text=reply.text, thoughts=reply.thoughts, **values)


class LiveReplies:
    """The running turns by conversation; one at a time in each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_conversation: dict[str, Live] = {}

    def get(self, conversation_id: str) -> Live | None:
        """The conversation's running turn."""
        live = self._by_conversation.get(conversation_id)
        return live if live and live.running else None

    async def begin(
        self, conversation_id: str, turn_id: str, source: EventSource, *, run: int, step: int = 0
    ) -> Live:
        """Start a run of a turn, or go on with one at `step`; what still runs is stopped first."""
        await self.stop(conversation_id)
        live = Live(self._store, conversation_id, turn_id, run, step)
        self._by_conversation[conversation_id] = live
        live.begin(source)
        return live

    async def stop(self, conversation_id: str) -> None:
        """Stop what runs in a conversation, if anything does."""
        live = self._by_conversation.pop(conversation_id, None)
        if live:
            await live.stop()

    async def close(self) -> None:
        """Stop all, as the server goes down."""
        for conversation_id in list(self._by_conversation):
            await self.stop(conversation_id)
