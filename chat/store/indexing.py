"""What the search knows conversations by: the words of titles, questions and finished replies."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from guard.text import split_thinking

from ..words import words
from .tables import Conversation, Indexed, Reply, Turn

LONG = 4_000  # characters; work on more is done in a thread, so that nobody else waits for it
WRITTEN_ANEW = "INSERT INTO indexed_words(indexed_words) VALUES ('optimize')"


async def listed_words(told: str) -> list[str]:
    """The words of a text; of a long one from a thread, so that nobody else waits for it."""
    return await asyncio.to_thread(words_of, told) if len(told) > LONG else words_of(told)


async def words_at_the_end(values: dict[str, Any]) -> list[str] | None:
    """What a reply says, by its columns; None where it goes on, or where its text is not known."""
    if values.get("state", "streaming") == "streaming" or "text" not in values:
        return None
    return await listed_words(split_thinking(values["text"]).answer)


def words_of(told: str) -> list[str]:
    return [word.text for word in words(told)]


def index(
    session: Session, source: str, conversation_id: str, turn_id: str | None, found: list[str]
) -> None:
    """Let the search find a text by its words, and no longer by those it had before."""
    session.execute(delete(Indexed).where(Indexed.source == source))
    session.execute(insert(Indexed), [indexed(source, conversation_id, turn_id, found)])


def indexed(
    source: str, conversation_id: str, turn_id: str | None, found: list[str]
) -> dict[str, Any]:
    """What the search knows a text by."""
    told = {"source": source, "conversation_id": conversation_id, "turn_id": turn_id}
    return {**told, "words": found}


def indexed_rows(conversation: Conversation) -> list[dict[str, Any]]:
    """What the search knows a whole conversation by: its title, questions and replies."""
    told: list[tuple[str, str | None, str]] = [(conversation.id, None, conversation.title)]
    for turn in conversation.turns:
        told.append((turn.id, turn.id, turn.question))
        told += [(reply.id, turn.id, split_thinking(reply.text).answer) for reply in turn.replies]
    return [
        indexed(source, conversation.id, turn_id, words_of(said)) for source, turn_id, said in told
    ]


def index_reply(session: Session, reply_id: str, found: list[str] | None = None) -> None:
    """Index what a reply says without its thinking: the words `found`, where they are known."""
    where = select(Turn.conversation_id, Turn.id).join(Turn.replies).where(Reply.id == reply_id)
    if found is None:
        said = session.scalar(select(Reply.text).where(Reply.id == reply_id)) or ""
        found = words_of(split_thinking(said).answer)
    for conversation_id, turn_id in session.execute(where):
        index(session, reply_id, conversation_id, turn_id, found)
