"""What a watching page is told of a running turn: only what changed, as soon as it has.

Words that come while a page has just been told wait a moment and go together. The moment grows with
what the last drawing took, with the size of what was sent and with the delay of the event loop, so
that many pages at once are told a little less often instead of ever later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from guard.text import split_thinking

from . import render, tools
from .growing import GrowingText
from .others import Watched
from .render import PARTS
from .store import Reply, Turn
from .store.indexing import LONG
from .view import Standing, View, fill

PAUSE = 0.02  # seconds between two updates, on a machine that has nothing else to do
LONGEST_PAUSE = 2.0
DRAWING = 3  # pauses last so many times as long as the drawing before them
LATENESS = 2  # and as the loop was late
BYTES_A_SECOND = 100_000  # to one page: what is large is sent less often
HEARTBEAT = 15.0  # seconds; proxies drop a silent connection
Message = dict[str, Any]


class Watcher:
    """Knows what one page has been sent, and works out the difference."""

    def __init__(self, turn: Turn, view: View, runs: int) -> None:
        self.turn, self.view, self.runs = turn, view, runs
        self._sent: dict[tuple[str, str], str | list[str]] = {}
        self._growing: dict[str, GrowingText] = {}
        self._looks: dict[str, tuple[object, ...]] = {}
        self._lengths: dict[str, int] = {}

    def updates(self, replies: Sequence[Reply], first_step: int) -> list[Message]:
        """Messages that bring the page from what it has to what there is.

        A new reply comes whole; of a known one come the parts that changed, and of its text the
        blocks from the first that changed, or the words that stand behind what is there.
        """
        messages: list[Message] = []
        for number, reply in enumerate(replies):
            look, length = look_of(reply, len(replies)), len(reply.text)
            same = self._looks.get(reply.id) == look
            if same and self._lengths[reply.id] == length:
                continue
            if same and self._growing[reply.id].shown:
                messages += self._grown(reply)
            else:
                standing = Standing(number + first_step == 0, number == len(replies) - 1)
                messages += self._changes(reply, standing)
            self._looks[reply.id], self._lengths[reply.id] = look, length
        return messages

    def heavy(self, replies: Sequence[Reply]) -> bool:
        """Whether there is much to draw for the next updates."""
        return sum(self._to_draw(reply, len(replies)) for reply in replies) > LONG

    def _to_draw(self, reply: Reply, replies: int) -> int:
        """The characters that may have to be drawn."""
        if self._looks.get(reply.id) == look_of(reply, replies):
            return len(reply.text) - self._growing[reply.id].start
        return len(reply.text) + len(reply.thoughts or "")

    def _grown(self, reply: Reply) -> list[Message]:
        """What more text changes where nothing else has: the text alone."""
        growing = self._growing[reply.id]
        change = growing.grow(split_thinking(reply.text).answer, growing.spans)
        if change is None:
            return []
        if change.words:
            return [{"reply": reply.id, "grow": change.words}]
        return [text_from(reply, change.start, change.blocks)]

    def _changes(self, reply: Reply, standing: Standing) -> list[Message]:
        """What changes of all the parts; a reply that is new, whole."""
        growing = self._growing.setdefault(reply.id, GrowingText())
        known, shown = (reply.id, "chip") in self._sent, [*growing.shown]
        parts = render.parts(
            reply, self.turn.question, self.view, standing, runs=self.runs, growing=growing
        )
        if not known:
            html = fill("reply", self.view, reply=reply, parts=render.safe(parts))
            messages = [{"reply": reply.id, "html": html}]
        else:
            self._sent[reply.id, "text"] = shown
            changes = (self._changed(reply, name, parts[name]) for name in PARTS)
            messages = [message for message in changes if message]
        self._sent |= {(reply.id, name): part for name, part in parts.items()}
        return messages

    def _changed(self, reply: Reply, name: str, part: str | list[str]) -> Message | None:
        before = self._sent[reply.id, name]
        if part == before:
            return None
        if isinstance(part, list) and isinstance(before, list):
            same = next(
                (n for n, (a, b) in enumerate(zip(before, part, strict=False)) if a != b),
                min(len(before), len(part)),
            )
            return text_from(reply, same, part[same:])
        return {"reply": reply.id, "part": name, "html": part}


def look_of(reply: Reply, replies: int) -> tuple[object, ...]:
    """All that a reply's parts are drawn from, but its text."""
    waits = (reply.waits, reply.consulted)
    return (
        replies,
        reply.state,
        reply.thoughts,
        reply.verdict,
        *waits,
        tools.states(reply),
        reply.exhausted,
        reply.kept,
    )


def text_from(reply: Reply, number: int, blocks: Sequence[str]) -> Message:
    """The text's blocks from that number on."""
    return {"reply": reply.id, "part": "text", "from": number, "blocks": blocks}


async def watch(live: Watched, watcher: Watcher) -> AsyncIterator[list[Message] | None]:
    """Messages for one page until the turn ends, those of a moment together; None: a heartbeat."""
    seen, late = -1, 0.0
    while True:
        version = await live.wait(seen, HEARTBEAT)
        if version == seen and live.running:
            yield None
            continue
        seen, began = version, time.monotonic()
        over, messages = not live.running, await updates(live, watcher)
        if messages:
            yield messages
        if over:
            return
        drawing = time.monotonic() - began
        size = sum(map(size_of, messages))
        pause = max(PAUSE, DRAWING * drawing, LATENESS * late, size / BYTES_A_SECOND)
        pause = min(pause, LONGEST_PAUSE)
        began = time.monotonic()
        await asyncio.sleep(pause)
        late = time.monotonic() - began - pause


def size_of(message: Message) -> int:
    """Bytes of HTML, roughly."""
    return sum(map(len, message.get("blocks", ()))) + len(message.get("html", ""))


async def updates(live: Watched, watcher: Watcher) -> list[Message]:
    """The watcher's next messages."""
    replies = live.replies
    draw = partial(watcher.updates, replies, live.first_step)
    return await asyncio.to_thread(draw) if watcher.heavy(replies) else draw()
