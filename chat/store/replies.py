"""Replies: written while they come in, and rated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from .database import Database, changed
from .errors import Taken, existing
from .indexing import index_reply, words_at_the_end
from .loading import there
from .tables import Conversation, Dispute, Reply, Turn, columns_of, new_id


class ReplyStore(Database):
    """Keeps replies."""

    async def add_reply(self, reply: Reply, *, withheld_in: str | None = None) -> None:
        """A reply that begins; with the first of a run, its turn shows that run.

        It is stored as it stands now, and may grow meanwhile. Stored twice, as where the database
        broke between a write and its answer, it is there once.

        Args:
            withheld_in: the conversation that gets a dot in the list, as the reply withholds.
        """
        reply.id = reply.id or new_id()
        values = columns_of(reply)
        found = await words_at_the_end(values)
        mine = Reply.runner.is_not_distinct_from(values.get("runner"))
        made = self.upsert(Reply, {"id": reply.id}, values, mine)

        def work(session: Session) -> None:
            session.execute(made)
            if values["step"] == 0 and values["run"] > 0:  # until then a turn shows its first
                shown = update(Turn).where(Turn.id == values["turn_id"])
                session.execute(shown.values(shown_run=values["run"]))
            if found is not None:
                index_reply(session, values["id"], found)
            mark_withheld(session, withheld_in)

        await self.write(work)

    async def save_reply(
        self,
        reply_id: str,
        *,
        withheld_in: str | None = None,
        fence: str | None = None,
        **values: Any,
    ) -> None:
        """Set columns of a reply. The search knows it once its state says that it has ended.

        Args:
            reply_id: of the reply.
            withheld_in: the conversation that gets a dot in the list, as the reply withholds.
            fence: the run that writes; None: whoever asks may.
            values: by column.

        Raises:
            Taken: it is another run's meanwhile.
        """
        found = await words_at_the_end(values)
        which = [Reply.id == reply_id, *([Reply.runner == fence] if fence else [])]

        def work(session: Session) -> None:
            known = changed(session, update(Reply).where(*which).values(**values))
            if fence and not known:
                raise Taken(reply_id)
            if found is not None:
                index_reply(session, reply_id, found)
            elif values.get("state", "streaming") != "streaming":
                index_reply(session, reply_id)
            mark_withheld(session, withheld_in)

        await self.write(work)

    async def save_growing(self, replies: Sequence[Reply]) -> None:
        """Write what has come of replies; of one that has ended meanwhile nothing is touched."""
        table = Reply.__table__
        growing = (
            update(table)  # type: ignore[arg-type]
            .where(
                table.c.id == bindparam("reply"),
                table.c.state == "streaming",
                table.c.runner.is_not_distinct_from(bindparam("whose")),
            )
            .values(text=bindparam("said"), thoughts=bindparam("thought"))
        )
        rows = [
            {"reply": one.id, "whose": one.runner, "said": one.text, "thought": one.thoughts}
            for one in replies
        ]
        await self.write(lambda session: session.execute(growing, rows))

    async def rate(self, owner: str, conversation_id: str, reply_id: str, **values: Any) -> bool:
        """Keep a reader's `feedback` or `not_withheld` on one of their replies.

        With the latter they send it to the operator, until they take that back. Returns what it
        was before.
        """

        def work(session: Session) -> bool:
            turns = select(Turn.id).join(Turn.conversation).where(*there(owner, conversation_id))
            which = Reply.id == reply_id, Reply.turn_id.in_(turns)
            was = existing(session.scalar(select(Reply.not_withheld).where(*which)), reply_id)
            if values:
                session.execute(update(Reply).where(Reply.id == reply_id).values(**values))
            marked = values.get("not_withheld", was)
            if marked != was:  # what an admin decided stays where it is sent once more
                session.execute(delete(Dispute).where(Dispute.reply_id == reply_id))
                if marked:
                    session.add(Dispute(reply_id=reply_id))
            return was

        return await self.write(work)


def mark_withheld(session: Session, conversation_id: str | None) -> None:
    """Note that a reply of the conversation withheld, for the dot in the list."""
    if conversation_id:
        marked = update(Conversation).where(Conversation.id == conversation_id)
        session.execute(marked.values(withheld=True))
