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

CELLS = ((True, True), (True, False), (False, True), (False, False))
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


class Shares(NamedTuple):
    """Of all replies, by weight: on how many both hold the same, and how many withhold by whom."""

    agreed: float
    guard: float
    judge: float

    @property
    def chance(self) -> float:
        """On how many both would hold the same by chance."""
        return self.guard * self.judge + (1 - self.guard) * (1 - self.judge)

    @property
    def defined(self) -> bool:
        return 0 < self.guard < 1 and 0 < self.judge < 1

    def kappa(self, agreed: float) -> float:
        """κ were so many agreed on."""
        return (agreed - self.chance) / (1 - self.chance)


def kappa(rated: Sequence[Rated]) -> Kappa:
    """The agreement on some replies; there must be one at least."""
    both, guard, judge, neither = (
        math.fsum(each.weight for each in rated if (each.guard, each.judge) == cell)
        for cell in CELLS
    )
    total = both + guard + judge + neither
    shares = Shares((both + neither) / total, (both + guard) / total, (both + judge) / total)
    low, high = interval(rated, shares) if shares.defined else (None, None)
    return Kappa(
        replies=len(rated),
        both=both,
        guard=guard,
        judge=judge,
        neither=neither,
        agreed=shares.agreed,
        kappa=shares.kappa(shares.agreed) if shares.defined else None,
        low=low,
        high=high,
    )


def interval(rated: Sequence[Rated], shares: Shares) -> tuple[float, float]:
    """The interval of κ. Where all agree, or none, the large-sample one has no width, however few
    the replies: Wilson's, of the share agreed on, stands in."""
    weight = np.array([each.weight for each in rated])
    alone = [n if each.question is None else each.question for n, each in enumerate(rated)]
    questions = codes(alone)
    if not 0 < shares.agreed < 1:
        together = np.bincount(questions, weight)
        independent = int(together.sum() ** 2 / np.sum(together**2))
        found = rate(round(shares.agreed) * independent, independent)
        return max(shares.kappa(found.low), -1.0), shares.kappa(found.high)
    terms = centred(influence(rated, shares), weight, codes([each.stratum for each in rated]))
    parts = np.bincount(questions, weight * terms) / weight.sum()
    spread = Z * math.sqrt(float(np.sum(parts**2)))
    found_kappa = shares.kappa(shares.agreed)
    return max(found_kappa - spread, -1.0), min(found_kappa + spread, 1.0)


def influence(rated: Sequence[Rated], shares: Shares) -> Floats:
    """How κ grows with the share of each reply's cell: its derivative."""
    guard = np.array([each.guard for each in rated])
    judge = np.array([each.judge for each in rated])
    by_judge = np.where(guard, shares.judge, 1 - shares.judge)
    by_guard = np.where(judge, shares.guard, 1 - shares.guard)
    left = 1 - shares.chance
    growth: Floats = (guard == judge) / left - (1 - shares.agreed) * (by_judge + by_guard) / left**2
    return growth


def centred(terms: Floats, weight: Floats, strata: NDArray[np.intp]) -> Floats:
    """The terms less the mean of their stratum."""
    means = np.bincount(strata, terms * weight) / np.bincount(strata, weight)
    return terms - means[strata]


def codes(names: Sequence[Hashable]) -> NDArray[np.intp]:
    """A number for each name, alike for the same."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.intp)
