"""The tree of a conversation's turns, and which reply it goes on with: what rows say of themselves.

It knows no table, so that plain rows are asked in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


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
