"""The files that readers attach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session, undefer

from .database import Database, changed
from .errors import NotFound
from .tables import Attachment, Conversation

MOST_UNSENT = 40  # files of one reader that wait for their question; the oldest go first


class FileStore(Database):
    """Keeps files."""

    async def attach(self, attachment: Attachment) -> None:
        """Keep a file until its question is put."""
        unsent = Attachment.owner == attachment.owner, Attachment.conversation_id.is_(None)
        newest = select(Attachment.id).where(*unsent).order_by(Attachment.created_at.desc())

        def work(session: Session) -> None:
            session.add(attachment)
            session.flush()
            too_many = session.scalars(newest.offset(MOST_UNSENT)).all()
            session.execute(delete(Attachment).where(Attachment.id.in_(too_many)))

        await self.write(work)

    async def detach(self, owner: str, id_: str) -> None:
        """Remove a file that no question has.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        unsent = Attachment.conversation_id.is_(None)
        which = Attachment.id == id_, Attachment.owner == owner, unsent

        def work(session: Session) -> None:
            if not changed(session, delete(Attachment).where(*which)):
                raise NotFound(id_)

        await self.write(work)

    async def attachments(
        self, owner: str, ids: Sequence[str], *, whole: bool = False
    ) -> dict[str, Attachment]:
        """The owner's files of these ids, by id; with what they hold only where they are `whole`.

        Raises:
            NotFound: one of them is not there, was deleted, or is not the owner's.
        """
        query = (
            select(Attachment)
            .outerjoin(Conversation, Conversation.id == Attachment.conversation_id)
            .where(
                Attachment.id.in_(ids),
                Attachment.owner == owner,
                Conversation.deleted_at.is_(None),
            )
        )
        if whole:
            query = query.options(undefer(Attachment.text), undefer(Attachment.content))
        found = await self.read(lambda session: {one.id: one for one in session.scalars(query)})
        if missing := {*ids} - found.keys():
            raise NotFound(min(missing))
        return found


def send(session: Session, owner: str, conversation_id: str, files: Sequence[str]) -> None:
    """Let files belong to a conversation; those of another one stay there."""
    if not files:
        return
    here = Attachment.conversation_id == conversation_id
    sent = update(Attachment).where(
        Attachment.id.in_(files),
        Attachment.owner == owner,
        or_(Attachment.conversation_id.is_(None), here),
    )
    if changed(session, sent.values(conversation_id=conversation_id)) != len(files):
        raise NotFound(conversation_id)


def shows_images(files: Iterable[Attachment]) -> bool:
    return any(file.kind == "image" for file in files)
