"""What was asked and answered on the way to a question, as a model is told it.

Plain rows of the turns on that way alone, read with a bounded number of statements: beside a
hundred others, a row object for each reply with its verdict held the event loop up for longer than
all else that a question takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import CTE, BindParameter, Select, Text, bindparam, cast, literal, select
from sqlalchemy.orm import Session, aliased

from .store import Attachment, NotFound, Reply, Turn
from .store.tree import answer_among

NO_FILES = "[]"  # as it is stored: a list for each turn would be decoded for nothing


class Asked(NamedTuple):
    """A question of the way, its files without what they hold, and what was said to it.

    `turn` is its id.
    `answer` are the words of the reply that the conversation went on with, None where none spoke.
    """

    turn: str
    question: str
    files: Sequence[Attachment]
    answer: str | None


def talk(session: Session, conversation_id: str, turn_id: str) -> list[Asked]:
    """The questions from the first to that of `turn_id`, each with its answer.

    That the conversation is the reader's is for the caller to see to.

    Raises:
        NotFound: there is no such turn.
    """
    rows = session.execute(on_the_way(), {"conversation": conversation_id, "turn": turn_id}).all()
    if not rows:
        raise NotFound(turn_id)
    any_files = any(row.files != NO_FILES for row in rows)
    files = files_by_id(session, conversation_id) if any_files else {}
    return [asked([*of_it], files) for _, of_it in groupby(rows, attrgetter("turn_id"))]


@cache
def on_the_way() -> Select[Any]:
    """The turns on the way to a `turn` of a `conversation`, with their replies that are shown.

    Made once: that takes as long as running it.
    """
    way = way_to_it()
    status = Reply.verdict["status"].as_string().label("status")
    files = cast(Turn.files, Text).label("files")
    return (
        select(Turn.id.label("turn_id"), Turn.question, files, Turn.chosen)
        .add_columns(Reply.id, Reply.lane, Reply.text, status)
        .join(way, way.c.id == Turn.id)
        .outerjoin(Reply, (Reply.turn_id == Turn.id) & (Reply.run == Turn.shown_run))
        .order_by(way.c.above.desc(), Reply.step)
    )


def way_to_it() -> CTE:
    """The ids of a turn and of those that it follows, with how far each is above it."""
    conversation: BindParameter[str] = bindparam("conversation")
    at_its_end = select(Turn.id, Turn.parent_id, literal(0).label("above")).where(
        Turn.id == bindparam("turn"), Turn.conversation_id == conversation
    )
    way = at_its_end.cte("way", recursive=True)
    parent = aliased(Turn)
    further = (
        select(parent.id, parent.parent_id, way.c.above + 1)
        .join(way, parent.id == way.c.parent_id)
        .where(parent.conversation_id == conversation)
    )
    return way.union_all(further)


def files_by_id(session: Session, conversation_id: str) -> dict[str, Attachment]:
    query = select(Attachment).where(Attachment.conversation_id == conversation_id)
    return {file.id: file for file in session.scalars(query)}


def asked(rows: Sequence[Any], files: dict[str, Attachment]) -> Asked:
    """One question by its rows, one for each reply that is shown."""
    first = rows[0]
    said = [row for row in rows if row.text and row.text.strip()]
    answer = answer_among(said, first.chosen) if len(said) > 1 else next(iter(said), None)
    ids = () if first.files == NO_FILES else json.loads(first.files) or ()
    attached = [files[id_] for id_ in ids if id_ in files]
    return Asked(first.turn_id, first.question, attached, answer.text if answer else None)
