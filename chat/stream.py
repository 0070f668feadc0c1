"""What a watching page is told of a running turn: only what changed, at most 8 times a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from . import render, tools
from .live import Live
from .markdown import GrowingText
from .render import PARTS
from .store import Reply, Turn
from .view import Standing, View, fill

PAUSE = 0.125  # seconds between two updates
LONG = 4_000  # characters; a longer reply is drawn in a thread, so that nobody else waits for it
LONGEST_PAUSE = 2.0  # what takes long to draw is drawn less often
HEARTBEAT = 15.0  # seconds; proxies drop a silent connection


class Watcher:
    """Knows what one page has been sent, and works out the difference."""

    def __init__(self, turn: Turn, view: View, runs: int) -> None:
        self.turn, self.view, self.runs = turn, view, runs
        self._sent: dict[tuple[str, str], str | list[str]] = {}
        self._growing: dict[str, GrowingText] = {}
        self._looks: dict[str, tuple[object, ...]] = {}

    def updates(self, replies: list[Reply], first_step: int) -> list[dict[str, Any]]:
        """Messages that bring the page from what it has to what there is.

        A new reply comes whole; of a known one come the parts that changed, and of its text the
        blocks from the first that changed.
        """
        messages: list[dict[str, Any]] = []
        for number, reply in enumerate(replies):
            if not self._is_new(reply, len(replies)):
                continue
            growing = self._growing.setdefault(reply.id, GrowingText())
            standing = Standing(number + first_step == 0, number == len(replies) - 1)
            parts = render.parts(
                reply, self.turn.question, self.view, standing, runs=self.runs, growing=growing
            )
            if (reply.id, "chip") not in self._sent:
                html = fill("reply", self.view, reply=reply, parts=render.safe(parts))
                messages.append({"reply": reply.id, "html": html})
            else:
                changes = (self._changed(reply, name, parts[name]) for name in PARTS)
                messages += [message for message in changes if message]
            self._sent |= {(reply.id, name): part for name, part in parts.items()}
        return messages

    def _is_new(self, reply: Reply, replies: int) -> bool:
        """Whether anything about the reply could look different from what was sent."""
        said = (reply.text, reply.thoughts, reply.verdict)
        waits = (reply.waits, reply.consulted)
        calls = tools.states(reply)
        look = (replies, reply.state, *said, *waits, calls, reply.exhausted, reply.kept)
        before = self._looks.get(reply.id)
        self._looks[reply.id] = look
        return before != look

    def _changed(self, reply: Reply, name: str, part: str | list[str]) -> dict[str, Any] | None:
        before = self._sent[reply.id, name]
        if part == before:
            return None
        if isinstance(part, list) and isinstance(before, list):
            same = next(
                (n for n, (a, b) in enumerate(zip(before, part, strict=False)) if a != b),
                min(len(before), len(part)),
            )
            return {"reply": reply.id, "part": name, "from": same, "blocks": part[same:]}
        return {"reply": reply.id, "part": name, "html": part}


async def watch(live: Live, watcher: Watcher) -> AsyncIterator[dict[str, Any] | None]:
    """Messages for one page until the turn ends; None is a heartbeat."""
    seen = -1
    while True:
        version = await live.wait(seen, HEARTBEAT)
        if version == seen and live.running:
            yield None
            continue
        seen, began = version, time.monotonic()
        over = not live.running
        for message in await updates(live, watcher):
            yield message
        if over:
            return
        await asyncio.sleep(min(max(PAUSE, 3 * (time.monotonic() - began)), LONGEST_PAUSE))


async def updates(live: Live, watcher: Watcher) -> list[dict[str, Any]]:
    """The watcher's next messages."""
    long = sum(len(reply.text) + len(reply.thoughts or "") for reply in live.replies) > LONG
    draw = partial(watcher.updates, [*live.replies], live.first_step)
    return await asyncio.to_thread(draw) if long else draw()
