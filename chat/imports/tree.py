"""Trees of messages, as other front ends keep them -> turns and runs.

A user's message is a turn; what answers it, to the next user's message, is one reply. Two answers
to one message are two runs of its turn; two messages in one place are two branches. A message that
follows the second answer follows that run; of several that share the answer it follows, the last.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from guard.characters import repaired
from guard.types import Mode

from ..foreign import ForeignModel
from ..record import EPOCH, FORM, ConversationRecord, ReplyRecord, Source, TurnRecord
from ..store import now
from ..store.titles import TITLE_LENGTH, shortened

MOST_NODES = 20_000
MOST_TEXT = 5_000_000  # characters; answers that share their beginning repeat it
MILLISECONDS = 1e11  # a time above this does not count seconds
TICK = timedelta(microseconds=1)
T = TypeVar("T")
Role = Literal["user", "assistant", "none"]


class TooLarge(ValueError):
    """A conversation has more messages or text than is taken in."""


class Node(NamedTuple):
    """A message. Those of the role `none` only hold the tree together."""

    parent: str | None
    role: Role = "none"
    text: str = ""
    thoughts: str = ""
    model: ForeignModel | None = None
    at: datetime | None = None
    whole: bool = True


class Chat(NamedTuple):
    """A conversation of another front end; `current` is the message that is shown last."""

    source: Source
    title: str
    nodes: dict[str, Node]
    current: str | None
    begun: datetime | None
    changed: datetime | None
    model: ForeignModel


class Chain(NamedTuple):
    """What answers a message so far, newest first: a list that branches share."""

    id: str
    before: Chain | None


class Growing:
    """A turn that is being put together."""

    def __init__(
        self, parent: int | None, follows: str | None, node: Node, asked: datetime, shown: bool
    ) -> None:
        self.parent, self.node, self.asked, self.shown = parent, node, asked, shown
        self.follows = follows  # the last message that answers the turn above, on the way here
        self.runs: list[list[str]] = []
        self.newest = asked  # of its turns below


def taken(value: Any, kind: type[T]) -> T | None:
    """`value`, if it is of that kind."""
    return value if isinstance(value, kind) else None


def moment(value: Any) -> datetime | None:
    """A time in seconds (or milliseconds) since 1970, if it is one that has been."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    seconds = value / 1000 if value > MILLISECONDS else value
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds <= now().timestamp() else None


def named(id_: Any, name: Any = None) -> ForeignModel | None:
    """The model that a message names."""
    words = str(repaired(taken(id_, str) or ""))[:200].strip()
    called = str(repaired(taken(name, str) or ""))[:200].strip()
    return ForeignModel(id=words, name=called or words) if words else None


def planted(chat: Chat, pieces: Counter[str], mode: Mode) -> ConversationRecord:
    """The conversation's turns and runs.

    Args:
        pieces: is told what was left out of it.

    Raises:
        TooLarge: it is more than is taken in.
        ValidationError: something in it is not what it should be.
    """
    if len(chat.nodes) > MOST_NODES:
        raise TooLarge
    begun = chat.begun or chat.changed or now()
    path = path_to(chat)
    turns = grown(chat, begun, path, pieces)
    for turn in turns:
        turn.runs = [ids for ids in turn.runs if any(says(chat.nodes[id_]) for id_ in ids)]
    run_of = {id_: run for turn in turns for run, ids in enumerate(turn.runs) for id_ in ids}
    records = tuple(turn_record(turn, chat, path, run_of.get(turn.follows or "")) for turn in turns)
    title = " ".join(str(repaired(chat.title)).split()) or (records[0].question if records else "?")
    return ConversationRecord(
        form=FORM,
        title=shortened(
            " ".join(title.split()) or "?", 200 if chat.title.strip() else TITLE_LENGTH
        ),
        model=chat.model.id,
        mode=mode,
        begun=begun,
        changed=max(chat.changed or begun, begun),
        shown=shown_last(turns),
        turns=records,
    )


def path_to(chat: Chat) -> set[str]:
    """The messages that are shown: the current one and all above it."""
    path: set[str] = set()
    id_ = chat.current
    while id_ in chat.nodes and id_ not in path:
        path.add(id_)
        id_ = chat.nodes[id_].parent
    return path


def grown(chat: Chat, begun: datetime, path: set[str], pieces: Counter[str]) -> list[Growing]:
    """Walk the tree from its roots; what hangs on none of them is left out."""
    below: dict[str | None, list[str]] = defaultdict(list)
    for id_, node in chat.nodes.items():
        below[node.parent if node.parent in chat.nodes else None].append(id_)
    turns: list[Growing] = []
    newest = begun
    seen = 0
    waiting: list[tuple[str, int | None, Chain | None]] = []

    def wait(parent: str | None, turn: int | None, chain: Chain | None) -> None:
        children = sorted(below[parent], key=lambda id_: chat.nodes[id_].at or EPOCH)
        waiting.extend((id_, turn, chain) for id_ in reversed(children))

    wait(None, None, None)
    while waiting:
        id_, turn, chain = waiting.pop()
        node = chat.nodes[id_]
        seen += 1
        if node.role == "user":
            above = turns[turn] if turn is not None else None
            asked = max(node.at or begun, (above.newest if above else newest) + TICK)
            turns.append(Growing(turn, chain.id if chain else None, node, asked, id_ in path))
            newest = newest if above else asked
            if above:
                above.newest = asked
            turn, chain = len(turns) - 1, None
        elif node.role == "assistant" and turn is None:
            pieces["orphans"] += 1
        elif node.role == "assistant":
            chain = Chain(id_, chain)
        goes_on = any(chat.nodes[child].role != "user" for child in below[id_])
        if chain and turn is not None and not goes_on:
            turns[turn].runs.append(links(chain))
        wait(id_, turn, chain)
    pieces["tree"] += len(chat.nodes) - seen
    return within_bounds(turns, chat)


def links(chain: Chain) -> list[str]:
    found = []
    link: Chain | None = chain
    while link:
        found.append(link.id)
        link = link.before
    return found[::-1]


def within_bounds(turns: list[Growing], chat: Chat) -> list[Growing]:
    nodes = (chat.nodes[id_] for turn in turns for run in turn.runs for id_ in run)
    if sum(len(node.text) + len(node.thoughts) for node in nodes) > MOST_TEXT:
        raise TooLarge
    return turns


def shown_last(turns: list[Growing]) -> int | None:
    """The last turn on the way to the current message; without one, the newest branch's last."""
    on_path = [place for place, turn in enumerate(turns) if turn.shown]
    if on_path:
        return on_path[-1]
    newest = {turn.parent: place for place, turn in enumerate(turns)}
    place = newest.get(None)
    while place in newest:
        place = newest[place]
    return place


def turn_record(turn: Growing, chat: Chat, path: set[str], follows: int | None) -> TurnRecord:
    replies = [reply_record(run, ids, chat, turn.asked) for run, ids in enumerate(turn.runs)]
    followed = [len(path.intersection(ids)) for ids in turn.runs]
    shown = max(range(len(turn.runs)), key=lambda run: (followed[run], run), default=0)
    return TurnRecord(
        parent=turn.parent,
        parent_run=follows,
        question=turn.node.text,
        shown_run=shown,
        asked=turn.asked,
        replies=tuple(replies),
    )


def says(node: Node) -> bool:
    return bool(node.text.strip() or node.thoughts.strip())


def reply_record(run: int, ids: list[str], chat: Chat, asked: datetime) -> ReplyRecord:
    nodes = [chat.nodes[id_] for id_ in ids]
    models = [node.model for node in nodes if node.model]
    return ReplyRecord(
        run=run,
        step=0,
        model=models[-1] if models else chat.model,
        text="\n\n".join(node.text for node in nodes if node.text.strip()),
        thoughts="\n\n".join(node.thoughts for node in nodes if node.thoughts.strip()) or None,
        state="done" if nodes[-1].whole else "stopped",
        source=chat.source,
        created=max(nodes[-1].at or asked, asked),
    )
