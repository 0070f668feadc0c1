"""Shared copies of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, undefer

from .database import Database, changed
from .errors import NotFound, TooMany, existing
from .loading import headed
from .tables import Conversation, Share

MOST_SHARES = 50  # of one conversation


class ShareStore(Database):
    """Keeps shared copies."""

    async def share(self, owner: str, conversation_id: str, snapshot: dict[str, Any]) -> Share:
        """Keep a snapshot of the owner's conversation for who knows its address.

        Raises:
            NotFound: the conversation is not there, or not the owner's.
            TooMany: it is shared `MOST_SHARES` times already.
        """
        share = Share(owner=owner, conversation_id=conversation_id, snapshot=snapshot)
        of_it = Share.conversation_id == conversation_id

        def work(session: Session) -> None:
            headed(session, owner, conversation_id)
            number = session.scalar(select(func.count()).select_from(Share).where(of_it))
            if (number or 0) >= MOST_SHARES:
                raise TooMany(conversation_id)
            session.add(share)

        await self.write(work)
        return share

    async def shares(self, owner: str, conversation_id: str) -> Sequence[Share]:
        """The shares of the owner's conversation without their snapshots, newest first."""
        query = (
            select(Share)
            .where(Share.conversation_id == conversation_id, Share.owner == owner)
            .order_by(Share.created_at.desc())
        )
        return await self.read(lambda session: session.scalars(query).all())

    async def shared(self, token: str) -> Share:
        """The share of that address with its snapshot, whoever asks.

        Raises:
            NotFound: there is none, or its conversation was deleted.
        """
        query = (
            select(Share)
            .join(Conversation, Conversation.id == Share.conversation_id)
            .where(Share.id == token, Conversation.deleted_at.is_(None))
            .options(undefer(Share.snapshot))
        )
        found = await self.read(lambda session: session.scalars(query).one_or_none())
        return existing(found, token)

    async def revoke(self, owner: str, conversation_id: str, token: str) -> None:
        """Remove one of the owner's shares with its snapshot.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        which = Share.id == token, Share.conversation_id == conversation_id, Share.owner == owner

        def work(session: Session) -> None:
            if not changed(session, delete(Share).where(*which)):
                raise NotFound(token)

        await self.write(work)
