"""All that a run shows, read from its folder: what its reports are made of."""

from __future__ import annotations

from pathlib import Path

from ..types import Value
from .agreement import Agreement, agreement, weighed
from .findings import ModelFindings, beside_alone, findings
from .hosts import TwoHosts, compared
from .record import Run, latest, rated, read, read_ratings, run_of


class RunFindings(Value):
    """What a run shows of each model, of its second rater and of hosts compared.

    Where a second rater was asked, its opinion counts in `models` and `hosts` on unsure replies.
    """

    run: Run
    models: tuple[ModelFindings, ...]
    agreement: Agreement | None
    hosts: tuple[TwoHosts, ...]


def of_run(folder: Path) -> RunFindings:
    """All that a run shows. No model is asked.

    Raises:
        ConfigError: the folder holds no run.
    """
    run = run_of(folder)
    answers = latest(read(folder))
    ratings = rated(
        run, answers, {(each.answer, each.judge): each for each in read_ratings(folder)}
    )
    decided = weighed(run.judging, answers, ratings)
    models = findings(decided)
    if run.judging:
        models = beside_alone(models, findings(answers))
    return RunFindings(
        run=run,
        models=tuple(models),
        agreement=agreement(run.judging, answers, ratings) if run.judging else None,
        hosts=tuple(compared(decided, models)),
    )
