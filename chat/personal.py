"""What is kept of one reader: their options for models, a count of all, and how all of it goes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from guard.types import Options, Value

from .store import Attachment, Conversation, Preferences, Reply, Share, Store, Turn
from .store.loading import undeleted
from .store.tables import ModelOptions


class Stored(Value):
    """What the database holds of a reader, counted.

    `messages` are questions and replies, `characters` those of their words and thoughts, both of
    the `conversations` alone; the `deleted` ones wait to be removed. `files` are all, sent or not.
    `since` the oldest conversation began.
    """

    conversations: int
    messages: int
    characters: int
    deleted: int
    shares: int
    files: int
    settings: int
    since: datetime | None


async def options_of(store: Store, owner: str) -> dict[str, Options]:
    """What a reader has set, by the id of the model; those without are left out."""
    query = select(ModelOptions.model, ModelOptions.options).where(ModelOptions.owner == owner)
    rows = await store.read(lambda session: session.execute(query).all())
    return {row.model: Options.model_validate(row.options) for row in rows}


async def keep_options(store: Store, owner: str, model: str, options: Options) -> None:
    """Set what holds for a model from now on; nothing is kept where nothing is set."""
    which = ModelOptions.owner == owner, ModelOptions.model == model
    values = options.model_dump(exclude_defaults=True)

    def work(session: Session) -> None:
        if values:
            key = {"owner": owner, "model": model}
            session.execute(store.upsert(ModelOptions, key, {"options": values}))
        else:
            session.execute(delete(ModelOptions).where(*which))

    await store.write(work)


async def stored(store: Store, owner: str) -> Stored:
    """What is kept of a reader."""
    return await store.read(lambda session: counted(session, owner))


def counted(session: Session, owner: str) -> Stored:
    """What a session finds of a reader."""
    there = undeleted(owner)
    gone = Conversation.owner == owner, Conversation.deleted_at.is_not(None)
    asked = func.length(Turn.question)
    said = func.length(Reply.text) + func.length(func.coalesce(Reply.thoughts, ""))
    conversations = select(func.count(), func.min(Conversation.created_at)).where(*there)
    turns = select(func.count(), func.sum(asked)).join(Turn.conversation).where(*there)
    replies = (
        select(func.count(), func.sum(said)).join(Reply.turn).join(Turn.conversation).where(*there)
    )
    deleted = select(func.count()).select_from(Conversation).where(*gone)
    shares = select(func.count()).select_from(Share).where(Share.owner == owner)
    files = select(func.count()).select_from(Attachment).where(Attachment.owner == owner)
    models = select(func.count()).select_from(ModelOptions).where(ModelOptions.owner == owner)
    number, since = session.execute(conversations).one()
    questions, asked_length = session.execute(turns).one()
    answers, said_length = session.execute(replies).one()
    preferences = session.get(Preferences, owner) or Preferences()
    chosen = (
        *(preferences.mode, preferences.language, preferences.theme, preferences.model),
        preferences.share_rated,
    )
    return Stored(
        conversations=number,
        messages=questions + answers,
        characters=(asked_length or 0) + (said_length or 0),
        deleted=session.scalar(deleted) or 0,
        shares=session.scalar(shares) or 0,
        files=session.scalar(files) or 0,
        settings=sum(map(bool, chosen)) + (session.scalar(models) or 0),
        since=since,
    )


async def conversations_of(store: Store, owner: str) -> list[str]:
    """The ids of all of a reader's conversations, the deleted ones too."""
    of_theirs = select(Conversation.id).where(Conversation.owner == owner)
    return await store.read(lambda session: [*session.scalars(of_theirs)])


async def erase(store: Store, owner: str) -> list[str]:
    """Remove all that is kept of a reader, in one transaction; nothing brings it back.

    Turns, replies, files, the words that the search knows and shared copies go with their
    conversations, whose ids are returned.
    """
    of_theirs = delete(Conversation).where(Conversation.owner == owner).returning(Conversation.id)

    def work(session: Session) -> list[str]:
        gone = [*session.scalars(of_theirs)]
        for table in (Attachment, Share, ModelOptions, Preferences):
            session.execute(delete(table).where(table.owner == owner))
        return gone

    gone = await store.write(work)
    await store.scrub()
    return gone
