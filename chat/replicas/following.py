"""A turn that runs in another replica, as its watchers here see it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..news import News
from ..store import Reply
from .leases import Lease
from .wire import heard

BEGIN = "0-0"  # before the first entry of a stream


def stream_of(runner: str) -> str:
    """The key of the stream that tells of a run."""
    return f"candor:told:{runner}"


class Follower(News):
    """One run of another replica's, by its stream; shared by all who watch it here."""

    def __init__(self, conversation_id: str, lease: Lease) -> None:
        super().__init__()
        self.conversation_id, self.lease = conversation_id, lease
        self.turn_id, self.run, self.first_step = lease.turn, lease.run, lease.step
        self.stream = stream_of(lease.runner)
        self.at = BEGIN
        self.asked_at = self.watched_at = time.monotonic()
        self.replies: list[Reply] = []

    @property
    def kept(self) -> bool:
        return all(reply.kept for reply in self.replies)

    def take(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        """Entries of the stream, in their order."""
        for at, fields in entries:
            self.at = at.decode()
            if b"news" in fields:
                self.replies = heard(self.replies, fields[b"news"])
            if b"over" in fields:
                self.over = True
        if entries:
            self.tell()

    def lose(self) -> None:
        """It does not run there any more."""
        self.over = True
        self.tell()

    async def wait(self, seen: int, seconds: float) -> int:
        self.watched_at = time.monotonic()
        return await super().wait(seen, seconds)
