"""Turns: asked, read, and which of them is shown and gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from .database import Database
from .errors import NotFound, existing
from .files import send
from .indexing import indexed, listed_words
from .loading import headed, skeleton, turn_in, turn_of, undeleted
from .tables import Conversation, Indexed, Reply, Turn, Vote, new_id, now


class Added(NamedTuple):
    """A question that has just been stored. `siblings` are the ids of all turns in its place."""

    conversation: Conversation
    turn: Turn
    siblings: list[str]


class TurnStore(Database):
    """Keeps turns."""

    async def turn(self, owner: str, conversation_id: str, turn_id: str) -> Turn:
        """One turn of a conversation with its replies.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        which = Turn.id == turn_id
        return await self.read(lambda session: turn_in(session, owner, conversation_id, which))

    async def conversation_of(self, owner: str, turn_id: str) -> str:
        """The id of the conversation that has a turn.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        query = select(Turn.conversation_id).join(Turn.conversation)
        mine = query.where(Turn.id == turn_id, *undeleted(owner))
        return existing(await self.read(lambda session: session.scalar(mine)), turn_id)

    async def add_turn(
        self,
        owner: str,
        conversation_id: str,
        question: str,
        parent_id: str | None,
        files: Sequence[str] = (),
        *,
        parent_run: int | None = None,
        turn_id: str | None = None,
        **values: Any,
    ) -> Added:
        """A new question below `parent_id`; it becomes the one that is shown.

        Args:
            files: the ids of what is attached.
            parent_run: the run that it follows; the one that is shown where left out.
            turn_id: the id that it gets.
            values: columns of the conversation that are set with it: `model`, `mode`, `tools`.

        Raises:
            NotFound: the conversation or one of the files is not there, or is not the owner's.
            IntegrityError: there is a turn of that id.
        """
        turn = Turn(id=turn_id or new_id(), question=question, files=[*files], replies=[])
        turn.conversation_id = conversation_id
        turn.parent_id, turn.parent_run = parent_id, parent_run
        known = indexed(turn.id, conversation_id, turn.id, await listed_words(question))

        def work(session: Session) -> Added:
            heading = headed(session, owner, conversation_id)
            send(session, owner, conversation_id, files)
            if parent_id == heading.leaf_id and parent_run is None:
                shown = select(Turn.shown_run).where(Turn.id == parent_id)
                turn.parent_run, heading.leaf_id = session.scalar(shown), turn.id
                session.add(turn)
            else:  # somewhere above: what is shown of the turns on the way may change
                conversation = skeleton(session, owner, conversation_id)
                if parent_id and parent_run is None:
                    turn.parent_run = turn_of(conversation, parent_id).shown_run
                conversation.turns.append(turn)
                conversation.show(turn)
            heading.updated_at = now()
            for name, value in values.items():
                setattr(heading, name, value)
            session.execute(insert(Indexed), [known])
            return Added(heading, turn, siblings_of(session, turn))

        return await self.write(work)

    async def show(
        self, owner: str, conversation_id: str, turn_id: str, run: int | None = None
    ) -> None:
        """Show a turn, or another run of it, with the newest of what follows."""

        def work(session: Session) -> None:
            conversation = skeleton(session, owner, conversation_id)
            turn = turn_of(conversation, turn_id)
            if run is not None:
                newest = select(func.max(Reply.run)).where(Reply.turn_id == turn_id)
                turn.shown_run = max(0, min(run, session.scalar(newest) or 0))
            conversation.show(conversation.newest_leaf(turn))

        await self.write(work)

    async def end_at(self, owner: str, conversation_id: str, turn_id: str) -> None:
        """Let the path end with a turn; what follows it stays, to page back to."""

        def work(session: Session) -> None:
            conversation = skeleton(session, owner, conversation_id)
            conversation.show(turn_of(conversation, turn_id))

        await self.write(work)

    async def choose(self, owner: str, conversation_id: str, turn_id: str, reply_id: str) -> None:
        """Go on with another reply of the run that is shown.

        Raises:
            NotFound: the run has no such reply, or it says nothing.
        """

        def work(session: Session) -> None:
            turn = turn_in(session, owner, conversation_id, Turn.id == turn_id)
            if reply_id not in {reply.id for reply in turn.said()}:
                raise NotFound(reply_id)
            turn.chosen = reply_id

        await self.write(work)

    async def vote(
        self, owner: str, conversation_id: str, turn_id: str, run: int, vote: Vote | None
    ) -> None:
        """Keep which of two replies side by side is the better one; None takes it back.

        Raises:
            NotFound: the turn shows another run, or no two replies side by side.
        """

        def work(session: Session) -> None:
            turn = turn_in(session, owner, conversation_id, Turn.id == turn_id)
            if turn.shown_run != run or turn.beside() is None:
                raise NotFound(turn_id)
            others = {key: kept for key, kept in (turn.votes or {}).items() if key != str(run)}
            turn.votes = others | ({str(run): vote} if vote else {})

        await self.write(work)


def siblings_of(session: Session, turn: Turn) -> list[str]:
    """The ids of the turns in a turn's place, its own among them, oldest first."""
    in_its_place = (
        Turn.conversation_id == turn.conversation_id,
        Turn.parent_id == turn.parent_id,
        Turn.parent_run == turn.parent_run,
    )
    query = select(Turn.id).where(*in_its_place).order_by(Turn.created_at)
    return [*session.scalars(query)]
