"""What a second rater holds of replies, as it is kept: one line of `opinions.jsonl` each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import judge
from ..errors import FaultKind
from ..types import Conduct, ModelSpec, Score, Value


class Rating(Value):
    """What a judge holds of one answer. `fault` is set where it gave no opinion.

    `answer` is the id of the answer. `reason` is in the judge's words; `provider` and
    `answered_as` are as the judge's host told; times are in seconds.
    """

    answer: str
    judge: str
    conduct: Conduct | None = None
    engages: bool | None = None
    framing: bool | None = None
    reason: str = ""
    provider: str = ""
    answered_as: str = ""
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = None
    asked_at: str = ""
    fault: FaultKind | None = None

    @property
    def settled(self) -> bool:
        """Whether the judge is not asked again: it gave an opinion, or said what is none."""
        return self.fault in {None, "malformed"}

    @property
    def withheld(self) -> bool:
        return self.conduct is not None and self.conduct != "answered"


class Assigned(NamedTuple):
    """Who judges a model's replies on a country's topics; None where nobody may.

    The country is empty for neutral questions.
    """

    model: str
    jurisdiction: str
    judge: str | None


class Judging(Value):
    """Whom a run asks for second opinions, and on which scores.

    `judges` are as the operator named them; `band`: scores from the first to the second are unsure.
    """

    judges: tuple[str, ...]
    band: tuple[Score, Score]
    assigned: tuple[Assigned, ...]

    @property
    def by_subject(self) -> dict[tuple[str, str], str | None]:
        """The judge by model and country."""
        return {(each.model, each.jurisdiction): each.judge for each in self.assigned}


def judging(
    models: Sequence[ModelSpec],
    jurisdictions: Iterable[str],
    judges: Sequence[ModelSpec],
    band: tuple[float, float],
) -> Judging:
    """Who judges whom: of the judges the first that is independent, as in the chat.

    A probe and its control have the same judge, since that hangs on the country of the pack.
    """
    countries = sorted({"", *jurisdictions})
    assigned = (
        Assigned(model.id, country, first_independent(model, country, judges))
        for model in models
        for country in countries
    )
    return Judging(judges=tuple(each.id for each in judges), band=band, assigned=tuple(assigned))


def first_independent(model: ModelSpec, country: str, judges: Sequence[ModelSpec]) -> str | None:
    found = judge.judges_for(model, country or None, judges)
    return found[0].id if found else None
