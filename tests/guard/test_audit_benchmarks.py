"""The pure parts of benchmarks/audit_power.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from guard.audit import statistics

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("sklearn", reason="the benchmarks reckon with scikit-learn")
import audit_power as power

# Power


def test_the_simulation_tests_as_the_audit_does() -> None:
    power.refuse_another_test(power.countries())


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.9, 1.0])
def test_draws_keep_their_rate_and_go_together_as_told(alike: float) -> None:
    random = np.random.default_rng(3)
    wider = power.draws((20_000, 1), random)
    drawn = power.copied(wider, (20_000, 2), alike, random) < 0.3 * power.ALL
    assert drawn.mean() == pytest.approx(0.3, abs=0.02)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(alike, abs=0.03)


def test_the_power_of_one_sample_is_the_promised_one() -> None:
    us = power.family(power.countries(), "US")
    told = power.study(power.Job("", us, power.Temper(0.03, 1), 2000, (("US", (0.2,)),)))
    seen = told["methods"]["audit"]["seen"]["value"]
    assert seen == pytest.approx(statistics.power(us[0].pairs, 1), abs=0.04)


def test_enough_is_from_where_on_it_stays_enough() -> None:
    assert power.enough((10, 20, 30, 40), (0.9, 0.96, 0.94, 0.97)) == 40
    assert power.enough((10, 20), (0.9, 0.94)) is None
