"""What readers sent to the operator as not withheld: to look through, decide, and take as labels.

An admin reads that question and that reply, and nothing else of a conversation: not the model's
thoughts, no name, no other turn. A reader who takes the mark back, lets the reply go on or deletes
the conversation takes it from here too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update
from sqlalchemy.orm import Session

from guard.text import split_thinking
from guard.types import Conduct, Country, Score, Value, Verdict

from .foreign import model_of
from .record import verdict_moved
from .store import Conversation, NotFound, Reply, Store, Turn, now
from .store.errors import existing
from .store.tables import AdminAction, Dispute

Decision = Literal["guard right", "guard wrong", "unclear"]
Shown = Literal["open", "decided", "all"]
PAGE = 25
AT_ONCE = 100  # rows that an export reads together
BEGINNING = 240  # characters of a question that the list reads


class Filter(NamedTuple):
    """Which disputes are asked for; an empty model or topic is any."""

    shown: Shown = "open"
    model: str = ""
    topic: str = ""


class Listed(NamedTuple):
    """A dispute in the list; `question` is how it begins."""

    id: str
    sent: datetime
    question: str
    model: str
    topic: str | None
    conduct: str | None
    decision: str | None


class Sent(NamedTuple):
    """What a reader sent: a question, what was answered, and what the guard held of that."""

    id: str
    sent: datetime
    question: str
    reply: str
    model: str
    verdict: Verdict | None
    dispute: Dispute


class Labelled(Value):
    """A row for `python -m guard train` and `scan`: a reply, and whether it withholds.

    `withheld` is the admin's word. `conduct`, `topic`, `jurisdiction` and `score` are what the
    guard held.
    """

    id: str
    question: str
    reply: str
    model: str
    withheld: bool
    conduct: Conduct | None
    topic: str | None
    jurisdiction: Country | None
    score: Score | None
    note: str
    decided: datetime | None


async def listed(
    store: Store, which: Filter, after: tuple[datetime, str] | None = None
) -> list[Listed]:
    """The disputes of a filter, newest first; one more than a page, where there is one."""
    model, topic = Reply.model["id"].as_string(), Reply.verdict["topic"].as_string()
    conduct = Reply.verdict["conduct"].as_string()
    query = standing(
        select(
            *(Dispute.reply_id, Dispute.sent_at, func.substr(Turn.question, 1, BEGINNING)),
            *(model, topic, conduct, Dispute.decision),
        )
    )
    query = query.where(*conditions(which)).limit(PAGE + 1)
    query = query.order_by(Dispute.sent_at.desc(), Dispute.reply_id.desc())
    if after:
        query = query.where(tuple_(Dispute.sent_at, Dispute.reply_id) < tuple_(*after))
    rows = await store.read(lambda session: session.execute(query).all())
    return [Listed(*row) for row in rows]


async def choices(store: Store) -> tuple[list[str], list[str]]:
    """The models and the topics that there are disputes about."""
    model, topic = Reply.model["id"].as_string(), Reply.verdict["topic"].as_string()

    def work(session: Session) -> tuple[list[str], list[str]]:
        found = [
            session.scalars(standing(select(column)).distinct()).all() for column in (model, topic)
        ]
        models, topics = (sorted(filter(None, values)) for values in found)
        return models, topics

    return await store.read(work)


async def sent(store: Store, id_: str) -> Sent:
    """One dispute, whole.

    Raises:
        NotFound: there is none, or the reader has taken it back.
    """
    query = standing(select(Dispute, Reply, Turn.question)).where(Dispute.reply_id == id_)
    row = await store.read(lambda session: session.execute(query).one_or_none())
    return as_sent(*existing(row, id_))


async def decide(
    store: Store, id_: str, decision: Decision | None, note: str, action: AdminAction
) -> None:
    """Keep what an admin holds of a dispute.

    Raises:
        NotFound: there is none, or the reader has taken it back.
    """
    there = standing(select(Dispute.reply_id)).where(Dispute.reply_id == id_)
    values = {
        "decision": decision,
        "note": note,
        "decided_by": action.admin if decision else None,
        "decided_at": now() if decision else None,
    }

    def work(session: Session) -> None:
        if session.scalar(there) is None:
            raise NotFound(id_)
        session.execute(update(Dispute).where(Dispute.reply_id == id_).values(**values))
        session.add(action)

    await store.write(work)


async def labelled(store: Store) -> AsyncIterator[Labelled]:
    """All that an admin has decided for or against, oldest first; what is unclear is no label."""
    query = standing(select(Dispute, Reply, Turn.question)).order_by(
        Dispute.sent_at, Dispute.reply_id
    )
    query = query.where(Dispute.decision.in_(("guard right", "guard wrong"))).limit(AT_ONCE)
    found: Sequence[Any] = ()
    while True:
        page = query
        if found:
            last: Dispute = found[-1][0]
            place = tuple_(Dispute.sent_at, Dispute.reply_id)
            page = query.where(place > tuple_(last.sent_at, last.reply_id))
        found = await store.read(partial(rows, page))
        if not found:
            return
        for row in found:
            yield label(as_sent(*row))


def rows(query: Select[*tuple[Any, ...]], session: Session) -> Sequence[Any]:
    return session.execute(query).all()


def label(one: Sent) -> Labelled:
    held = one.verdict
    return Labelled(
        id=one.id,
        question=one.question,
        reply=one.reply,
        model=one.model,
        withheld=one.dispute.decision == "guard right",
        conduct=held.conduct if held else None,
        topic=held.topic if held else None,
        jurisdiction=held.jurisdiction if held else None,
        score=held.score if held else None,
        note=one.dispute.note,
        decided=one.dispute.decided_at,
    )


def standing(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Of disputes that no reader has taken back, with the reply and its question."""
    return (
        query.select_from(Dispute)
        .join(Reply, Reply.id == Dispute.reply_id)
        .join(Turn, Turn.id == Reply.turn_id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(
            Reply.not_withheld.is_(True),
            Reply.source.is_(None),  # what a file says its guard held is no verdict of ours
            Conversation.deleted_at.is_(None),
        )
    )


def conditions(which: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.shown == "open":
        found.append(Dispute.decision.is_(None))
    elif which.shown == "decided":
        found.append(Dispute.decision.is_not(None))
    if which.model:
        found.append(Reply.model["id"].as_string() == which.model)
    if which.topic:
        found.append(Reply.verdict["topic"].as_string() == which.topic)
    return found


def as_sent(dispute: Dispute, reply: Reply, question: str) -> Sent:
    """Without the model's thoughts, which the reader did not send; the marks are moved with it."""
    said = split_thinking(reply.text)
    verdict = Verdict.model_validate(reply.verdict) if reply.verdict else None
    return Sent(
        id=reply.id,
        sent=dispute.sent_at,
        question=question,
        reply=said.answer,
        model=model_of(reply.model).id,
        verdict=verdict_moved(verdict, said.start) if verdict else None,
        dispute=dispute,
    )
