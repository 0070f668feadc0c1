"""Conversations in a database: SQLite by default, PostgreSQL by URL.

A conversation is a tree of turns (an edited question is a sibling of the first); a turn has runs (a
retry is a new run), a run has replies (a fallback is the next step, a model that answers beside the
first is in the second lane). Nothing that was shown is overwritten. Every row belongs to an owner,
and no call reads another's.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Text,
    bindparam,
    delete,
    event,
    false,
    func,
    insert,
    inspect,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.engine import Connection as SyncConnection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.asyncio import async_sessionmaker as sessionmaker
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    mapped_column,
    relationship,
    selectinload,
    undefer,
)
from sqlalchemy.types import TypeDecorator

from guard.errors import ConfigError
from guard.text import split_thinking

from .words import WordList, words

MIGRATIONS = Path(__file__).parent / "migrations"
UNREACHABLE = (DBAPIError, PoolTimeout, OSError)  # what a database raises that refuses or is gone
TITLE_LENGTH = 60
TOKEN_BYTES = 24  # of a shared address: 192 bits that nobody guesses
MOST_SHARES = 50  # of one conversation
AT_ONCE = 100  # rows that are written together
BUSY = 15  # seconds to wait for another writer
LAST_WORDS = 0.5  # seconds; aiosqlite's thread answers after a failed connection, then ends
State = Literal["streaming", "done", "stopped", "interrupted", "failed"]
ADVICE = "Set CANDOR_DATA to a folder that can be written, or CANDOR_DATABASE_URL."


class UtcDateTime(TypeDecorator[datetime]):
    """Times with a zone; SQLite drops it, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return uuid.uuid4().hex


class Place(NamedTuple):
    """Where a conversation stands in the list, which goes from the greatest to the least."""

    pinned: bool
    updated_at: datetime
    id: str


class Base(AsyncAttrs, DeclarativeBase):
    """Base of the tables."""


class Conversation(Base):
    """A conversation. `leaf_id` is the turn that is shown last; `deleted_at` hides it, for undo."""

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_place", "owner", "pinned", "updated_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    title: Mapped[str]
    model: Mapped[str]
    mode: Mapped[str]
    withheld: Mapped[bool] = mapped_column(default=False)
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    leaf_id: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    turns: Mapped[list[Turn]] = relationship(
        back_populates="conversation", order_by="Turn.created_at", cascade="all, delete-orphan"
    )

    @property
    def place(self) -> Place:
        return Place(self.pinned, self.updated_at, self.id)

    def path(self) -> list[Turn]:
        """The turns that are shown, first to last."""
        by_id = {turn.id: turn for turn in self.turns}
        shown: list[Turn] = []
        turn = by_id.get(self.leaf_id or "")
        while turn is not None:
            shown.append(turn)
            turn = by_id.get(turn.parent_id or "")
        return shown[::-1]

    def siblings(self, turn: Turn) -> list[Turn]:
        """The turns that stand in the same place, oldest first."""
        return [other for other in self.turns if other.parent_id == turn.parent_id]

    def newest_leaf(self, turn: Turn) -> Turn:
        """The last turn below `turn`, following the newest child each time."""
        newest = {other.parent_id: other for other in self.turns}
        while turn.id in newest:
            turn = newest[turn.id]
        return turn


class Turn(Base):
    """A question and its runs. `chosen` is the reply that the reader goes on with."""

    __tablename__ = "turn"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    parent_id: Mapped[str | None] = mapped_column(default=None)
    question: Mapped[str] = mapped_column(Text)
    shown_run: Mapped[int] = mapped_column(default=0)
    chosen: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    conversation: Mapped[Conversation] = relationship(back_populates="turns")
    replies: Mapped[list[Reply]] = relationship(
        back_populates="turn", order_by="Reply.run, Reply.step", cascade="all, delete-orphan"
    )

    @property
    def runs(self) -> int:
        return max((reply.run for reply in self.replies), default=-1) + 1

    def shown(self) -> list[Reply]:
        """The replies of the run that is shown."""
        return [reply for reply in self.replies if reply.run == self.shown_run]

    def said(self) -> list[Reply]:
        """The shown replies that hold any words."""
        return [reply for reply in self.shown() if reply.text.strip()]

    def answer(self) -> Reply | None:
        """The reply that the conversation goes on with.

        The one that the reader chose; else the last that answers, of two side by side that of the
        model that was picked; else the last.
        """
        said = self.said()
        chosen = [reply for reply in said if reply.id == self.chosen]
        answers = [reply for reply in said if reply.status != "withheld"]
        in_first_lane = [reply for reply in answers if reply.lane == 0]
        return next(reversed(chosen or in_first_lane or answers or said), None)


class Reply(Base):
    """One model's reply. `model`, `served`, `verdict`, `fault` are as the guard's values dump.

    `lane` is 1 for what stands beside the picked model's. `bound` is the operator's limit that
    let no further model be asked. `source` is the kind of file that the reply was imported from,
    None where a model gave it here: then alone its verdict is this app's. No route takes it away.
    """

    __tablename__ = "reply"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), index=True)
    run: Mapped[int]
    step: Mapped[int]
    lane: Mapped[int] = mapped_column(default=0, server_default="0")
    model: Mapped[dict[str, Any]] = mapped_column(JSON)
    text: Mapped[str] = mapped_column(Text, default="")
    thoughts: Mapped[str | None] = mapped_column(Text, default=None)
    state: Mapped[str] = mapped_column(default="streaming")
    finish_reason: Mapped[str] = mapped_column(default="")
    seconds: Mapped[float | None] = mapped_column(Float, default=None)
    tokens: Mapped[int | None] = mapped_column(default=None)
    dollars: Mapped[float | None] = mapped_column(Float, default=None)
    served: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    action: Mapped[str] = mapped_column(default="pass")
    fault: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    cause: Mapped[str | None] = mapped_column(default=None)
    exhausted: Mapped[str | None] = mapped_column(default=None)
    bound: Mapped[str | None] = mapped_column(default=None)
    feedback: Mapped[str | None] = mapped_column(default=None)
    not_withheld: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    turn: Mapped[Turn] = relationship(back_populates="replies")
    # no columns, but what is shown while the reply comes in
    kept = True  # False while what is shown could not be stored
    waits = None  # seconds until a host that failed is asked again
    consulted = None  # the model that is being asked for its opinion

    @property
    def status(self) -> str | None:
        return self.verdict["status"] if self.verdict else None


class Indexed(Base):
    """The words of a title, a question or a finished reply, for the search.

    `source` is the id of the row they are from; a title has no turn. The index over the words is
    each database's own, and is made by the migration alone.
    """

    __tablename__ = "indexed"

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    turn_id: Mapped[str | None]
    words: Mapped[list[str]] = mapped_column(WordList)


class Preferences(Base):
    """What a reader has set, once they have.

    `mode` is what the guard does in new conversations; `language` is of the page, None for the
    browser's.
    """

    __tablename__ = "preferences"

    owner: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str | None] = mapped_column(default=None)
    language: Mapped[str | None] = mapped_column(default=None)


class Share(Base):
    """A copy of a conversation as it was shown; who knows `id` may read it.

    Revoking it, or deleting the conversation, removes the row and with it the copy.
    """

    __tablename__ = "share"

    id: Mapped[str] = mapped_column(
        primary_key=True, default=lambda: secrets.token_urlsafe(TOKEN_BYTES)
    )
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    owner: Mapped[str]
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSON, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class NotFound(LookupError):
    """There is no such row, or it is somebody else's."""


class TooMany(Exception):
    """A conversation has as many shares as it may have."""


class Store:
    """All that the page keeps.

    Args:
        url: a SQLAlchemy address of an async driver.

    Raises:
        ConfigError: there is no such driver, or the address cannot be read.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
            self.engine = self._engine()
        except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise ConfigError(f"the database cannot be used: {error}. {ADVICE}") from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._one_writer = self.url.drivername.startswith("sqlite")
        self._writer = asyncio.Lock()

    def _engine(self) -> AsyncEngine:
        if not self.url.drivername.startswith("sqlite"):
            return create_async_engine(self.url, pool_pre_ping=True)
        file = self.url.database or ":memory:"
        if not file.startswith((":memory:", "file:")):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        patience = {} if "timeout" in self.url.query else {"timeout": BUSY}
        engine = create_async_engine(self.url, connect_args=patience)
        event.listen(engine.sync_engine, "connect", prepare_sqlite)
        return engine

    async def open(self) -> Self:
        """Bring the tables up to date, and mark what a killed process left streaming.

        Raises:
            ConfigError: the database cannot be reached, read or written, or is a newer Candor's.
        """
        try:
            await self._open()
        except (*UNREACHABLE, SQLAlchemyError) as error:
            await self.close()
            await asyncio.sleep(LAST_WORDS)
            shown = self.url.render_as_string(hide_password=True)
            cause = getattr(error, "orig", error)
            raise ConfigError(f"the database {shown} cannot be used: {cause}. {ADVICE}") from error
        return self

    async def _open(self) -> None:
        if self.url.drivername.startswith("sqlite"):
            await self._write_ahead()
        async with self.engine.connect() as connection:
            due = await connection.run_sync(migration_due)
        if due:
            async with self.engine.begin() as connection:
                if connection.dialect.name == "sqlite":  # else each step would commit by itself
                    await connection.exec_driver_sql("BEGIN IMMEDIATE")
                await connection.run_sync(migrate)
        async with self.session() as session:
            left = await session.scalars(
                update(Reply)
                .where(Reply.state == "streaming")
                .values(state="interrupted")
                .returning(Reply.id)
            )
            for id_ in left.all():
                await index_reply(session, id_)

    async def _write_ahead(self) -> None:
        """Let readers go on beside a writer. The file remembers; SQLite does not wait for this."""
        for left in reversed(range(BUSY * 10)):
            try:
                async with self.engine.connect() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            except DBAPIError as error:
                if "locked" not in str(error.orig) or not left:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed at the end, rolled back on an error."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A transaction that writes; into SQLite one at a time.

        Its own way is that who meets another writer tries again, some of them for seconds.
        """
        async with self._writer if self._one_writer else nullcontext(), self.session() as session:
            yield session

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
            .where(Conversation.owner == owner, Conversation.deleted_at.is_(None))
            .order_by(*(column.desc() for column in place))
            .limit(most)
        )
        if after:
            query = query.where(tuple_(*place) < tuple_(*after))
        async with self.session() as session:
            return (await session.scalars(query)).all()

    async def conversation(self, owner: str, id_: str) -> Conversation:
        """A conversation with its turns and replies.

        Raises:
            NotFound: it does not exist, was deleted, or is not the owner's.
        """
        async with self.session() as session:
            return await load(session, owner, id_)

    async def heading(self, owner: str, id_: str) -> Conversation:
        """A conversation without its turns, which costs the same however long it is.

        Raises:
            NotFound: it does not exist, was deleted, or is not the owner's.
        """
        async with self.session() as session:
            found = await session.scalar(select(Conversation).where(*there(owner, id_)))
        if found is None:
            raise NotFound(id_)
        return found

    async def turn(self, owner: str, conversation_id: str, turn_id: str) -> Turn:
        """One turn of a conversation with its replies.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        query = (
            select(Turn)
            .join(Conversation, Conversation.id == Turn.conversation_id)
            .where(Turn.id == turn_id, *there(owner, conversation_id))
            .options(selectinload(Turn.replies))
        )
        async with self.session() as session:
            found = await session.scalar(query)
        if found is None:
            raise NotFound(turn_id)
        return found

    async def start(self, owner: str, question: str, model: str, mode: str) -> Conversation:
        """A new conversation, titled by its question."""
        title = " ".join(question.split())
        short = title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
        conversation = Conversation(owner=owner, title=short, model=model, mode=mode)
        async with self.writing() as session:
            session.add(conversation)
            await session.flush()
            await index(session, conversation.id, conversation.id, None, short)
        return conversation

    async def add_turn(
        self, owner: str, conversation_id: str, question: str, parent_id: str | None
    ) -> str:
        """A new question below `parent_id`; it becomes the one that is shown. Returns its id.

        Raises:
            NotFound: the conversation is not there, or not the owner's.
        """
        turn = Turn(id=new_id(), conversation_id=conversation_id, parent_id=parent_id)
        turn.question = question
        async with self.writing() as session:
            changed = await session.execute(
                update(Conversation)
                .where(*there(owner, conversation_id))
                .values(leaf_id=turn.id, updated_at=now())
            )
            if not changed.rowcount:  # type: ignore[attr-defined]
                raise NotFound(conversation_id)
            session.add(turn)
            await index(session, turn.id, conversation_id, turn.id, question)
        return turn.id

    async def change(self, owner: str, conversation_id: str, **values: Any) -> None:
        """Set columns of a conversation: `title`, `model`, `pinned`, `deleted_at`, …

        Raises:
            NotFound: it does not exist, or is not the owner's.
        """
        async with self.writing() as session:
            changed = await session.execute(
                update(Conversation)
                .where(Conversation.id == conversation_id, Conversation.owner == owner)
                .values(**values)
            )
            if not changed.rowcount:  # type: ignore[attr-defined]
                raise NotFound(conversation_id)
            if "title" in values:
                await index(session, conversation_id, conversation_id, None, values["title"])

            if values.get("deleted_at"):  # what was public must be gone at once, undo or not
                gone = Share.conversation_id == conversation_id, Share.owner == owner
                await session.execute(delete(Share).where(*gone))

    async def entitle(self, conversation_id: str, title: str, *, instead_of: str) -> None:
        """Set a title where the first one still stands; one that a reader gave is not touched."""
        async with self.writing() as session:
            changed = await session.execute(
                update(Conversation)
                .where(Conversation.id == conversation_id, Conversation.title == instead_of)
                .values(title=title)
            )
            if changed.rowcount:  # type: ignore[attr-defined]
                await index(session, conversation_id, conversation_id, None, title)

    async def forget(self, before: datetime) -> int:
        """Remove what was deleted before then, with all its rows; how many conversations."""
        async with self.writing() as session:
            gone = await session.execute(
                delete(Conversation).where(Conversation.deleted_at < before)
            )
            return int(gone.rowcount)  # type: ignore[attr-defined]

    async def add(self, conversation: Conversation) -> None:
        """A whole new conversation with its turns and replies, or nothing of it.

        It is written some rows at a time: the work of thousands at once would hold others up.
        """
        replies = [reply for turn in conversation.turns for reply in turn.replies]
        async with self.writing() as session:
            for rows in ([conversation], conversation.turns, replies):
                for n in range(0, len(rows), AT_ONCE):
                    batch = [columns_of(row) for row in rows[n : n + AT_ONCE]]
                    await session.execute(insert(type(rows[0])), batch)
            known = await asyncio.to_thread(indexed_rows, conversation)
            for n in range(0, len(known), AT_ONCE):
                await session.execute(insert(Indexed), known[n : n + AT_ONCE])

    async def share(self, owner: str, conversation_id: str, snapshot: dict[str, Any]) -> Share:
        """Keep a snapshot of the owner's conversation for who knows its address.

        Raises:
            NotFound: the conversation is not there, or not the owner's.
            TooMany: it is shared `MOST_SHARES` times already.
        """
        share = Share(owner=owner, conversation_id=conversation_id, snapshot=snapshot)
        of_it = Share.conversation_id == conversation_id
        async with self.writing() as session:
            await load(session, owner, conversation_id)
            number = await session.scalar(select(func.count()).select_from(Share).where(of_it))
            if (number or 0) >= MOST_SHARES:
                raise TooMany(conversation_id)
            session.add(share)
        return share

    async def shares(self, owner: str, conversation_id: str) -> Sequence[Share]:
        """The shares of the owner's conversation without their snapshots, newest first."""
        query = (
            select(Share)
            .where(Share.conversation_id == conversation_id, Share.owner == owner)
            .order_by(Share.created_at.desc())
        )
        async with self.session() as session:
            return (await session.scalars(query)).all()

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
        async with self.session() as session:
            found = (await session.scalars(query)).one_or_none()
        if found is None:
            raise NotFound(token)
        return found

    async def revoke(self, owner: str, conversation_id: str, token: str) -> None:
        """Remove one of the owner's shares with its snapshot.

        Raises:
            NotFound: there is none, or it is not the owner's.
        """
        which = Share.id == token, Share.conversation_id == conversation_id, Share.owner == owner
        async with self.writing() as session:
            gone = await session.execute(delete(Share).where(*which))
            if not gone.rowcount:  # type: ignore[attr-defined]
                raise NotFound(token)

    async def show_run(self, owner: str, conversation_id: str, turn_id: str, run: int) -> None:
        """Show another run of a turn."""
        async with self.writing() as session:
            turn = turn_of(await load(session, owner, conversation_id), turn_id)
            turn.shown_run = max(0, min(run, turn.runs - 1))

    async def choose(self, owner: str, conversation_id: str, turn_id: str, reply_id: str) -> None:
        """Go on with another reply of the run that is shown.

        Raises:
            NotFound: the run has no such reply, or it says nothing.
        """
        async with self.writing() as session:
            turn = turn_of(await load(session, owner, conversation_id), turn_id)
            if reply_id not in {reply.id for reply in turn.said()}:
                raise NotFound(reply_id)
            turn.chosen = reply_id

    async def preferences(self, owner: str) -> Preferences:
        """What the reader has set."""
        async with self.session() as session:
            return await session.get(Preferences, owner) or Preferences(owner=owner)

    async def prefer(self, owner: str, **values: Any) -> None:
        """Set what a reader prefers: `mode`, `language`."""
        async with self.writing() as session:
            await session.merge(Preferences(owner=owner, **values))

    async def add_reply(self, reply: Reply) -> None:
        """A reply that begins; its turn shows its run."""
        async with self.writing() as session:
            session.add(reply)
            await session.execute(
                update(Turn).where(Turn.id == reply.turn_id).values(shown_run=reply.run)
            )
            if reply.state != "streaming":
                await index_reply(session, reply.id)

    async def save_reply(self, reply_id: str, **values: Any) -> None:
        """Set columns of a reply. The search knows it once its state says that it has ended."""
        async with self.writing() as session:
            await session.execute(update(Reply).where(Reply.id == reply_id).values(**values))
            if values.get("state", "streaming") != "streaming":
                await index_reply(session, reply_id)

    async def save_growing(self, replies: Sequence[Reply]) -> None:
        """Write what has come of replies; of one that has ended meanwhile nothing is touched."""
        table = Reply.__table__
        growing = (
            update(table)  # type: ignore[arg-type]
            .where(table.c.id == bindparam("reply"), table.c.state == "streaming")
            .values(text=bindparam("said"), thoughts=bindparam("thought"))
        )
        rows = [{"reply": one.id, "said": one.text, "thought": one.thoughts} for one in replies]
        async with self.writing() as session:
            await session.execute(growing, rows)

    async def mark_withheld(self, conversation_id: str) -> None:
        """Note that a reply of the conversation withheld, for the dot in the list."""
        async with self.writing() as session:
            await session.execute(
                update(Conversation).where(Conversation.id == conversation_id).values(withheld=True)
            )

    async def rate(self, owner: str, conversation_id: str, reply_id: str, **values: Any) -> None:
        """Keep a reader's `feedback` or `not_withheld` on one of their replies."""
        async with self.writing() as session:
            reply_of(await load(session, owner, conversation_id), reply_id)
            if values:
                await session.execute(update(Reply).where(Reply.id == reply_id).values(**values))


def there(owner: str, id_: str) -> tuple[ColumnElement[bool], ...]:
    """The conversation of that id, if it is the owner's and was not deleted."""
    return (
        Conversation.id == id_,
        Conversation.owner == owner,
        Conversation.deleted_at.is_(None),
    )


async def load(session: AsyncSession, owner: str, id_: str) -> Conversation:
    query = (
        select(Conversation)
        .where(*there(owner, id_))
        .options(selectinload(Conversation.turns).selectinload(Turn.replies))
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise NotFound(id_)
    return found


async def index(
    session: AsyncSession, source: str, conversation_id: str, turn_id: str | None, told: str
) -> None:
    """Let the search find a text by its words, and no longer by those it had before."""
    found = await asyncio.to_thread(lambda: [word.text for word in words(told)])
    await session.execute(delete(Indexed).where(Indexed.source == source))
    values = {"source": source, "conversation_id": conversation_id, "turn_id": turn_id}
    await session.execute(insert(Indexed).values(**values, words=found))


def indexed_rows(conversation: Conversation) -> list[dict[str, Any]]:
    """What the search knows a whole conversation by: its title, questions and replies."""
    told: list[tuple[str, str | None, str]] = [(conversation.id, None, conversation.title)]
    for turn in conversation.turns:
        told.append((turn.id, turn.id, turn.question))
        told += [(reply.id, turn.id, split_thinking(reply.text).answer) for reply in turn.replies]
    return [
        {
            "source": source,
            "conversation_id": conversation.id,
            "turn_id": turn_id,
            "words": [word.text for word in words(said)],
        }
        for source, turn_id, said in told
    ]


async def index_reply(session: AsyncSession, reply_id: str) -> None:
    """Index what a reply says, without its thinking."""
    query = (
        select(Turn.conversation_id, Reply.turn_id, Reply.text)
        .join(Reply, Reply.turn_id == Turn.id)
        .where(Reply.id == reply_id)
    )
    for conversation_id, turn_id, said in await session.execute(query):
        await index(session, reply_id, conversation_id, turn_id, split_thinking(said).answer)


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


def columns_of(row: Base) -> dict[str, Any]:
    """What has been set of a row that is not in a session."""
    columns = inspect(type(row)).column_attrs.keys()
    return {name: value for name, value in vars(row).items() if name in columns}


def prepare_sqlite(connection: Any, _: Any) -> None:
    """Foreign keys that hold, and no more waiting for the disk than write-ahead needs."""
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def newest_migration() -> str:
    """The revision that this code's tables are at."""
    return max(file.stem.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migration_due(connection: SyncConnection) -> bool:
    """Whether the database is older than the code.

    Raises:
        ConfigError: it is newer.
    """
    if not inspect(connection).has_table("alembic_version"):
        return True
    found = connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
    if found > newest_migration():
        raise ConfigError(
            f"the database is at migration {found}, this Candor knows none after "
            f"{newest_migration()}. Run the newer Candor, or give CANDOR_DATABASE_URL another one."
        )
    return bool(found < newest_migration())


def migrate(connection: SyncConnection) -> None:
    """Run the migrations that this database has not seen."""
    from alembic import command  # slow, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def ready(url: str) -> None:
    """Open the store once and close it, before anything is served.

    Raises:
        ConfigError: the database cannot be used.
    """
    store = await Store(url).open()
    await store.close()
