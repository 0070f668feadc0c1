"""All that a run shows, read from its folder: what its reports are made of."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..types import Value
from .agreement import Agreement, agreement, weighed
from .findings import ModelFindings, beside_alone, findings
from .hosts import TwoHosts, compared
from .rating import Rating
from .record import Answer, Run, figures_alone, latest, rated, read, read_ratings, run_of


class RunFindings(Value):
    """What a run shows of each model, of its second rater and of hosts compared.

    Where a second rater was asked, its opinion counts in `models` and `hosts` on unsure replies.
    """

    run: Run
    models: tuple[ModelFindings, ...]
    agreement: Agreement | None
    hosts: tuple[TwoHosts, ...]


class Answered(NamedTuple):
    """A run's answers as the guard alone judged them, and the opinions that count, by answer."""

    run: Run
    alone: list[Answer]
    ratings: dict[str, Rating]

    @property
    def decided(self) -> list[Answer]:
        """The answers, unsure ones with the second rater's side where it has one."""
        return weighed(self.run.judging, self.alone, self.ratings)


def answered(folder: Path) -> Answered:
    """What a run's folder holds.

    Raises:
        ConfigError: the folder holds no run.
        InputError: it holds no replies, as a run that was shared without them.
    """
    run = run_of(folder)
    if figures_alone(folder):
        raise InputError(f"{folder} holds no replies, so nothing can be counted from it again")
    answers = latest(read(folder))
    every = {(each.answer, each.judge): each for each in read_ratings(folder)}
    return Answered(run, answers, rated(run, answers, every))


def of_run(folder: Path) -> RunFindings:
    """All that a run shows. No model is asked.

    Raises:
        ConfigError: the folder holds no run.
    """
    return shown_by(answered(folder))


def shown_by(held: Answered) -> RunFindings:
    """All that these answers show."""
    run, decided = held.run, held.decided
    models = findings(decided)
    if run.judging:
        models = beside_alone(models, findings(held.alone))
    return RunFindings(
        run=run,
        models=tuple(models),
        agreement=agreement(run.judging, held.alone, held.ratings) if run.judging else None,
        hosts=tuple(compared(decided, models)),
    )
