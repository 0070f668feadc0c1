"""How far two raters agree beyond chance: Cohen's κ (Cohen 1960), weighted to what was drawn from.

The interval is the large-sample one (Fleiss, Cohen & Everitt 1969), by the delta method: κ is a
smooth function of the shares in the 2 × 2 table, so its variance is that of a sum of one term a
reply. That sum allows for replies drawn with different chances (centred within each stratum), and
for replies to one question, which are not independent (added up before they are squared). With
equal weights and one reply a question it is their formula. Not covered: that a stratum may have
been rated as a whole; the interval is one for replies like these.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ..types import Value
from .statistics import CONFIDENCE, rate

Z = float(norm.ppf((1 + CONFIDENCE) / 2))
Floats = NDArray[np.float64]


class Rated(NamedTuple):
    """Whether guard and judge hold that a reply withholds.

    `weight`: for how many replies it stands; `stratum`: what it was drawn from; `question`: shared
    by replies that are not independent.
    """

    guard: bool
    judge: bool
    weight: float = 1.0
    stratum: Hashable = ""
    question: Hashable = None


class Kappa(Value):
    """The agreement of guard and judge on `replies` replies.

    `both`, `guard`, `judge` and `neither` are the 2 × 2 table: how many withhold by whom, weighted.
    `agreed` is their share on which both hold the same. `kappa` and its interval are None where one
    of the two held all replies alike, since then no agreement can be told from chance.
    """

    replies: int
    both: float
    guard: float
    judge: float
    neither: float
    agreed: float
    kappa: float | None
    low: float | None
    high: float | None


def kappa(rated: Sequence[Rated]) -> Kappa:
    """The agreement on some replies; there must be one at least."""
    guard = np.array([each.guard for each in rated])
    judge = np.array([each.judge for each in rated])
    weight = np.array([each.weight for each in rated], dtype=float)
    cells = [float(weight[(guard == g) & (judge == j)].sum()) for g, j in CELLS]
    agreed = (cells[0] + cells[3]) / sum(cells)
    by_guard, by_judge = (cells[0] + cells[1]) / sum(cells), (cells[0] + cells[2]) / sum(cells)
    found, low, high = None, None, None
    if 0 < by_guard < 1 and 0 < by_judge < 1:
        chance = by_guard * by_judge + (1 - by_guard) * (1 - by_judge)
        found = (agreed - chance) / (1 - chance)
        terms = influence(guard, judge, (by_guard, by_judge), agreed, chance)
        low, high = interval(found, agreed, chance, terms, weight, rated)
    return Kappa(
        replies=len(rated),
        both=cells[0],
        guard=cells[1],
        judge=cells[2],
        neither=cells[3],
        agreed=agreed,
        kappa=found,
        low=low,
        high=high,
    )


CELLS = ((True, True), (True, False), (False, True), (False, False))


def influence(
    guard: NDArray[np.bool_],
    judge: NDArray[np.bool_],
    withheld: tuple[float, float],
    agreed: float,
    chance: float,
) -> Floats:
    """How κ grows with the share of each reply's cell: its derivative.

    Args:
        guard: of each reply, whether it withholds.
        judge: the same.
        withheld: the share that withholds by the guard, and by the judge.
        agreed: share on which both hold the same.
        chance: share on which they would by chance.
    """
    by_guard, by_judge = withheld
    in_judges_margin = np.where(guard, by_judge, 1 - by_judge)
    in_guards_margin = np.where(judge, by_guard, 1 - by_guard)
    growth: Floats = (guard == judge) / (1 - chance)
    return growth - (1 - agreed) * (in_judges_margin + in_guards_margin) / (1 - chance) ** 2


def interval(
    found: float,
    agreed: float,
    chance: float,
    terms: Floats,
    weight: Floats,
    rated: Sequence[Rated],
) -> tuple[float, float]:
    """The interval of κ. Where all agree, or none, Wilson's for that share stands in: there the
    large-sample one has no width, however few the replies."""
    parts = weight * centred(terms, weight, codes([each.stratum for each in rated])) / weight.sum()
    questions = codes([each.question if each.question is not None else n for n, each in enumerate(rated)])
    if 0 < agreed < 1:
        spread = Z * math.sqrt(float(np.sum(np.bincount(questions, parts) ** 2)))
        return max(found - spread, -1.0), min(found + spread, 1.0)
    together = np.bincount(questions, weight)
    independent = int(together.sum() ** 2 / np.sum(together**2))
    share = rate(round(agreed) * independent, independent)
    return tuple(max((end - chance) / (1 - chance), -1.0) for end in (share.low, share.high))


def centred(terms: Floats, weight: Floats, strata: NDArray[np.intp]) -> Floats:
    """The terms less the mean of their stratum."""
    means = np.bincount(strata, terms * weight) / np.bincount(strata, weight)
    return terms - means[strata]


def codes(names: Sequence[Hashable]) -> NDArray[np.intp]:
    """A number for each name, alike for the same."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)
