"""A turn with what surrounds it: all that it is drawn with, and no more of its conversation.

One turn is read with as many statements as any other, however long the conversation is: of the
turns around it their places alone, of the replies before it who served them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.orm import Session

from .store import Attachment, Conversation, NotFound, Reply, Store, Turn
from .store.loading import headed, turn_in
from .store.tree import upwards

# where all turns of a conversation stand, oldest first
STANDING = (
    select(Turn.id, Turn.parent_id, Turn.parent_run)
    .where(Turn.conversation_id == bindparam("conversation"))
    .order_by(Turn.created_at)
)


@dataclass(frozen=True)
class InPlace:
    """A turn, and how it stands in its conversation.

    `path` are the ids of the turns that are shown, first to last; `siblings` of those that stand in
    the turn's place, oldest first. `files` are its own. `served` says who served each model last,
    before this turn, by the model's id.
    """

    conversation: Conversation
    turn: Turn
    path: list[str]
    siblings: list[str]
    files: list[Attachment] = field(default_factory=list)
    served: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> bool:
        """Whether what is shown ends with it."""
        return self.path[-1:] == [self.turn.id]

    @property
    def alone(self) -> bool:
        """Whether the conversation has no other turn, nor any reply yet."""
        return self.path == self.siblings == [self.turn.id] and not self.turn.replies

    def reply(self, id_: str) -> Reply:
        """The turn's reply of that id.

        Raises:
            NotFound: it has none.
        """
        for reply in self.turn.replies:
            if reply.id == id_:
                return reply
        raise NotFound(id_)


def places(conversation: Conversation) -> Iterator[InPlace]:
    """The turns of a whole conversation that are shown, first to last."""
    siblings: dict[object, list[str]] = {}
    for turn in conversation.turns:
        siblings.setdefault(turn.place, []).append(turn.id)
    shown = conversation.path()
    path, served = [turn.id for turn in shown], dict[str, str]()
    for turn in shown:
        files = conversation.attached(turn)
        yield InPlace(conversation, turn, path, siblings[turn.place], files, {**served})
        served |= {
            each.model["id"]: each.served["provider"]
            for each in turn.shown()
            if each.served and each.served["provider"]
        }


async def in_place(store: Store, owner: str, conversation_id: str, turn_id: str) -> InPlace:
    """One turn of a conversation, as it stands there.

    Raises:
        NotFound: there is none, or it is not the owner's.
    """
    return await store.read(lambda session: placed(session, owner, conversation_id, turn_id))


def placed(session: Session, owner: str, conversation_id: str, turn_id: str) -> InPlace:
    """The same, where a session reads more besides."""
    return standing_there(session, owner, conversation_id, Turn.id == turn_id)


async def replied(store: Store, owner: str, conversation_id: str, reply_id: str) -> InPlace:
    """The turn that has the reply of that id.

    Raises:
        NotFound: there is none, or it is not the owner's.
    """
    whose = select(Reply.turn_id).where(Reply.id == reply_id).scalar_subquery()
    which = Turn.id == whose
    return await store.read(lambda session: standing_there(session, owner, conversation_id, which))


def standing_there(
    session: Session, owner: str, conversation_id: str, which: ColumnElement[bool]
) -> InPlace:
    conversation = headed(session, owner, conversation_id)
    turn = turn_in(session, owner, conversation_id, which)
    around = session.execute(STANDING, {"conversation": conversation_id}).all()
    above = [each.id for each in upwards(around, turn.parent_id)]
    return InPlace(
        conversation,
        turn,
        path=[each.id for each in upwards(around, conversation.leaf_id)][::-1],
        siblings=[each.id for each in around if (each.parent_id, each.parent_run) == turn.place],
        files=files_of(session, turn),
        served=served_before(session, turn, above),
    )


def files_of(session: Session, turn: Turn) -> list[Attachment]:
    """The files of a turn, in the order in which they were chosen."""
    if not turn.files:
        return []
    query = select(Attachment).where(
        Attachment.id.in_(turn.files), Attachment.conversation_id == turn.conversation_id
    )
    by_id = {file.id: file for file in session.scalars(query)}
    return [by_id[id_] for id_ in turn.files if id_ in by_id]


def served_before(session: Session, turn: Turn, above: list[str]) -> dict[str, str]:
    """Who served the models of a turn's replies last, in the turns `above`, nearest first."""
    models = {each.model["id"] for each in turn.shown() if each.served}
    if not models or not above:
        return {}
    model, provider = Reply.model["id"].as_string(), Reply.served["provider"].as_string()
    query = (
        select(Reply.turn_id, model, provider)
        .join(Turn, Turn.id == Reply.turn_id)
        .where(
            Turn.conversation_id == turn.conversation_id,
            Reply.run == Turn.shown_run,
            model.in_(models),
            provider != "",
        )
        .order_by(Reply.step)
    )
    found: dict[str, dict[str, str]] = {}
    for turn_id, model_id, name in session.execute(query):
        found.setdefault(turn_id, {})[model_id] = name
    served: dict[str, str] = {}
    for id_ in reversed(above):
        served |= found.get(id_, {})
    return served
