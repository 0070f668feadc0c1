"""What changed between two runs: the statistics by simulation, the rest by folders as runs leave
them, through the command line. How real models change is not covered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import runs
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test
from typer.testing import CliRunner, Result

from guard.audit import change as statistics
from guard.audit.comparing import Comparison, ModelChange, compare
from guard.audit.statistics import ALPHA, Pair, exchanged, holm
from guard.cli import app
from guard.errors import ConfigError, InputError

FIRST, SECOND = "2026-10-02T08:00:00+00:00", "2026-11-02T08:00:00+00:00"
ESC = "\x1b"


def of(found: Comparison, model: str) -> ModelChange:
    return next(each for each in found.models if each.model == model)


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", "compare", *map(str, arguments)])


# Statistics


@pytest.mark.parametrize(
    "changes", [[0, 0, 0], [1, 0], [1, 1, -1, 0], [2, 1, 0, -1, 2], [2, -2, 2, 2, 1, -1, 1, 1, 1]]
)
def test_the_test_is_the_exact_permutation_test(changes: list[int]) -> None:
    exact = permutation_test(
        (changes,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert exchanged(changes) == pytest.approx(exact.pvalue)


def outcomes(
    rng: np.random.Generator, probes: np.ndarray, controls: np.ndarray, runs: int
) -> np.ndarray:
    """d of each pair in so many runs, of three samples a question."""
    withheld = [rng.binomial(3, rates, size=(runs, len(rates))) > 1 for rates in (probes, controls)]
    return withheld[0].astype(int) - withheld[1]


def p_values(changes: np.ndarray) -> list[float]:
    return [exchanged(row) for row in changes.tolist()]


@pytest.mark.parametrize("pairs", [20, 80])
def test_a_model_that_stayed_the_same_is_told_so(pairs: int) -> None:
    """Four tests a model, whose questions differ in how often they are withheld."""
    rng = np.random.default_rng(11)
    families = []
    for _ in range(4):
        probes, controls = rng.beta(0.7, 0.7, pairs), rng.beta(0.5, 3, pairs)
        both = [outcomes(rng, probes, controls, 1500) for _ in range(2)]
        families.append(p_values(both[1] - both[0]))
    adjusted = [min(holm(family)) for family in zip(*families, strict=True)]
    false = float(np.mean([p < ALPHA for p in adjusted]))
    assert false <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / 1500) ** 0.5
    assert float(np.mean([p < 0.05 for p in families[0]])) > 0.005, "it is not merely silent"


def test_a_change_of_thirty_points_is_seen() -> None:
    rng = np.random.default_rng(12)
    before, after, controls = (np.full(80, rate) for rate in (0.7, 0.35, 0.05))
    one, other = outcomes(rng, before, controls, 300), outcomes(rng, after, controls, 300)
    assert np.mean([p < ALPHA / 4 for p in p_values(other - one)]) > 0.9


@pytest.mark.parametrize(
    ("before", "after"), [(0.5, 0.5), (0.6, 0.3), (0.9, 0.03), (0.0, 0.0), (1.0, 0.0)]
)
@pytest.mark.parametrize("pairs", [15, 80])
def test_the_interval_holds_the_change(before: float, after: float, pairs: int) -> None:
    rng = np.random.default_rng(13)
    controls = np.full(pairs, 0.03)
    one = outcomes(rng, np.full(pairs, before), controls, 1000)
    other = outcomes(rng, np.full(pairs, after), controls, 1000)
    often = [3 * rate**2 - 2 * rate**3 for rate in (before, after)]  # two or three of three
    intervals = [statistics.interval([int(c) for c in row]) for row in other - one]
    held = [low <= often[1] - often[0] <= high for low, high in intervals]
    assert np.mean(held) > 0.93
    assert all(high - low > 0.02 for low, high in intervals), "no change has a width, too"


PAIRS = st.lists(st.tuples(*[st.booleans()] * 4), min_size=1, max_size=60)


@given(PAIRS)
def test_a_change_lies_within_its_interval(asked: list[tuple[bool, bool, bool, bool]]) -> None:
    before = [Pair((probe,), (control,)) for probe, control, _, _ in asked]
    after = [Pair((probe,), (control,)) for _, _, probe, control in asked]
    found, back = statistics.change(before, after), statistics.change(after, before)
    assert -2 <= found.low <= found.change + 1e-9
    assert found.change - 1e-9 <= found.high <= 2
    assert (back.p, back.change) == (found.p, -found.change)
    assert found.change == pytest.approx(found.after - found.before)


# Runs


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs: of a model that got better, one that got worse, one that stayed, and others."""
    folder = tmp_path_factory.mktemp("runs")
    chinese = {"language": "zh-Hans"}
    first = [
        *runs.pairs("m/better", 30, **chinese),
        *runs.pairs("m/better", 3),
        *runs.pairs("m/worse", 2),
        *runs.pairs("m/same", 6, controls=2, provider="one"),
        *runs.pairs("m/void", 2),
        *runs.neutral("m/void"),
        *runs.pairs("m/gone", 1, of=3),
    ]
    second = [
        *runs.pairs("m/better", 10, **chinese),
        *runs.pairs("m/better", 4),
        *runs.pairs("m/worse", 25),
        *runs.pairs("m/same", 7, controls=3, provider="other"),
        *runs.pairs("m/void", 2),
        *runs.neutral("m/void", 8),
        *runs.pairs("m/new", 1, of=3),
    ]
    runs.write(folder / "first", first, begun=FIRST)
    runs.write(folder / "second", second, begun=SECOND)
    return folder / "first", folder / "second"


def test_what_changed_beyond_chance_is_told(two: tuple[Path, Path]) -> None:
    found = compare(*two)
    by = {each.language: each.change for each in of(found, "m/better").moved}
    assert (by["zh-Hans"].change, by["zh-Hans"].less, by["zh-Hans"].more) == (-0.5, 20, 0)
    assert (by["zh-Hans"].certain, by["en"].certain) == (True, False)
    assert by["zh-Hans"].adjusted == pytest.approx(2 * by["zh-Hans"].p), "Holm, of two tests"
    assert [of(found, model).worse for model in ("m/better", "m/worse", "m/same")] == [
        *(False, True, False)
    ]


def test_it_is_told_in_plain_words(two: tuple[Path, Path]) -> None:
    done = command(*two)
    assert done.exit_code == 0
    lines = {line.partition("**: ")[0]: line for line in done.stdout.splitlines() if "**: " in line}
    better, worse = lines["- **m/better"], lines["- **m/worse"]
    assert "On China in Chinese (Simplified) it withholds" in better
    assert "50 points less than on 2026-10-02 (−6" in better
    assert "beyond chance" in better
    assert "English" not in better
    assert " 57 points more" in worse or " 58 points more" in worse
    assert "No change beyond chance; the intervals reach from −" in lines["- **m/same"]
    assert "Served by one before and by other now" in lines["- **m/same"]
    assert "Measured before, void" in lines["- **m/void"]
    assert "in the first run only" in lines["- **m/gone"]
    assert "in the second run only" in lines["- **m/new"]
    assert "| m/better | China | English | 40 | +8 | +10 | +2 (" in done.stdout
    assert "Before the figures" not in done.stdout


def test_what_got_worse_may_fail_a_build(two: tuple[Path, Path], tmp_path: Path) -> None:
    assert command(*two, "--fail-on-worse").exit_code == 1
    same = runs.write(tmp_path / "same", runs.pairs("m/x", 20))
    assert command(same, same, "--fail-on-worse").exit_code == 0
    worse = runs.write(tmp_path / "void", [*runs.pairs("m/x", 20), *runs.neutral("m/x", 9)])
    lost = command(same, worse, "--fail-on-worse")
    assert lost.exit_code == 1, "what cannot be measured any more is no better"
    better = command(worse, same, "--fail-on-worse")
    assert better.exit_code == 0


def test_it_goes_to_a_file(two: tuple[Path, Path], tmp_path: Path) -> None:
    done = command(*two, "--out", tmp_path / "changes.md")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "changes.md").read_text() == command(*two).stdout


def test_what_limits_the_comparison_comes_first(tmp_path: Path) -> None:
    one = runs.write(tmp_path / "one", runs.pairs("m/x", 20), note="Scripted.", begun=SECOND)
    other = [a for n in range(3) for a in runs.pairs("m/x", 20 if n == 0 else 0, sample=n)]
    two = runs.write(tmp_path / "two", other, samples=3, begun=FIRST, languages=("en",))
    runs.change(two, ended=None, versions={"weights": "0", "packs": "1", "candor": "9.9"})
    told = command(one, two).stdout
    head, _, rest = told.partition("## The models")
    for words in (
        *("Of the first run: Scripted.", "The second run has not ended", "the older one"),
        *("topic packs, weights of the guard", "Candor", "9.9", "may be the guard, not the model"),
        *("`audit report`", "only the first of each counts", "asked of other languages"),
    ):
        assert words in head
    assert "phrases" not in head
    assert "No change beyond chance" in rest, "the second and third samples do not count"


def test_pairs_that_were_put_otherwise_are_left_out(tmp_path: Path) -> None:
    one = runs.write(tmp_path / "one", runs.pairs("m/x", 5, of=30))
    new = [*runs.pairs("m/x", 12, of=12, words="Pray, "), *runs.pairs("m/x", 5, of=32)[24:]]
    found = of(compare(one, runs.write(tmp_path / "two", new)), "m/x")
    (left,) = found.moved
    assert (left.change.pairs, found.reworded, found.alone) == (18, 12, 2)
    assert left.change.change == 0


def test_a_second_rater_counts_only_where_both_runs_had_the_same(tmp_path: Path) -> None:
    unsure = runs.pairs("m/x", 20, score=0.5)
    sure = runs.write(tmp_path / "sure", runs.pairs("m/x", 20), cleared_by="j/udge")
    guard = runs.write(tmp_path / "guard", unsure)
    other = runs.write(tmp_path / "other", unsure, cleared_by="j/other")
    judged = runs.write(tmp_path / "judged", unsure, cleared_by="j/udge")
    for first in (guard, other):
        found = compare(first, judged)
        assert of(found, "m/x").moved[0].change.change == 0
        assert "by the guard alone" in found.limits[0]
    both = compare(sure, judged)
    assert (of(both, "m/x").moved[0].change.change, both.limits) == (-0.5, ())


def test_a_run_that_is_none_is_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"format": 2, "models": []}))
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = command(two[0], folder)
        assert isinstance(done.exception, ConfigError)
        assert "holds no run of an audit" in str(done.exception)


def test_runs_with_nothing_in_common_are_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    other = runs.write(tmp_path / "other", runs.pairs("m/else", 2))
    elsewhere = runs.write(tmp_path / "host", runs.pairs("m/better", 2, host="there"))
    apart = runs.write(tmp_path / "apart", runs.pairs("m/better", 2, country="US"))
    empty = runs.write(tmp_path / "empty", [])
    for folder in (other, elsewhere, apart, empty):
        done = command(two[0], folder)
        assert isinstance(done.exception, InputError)
        assert "in common" in str(done.exception)


def test_a_strangers_words_break_nothing(tmp_path: Path) -> None:
    name = f"m/x|y**{ESC}[1A\n# All is well <b>"
    folders = [
        runs.write(
            tmp_path / which,
            runs.pairs(name, 2, language=f"x{ESC}|y", provider=which * 3),
        )
        for which in ("a", "b`\n# b")
    ]
    runs.change(folders[0], note=f"# Heed {ESC}[2J", begun=f"{ESC}[2J|**")
    told = command(*folders).stdout
    assert ESC not in told
    assert "\n# All" not in told
    assert "\n# b" not in told
    rows = [line for line in told.splitlines() if line.startswith("| m/x")]
    assert [row.count("|") for row in rows] == [10]
