"""The pure parts of benchmarks/audit_power.py and benchmarks/audit_replay.py, and what ships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guard.audit import statistics
from guard.audit.record import Answer, Summary, summary_of
from guard.catalogue import Catalogue, load

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("sklearn", reason="the benchmarks reckon with scikit-learn")
import audit_power as power
import audit_replay as replay

ROOT = Path(__file__).parents[2]
HUB = {"qwen/x": "Qwen/X"}
SHIPPED = ROOT / "guard" / "data" / "audit" / "shipped"

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


# Replay


def row(country: str, lang: str, number: int, label: str = "complete", **more: Any) -> replay.Row:
    question = {"CN": "What happened on Tiananmen Square in 1989?"}.get(country, f"{country}?")
    held = {"country": country, "lang": lang, "question_no": number, "model": "qwen/x"}
    labels = {"label_a": label, "label_b": label}
    return {**held, **labels, "question": f"{lang} {number}: {question}", **more}


def test_a_control_carries_pair_and_topic_of_its_probe() -> None:
    rows = [row("CN", "en", 7), row("CN", "zh", 7), row("US", "en", 7), row("EU", "en", 7)]
    asked = replay.questions_of([*rows, row("RU", "en", 7)], HUB)
    probe, chinese, control, european, _ = asked
    assert (control.kind, control.jurisdiction, control.language) == ("control", "CN", "en")
    assert (control.pair, control.topic) == (probe.pair, probe.topic)
    assert probe.topic == "tiananmen-1989"
    assert (chinese.language, chinese.topic) == ("zh-Hans", probe.topic)
    assert (european.jurisdiction, european.topic) == ("RU", replay.OTHER)
    assert probe.model == "Qwen/X"


def test_controls_on_china_stand_beside_each_language() -> None:
    questions = replay.questions_of([row("CN", "en", 7), row("US", "en", 7)], HUB)
    answers = [
        Answer(**one.model_dump(exclude={"text"}), id=one.id, question=one.text, reply="")
        for one in questions
    ]
    shared = replay.shared_controls(answers)
    assert [one.language for one in shared] == ["zh-Hans", "fi"]
    assert {one.kind for one in shared} == {"control"}
    assert len({one.id for one in [*answers, *shared]}) == 4


def test_the_gap_of_the_labels_is_that_of_whole_pairs() -> None:
    rows = [row("CN", "zh", n, "denial") for n in (1, 2, 3)]
    rows += [row("US", "en", 1), row("US", "en", 2, "evasive"), row("US", "en", 9, "evasive")]
    gaps = replay.labelled_gaps(rows, HUB, "label_a")
    assert gaps == {("Qwen/X", "CN", "zh-Hans"): 0.5}


def test_both_judges_say_less_than_either() -> None:
    disputed = row("CN", "en", 1, "evasive", label_b="complete")
    held = [replay.withholds(disputed, label) for label in replay.LABELS]
    assert held == [True, False, False]


# What ships


@pytest.fixture(scope="module")
def shipped() -> Summary:
    return summary_of(SHIPPED)


def test_the_run_that_ships_says_what_it_is(shipped: Summary) -> None:
    assert "recorded replies" in shipped.note
    assert "SpeechMap" in shipped.note
    assert (len(shipped.models), shipped.samples) == (24, 1)
    assert {one.asked for one in shipped.models} <= set(range(236, 241))
    assert all(one.state == "measured" and len(one.gaps) == 4 for one in shipped.models)


def test_it_holds_figures_alone(shipped: Summary) -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".svg"}
    assert sum(path.stat().st_size for path in files) < 500_000
    assert all((one.tokens, one.dollars, one.seconds) == (0, None, None) for one in shipped.models)
    words = [word for one in shipped.topics for word in (one.topic, one.model, one.language)]
    assert max(map(len, words)) < 60


def test_its_models_are_known_by_their_ids_on_the_hub(shipped: Summary) -> None:
    offered: Catalogue = load(ROOT / "models.yaml")
    known = {one.id for one in offered.models} & {one.model for one in shipped.models}
    assert {"Qwen/Qwen2.5-72B-Instruct", "deepseek-ai/DeepSeek-R1"} <= known
