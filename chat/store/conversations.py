"""Conversations: begun, listed, read, changed and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.orm import Session

from .database import Database, changed
from .errors import NotFound
from .files import send
from .indexing import index, indexed, indexed_rows, listed_words, words_of
from .loading import headed, load, undeleted
from .tables import Attachment, Conversation, Indexed, Place, Share, Turn, columns_of, new_id
from .titles import titled

AT_ONCE = 100  # rows that are written together


class ConversationStore(Database):
    """Keeps conversations."""

    async def conversations(
        self, owner: str, *, after: Place | None = None, most: int | None = None
    ) -> Sequence[Conversation]:
        """The owner's conversations without their turns: the pinned ones, then newest first.

        Args:
            after: the place behind which to begin.
            most: how many.
        """
        place = (Conversation.pinned, Conversation.updated_at, Conversation.id)
        query = (
            select(Conversation)
            .where(*undeleted(owner))
            .order_by(*(column.desc() for column in place))
            .limit(most)
        )
        if after:
            query = query.where(tuple_(*place) < tuple_(*after))
        return await self.read(lambda session: session.scalars(query).all())

    async def conversation(self, owner: str, id_: str, *, file_texts: bool = False) -> Conversation:
        """A conversation with its turns, replies and attachments, these without what they hold.

        Args:
            owner: whose it is.
            id_: of the conversation.
            file_texts: whether the attachments are to have their text.

        Raises:
            NotFound: it does not exist, was deleted, or is not the owner's.
        """
        return await self.read(lambda session: load(session, owner, id_, file_texts=file_texts))

    async def heading(self, owner: str, id_: str) -> Conversation:
        """A conversation without its turns, which costs the same however long it is.

        Raises:
            NotFound: it does not exist, was deleted, or is not the owner's.
        """
        return await self.read(lambda session: headed(session, owner, id_))

    async def start(
        self,
        owner: str,
        question: str,
        model: str,
        mode: str,
        tools: Sequence[str] = (),
        *,
        first: Turn | None = None,
    ) -> Conversation:
        """A new conversation, titled by its question.

        Args:
            first: its first turn, which is stored with it.

        Raises:
            NotFound: one of the turn's files is not there, or is not the owner's.
            IntegrityError: there is a turn of that id.
        """
        conversation = Conversation(id=new_id(), owner=owner, title=titled(question), mode=mode)
        conversation.model, conversation.tools = model, [*tools]
        title = await listed_words(conversation.title)
        known = [indexed(conversation.id, conversation.id, None, title)]
        if first:
            first.id, first.conversation_id = first.id or new_id(), conversation.id
            conversation.leaf_id = first.id
            asked = await listed_words(first.question)
            known.append(indexed(first.id, conversation.id, first.id, asked))

        def work(session: Session) -> None:
            session.add_all(filter(None, (conversation, first)))
            session.flush()
            if first:
                send(session, owner, conversation.id, first.files or ())
            session.execute(insert(Indexed), known)

        await self.write(work)
        return conversation

    async def add(self, conversation: Conversation) -> None:
        """A whole new conversation with its turns and replies, or nothing of it.

        It is written some rows at a time: one statement of thousands would hold others up.
        """
        known = await asyncio.to_thread(indexed_rows, conversation)
        replies = [reply for turn in conversation.turns for reply in turn.replies]

        def work(session: Session) -> None:
            for rows in ([conversation], conversation.turns, replies, conversation.attachments):
                for n in range(0, len(rows), AT_ONCE):
                    batch = [columns_of(row) for row in rows[n : n + AT_ONCE]]
                    session.execute(insert(type(rows[0])), batch)
            for n in range(0, len(known), AT_ONCE):
                session.execute(insert(Indexed), known[n : n + AT_ONCE])

        await self.write(work)

    async def change(self, owner: str, conversation_id: str, **values: Any) -> None:
        """Set columns of a conversation: `title`, `model`, `pinned`, `deleted_at`, …

        Raises:
            NotFound: it does not exist, or is not the owner's.
        """

        def work(session: Session) -> None:
            which = Conversation.id == conversation_id, Conversation.owner == owner
            if not changed(session, update(Conversation).where(*which).values(**values)):
                raise NotFound(conversation_id)
            if "title" in values:
                index(session, conversation_id, conversation_id, None, words_of(values["title"]))
            if values.get("deleted_at"):  # what was public must be gone at once, undo or not
                gone = Share.conversation_id == conversation_id, Share.owner == owner
                session.execute(delete(Share).where(*gone))

        await self.write(work)

    async def entitle(self, conversation_id: str, title: str, *, instead_of: str) -> None:
        """Set a title where the first one still stands; one that a reader gave is not touched."""

        def work(session: Session) -> None:
            which = Conversation.id == conversation_id, Conversation.title == instead_of
            if changed(session, update(Conversation).where(*which).values(title=title)):
                index(session, conversation_id, conversation_id, None, words_of(title))

        await self.write(work)

    async def forget(self, before: datetime) -> int:
        """Remove what was deleted before then, with all its rows; how many conversations.

        Files that have waited for their question since then go too.
        """

        def work(session: Session) -> int:
            unsent = Attachment.conversation_id.is_(None), Attachment.created_at < before
            session.execute(delete(Attachment).where(*unsent))
            return changed(session, delete(Conversation).where(Conversation.deleted_at < before))

        gone = await self.write(work)
        if gone:
            await self.scrub()
        return gone
