"""The tables.

A conversation is a tree of turns (an edited question is a sibling of the first); a turn has runs (a
retry is a new run), a run has replies (a fallback is the next step, a model that answers beside the
first is in the second lane). A turn follows one run of its parent: under another run it is not
shown. Nothing that was shown is overwritten. Every row belongs to an owner, and no call reads
another's.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    JSON,
    DateTime,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    false,
    inspect,
    text,
)
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from guard.attempt import STOPPED
from guard.text import split_thinking

from ..words import WordList
from .tree import answer_among, upwards

TOKEN_BYTES = 24  # of a shared address: 192 bits that nobody guesses
State = Literal["streaming", "done", "stopped", "interrupted", "failed"]
Vote = Literal["first", "second", "both", "neither"]  # of two replies side by side


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
    __allow_unmapped__ = True  # for what is no column
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
    kept: bool = True  # False while what is shown could not be stored
    waits: float | None = None  # seconds until a host that failed is asked again
    consulted: str | None = None  # the model that is being asked for its opinion

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


def columns_of(row: Base) -> dict[str, Any]:
    """What has been set of a row that is not in a session."""
    columns = inspect(type(row)).column_attrs.keys()
    return {name: value for name, value in vars(row).items() if name in columns}
