"""Conversations and turns as a session reads them: each with as much as is asked of it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from .errors import NotFound, existing
from .tables import Attachment, Conversation, Reply, Turn


def undeleted(owner: str) -> tuple[ColumnElement[bool], ...]:
    """The owner's conversations that were not deleted."""
    return Conversation.owner == owner, Conversation.deleted_at.is_(None)


def there(owner: str, id_: str) -> tuple[ColumnElement[bool], ...]:
    """The conversation of that id, if it is the owner's and was not deleted."""
    return Conversation.id == id_, *undeleted(owner)


def headed(session: Session, owner: str, id_: str, *more: ORMOption) -> Conversation:
    """The conversation without its turns, but with what is to be loaded of it beside."""
    query = select(Conversation).where(*there(owner, id_)).options(*more)
    return existing(session.scalars(query).one_or_none(), id_)


def turn_in(session: Session, owner: str, conversation_id: str, which: ColumnElement[bool]) -> Turn:
    """The turn of the owner's conversation for which `which` holds, with its replies."""
    query = (
        select(Turn)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(which, *there(owner, conversation_id))
        .options(joinedload(Turn.replies))
    )
    return existing(session.scalars(query).unique().one_or_none(), conversation_id)


def skeleton(session: Session, owner: str, id_: str) -> Conversation:
    """The conversation with its turns as far as they say where they stand, without any words."""
    stands = (Turn.conversation_id, Turn.parent_id, Turn.parent_run, Turn.shown_run)
    turns = selectinload(Conversation.turns).load_only(*stands, Turn.created_at)
    return headed(session, owner, id_, turns)


def load(session: Session, owner: str, id_: str, *, file_texts: bool = False) -> Conversation:
    """The conversation with its turns, replies and attachments."""
    files = selectinload(Conversation.attachments)
    return headed(
        session,
        owner,
        id_,
        selectinload(Conversation.turns).selectinload(Turn.replies),
        files.undefer(Attachment.text) if file_texts else files,
    )


def turn_of(conversation: Conversation, turn_id: str) -> Turn:
    """The turn of that id.

    Raises:
        NotFound: the conversation has none.
    """
    for turn in conversation.turns:
        if turn.id == turn_id:
            return turn
    raise NotFound(turn_id)


def reply_of(conversation: Conversation, reply_id: str) -> tuple[Turn, Reply]:
    """The reply of that id, and its turn.

    Raises:
        NotFound: the conversation has none.
    """
    for turn in conversation.turns:
        for reply in turn.replies:
            if reply.id == reply_id:
                return turn, reply
    raise NotFound(reply_id)
