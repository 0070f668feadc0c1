"""What the operator is told of all replies: counts, times and costs, worked out by the database.

It covers all processes that share the database, and all that is in it: what readers deleted is
counted no more, temporary conversations never were. Copies (forks, imports) are left out.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Subquery,
    case,
    cast,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from guard.types import Value

from .disputes import standing
from .store import Conversation, Reply, Store, Turn, now
from .store.tables import Dispute

Period = Literal["day", "week", "month"]
Key = TypeVar("Key", bound=Hashable)
FRESH = 5.0  # seconds; who looks again sooner is shown the same


class Span(NamedTuple):
    """How far back a period goes, and how long each of its bars is."""

    length: timedelta
    bar: timedelta


SPANS: dict[Period, Span] = {
    "day": Span(timedelta(days=1), timedelta(hours=1)),
    "week": Span(timedelta(days=7), timedelta(hours=6)),
    "month": Span(timedelta(days=30), timedelta(days=1)),
}


class Tally(Value):
    """Replies, counted.

    `unchecked` are those that a check failed on, `unjudged` those that nothing was held of (the
    guard was off, or the host failed). `instead` answered in the place of another model. `dollars`
    is what those cost whose price is known, None where none is.
    """

    replies: int = 0
    clean: int = 0
    withheld: int = 0
    unchecked: int = 0
    unjudged: int = 0
    evaded: int = 0
    refused: int = 0
    failed: int = 0
    instead: int = 0
    disputed: int = 0
    tokens: int = 0
    dollars: float | None = None


class Times(Value):
    """Seconds within which half, and 95 in 100, of the replies were."""

    half: float
    most: float


class Bar(Value):
    """What came in a part of the period, from `since`."""

    since: datetime
    replies: int = 0
    withheld: int = 0
    failed: int = 0


class ModelFigures(Value):
    """A model's replies. `origin` is None where it is not known; `first` is the time to the first
    word, `guard` the guard's own."""

    model: str
    origin: str | None
    tally: Tally
    first: Times | None = None
    guard: Times | None = None


class TopicFigures(Value):
    topic: str
    jurisdiction: str | None
    tally: Tally


class Figures(Value):
    """All of a period. Models, origins and topics come with those of the most replies first.

    `instead` says why other models answered, `unanswered` why none did, `faults` what hosts failed
    with; `disputes` are by decision, "" where there is none yet. `coming` are replies that stream.
    """

    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    total: Tally
    first: Times | None
    guard: Times | None
    models: tuple[ModelFigures, ...]
    origins: dict[str, Tally]
    topics: tuple[TopicFigures, ...]
    instead: dict[str, int]
    unanswered: dict[str, int]
    faults: dict[str, int]
    disputes: dict[str, int]
    coming: int


async def figures(store: Store, period: Period) -> Figures:
    """The figures of a period that ends now."""
    until = now()
    return await store.read(lambda session: worked_out(session, until, *SPANS[period]))


class Recent:
    """The figures of each period, worked out anew after `FRESH` seconds, once for all who look."""

    def __init__(self, store: Store, fresh: float = FRESH) -> None:
        self._store, self._fresh = store, fresh
        self._held: dict[Period, tuple[float, Figures]] = {}
        self._one = asyncio.Lock()

    async def figures(self, period: Period) -> Figures:
        async with self._one:
            at, found = self._held.get(period, (-math.inf, None))
            if found is None or time.monotonic() - at >= self._fresh:
                found = await figures(self._store, period)
                self._held[period] = time.monotonic(), found
        return found


def worked_out(session: Session, until: datetime, length: timedelta, bar: timedelta) -> Figures:
    since = until - length
    table = replies(since)
    cells = [*session.execute(counted(table))]
    first, guard = (times(session, table, name) for name in ("first_seconds", "guard_seconds"))
    models = (
        ModelFigures(
            model=model,
            origin=origin,
            tally=tally(group),
            first=first.get(model),
            guard=guard.get(model),
        )
        for (model, origin), group in grouped(cells, lambda c: (c.model or "", c.origin)).items()
    )
    origins = grouped(cells, lambda cell: cell.origin or "")
    topics = grouped((c for c in cells if c.topic), lambda c: (c.topic, c.jurisdiction))
    decided = standing(select(func.coalesce(Dispute.decision, ""), func.count()))
    decided = decided.where(Dispute.sent_at >= since).group_by(Dispute.decision)
    coming = select(func.count()).select_from(Reply).where(Reply.state == "streaming")
    return Figures(
        since=since,
        until=until,
        bars=bars(session, table, since, until, bar),
        total=tally(cells),
        first=times(session, table, "first_seconds", overall=True).get(""),
        guard=times(session, table, "guard_seconds", overall=True).get(""),
        models=tuple(sorted(models, key=lambda one: (-one.tally.replies, one.model))),
        origins=largest({origin: tally(group) for origin, group in origins.items()}),
        topics=tuple(
            sorted(
                (
                    TopicFigures(topic=topic, jurisdiction=country, tally=tally(group))
                    for (topic, country), group in topics.items()
                ),
                key=lambda one: (-one.tally.replies, one.topic),
            )
        ),
        instead=summed(cells, "cause"),
        unanswered=summed(cells, "unanswered"),
        faults=summed(cells, "fault"),
        disputes={row[0]: row[1] for row in session.execute(decided)},
        coming=session.scalar(coming) or 0,
    )


def replies(since: datetime) -> Subquery:
    """The replies of the period, each as far as it is counted."""

    def said(column: Any, name: str) -> ColumnElement[str]:
        return column[name].as_string().label(name)  # type: ignore[no-any-return]

    return (
        select(
            Reply.model["id"].as_string().label("model"),
            said(Reply.model, "origin"),
            said(Reply.verdict, "status"),
            said(Reply.verdict, "conduct"),
            said(Reply.verdict, "topic"),
            said(Reply.verdict, "jurisdiction"),
            Reply.fault["kind"].as_string().label("fault"),
            func.coalesce(Reply.bound, Reply.exhausted).label("unanswered"),
            Reply.cause,
            Reply.not_withheld,
            Reply.state,
            Reply.tokens,
            Reply.dollars,
            Reply.first_seconds,
            Reply.guard_seconds,
            extract("epoch", Reply.created_at).label("epoch"),
        )
        .join(Turn, Turn.id == Reply.turn_id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Reply.created_at >= since, Reply.copied.is_(False), Reply.source.is_(None))
        .where(Conversation.deleted_at.is_(None))
        .subquery()
    )


def counted(table: Subquery) -> Any:
    """How many replies are alike in all that is told of them, with their tokens and costs."""
    names = ("model", "origin", "status", "conduct", "topic", "jurisdiction", "fault")
    alike = [table.c[name] for name in (*names, "unanswered", "cause", "not_withheld", "state")]
    return select(
        *alike,
        func.count().label("replies"),
        func.coalesce(func.sum(table.c.tokens), 0).label("tokens"),
        func.sum(table.c.dollars).label("dollars"),
    ).group_by(*alike)


def times(
    session: Session, table: Subquery, name: str, *, overall: bool = False
) -> dict[str, Times]:
    """Half and most of the seconds in a column, by model; under "" where `overall`."""
    model = literal("") if overall else func.coalesce(table.c.model, "")
    known = select(model.label("model"), table.c[name].label("took"))
    known_ = known.where(table.c[name].is_not(None)).subquery()
    ranked = select(
        known_.c.model,
        known_.c.took,
        func.row_number().over(partition_by=known_.c.model, order_by=known_.c.took).label("place"),
        func.count().over(partition_by=known_.c.model).label("all"),
    ).subquery()

    def within(percent: int) -> ColumnElement[float]:
        reached = ranked.c.place * 100 >= ranked.c.all * percent
        return func.min(case((reached, ranked.c.took)))

    query = select(ranked.c.model, within(50), within(95)).group_by(ranked.c.model)
    return {model: Times(half=half, most=most) for model, half, most in session.execute(query)}


def bars(
    session: Session, table: Subquery, since: datetime, until: datetime, length: timedelta
) -> tuple[Bar, ...]:
    """The period in equal parts, those without replies too."""
    begin, width = int(since.timestamp()), int(length.total_seconds())
    place = ((cast(table.c.epoch, BigInteger) - begin) // width).label("place")
    parts = select(place, table.c.status, table.c.state).subquery()

    def number(which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((which, 1), else_=0))

    query = select(
        parts.c.place,
        func.count(),
        number(parts.c.status == "withheld"),
        number(parts.c.state == "failed"),
    ).group_by(parts.c.place)
    found = {row[0]: row[1:] for row in session.execute(query)}
    last = math.ceil((until - since) / length) - 1
    totals: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    for at, numbers in found.items():  # the last one also holds what came while this was read
        totals[min(max(at, 0), last)] = [
            a + b for a, b in zip(totals[min(max(at, 0), last)], numbers, strict=True)
        ]
    return tuple(
        Bar(
            since=since + n * length,
            replies=totals[n][0],
            withheld=totals[n][1],
            failed=totals[n][2],
        )
        for n in range(last + 1)
    )


def tally(cells: Iterable[Any]) -> Tally:
    """Cells together."""
    found: dict[str, int] = defaultdict(int)
    costs: list[float] = []
    for cell in cells:
        kinds = [
            *("replies", cell.status or "unjudged"),
            *([cell.conduct] if cell.conduct in {"evaded", "refused"} else []),
            *(["failed"] if cell.state == "failed" else []),
            *(["instead"] if cell.cause in {"withheld", "failed"} else []),
            *(["disputed"] if cell.not_withheld else []),
        ]
        for kind in kinds:
            found[kind] += cell.replies
        found["tokens"] += cell.tokens
        if cell.dollars is not None:
            costs.append(cell.dollars)
    return Tally(**found, dollars=math.fsum(costs) if costs else None)


def grouped(cells: Iterable[Any], key: Callable[[Any], Key]) -> dict[Key, list[Any]]:
    found: dict[Key, list[Any]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return found


def summed(cells: Iterable[Any], name: str) -> dict[str, int]:
    """Replies by the value of a column, those that have none left out; most first."""
    found: dict[str, int] = defaultdict(int)
    for cell in cells:
        if value := getattr(cell, name):
            found[value] += cell.replies
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def largest(tallies: dict[str, Tally]) -> dict[str, Tally]:
    return dict(sorted(tallies.items(), key=lambda one: (-one[1].replies, one[0])))
