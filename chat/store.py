"""Conversations in a database: SQLite by default, PostgreSQL by URL.

A conversation is a tree of turns (an edited question is a sibling of the first); a turn has runs (a
retry is a new run), a run has replies (a fallback is the next step, a model that answers beside the
first is in the second lane). A turn follows one run of its parent: under another run it is not
shown. Nothing that was shown is overwritten. Every row belongs to an owner, and no call reads
another's.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypeVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    bindparam,
    delete,
    event,
    false,
    func,
    insert,
    inspect,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncAttrs,
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.ext.asyncio import async_sessionmaker as sessionmaker
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    undefer,
)
from sqlalchemy.types import TypeDecorator

from guard.attempt import STOPPED
from guard.errors import ConfigError
from guard.plain import plain
from guard.text import split_thinking

from .migrating import migrate_postgresql, migrate_sqlite, migration_due
from .sqlite_threads import SqliteThreads
from .trips import OneTripDriver
from .words import WordList, words

UNREACHABLE = (DBAPIError, PoolTimeout, OSError)  # what a database raises that refuses or is gone
TITLE_LENGTH = 60
TOKEN_BYTES = 24  # of a shared address: 192 bits that nobody guesses
MOST_SHARES = 50  # of one conversation
MOST_UNSENT = 40  # files of one reader that wait for their question; the oldest go first
LONG = 4_000  # characters; work on more is done in a thread, so that nobody else waits for it
AT_ONCE = 100  # rows that are written together
CONNECTIONS = 10  # of a replica to PostgreSQL, at most
SQLITE_CONNECTIONS = 15
BUSY = 15  # seconds to wait for another writer
LAST_WORDS = 0.5  # seconds; aiosqlite's thread answers after a failed connection, then ends
State = Literal["streaming", "done", "stopped", "interrupted", "failed"]
Vote = Literal["first", "second", "both", "neither"]  # of two replies side by side
WRITTEN_ANEW = "INSERT INTO indexed_words(indexed_words) VALUES ('optimize')"
SOLE = 0x43616E646F72  # of a lock, within the database
GOES_DOWN = 10  # seconds in which a process that ran before may end
TWO_PROCESSES = (
    "another Candor uses this database. For several replicas, set CANDOR_REDIS_URL for each; "
    "else end the other, or give CANDOR_DATABASE_URL another database."
)
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


def fault_of(error: BaseException) -> str:
    """A database's error for the log. Its message is left out where it can hold what was to be
    written: that of a value which the database refuses does."""
    cause = getattr(error, "orig", None) or error
    name = type(cause).__name__
    telling = isinstance(error, OperationalError | PoolTimeout | OSError)
    return f"{name}: {cause}" if telling else name


class Standing(Protocol):
    """A turn, as far as it says which one it follows."""

    @property
    def id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...


class Spoken(Protocol):
    """A reply that holds words, as far as it tells whether to go on with it."""

    @property
    def id(self) -> str: ...
    @property
    def lane(self) -> int: ...
    @property
    def status(self) -> str | None: ...


T = TypeVar("T")
Stands = TypeVar("Stands", bound=Standing)
Speaks = TypeVar("Speaks", bound=Spoken)


def upwards(turns: Iterable[Stands], turn_id: str | None) -> list[Stands]:
    """The turn of that id and those that it follows, up to the first."""
    by_id = {turn.id: turn for turn in turns}
    found: list[Stands] = []
    turn = by_id.get(turn_id or "")
    while turn is not None:
        found.append(turn)
        turn = by_id.get(turn.parent_id or "")
    return found


def answer_among(said: Sequence[Speaks], chosen: str | None) -> Speaks | None:
    """Which of the replies that hold words the conversation goes on with; see `Turn.answer`."""
    of_the_reader = [reply for reply in said if reply.id == chosen]
    answers = [reply for reply in said if reply.status != "withheld"]
    in_first_lane = [reply for reply in answers if reply.lane == 0]
    return next(reversed(of_the_reader or in_first_lane or answers or said), None)


class Place(NamedTuple):
    """Where a conversation stands in the list, which goes from the greatest to the least."""

    pinned: bool
    updated_at: datetime
    id: str


class Base(AsyncAttrs, DeclarativeBase):
    """Base of the tables."""


class Conversation(Base):
    """A conversation. `leaf_id` is the turn that is shown last; `deleted_at` hides it, for undo.

    `tools` are the ids of the servers whose tools the reader has switched on in it.
    """

    __tablename__ = "conversation"
    __table_args__ = (Index("ix_conversation_place", "owner", "pinned", "updated_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str]
    title: Mapped[str]
    model: Mapped[str]
    mode: Mapped[str]
    tools: Mapped[list[str] | None] = mapped_column(JSON, default=None)
    withheld: Mapped[bool] = mapped_column(default=False)
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    leaf_id: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    turns: Mapped[list[Turn]] = relationship(
        back_populates="conversation", order_by="Turn.created_at", cascade="all, delete-orphan"
    )
    attachments: Mapped[list[Attachment]] = relationship(cascade="all", passive_deletes=True)

    @property
    def place(self) -> Place:
        return Place(self.pinned, self.updated_at, self.id)

    def path(self) -> list[Turn]:
        """The turns that are shown, first to last."""
        return self.upwards(self.leaf_id)[::-1]

    def upwards(self, turn_id: str | None) -> list[Turn]:
        """A turn and those that it follows, up to the first."""
        return upwards(self.turns, turn_id)

    def attached(self, turn: Turn) -> list[Attachment]:
        """The files of a turn, in the order in which they were chosen."""
        by_id = {one.id: one for one in self.attachments} if turn.files else {}
        return [by_id[id_] for id_ in turn.files or () if id_ in by_id]

    def newest_leaf(self, turn: Turn) -> Turn:
        """The last turn below the run of `turn` that is shown, by the newest child each time."""
        newest = {other.place: other for other in self.turns}
        while below := newest.get((turn.id, turn.shown_run)) or newest.get((turn.id, None)):
            turn = below
        return turn

    def show(self, leaf: Turn) -> None:
        """Let the path end with `leaf`; of each turn above, the run is shown that it follows."""
        self.leaf_id = leaf.id
        by_id = {turn.id: turn for turn in self.turns}
        below = leaf
        while (turn := by_id.get(below.parent_id or "")) is not None:
            if below.parent_run is not None:
                turn.shown_run = below.parent_run
            below = turn


class Turn(Base):
    """A question and its runs. `chosen` is the reply that the reader goes on with.

    `files` are the ids of what is attached; another question in this place shares them.
    `parent_run` is the run of the turn above that this one follows; None: whichever is shown.
    `votes` say by run which of two replies side by side the reader holds for the better one.
    """

    __tablename__ = "turn"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    parent_id: Mapped[str | None] = mapped_column(default=None)
    parent_run: Mapped[int | None] = mapped_column(default=None)
    question: Mapped[str] = mapped_column(Text)
    files: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    shown_run: Mapped[int] = mapped_column(default=0)
    chosen: Mapped[str | None] = mapped_column(default=None)
    votes: Mapped[dict[str, str] | None] = mapped_column(JSON, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    conversation: Mapped[Conversation] = relationship(back_populates="turns")
    replies: Mapped[list[Reply]] = relationship(
        back_populates="turn", order_by="Reply.run, Reply.step", cascade="all, delete-orphan"
    )

    @property
    def place(self) -> tuple[str | None, int | None]:
        """What it follows: a turn, and the run of that."""
        return self.parent_id, self.parent_run

    @property
    def runs(self) -> int:
        return max((reply.run for reply in self.replies), default=-1) + 1

    def shown(self) -> list[Reply]:
        """The replies of the run that is shown."""
        return [reply for reply in self.replies if reply.run == self.shown_run]

    def said(self) -> list[Reply]:
        """The shown replies that hold any words."""
        return [reply for reply in self.shown() if reply.text.strip()]

    def beside(self) -> tuple[Reply, Reply] | None:
        """What the two models that answer side by side said last, the picked one's first."""
        last = {reply.lane: reply for reply in self.said()}
        return (last[0], last[1]) if last.keys() == {0, 1} else None

    @property
    def vote(self) -> str | None:
        """The reader's vote on the run that is shown."""
        return (self.votes or {}).get(str(self.shown_run))

    def answer(self) -> Reply | None:
        """The reply that the conversation goes on with.

        The one that the reader chose; else the last that answers, of two side by side that of the
        model that was picked; else the last.
        """
        return answer_among(self.said(), self.chosen)


class Reply(Base):
    """One model's reply. `model`, `served`, `verdict`, `fault` are as the guard's values dump.

    `calls` are those of tools, as `CallRecord` dumps.

    `lane` is 1 for what stands beside the picked model's. `bound` is the operator's limit that
    let no further model be asked. `source` is the kind of file that the reply was imported from,
    None where a model gave it here: then alone its verdict is this app's. No route takes it away.
    `omitted` is what of the conversation's files the model was not told. `options` are what the
    reader had set for it; `prompted` says that a system prompt was among it, also where its words
    are not known (in a copy of a shared conversation). `runner` is the run that may write it, where
    there are several replicas; whoever takes a reply over sets its own. `first_seconds` passed
    before its first word, `guard_seconds` the guard took. `copied`: the reply was given in another
    conversation, or elsewhere, and counts there.
    """

    __tablename__ = "reply"
    __table_args__ = (
        Index(
            "ix_reply_streaming",
            "turn_id",
            sqlite_where=text("state = 'streaming'"),
            postgresql_where=text("state = 'streaming'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    turn_id: Mapped[str] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), index=True)
    run: Mapped[int]
    step: Mapped[int]
    lane: Mapped[int] = mapped_column(default=0, server_default="0")
    model: Mapped[dict[str, Any]] = mapped_column(JSON)
    text: Mapped[str] = mapped_column(Text, default="")
    thoughts: Mapped[str | None] = mapped_column(Text, default=None)
    calls: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON, default=None)
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
    omitted: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    options: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    prompted: Mapped[bool] = mapped_column(default=False, server_default=false())
    first_seconds: Mapped[float | None] = mapped_column(Float, default=None)
    guard_seconds: Mapped[float | None] = mapped_column(Float, default=None)
    copied: Mapped[bool] = mapped_column(default=False, server_default=false())
    runner: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)
    turn: Mapped[Turn] = relationship(back_populates="replies")
    # no columns, but what is shown while the reply comes in
    kept = True  # False while what is shown could not be stored
    waits = None  # seconds until a host that failed is asked again
    consulted = None  # the model that is being asked for its opinion

    @property
    def status(self) -> str | None:
        return self.verdict["status"] if self.verdict else None

    @property
    def cut(self) -> bool:
        """Whether its model may have more to say: a limit, the reader or a fault ended it.

        Not where the guard ended it, as another model answers then, and not of what a file brings.
        """
        ended = self.finish_reason == "length" or self.state in {"stopped", "interrupted", "failed"}
        runaway = (self.fault or {}).get("kind") == "too_long"
        ours = self.source is None and self.finish_reason != STOPPED
        return ended and ours and not runaway and bool(split_thinking(self.text).answer.strip())


class Attachment(Base):
    """A file that a reader chose. It has no conversation until its question is put.

    `kind` is `text`, `pdf` or `image`. `text` are the `read` characters that models are told, of
    `characters` in all; of a PDF, `pages_read` of its `pages` were read, and `pages_empty` of those
    hold no text. `content`, of `media_type`, is what its reader may open; a file that came with an
    import or a copy has none.
    """

    __tablename__ = "attachment"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(index=True)
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True, default=None
    )
    name: Mapped[str]
    kind: Mapped[str]
    media_type: Mapped[str | None] = mapped_column(default=None)
    characters: Mapped[int | None] = mapped_column(default=None)
    read: Mapped[int] = mapped_column(default=0, server_default="0")
    pages: Mapped[int | None] = mapped_column(default=None)
    pages_read: Mapped[int | None] = mapped_column(default=None)
    pages_empty: Mapped[int | None] = mapped_column(default=None)
    text: Mapped[str | None] = mapped_column(Text, default=None, deferred=True)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, default=None, deferred=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    @property
    def opens(self) -> bool:
        """Whether there is anything of it to open."""
        return self.media_type is not None or self.read > 0


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
    browser's; `theme` is None until one is chosen; `model` answers in new conversations, None for
    the operator's default. `share_rated`: what they rate may go to the operator's data set.
    """

    __tablename__ = "preferences"

    owner: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str | None] = mapped_column(default=None)
    language: Mapped[str | None] = mapped_column(default=None)
    theme: Mapped[str | None] = mapped_column(default=None)
    model: Mapped[str | None] = mapped_column(default=None)
    share_rated: Mapped[bool | None] = mapped_column(default=None)


class ModelOptions(Base):
    """What a reader has set for a model, as `guard.types.Options` dumps; no row, nothing is set."""

    __tablename__ = "model_options"

    owner: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)


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


class ApiKey(Base):
    """A key, of which its SHA-256 alone is kept; `hint` is how it begins.

    `per_minute` and `per_day` bound its requests; None: nothing does.
    """

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id()[:8])
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    per_minute: Mapped[int | None] = mapped_column(default=None)
    per_day: Mapped[int | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


class Dispute(Base):
    """A reader has sent a reply to the operator, as one that does not withhold.

    `decision` is what an admin holds of it, `guard right`, `guard wrong` or `unclear`, None while
    nobody has looked. The words are those of the reply and its question, and go with them.
    """

    __tablename__ = "dispute"

    reply_id: Mapped[str] = mapped_column(
        ForeignKey("reply.id", ondelete="CASCADE"), primary_key=True
    )
    decision: Mapped[str | None] = mapped_column(default=None)
    note: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[str | None] = mapped_column(default=None)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)


class Setting(Base):
    """What an admin has set for all processes; `switches.py` knows the keys and their values."""

    __tablename__ = "setting"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)


class AdminAction(Base):
    """What an admin has done, and when. `subject` names what it was done to."""

    __tablename__ = "admin_action"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    admin: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    details: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)


class NotFound(LookupError):
    """There is no such row, or it is somebody else's."""


class Taken(Exception):
    """Another run writes this reply now."""


class Left(NamedTuple):
    """A reply that streams, as far as it says who runs it and where it stands."""

    conversation: str
    owner: str
    turn: str
    reply: str
    run: int
    step: int
    lane: int
    runner: str | None
    created_at: datetime


class TooMany(Exception):
    """A conversation has as many shares as it may have."""


class Store:
    """All that the page keeps.

    Args:
        url: a SQLAlchemy address of an async driver.
        connections: that it holds to PostgreSQL at most.

    Raises:
        ConfigError: there is no such driver, or the address cannot be read.
    """

    temporary: ClassVar[bool] = False  # what it holds is neither listed nor leaves it

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        try:
            self.url = make_url(url)
            self._threads: SqliteThreads | None = None
            self._faults: tuple[type[Exception], ...] = ()  # of the driver, besides SQLAlchemy's
            self.engine = self._engine(connections)
        except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise ConfigError(f"the database cannot be used: {error}. {ADVICE}") from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def _engine(self, connections: int) -> AsyncEngine:
        if not self.url.drivername.startswith("sqlite"):
            from .postgresql import FAULTS, address, serving_engine  # SQLite needs not wait for it

            self.url, self._faults = address(self.url), FAULTS
            return serving_engine(self.url, connections)
        if self.url.database in {None, "", ":memory:"}:
            self.url = make_url(in_memory())
        file = self.url.database or ""
        if not file.startswith("file:"):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        patience = {} if "timeout" in self.url.query else {"timeout": BUSY}
        options = {"connect_args": patience, "hide_parameters": self.temporary}
        engine = create_async_engine(self.url, **options, **one_trip(self.url))
        event.listen(engine.sync_engine, "connect", self._prepare)
        self._threads = SqliteThreads(self.url, self._prepare, **options)
        return engine

    def _prepare(self, connection: Any, _: Any) -> None:
        """Make a new connection to SQLite ready.

        Foreign keys that hold, zeros in the place of what is deleted, little waiting for the disk:
        more than `NORMAL` is not needed beside write-ahead.
        """
        execute_all(connection, "foreign_keys=ON", "synchronous=NORMAL", "secure_delete=ON")

    async def open(self, *, alone: bool = True) -> Self:
        """Bring the tables up to date, and mark what a killed process left streaming.

        Args:
            alone: whether no other process runs replies in this database; else all is left as it
                is, for them or for who takes it over.

        Raises:
            ConfigError: the database cannot be reached, read or written, or is a newer Candor's.
        """
        async with self.usable():
            await self.migrate()
            if alone:
                await self.write(interrupt)
        return self

    @asynccontextmanager
    async def usable(self) -> AsyncIterator[None]:
        """Close the store where the database turns out not to be of use.

        Raises:
            ConfigError: in place of what the database raises.
        """
        faults: tuple[type[Exception], ...] = (*UNREACHABLE, *self._faults, SQLAlchemyError)
        try:
            yield
        except faults as error:
            await self.close()
            await asyncio.sleep(LAST_WORDS)
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> ConfigError:
        shown, cause = self.url.render_as_string(hide_password=True), getattr(error, "orig", error)
        return ConfigError(f"the database {shown} cannot be used: {cause}. {ADVICE}")

    async def migrate(self) -> None:
        """Bring the tables up to date."""
        on_sqlite = self._threads is not None
        if on_sqlite:
            await self._write_ahead()
        async with self.engine.connect() as connection:
            due = await connection.run_sync(migration_due)
        if due and on_sqlite:
            await migrate_sqlite(self.engine)
        elif due:
            await migrate_postgresql(self.url)

    @asynccontextmanager
    async def sole(self) -> AsyncIterator[None]:
        """Be the one process that runs replies in this database, and mark what the last one left.

        PostgreSQL tells two such processes apart, by a lock that a connection holds.

        Raises:
            ConfigError: another one runs replies there, or it cannot be written.
        """
        async with AsyncExitStack() as held:
            try:
                if not self._threads:
                    connection = await held.enter_async_context(self.engine.connect())
                    await self._lock(connection)
                    held.push_async_callback(connection.invalidate)  # the lock goes with it
                await self.write(interrupt)
            except UNREACHABLE as error:
                raise self._unusable(error) from error
            yield

    async def _lock(self, connection: AsyncConnection) -> None:
        """Take the lock of the sole process; one that goes down just then is waited for."""
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for left in reversed(range(GOES_DOWN)):
            if await connection.scalar(select(func.pg_try_advisory_lock(SOLE))):
                return
            if left:
                await asyncio.sleep(1)
        raise ConfigError(TWO_PROCESSES)

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
        if self._threads:
            await self._threads.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed at the end, rolled back on an error.

        Raises:
            ConnectionError: PostgreSQL let no connection in.
        """
        try:
            async with self._sessions() as session, session.begin():
                yield session
        except self._faults as error:
            raise ConnectionError(str(error)) from error

    async def read(self, work: Callable[[Session], T]) -> T:
        """What a function of a session reads. Of SQLite it runs in a thread."""
        if self._threads:
            return await self._threads.read(work)
        async with self.session() as session:
            return await session.run_sync(work)

    async def ping(self) -> None:
        """Ask the database something, to see whether it answers."""
        await self.read(lambda session: session.execute(text("SELECT 1")).all())

    async def write(self, work: Callable[[Session], T]) -> T:
        """Do what a function of a session does, as one transaction. Of SQLite it runs in a thread.

        What it raises is raised here, and nothing is written then.
        """
        if self._threads:
            return await self._threads.write(work)
        async with self.session() as session:
            return await session.run_sync(work)

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
        mine = Turn.id == turn_id, Conversation.owner == owner, Conversation.deleted_at.is_(None)
        found = await self.read(lambda session: session.scalar(query.where(*mine)))
        if found is None:
            raise NotFound(turn_id)
        return found

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
    ) -> str:
        """A new question below `parent_id`; it becomes the one that is shown. Returns its id.

        Args:
            files: the ids of what is attached.
            parent_run: the run that it follows; the one that is shown where left out.
            turn_id: the id that it gets.
            values: columns of the conversation that are set with it: `model`, `mode`, `tools`.

        Raises:
            NotFound: the conversation or one of the files is not there, or is not the owner's.
            IntegrityError: there is a turn of that id.
        """
        turn = Turn(id=turn_id or new_id(), conversation_id=conversation_id, question=question)
        turn.parent_id, turn.parent_run, turn.files = parent_id, parent_run, [*files]
        known = indexed(turn.id, conversation_id, turn.id, await listed_words(question))

        def work(session: Session) -> None:
            heading = headed(session, owner, conversation_id)
            send(session, owner, conversation_id, files)
            if parent_id == heading.leaf_id and parent_run is None:
                shown = select(Turn.shown_run).where(Turn.id == parent_id)
                turn.parent_run, heading.leaf_id = session.scalar(shown), turn.id
                session.add(turn)
            else:  # somewhere above: what is shown of the turns on the way may change
                conversation = tree(session, owner, conversation_id)
                if parent_id and parent_run is None:
                    turn.parent_run = turn_of(conversation, parent_id).shown_run
                conversation.turns.append(turn)
                conversation.show(turn)
            heading.updated_at = now()
            for name, value in values.items():
                setattr(heading, name, value)
            session.execute(insert(Indexed), [known])

        await self.write(work)
        return turn.id

    async def change(self, owner: str, conversation_id: str, **values: Any) -> None:
        """Set columns of a conversation: `title`, `model`, `pinned`, `deleted_at`, …

        Raises:
            NotFound: it does not exist, or is not the owner's.
        """

        def work(session: Session) -> None:
            changed = session.execute(
                update(Conversation)
                .where(Conversation.id == conversation_id, Conversation.owner == owner)
                .values(**values)
            )
            if not changed.rowcount:  # type: ignore[attr-defined]
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
            changed = session.execute(
                update(Conversation)
                .where(Conversation.id == conversation_id, Conversation.title == instead_of)
                .values(title=title)
            )
            if changed.rowcount:  # type: ignore[attr-defined]
                index(session, conversation_id, conversation_id, None, words_of(title))

        await self.write(work)

    async def forget(self, before: datetime) -> int:
        """Remove what was deleted before then, with all its rows; how many conversations.

        Files that have waited for their question since then go too.
        """

        def work(session: Session) -> int:
            unsent = Attachment.conversation_id.is_(None), Attachment.created_at < before
            session.execute(delete(Attachment).where(*unsent))
            gone = session.execute(delete(Conversation).where(Conversation.deleted_at < before))
            return int(gone.rowcount)  # type: ignore[attr-defined]

        gone = await self.write(work)
        if gone:
            await self.scrub()
        return gone

    async def scrub(self) -> None:
        """Leave no word of what was deleted in SQLite's files.

        Rows are overwritten as they go (`secure_delete`); the search's index keeps words until it
        is written anew, and the log of writes until it is emptied. That waits for who reads just
        then, up to `BUSY` seconds; where it is in vain, the next one does it.
        """
        if self.engine.dialect.name != "sqlite":
            return
        await self.write(lambda session: session.execute(text(WRITTEN_ANEW)))
        async with self.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

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
        which = Attachment.id == id_, Attachment.owner == owner

        def work(session: Session) -> None:
            gone = session.execute(
                delete(Attachment).where(*which, Attachment.conversation_id.is_(None))
            )
            if not gone.rowcount:  # type: ignore[attr-defined]
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
        async with self.session() as session:
            found = {one.id: one for one in await session.scalars(query)}
        if missing := {*ids} - found.keys():
            raise NotFound(min(missing))
        return found

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

        def work(session: Session) -> None:
            gone = session.execute(delete(Share).where(*which))
            if not gone.rowcount:  # type: ignore[attr-defined]
                raise NotFound(token)

        await self.write(work)

    async def show(
        self, owner: str, conversation_id: str, turn_id: str, run: int | None = None
    ) -> None:
        """Show a turn, or another run of it, with the newest of what follows."""

        def work(session: Session) -> None:
            conversation = tree(session, owner, conversation_id)
            turn = turn_of(conversation, turn_id)
            if run is not None:
                newest = select(func.max(Reply.run)).where(Reply.turn_id == turn_id)
                turn.shown_run = max(0, min(run, session.scalar(newest) or 0))
            conversation.show(conversation.newest_leaf(turn))

        await self.write(work)

    async def end_at(self, owner: str, conversation_id: str, turn_id: str) -> None:
        """Let the path end with a turn; what follows it stays, to page back to."""

        def work(session: Session) -> None:
            conversation = tree(session, owner, conversation_id)
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

    async def preferences(self, owner: str) -> Preferences:
        """What the reader has set."""
        found = await self.read(lambda session: session.get(Preferences, owner))
        return found or Preferences(owner=owner)

    async def prefer(self, owner: str, **values: Any) -> None:
        """Set what a reader prefers: `mode`, `language`, `theme`, `model`."""
        made = self.upsert(Preferences, {"owner": owner}, values)
        await self.write(lambda session: session.execute(made))

    def upsert(
        self,
        table: type[Base],
        key: dict[str, str],
        values: dict[str, Any],
        where: ColumnElement[bool] | None = None,
    ) -> Any:
        """Set columns of the row of that key, or make it; two who do so at once both succeed.

        Args:
            where: what must hold of a row that is there, else it stays as it is.
        """
        on_postgresql = self.engine.dialect.name == "postgresql"
        made = (postgresql if on_postgresql else sqlite).insert(table).values(key | values)
        return made.on_conflict_do_update(index_elements=[*key], set_=values, where=where)

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
            changed = session.execute(update(Reply).where(*which).values(**values))
            if fence and not changed.rowcount:  # type: ignore[attr-defined]
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

    async def streaming(self) -> list[Left]:
        """All replies that come in, in any process, or that a killed one has left."""
        query = (
            select(
                Conversation.id,
                Conversation.owner,
                *(Turn.id, Reply.id, Reply.run, Reply.step, Reply.lane),
                *(Reply.runner, Reply.created_at),
            )
            .join(Turn, Turn.id == Reply.turn_id)
            .join(Conversation, Conversation.id == Turn.conversation_id)
            .where(Reply.state == "streaming")
            .order_by(Reply.lane, Reply.step)
        )
        rows = await self.read(lambda session: session.execute(query).all())
        return [Left(*row) for row in rows]

    async def close_left(self, left: Left, runner: str, **told: str | None) -> bool:
        """Mark a reply that nobody runs any more as interrupted; whether it was still as it was.

        Args:
            left: the reply.
            runner: who writes it from now on.
            told: more of its `text` and `thoughts` than is stored, where that is known.
        """
        which = (
            Reply.id == left.reply,
            Reply.state == "streaming",
            Reply.runner.is_not_distinct_from(left.runner),
        )

        def work(session: Session) -> bool:
            closed = update(Reply).where(*which).values(state="interrupted", runner=runner, **told)
            if not session.execute(closed).rowcount:  # type: ignore[attr-defined]
                return False
            index_reply(session, left.reply)
            return True

        return await self.write(work)

    async def stop_left(self, conversation_id: str, runner: str, state: State) -> None:
        """Close what streams in a conversation though nobody runs it."""
        here = select(Turn.id).where(Turn.conversation_id == conversation_id)
        closed = update(Reply).where(Reply.state == "streaming", Reply.turn_id.in_(here))

        def work(session: Session) -> None:
            left = session.scalars(closed.values(state=state, runner=runner).returning(Reply.id))
            for id_ in left.all():
                index_reply(session, id_)

        await self.write(work)

    async def rate(self, owner: str, conversation_id: str, reply_id: str, **values: Any) -> bool:
        """Keep a reader's `feedback` or `not_withheld` on one of their replies.

        With the latter they send it to the operator, until they take that back. Returns what it
        was before.
        """

        def work(session: Session) -> bool:
            turns = select(Turn.id).join(Turn.conversation).where(*there(owner, conversation_id))
            which = Reply.id == reply_id, Reply.turn_id.in_(turns)
            was = session.scalar(select(Reply.not_withheld).where(*which))
            if was is None:
                raise NotFound(reply_id)
            if values:
                session.execute(update(Reply).where(Reply.id == reply_id).values(**values))
            if "not_withheld" in values:
                session.execute(delete(Dispute).where(Dispute.reply_id == reply_id))
            if values.get("not_withheld"):
                session.add(Dispute(reply_id=reply_id))
            return was

        return await self.write(work)


def send(session: Session, owner: str, conversation_id: str, files: Sequence[str]) -> None:
    """Let files belong to a conversation; those of another one stay there."""
    if not files:
        return
    here = Attachment.conversation_id == conversation_id
    sent = session.execute(
        update(Attachment)
        .where(
            Attachment.id.in_(files),
            Attachment.owner == owner,
            or_(Attachment.conversation_id.is_(None), here),
        )
        .values(conversation_id=conversation_id)
    )
    if sent.rowcount != len(files):  # type: ignore[attr-defined]
        raise NotFound(conversation_id)


def there(owner: str, id_: str) -> tuple[ColumnElement[bool], ...]:
    """The conversation of that id, if it is the owner's and was not deleted."""
    return (
        Conversation.id == id_,
        Conversation.owner == owner,
        Conversation.deleted_at.is_(None),
    )


def headed(session: Session, owner: str, id_: str) -> Conversation:
    """The conversation without its turns."""
    found = session.scalar(select(Conversation).where(*there(owner, id_)))
    if found is None:
        raise NotFound(id_)
    return found


def turn_in(session: Session, owner: str, conversation_id: str, which: ColumnElement[bool]) -> Turn:
    """The turn of the owner's conversation for which `which` holds, with its replies."""
    query = (
        select(Turn)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(which, *there(owner, conversation_id))
        .options(joinedload(Turn.replies))
    )
    found = session.scalars(query).unique().one_or_none()
    if found is None:
        raise NotFound(conversation_id)
    return found


def tree(session: Session, owner: str, id_: str) -> Conversation:
    """The conversation with its turns as far as they say where they stand, without any words."""
    stands = (Turn.conversation_id, Turn.parent_id, Turn.parent_run, Turn.shown_run)
    query = (
        select(Conversation)
        .where(*there(owner, id_))
        .options(selectinload(Conversation.turns).load_only(*stands, Turn.created_at))
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(id_)
    return found


def load(session: Session, owner: str, id_: str, *, file_texts: bool = False) -> Conversation:
    files = selectinload(Conversation.attachments)
    query = (
        select(Conversation)
        .where(*there(owner, id_))
        .options(
            selectinload(Conversation.turns).selectinload(Turn.replies),
            files.undefer(Attachment.text) if file_texts else files,
        )
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(id_)
    return found


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


def mark_withheld(session: Session, conversation_id: str | None) -> None:
    """Note that a reply of the conversation withheld, for the dot in the list."""
    if conversation_id:
        marked = update(Conversation).where(Conversation.id == conversation_id)
        session.execute(marked.values(withheld=True))


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


def titled(question: str) -> str:
    """A title by a question."""
    return shortened(on_one_line(question), TITLE_LENGTH)


def on_one_line(title: str) -> str:
    """A title without signs that turn the words beside it: it stands in lists, tabs and exports."""
    return plain(" ".join(title.split())) or "…"


def shortened(line: str, most: int) -> str:
    """A line of at most so many characters."""
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def storable(text: str) -> str:
    """Text without what a database cannot take: NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def shows_images(files: Iterable[Attachment]) -> bool:
    return any(file.kind == "image" for file in files)


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


def interrupt(session: Session) -> None:
    """Mark replies that stream as interrupted: nobody does so as a process begins."""
    streaming = update(Reply).where(Reply.state == "streaming")
    left = session.scalars(streaming.values(state="interrupted").returning(Reply.id))
    for id_ in left.all():
        index_reply(session, id_)


def columns_of(row: Base) -> dict[str, Any]:
    """What has been set of a row that is not in a session."""
    columns = inspect(type(row)).column_attrs.keys()
    return {name: value for name, value in vars(row).items() if name in columns}


def one_trip(url: URL) -> dict[str, Any]:
    """How an engine reaches SQLite with few trips to its threads, which it keeps."""
    if url.get_driver_name() != "aiosqlite":
        return {}
    return {"module": OneTripDriver(), "pool_size": SQLITE_CONNECTIONS, "max_overflow": 0}


def in_memory() -> str:
    """The address of a new SQLite database in memory, which is there while it has a connection."""
    return f"sqlite+aiosqlite:///file:/candor-{new_id()}?vfs=memdb&uri=true"


def execute_all(connection: Any, *pragmas: str) -> None:
    """Set pragmas of a connection."""
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def ready(url: str, *, alone: bool = True) -> None:
    """Open the store once and close it, before anything is served.

    Args:
        alone: whether no other process may run replies in it.

    Raises:
        ConfigError: the database cannot be used.
    """
    store = await Store(url).open(alone=False)
    try:
        if alone:
            async with store.sole():
                pass
    finally:
        await store.close()


async def migrated(url: str) -> None:
    """Bring the tables up to date and do nothing else, as before replicas are started.

    Raises:
        ConfigError: the database cannot be used.
    """
    store = Store(url)
    async with store.usable():
        await store.migrate()
    await store.close()
