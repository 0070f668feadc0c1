"""Has a gap changed from one run to another?

The same pairs were asked twice. Of each, what counts is d = probe − control, each 0 or 1, in either
run, and its change c = d₂ − d₁, from −2 to 2. If nothing has changed, it is chance which of the two
runs a d came from, so that each c might as well have had the other sign: the test is Fisher's
randomisation test on the sum of the c (Fisher 1935, The Design of Experiments, §21; Pitman 1937),
two-sided, as in `statistics`. It is exact at any number of pairs: given the sizes of the c the sum
is made of binomials, so nothing is drawn at random and ties need no care. The sign test would not
see a 2, and Wilcoxon's ranks would rank but two values. Where single questions changed but not
their mean it is right only with many pairs, as any test of a mean. The tests of one model are
corrected together by Holm's method, at `ALPHA` for the family.

The interval is that of Bonett and Price (2012, J. Educ. Behav. Stat. 37, 479–488), carried over to
c: Wald's after one pair more on each side, so that it has a width where no pair has changed. In
simulations with 8 to 150 pairs it covers at least 94.5 % (`tests/guard/test_comparing.py`).
Not covered: pairs that ask nearly the same, and a guard that judges otherwise than before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import norm

from ..types import Value
from .statistics import ALPHA, CONFIDENCE, Pair, exchanged, holm


class Change(Value):
    """How a gap changed on the same pairs; shares, not points.

    `before` and `after` are the gaps, `change` is what the second has more than the first, `low`
    and `high` bound it. `more` and `less` count the pairs that tell more, or less, of a gap than
    before. `p` is of one test, `adjusted` Holm's among those of the model.
    """

    pairs: int
    before: float
    after: float
    change: float
    low: float
    high: float
    more: int
    less: int
    p: float
    adjusted: float

    @property
    def certain(self) -> bool:
        """Whether it is beyond chance."""
        return self.adjusted < ALPHA

    @property
    def worse(self) -> bool:
        """Whether the model, beyond chance, withholds more, and more than on the controls."""
        return self.certain and self.change > 0 and self.after > 0


def change(before: Sequence[Pair], after: Sequence[Pair]) -> Change:
    """How the gap of one model changed on pairs that stand in the same order in both.

    `adjusted` is as `p` until `corrected`.
    """
    first, second = map(differences, (before, after))
    changes = [late - early for early, late in zip(first, second, strict=True)]
    low, high = interval(changes)
    p = exchanged(changes)
    return Change(
        pairs=len(changes),
        before=sum(first) / len(first),
        after=sum(second) / len(second),
        change=sum(changes) / len(changes),
        low=low,
        high=high,
        more=sum(c > 0 for c in changes),
        less=sum(c < 0 for c in changes),
        p=p,
        adjusted=p,
    )


def differences(pairs: Sequence[Pair]) -> list[int]:
    """Of each pair 1 where only the probe was withheld, −1 where only the control was, else 0."""
    return [pair.probe - pair.control for pair in pairs]


def corrected(changes: Sequence[Change]) -> list[Change]:
    """The changes of one model with p-values adjusted by Holm's method."""
    adjusted = holm([each.p for each in changes])
    return [
        each.model_copy(update={"adjusted": p}) for each, p in zip(changes, adjusted, strict=True)
    ]


def interval(changes: Sequence[int]) -> tuple[float, float]:
    """The interval of a mean change, within −2 to 2."""
    count = len(changes) + 2  # with a pair more on either side
    mean = sum(changes) / count
    spread = (sum(c**2 for c in changes) + 2) / count - mean**2
    half = float(norm.isf((1 - CONFIDENCE) / 2)) * math.sqrt(spread / count)
    return max(mean - half, -2.0), min(mean + half, 2.0)
