"""Two replies to one question held against each other: what each mentions, and the reader's vote.

Anchors are found by their spellings, so the table says what is mentioned, never what is true. Not
compared are replies from a file, and what broke off: it would lack what it had no time to say.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from guard import anchors
from guard.anchors import Mentions

from .foreign import model_of
from .store import Reply, Turn
from .texts import texts
from .view import View, fill, language_of

FINISHED = "stopped by guard"


class Pair(NamedTuple):
    """Two replies, side by side or one instead of the other."""

    first: Reply
    second: Reply

    @property
    def names(self) -> list[str]:
        return [model_of(reply.model).name for reply in self]

    @property
    def side_by_side(self) -> bool:
        return self.first.lane != self.second.lane


def drawn(turn: Turn, view: View) -> str:
    """What stands below the replies of a turn: the table of mentions, and the vote."""
    if any(reply.state == "streaming" for reply in turn.shown()):
        return ""
    return "\n".join(filter(None, (table(turn, view), vote(turn, view))))


def pair_of(turn: Turn) -> Pair | None:
    """What is compared: two replies side by side, else a withheld one and the last that answers."""
    beside = turn.beside()
    if beside:
        return Pair(*beside)
    withheld = [reply for reply in turn.said() if reply.status == "withheld"]
    answers = [reply for reply in turn.said() if reply.status == "clean"]
    return Pair(withheld[0], answers[-1]) if withheld and answers else None


def table(turn: Turn, view: View) -> str:
    """The topic's anchors, and for each of two replies whether it mentions them."""
    pair = pair_of(turn)
    if pair is None or not all(map(comparable, pair)):
        return ""
    topic = topic_of(pair)
    told = [mentions(topic, reply.text) for reply in pair] if topic else []
    if not topic or not any(one.looked_for for one in told):
        return ""
    language = language_of(turn.question, view.language)
    rows = anchors.named(topic, language)
    return fill(
        "comparison",
        view,
        language=language,
        guard_say=texts(language),
        names=pair.names,
        rows=rows,
        told=told,
        counts=[len(one.found) for one in told],
        open=pair.side_by_side,
    )


def comparable(reply: Reply) -> bool:
    """Whether a reply was made here and said all it was to say, or the guard ended it."""
    return not reply.source and (reply.state == "done" or reply.finish_reason == FINISHED)


def topic_of(pair: Pair) -> str | None:
    """The topic of the question, unless that only mentions it in passing."""
    verdicts = [reply.verdict for reply in pair if reply.verdict]
    found = [verdict["topic"] for verdict in verdicts if not verdict.get("ordinary")]
    return next(filter(None, found), None)


@lru_cache(maxsize=256)
def mentions(topic: str, reply: str) -> Mentions:
    return anchors.mentions(topic, reply)


def vote(turn: Turn, view: View) -> str:
    """Which of two replies side by side is better: for its reader alone to say and to see."""
    beside = turn.beside()
    if beside is None or view.read_only:
        return ""
    return fill("vote", view, names=Pair(*beside).names, turn=turn, vote=turn.vote)
