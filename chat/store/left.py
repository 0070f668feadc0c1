"""Replies that stream though nobody may run them any more: found, and closed."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from .database import Database
from .indexing import index_reply
from .tables import Conversation, Reply, State, Turn


class Left(NamedTuple):
    """A reply that streams, as far as it says who runs it and where it stands."""

    conversation: str
    owner: str
    turn: str
    reply: str
    run: int
    step: int
    lane: int
    runner: str | None
    created_at: datetime


class LeftStore(Database):
    """Finds and closes what was left."""

    async def streaming(self) -> list[Left]:
        """All replies that come in, in any process, or that a killed one has left."""
        query = (
            select(
                Conversation.id,
                Conversation.owner,
                *(Turn.id, Reply.id, Reply.run, Reply.step, Reply.lane),
                *(Reply.runner, Reply.created_at),
            )
            .join(Turn, Turn.id == Reply.turn_id)
            .join(Conversation, Conversation.id == Turn.conversation_id)
            .where(Reply.state == "streaming")
            .order_by(Reply.lane, Reply.step)
        )
        rows = await self.read(lambda session: session.execute(query).all())
        return [Left(*row) for row in rows]

    async def close_left(self, left: Left, runner: str, **told: str | None) -> bool:
        """Mark a reply that nobody runs any more as interrupted; whether it was still as it was.

        Args:
            left: the reply.
            runner: who writes it from now on.
            told: more of its `text` and `thoughts` than is stored, where that is known.
        """
        which = Reply.id == left.reply, Reply.runner.is_not_distinct_from(left.runner)
        values = told | {"state": "interrupted", "runner": runner}
        return await self.write(lambda session: close(session, *which, **values) > 0)

    async def stop_left(self, conversation_id: str, runner: str, state: State) -> None:
        """Close what streams in a conversation though nobody runs it."""
        here = select(Turn.id).where(Turn.conversation_id == conversation_id)
        which = Reply.turn_id.in_(here)
        await self.write(lambda session: close(session, which, state=state, runner=runner))


def interrupt(session: Session) -> None:
    """Mark replies that stream as interrupted: nobody does so as a process begins."""
    close(session, state="interrupted")


def close(session: Session, *which: ColumnElement[bool], **values: str | None) -> int:
    """End replies that stream, and let the search find them; how many there were."""
    closing = update(Reply).where(Reply.state == "streaming", *which).values(**values)
    closed = session.scalars(closing.returning(Reply.id)).all()
    for id_ in closed:
        index_reply(session, id_)
    return len(closed)
