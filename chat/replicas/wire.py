"""Replies as they go through Redis: whole, then what changes of them.

A running turn has a stream of entries. Its first one is whole; so is now and then another, which
takes the place of all before it, so that a stream stays short and can be read from any entry that
is whole.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import inspect

from ..others import Watched
from ..store import Reply

GROWING = ("text", "thoughts")
COLUMNS = [name for name in inspect(Reply).column_attrs.keys() if name not in GROWING]  # noqa: SIM118
SHOWN = ("kept", "waits", "consulted")  # no columns, but what is shown while a reply comes in
WHOLE_EVERY = 200  # entries
Message = dict[str, Any]


class Told:
    """What the others have been told of a turn that runs here."""

    def __init__(self) -> None:
        self.entries = 0  # since the last that was whole; 0: the next must be
        self._looks: list[tuple[Any, ...]] = []
        self._lengths: list[tuple[int, int]] = []

    def news(self, live: Watched) -> str | None:
        """What to tell them now; None where nothing is new."""
        replies = live.replies
        if self.entries == 0 or self.entries >= WHOLE_EVERY:
            self.entries = 0
            news: list[Message] = [whole(reply) for reply in replies]
        else:
            changes = (self._change(n, reply) for n, reply in enumerate(replies))
            news = [change for change in changes if change]
            if not news:
                return None
        self.entries += 1
        self._looks = [look_of(reply) for reply in replies]
        self._lengths = [lengths_of(reply) for reply in replies]
        return json.dumps({"whole": self.entries == 1, "replies": news}, default=str)

    def _change(self, number: int, reply: Reply) -> Message | None:
        if number >= len(self._looks) or look_of(reply) != self._looks[number]:
            return {"n": number} | whole(reply)
        said, thought = self._lengths[number]
        if lengths_of(reply) == (said, thought):
            return None
        return {"n": number, "more": [reply.text[said:], (reply.thoughts or "")[thought:]]}


def look_of(reply: Reply) -> tuple[Any, ...]:
    """All of a reply but what grows."""
    return tuple(getattr(reply, name) for name in (*COLUMNS, *SHOWN))


def lengths_of(reply: Reply) -> tuple[int, int]:
    return len(reply.text), len(reply.thoughts or "")


def whole(reply: Reply) -> Message:
    return {"row": {name: getattr(reply, name) for name in (*COLUMNS, *GROWING, *SHOWN)}}


def heard(replies: list[Reply], data: bytes) -> list[Reply]:
    """The replies of a turn as they are after an entry of its stream."""
    message = json.loads(data)
    if message["whole"]:
        return [row_of(one["row"]) for one in message["replies"]]
    replies = [*replies]
    for one in message["replies"]:
        number = one["n"]
        if "row" in one:
            replies[number : number + 1] = [row_of(one["row"])]
        elif number < len(replies):
            reply, (said, thought) = replies[number], one["more"]
            reply.text += said
            reply.thoughts = (reply.thoughts or "") + thought if thought else reply.thoughts
    return replies


def row_of(values: Message) -> Reply:
    """A reply that no session has."""
    created = datetime.fromisoformat(values["created_at"])
    reply = Reply(**{name: values[name] for name in (*COLUMNS, *GROWING)} | {"created_at": created})
    for name in SHOWN:
        setattr(reply, name, values[name])
    return reply
