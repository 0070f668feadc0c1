"""κ is what scikit-learn says, its interval what its authors' formula says; nothing is nan."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from guard.audit.kappa import Rated, Z, kappa

COUNT = st.integers(0, 30)


def table(both: int, guard: int, judge: int, neither: int) -> list[Rated]:
    return (
        [Rated(True, True)] * both
        + [Rated(True, False)] * guard
        + [Rated(False, True)] * judge
        + [Rated(False, False)] * neither
    )


def error_of(both: int, guard: int, judge: int, neither: int) -> float:
    """The standard error of κ as Fleiss, Cohen and Everitt (1969) write it, formula 13."""
    p = np.array([[both, guard], [judge, neither]]) / (both + guard + judge + neither)
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float(np.trace(p)), float(rows @ columns)
    alike = sum(
        p[i, i] * ((1 - chance) - (columns[i] + rows[i]) * (1 - observed)) ** 2 for i in (0, 1)
    )
    unlike = (1 - observed) ** 2 * sum(
        p[i, j] * (columns[i] + rows[j]) ** 2 for i in (0, 1) for j in (0, 1) if i != j
    )
    rest = (observed * chance - 2 * chance + observed) ** 2
    total = both + guard + judge + neither
    return math.sqrt(max(alike + unlike - rest, 0.0) / total) / (1 - chance) ** 2


@given(COUNT, COUNT, COUNT, COUNT)
def test_kappa_and_its_interval_are_what_others_find(
    both: int, guard: int, judge: int, neither: int
) -> None:
    rated = table(both, guard, judge, neither)
    if not rated:
        return
    found = kappa(rated)
    one_sided = 0 in {both + guard, judge + neither} or 0 in {both + judge, guard + neither}
    assert (found.kappa is None) == one_sided
    assert (found.both, found.guard, found.judge, found.neither) == (both, guard, judge, neither)
    if found.kappa is None:
        assert (found.low, found.high) == (None, None)
        return
    theirs = cohen_kappa_score([r.guard for r in rated], [r.judge for r in rated])
    assert found.kappa == pytest.approx(theirs)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.kappa + 1e-9
    assert found.kappa - 1e-9 <= found.high <= 1
    if 0 < found.agreed < 1:
        spread = Z * error_of(both, guard, judge, neither)
        assert found.low == pytest.approx(max(found.kappa - spread, -1), abs=1e-6)
        assert found.high == pytest.approx(min(found.kappa + spread, 1), abs=1e-6)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((20, 5, 10, 15), 0.4),
        ((10, 0, 0, 10), 1.0),
        ((5, 5, 5, 5), 0.0),
        ((0, 10, 10, 0), -1.0),
        ((0, 4, 0, 16), None),
        ((0, 0, 0, 20), None),
    ],
    ids=["textbook", "perfect", "chance", "opposite", "one-empty-margin", "all-alike"],
)
def test_known_tables(cells: tuple[int, int, int, int], expected: float | None) -> None:
    assert kappa(table(*cells)).kappa == (None if expected is None else pytest.approx(expected))


def test_few_replies_that_all_agree_leave_room_for_doubt() -> None:
    few, many = kappa(table(3, 0, 0, 3)), kappa(table(300, 0, 0, 300))
    assert few.low is not None
    assert many.low is not None
    assert few.low < 0.4
    assert many.low > 0.98


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([1.0, 10.0])), min_size=1))
def test_a_reply_that_stands_for_several_counts_as_they_would(
    drawn: list[tuple[bool, bool, float]],
) -> None:
    rated = [Rated(guard, judge, weight) for guard, judge, weight in drawn]
    found = kappa(rated)
    if found.kappa is not None:
        theirs = cohen_kappa_score(
            [each.guard for each in rated],
            [each.judge for each in rated],
            sample_weight=[each.weight for each in rated],
        )
        assert found.kappa == pytest.approx(theirs)


def test_samples_of_one_question_are_no_further_evidence() -> None:
    """Each question three times over tells as much as once; taken for independent it would not."""
    once = [each._replace(question=n) for n, each in enumerate(table(20, 5, 10, 15))]
    thrice = [each for each in once for _ in range(3)]
    found, repeated = kappa(once), kappa(thrice)
    assert (repeated.kappa, repeated.low, repeated.high) == pytest.approx(
        (found.kappa, found.low, found.high)
    )


def test_the_interval_of_a_drawn_sample_holds_what_is_drawn_from() -> None:
    """A run of 60 unsure and 2,000 sure replies; of the sure ones 200 are drawn, 400 times."""
    rng = np.random.default_rng(11)
    guard = rng.random(2060) < np.r_[np.full(60, 0.5), np.full(2000, 0.3)]
    judge = guard ^ (rng.random(2060) < np.r_[np.full(60, 0.35), np.full(2000, 0.04)])
    true = cohen_kappa_score(guard, judge)
    held = 0
    for _ in range(400):
        drawn = np.r_[rng.choice(60, 30, replace=False), 60 + rng.choice(2000, 200, replace=False)]
        found = kappa(
            [Rated(bool(guard[n]), bool(judge[n]), 2.0 if n < 60 else 10.0, n < 60) for n in drawn]
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
    assert 0.92 < held / 400 <= 0.995
