"""Search over a reader's conversations: all typed words in one title, question or reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, cast, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from guard.text import split_thinking

from .store import Conversation, Reply, Store, Turn
from .store.loading import undeleted
from .store.tables import Indexed
from .words import Phrase, for_postgresql, for_sqlite

MOST = 50  # conversations


class Message(NamedTuple):
    """A question, or the reply to it in one of the turn's runs."""

    turn: str
    text: str
    reply: str | None = None
    run: int | None = None


class Found(NamedTuple):
    """A conversation, and its newest message that holds what was searched for.

    Without a message it is the title alone.
    """

    conversation: Conversation
    message: Message | None


async def search(store: Store, owner: str, wanted: Sequence[Phrase]) -> list[Found]:
    """The owner's conversations that hold all phrases in one message, newest first."""
    if not wanted:
        return []
    holds = holding(store.engine.dialect.name, wanted)
    query = (
        select(Conversation)
        .where(*undeleted(owner), Conversation.id.in_(select(Indexed.conversation_id).where(holds)))
        .order_by(Conversation.updated_at.desc(), Conversation.id.desc())
        .limit(MOST)
    )

    def work(session: Session) -> list[Found]:
        conversations = session.scalars(query).all()
        messages = newest(session, [one.id for one in conversations], holds)
        return [Found(one, messages.get(one.id)) for one in conversations]

    return await store.read(work)


def holding(dialect: str, wanted: Sequence[Phrase]) -> ColumnElement[bool]:
    """Whether a row of `Indexed` holds the phrases."""
    if dialect == "postgresql":
        return Indexed.words.op("@@")(cast(for_postgresql(wanted), TSQUERY))
    index: ColumnElement[str] = literal_column("indexed_words")
    row: ColumnElement[int] = literal_column("rowid")
    found = select(row).select_from(table("indexed_words"))
    return Indexed.id.in_(found.where(index.op("MATCH")(for_sqlite(wanted))))


def newest(
    session: Session, conversations: Sequence[str], holds: ColumnElement[bool]
) -> dict[str, Message]:
    """The newest question or reply of each conversation that holds what is searched for."""
    latest = (
        select(func.max(Indexed.id))
        .where(Indexed.conversation_id.in_(conversations), Indexed.turn_id.is_not(None), holds)
        .group_by(Indexed.conversation_id)
    )
    query = (
        select(Turn, Reply)
        .join(Indexed, Indexed.turn_id == Turn.id)
        .outerjoin(Reply, Reply.id == Indexed.source)
        .where(Indexed.id.in_(latest))
    )
    rows = session.execute(query)
    return {turn.conversation_id: message(turn, reply) for turn, reply in rows}


def message(turn: Turn, reply: Reply | None) -> Message:
    if reply is None:
        return Message(turn.id, turn.question)
    return Message(turn.id, split_thinking(reply.text).answer, reply.id, reply.run)
