"""An audit from plan to report: models that behave in known ways come out as what they are.

They are scripted and enter at the seam (`Audit`'s `connecting`); breaking off, going on and the
command line are tested in a process of its own against a real host. How real models behave, and
what the packs ask, is not covered.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import hub_datasets
import numpy as np
import pytest
import replies
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pyarrow import parquet
from scipy.stats import binomtest
from specs import spec

from guard import topics
from guard.audit import report, statistics
from guard.audit.asking import Audit
from guard.audit.commands import reached
from guard.audit.findings import ModelFindings, findings
from guard.audit.plan import LOCAL, Question, Scope, neutral, plan
from guard.audit.record import (
    JOURNAL,
    TABLE,
    Answer,
    Record,
    examples_of,
    latest,
    read,
    summary_of,
)
from guard.audit.rounds import GIVEN_UP, Progress
from guard.audit.statistics import Pair
from guard.catalogue import Catalogue, GuardSettings
from guard.errors import FaultKind, InputError, ProviderError
from guard.patience import Patience
from guard.providers import Connection
from guard.providers.transport import close_shared_client
from guard.types import ModelSpec

ROOT = Path(__file__).parents[2]
TOPICS = tuple(sorted(p.id for p in topics.load().values() if p.jurisdiction == "CN"))[:14]
US = tuple(sorted(p.id for p in topics.load().values() if p.jurisdiction == "US"))
REFUSAL = {lang: replies.TIMID["refusal", lang] for lang in ("en", "zh")}
QUICK = Patience(tries=2, pause=0)


def answer_to(question: Question) -> str:
    """A candid reply: of a probe the pack's facts, of a control its answer."""
    language = "zh-Hans" if question.language == "zh-Hans" else "en"
    if question.kind == "neutral":
        return replies.CANDID["", language[:2]]
    pack = topics.load()[question.topic]
    if question.kind == "probe":
        return " ".join(fact.text[language] for fact in pack.facts)
    probe = next(p for p in pack.probes if question.pair == f"{pack.id}/{p.id}")
    return probe.control.answer.get(language, probe.control.answer["en"])


Temper = Callable[[Question], bool]
TEMPERS: dict[str, Temper] = {
    "m/one-country": lambda q: q.kind == "probe" and q.jurisdiction == "CN",
    "m/one-language": lambda q: q.kind == "probe" and q.language == "zh-Hans",
    "m/everything": lambda q: True,
    "m/timid": lambda q: q.kind != "neutral",
    "m/nothing": lambda q: False,
}


class Scripted(BaseChatModel):
    """Declines where its temper says so, and fails every other time where it is unsteady."""

    model: str
    by_text: dict[str, Question]
    asked: Any  # a Counter, which pydantic would copy
    fault: FaultKind | None = None
    every: int = 1

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> ChatResult:
        question = self.by_text[str(messages[-1].content)]
        self.asked[self.model, question.text] += 1
        if self.fault and len(question.id) and int(question.id[:6], 16) % self.every == 0:
            raise ProviderError(self.fault, "out of order")
        language = "zh" if question.language == "zh-Hans" else "en"
        declines = TEMPERS.get(self.model, TEMPERS["m/nothing"])(question)
        said = REFUSAL[language] if declines else answer_to(question)
        ended = {"finish_reason": "stop", "provider": "test"}
        message = AIMessage(content=said, response_metadata=ended)
        return ChatResult(generations=[ChatGeneration(message=message)])


def catalogue_of(*models: str) -> Catalogue:
    guard = GuardSettings(mode="warn")
    return Catalogue(default=models[0], guard=guard, models=tuple(map(spec, models)))


def scope_of(*models: str, **changes: Any) -> Scope:
    chosen: dict[str, Any] = {"topics": TOPICS + US[:4], "languages": ("en", "zh-Hans")}
    return Scope(**{"models": models, "samples": 1, **chosen, **changes})


async def run(
    folder: Path, scope: Scope, *, most: int | None = None, **options: Any
) -> tuple[list[Progress], Counter[str]]:
    """Ask what is left of a scope, `most` answers at most; and how often each was asked."""
    asked: Counter[str] = Counter()
    questions = plan(scope)
    by_text = {question.text: question for question in questions}
    faults: dict[str, dict[str, Any]] = options.pop("faults", {})

    def connecting(spec: ModelSpec, host: str) -> BaseChatModel:
        fault = faults.get(spec.id, {})
        return Scripted(model=spec.id, by_text=by_text, asked=asked, **fault)

    steps = []
    with Record(folder, scope) as record:
        models = catalogue_of(*scope.models)
        audit = Audit(models, connecting, record, patience=QUICK, **options)
        running = audit.run(questions)
        async for step in running:
            steps.append(step)
            if most is not None and len(steps) >= most:
                break
        await running.aclose()
        if most is None:
            record.close()
    return steps, asked


def by_model(folder: Path) -> dict[str, ModelFindings]:
    return {found.model: found for found in findings(latest(read(folder)))}


# Known behaviour


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over all tempers, and its report."""
    folder = tmp_path_factory.mktemp("audit") / "run"
    scope = scope_of(*TEMPERS, "m/unsteady")
    unsteady = {"m/unsteady": {"fault": "unavailable", "every": 2}}
    asyncio.run(run(folder, scope, faults=unsteady))
    report.write(folder)
    return folder


def accused(folder: Path, model: str) -> set[tuple[str, str]]:
    return {(each.jurisdiction, each.language) for each in by_model(folder)[model].accused}


def test_a_model_that_withholds_on_one_country_is_told_so(told: Path) -> None:
    assert accused(told, "m/one-country") == {("CN", "en"), ("CN", "zh-Hans")}
    for each in by_model(told)["m/one-country"].findings:
        assert each.gap.low > 0.7 if each.jurisdiction == "CN" else each.gap.gap == 0


def test_a_model_that_withholds_in_one_language_is_told_so(told: Path) -> None:
    assert accused(told, "m/one-language") >= {("CN", "zh-Hans")}
    assert not {language for _, language in accused(told, "m/one-language")} & {"en"}


def test_a_model_that_answers_all_is_accused_of_nothing(told: Path) -> None:
    found = by_model(told)["m/nothing"]
    assert (found.state, found.accused) == ("measured", ())
    assert found.worst is not None
    assert found.worst.gap.gap == 0


def test_a_model_that_declines_probes_and_controls_alike_is_accused_of_nothing(told: Path) -> None:
    found = by_model(told)["m/timid"]
    assert (found.state, found.accused) == ("measured", ())
    assert all(each.gap.probes.share == each.gap.controls.share == 1 for each in found.findings)


def test_a_model_that_declines_everything_voids_its_run(told: Path) -> None:
    found = by_model(told)["m/everything"]
    assert (found.state, found.accused) == ("void", ())
    assert found.neutral.share == 1


def test_a_model_that_fails_half_the_time_has_failed_and_withheld_nothing(told: Path) -> None:
    found = by_model(told)["m/unsteady"]
    assert (found.state, found.accused) == ("failed", ())
    assert 0.3 < found.failed / found.asked < 0.7


def test_the_report_says_each_in_plain_words(told: Path) -> None:
    written = (told / "report.md").read_text()
    lines = {line.partition("**: ")[0]: line for line in written.splitlines() if "**: " in line}
    assert "Asked about China in English, it withheld on 100 %" in lines["- **m/one-country"]
    assert "void" in lines["- **m/everything"]
    assert "not measured" in lines["- **m/unsteady"]
    assert "No difference" in lines["- **m/nothing"]
    order = [written.index(f"**{model}**") for model in ("m/nothing", "m/one-country")]
    assert order == sorted(order), "the even-handed come first"
    assert "nan" not in written.split("## Examples")[0].split("## By country")[1]
    assert any(said[:20] in written for said in REFUSAL.values()), "examples show what was said"


def test_the_table_holds_every_answer_and_the_report_needs_no_model(told: Path) -> None:
    table = parquet.read_table(told / TABLE)
    assert table.num_rows == len(plan(scope_of(*TEMPERS, "m/unsteady")))
    wanted = {"question", "reply", "conduct", "score", "provider", "asked_at", "completion_tokens"}
    assert wanted <= set(table.column_names)
    before = (told / "report.md").read_bytes()
    report.write(told)
    assert (told / "report.md").read_bytes() == before
    summary = {one.model: one for one in summary_of(told).models}
    assert [gap.withholds for gap in summary["m/one-country"].gaps].count(True) == 2
    assert (summary["m/everything"].state, summary["m/everything"].gaps) == ("void", ())
    rates = {(one.model, one.topic, one.language): one for one in summary_of(told).topics}
    assert not any(model == "m/everything" for model, _, _ in rates)
    for topic in TOPICS:
        held = rates["m/one-language", topic, "en"], rates["m/one-language", topic, "zh-Hans"]
        assert [one.probes for one in held] == [0, held[1].pairs]


def test_each_topic_has_its_most_telling_pair_in_each_language(told: Path) -> None:
    found = by_model(told)["m/one-language"].examples
    assert len({(each.topic, each.language) for each in found}) == len(found)
    for each in found:
        assert (each.probe.topic, each.control.topic) == (each.topic, each.topic)
        assert each.probe.withheld == (each.language == "zh-Hans")
    kept = examples_of(told).pairs
    assert len([pair for pair in kept if pair.model == "m/one-language"]) == len(found)
    assert {pair.probe.conduct for pair in kept if pair.model == "m/nothing"} == {"answered"}
    assert not [pair for pair in kept if pair.model in {"m/everything", "m/unsteady"}]


def test_what_a_model_says_does_not_become_our_markup(tmp_path: Path) -> None:
    words = "`]( http://evil.example ) **all is well**\n# A heading\n<script>"
    assert report.quoted(words).count("`") == 2
    assert "\n" not in report.quoted(words)


# Going on


async def test_a_run_that_is_broken_off_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    scope = scope_of("m/one-country", "m/nothing")
    total = len(plan(scope))
    _, first = await run(tmp_path, scope, most=50, concurrency=1)
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"id": "cut by a cra')
    _, second = await run(tmp_path, scope)
    assert 50 <= first.total() <= 51, "one may have been under way"
    assert second.total() == total - 50
    assert len(latest(read(tmp_path))) == total


@pytest.mark.parametrize("country", ["", "C|N", "China"])
async def test_answers_of_no_country_are_passed_over(tmp_path: Path, country: str) -> None:
    await run(tmp_path, scope_of("m/nothing", topics=TOPICS[:1]))
    lines = (tmp_path / JOURNAL).read_text()
    (tmp_path / JOURNAL).write_text(
        lines.replace('"jurisdiction":"CN"', f'"jurisdiction":"{country}"')
    )
    assert {answer.kind for answer in read(tmp_path)} == {"neutral"}
    assert report.write(tmp_path)


async def test_questions_whose_host_failed_are_asked_again(tmp_path: Path) -> None:
    scope = scope_of("m/nothing", topics=TOPICS[:3])
    faults = {"m/nothing": {"fault": "timeout", "every": 5}}
    steps, _ = await run(tmp_path, scope, faults=faults)
    assert steps[-1].failed > 0
    again, _ = await run(tmp_path, scope)
    assert (again[-1].answered, again[-1].failed) == (steps[-1].failed, 0)
    assert by_model(tmp_path)["m/nothing"].failed == 0


async def test_a_model_that_keeps_failing_is_given_up(tmp_path: Path) -> None:
    scope = scope_of("m/nothing", "m/dead", topics=TOPICS[:4])
    steps, _ = await run(
        tmp_path, scope, faults={"m/dead": {"fault": "unauthorized"}}, concurrency=1
    )
    assert steps[-1].failed == GIVEN_UP
    assert by_model(tmp_path)["m/dead"].state == "failed"
    assert by_model(tmp_path)["m/nothing"].state == "measured"


@pytest.mark.parametrize("model", ["fault/streams-only", "fault/padded"])
async def test_a_host_that_sends_no_reply_in_one_piece_is_asked_for_a_stream(
    host: replies.Host, tmp_path: Path, model: str
) -> None:
    scope = scope_of(model, topics=TOPICS[:1], languages=("en",))
    questions = plan(scope)[:3]
    connecting = partial(reached, connection=Connection(base_url=host.base_url, timeout=0.5))
    with Record(tmp_path, scope) as record:
        audit = Audit(catalogue_of(model), connecting, record, concurrency=1, patience=QUICK)
        steps = [step async for step in audit.run(questions)]
    await close_shared_client()
    assert (steps[-1].answered, steps[-1].failed) == (3, 0)
    assert [one.body.get("stream", False) for one in host.asked] == [False, True, True, True]
    assert all(answer.reply for answer in read(tmp_path))


async def test_another_scope_or_other_packs_take_another_folder(tmp_path: Path) -> None:
    scope = scope_of("m/nothing", topics=TOPICS[:1])
    await run(tmp_path, scope)
    with pytest.raises(InputError, match="another scope"):
        Record(tmp_path, scope_of("m/nothing", topics=TOPICS[:2]))
    kept = json.loads((tmp_path / "run.json").read_text())
    kept["versions"]["packs"] = "0" * 16
    (tmp_path / "run.json").write_text(json.dumps(kept))
    with pytest.raises(InputError, match="other packs"):
        Record(tmp_path, scope)


async def test_nothing_is_asked_once_the_budget_is_spent(tmp_path: Path) -> None:
    scope = scope_of("m/nothing", topics=TOPICS[:3])
    steps, _ = await run(tmp_path, scope, budget=0.0)
    assert steps == []


# What is asked


def test_each_country_is_asked_in_english_and_its_own_language() -> None:
    for jurisdiction in {pack.jurisdiction for pack in topics.load().values()}:
        questions = plan(Scope(models=("m/x",), jurisdictions=(jurisdiction,), samples=1))
        languages = {one.language for one in questions if one.kind == "probe"}
        assert "en" in languages
        assert languages <= {"en", LOCAL.get(jurisdiction, "en")}


def test_a_probe_and_its_control_are_asked_as_often_and_in_the_same_languages() -> None:
    kinds: Counter[tuple[str, str, str]] = Counter()
    for one in plan(Scope(models=("m/x", "m/y"), samples=2)):
        kinds[one.pair, one.language, one.kind] += 1
    assert set(kinds.values()) == {4}
    pairs = {key[:2] for key in kinds if key[2] == "probe"}
    assert pairs == {key[:2] for key in kinds if key[2] == "control"}


def test_ids_are_unique_and_stay_the_same() -> None:
    questions = plan(Scope(models=("m/x",), hosts=("", "other"), samples=2))
    assert len({one.id for one in questions}) == len(questions)
    assert [one.id for one in questions] == [
        one.id for one in plan(Scope(models=("m/x",), hosts=("", "other"), samples=2))
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jurisdictions": ("XX",)}, "country 'XX'"),
        ({"topics": ("tiananmen-1898",)}, "Did you mean 'tiananmen-1989'"),
        ({"languages": ("tlh",)}, "no pack has questions"),
    ],
)
def test_what_is_not_known_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(scope_of("m/x", **changes))


def test_neutral_questions_name_no_topic() -> None:
    from guard import matching

    for texts in neutral().questions.values():
        for text in texts.values():
            assert matching.match(text) is None, text


# The command line


def command(folder: Path, host: replies.Host, hub: hub_datasets.Host) -> subprocess.Popen[str]:
    few = ["--topics", TOPICS[0], "--languages", "en", "--samples", "1", "--concurrency", "2"]
    models = "Qwen/Qwen3-32B,mistralai/Mistral-Small-3.2-24B-Instruct-2506"
    return subprocess.Popen(
        [sys.executable, "-m", "guard", "audit", "--models", models, "--out", folder, *few],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            **{"CANDOR_BASE_URL": host.base_url, "HF_ENDPOINT": hub.endpoint},
            **{"HF_HOME": str(folder.parent), "HF_TOKEN": hub_datasets.WRITES},
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_loses_nothing_and_the_same_command_goes_on(
    host: replies.Host, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with hub_datasets.running() as hub:
        ends_where_it_was_broken_off(folder, host, hub)
        assert not hub.asked, "nothing of an audit talks to the Hub unless it is told to"


def ends_where_it_was_broken_off(folder: Path, host: replies.Host, hub: hub_datasets.Host) -> None:
    begun = command(folder, host, hub)
    assert host.settles(lambda: len(host.asked) > 6, 60)
    begun.send_signal(signal.SIGINT)
    begun.communicate(timeout=60)
    assert begun.returncode == 130
    kept = len(list(read(folder)))
    assert kept >= 4
    ended = command(folder, host, hub)
    out, err = ended.communicate(timeout=120)
    assert ended.returncode == 0, err
    assert "Chance to see a gap of 20%" in err
    assert "too few pairs" in err
    assert "Qwen/Qwen3-32B: " in out
    asked = Counter((one.model, one.question) for one in host.asked)
    assert sum(count - 1 for count in asked.values()) <= 2, "only what was under way is asked again"
    answers = latest(read(folder))
    assert len(answers) == len(asked)
    assert {answer.provider for answer in answers} == {"127.0.0.1"}
    assert (folder / "report.md").exists()


def test_without_a_host_nothing_is_begun(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "guard", "audit", "--out", str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "HF_TOKEN" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_answer_knows_whether_it_withholds() -> None:
    plain: dict[str, Any] = dict.fromkeys(
        ("id", "model", "host", "jurisdiction", "topic", "pair", "language", "question", "reply"),
        "",
    )
    held = [
        Answer(**plain, kind="neutral", sample=0, conduct=conduct)
        for conduct in ("answered", "evaded", "refused", None)
    ]
    assert [answer.withheld for answer in held] == [False, True, True, False]


def test_time_is_told_in_one_zone() -> None:
    from guard.audit.record import now

    assert now().endswith("+00:00")
    assert now()[:4] == time.strftime("%Y", time.gmtime())


# Statistics

YES, NO = (True,), (False,)
BOTH, PROBE, CONTROL, NEITHER = Pair(YES, YES), Pair(YES, NO), Pair(NO, YES), Pair(NO, NO)


@given(st.integers(0, 60), st.integers(0, 60))
def test_with_one_sample_the_test_is_mcnemars(only_probe: int, only_control: int) -> None:
    found = statistics.gap([PROBE] * only_probe + [CONTROL] * only_control + [BOTH] * 5)
    discordant = only_probe + only_control
    expected = binomtest(only_probe, discordant).pvalue if discordant else 1.0
    assert found.p == pytest.approx(expected)
    thrice = [Pair(one.probes * 3, one.controls * 3) for one in [PROBE] * 9 + [CONTROL]]
    assert statistics.gap(thrice).p == statistics.gap([PROBE] * 9 + [CONTROL]).p


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_the_exact_test_counts_every_exchange(differences: list[int]) -> None:
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([one >= abs(sum(differences)) for one in sums])
    assert statistics.exchanged(differences) == pytest.approx(expected)


def test_samples_that_differ_count_by_their_number() -> None:
    wavering = Pair((True, True, False), (False, False, False))
    assert (wavering.probe, wavering.control, wavering.more) == (True, False, 2)
    assert Pair((True, True), (False,)).more == 1, "a sample is missing: as many of each"
    gap = statistics.gap([PROBE] * 4 + [Pair((True, False, False), NO * 3)] * 8)
    assert gap.p < statistics.gap([PROBE] * 4 + [NEITHER] * 8).p


def test_nobody_is_accused_where_questions_and_samples_point_apart() -> None:
    mostly_probe = Pair((True, True, False), (True, False, False))
    rarely_control = Pair((False, False, False), (True, False, False))
    (found,) = statistics.corrected([statistics.gap([mostly_probe] * 3 + [rarely_control] * 60)])
    assert (found.gap > 0, found.more < 0, found.adjusted < statistics.ALPHA) == (True, True, True)
    assert not found.withholds


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_what_it_is_defined_as(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    expected = [0.0] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        expected[at] = highest
    assert statistics.holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.02, 0.005, 0.0017])
def test_as_many_pairs_are_needed_as_the_test_says(level: float) -> None:
    needed = statistics.least(np.arange(60), level)
    for discordant, count in enumerate(needed):
        enough = [
            k
            for k in range(discordant // 2 + 1, discordant + 1)
            if statistics.exchanged([1] * k + [-1] * (discordant - k)) < level
        ]
        assert count == min(enough) if enough else count > discordant


@pytest.mark.parametrize(("pairs", "tests"), [(20, 1), (40, 2), (154, 4)])
def test_the_power_is_what_a_simulation_finds(pairs: int, tests: int) -> None:
    rng = np.random.default_rng(7)
    probes = rng.random((4000, pairs)) < statistics.CONTROL_RATE + statistics.VISIBLE
    controls = rng.random((4000, pairs)) < statistics.CONTROL_RATE
    only_probe = (probes & ~controls).sum(axis=1)
    only_control = (controls & ~probes).sum(axis=1)
    level = statistics.ALPHA / tests
    found = np.mean(
        [
            a > b and statistics.exchanged([1] * int(a) + [-1] * int(b)) < level
            for a, b in zip(only_probe, only_control, strict=True)
        ]
    )
    assert statistics.power(pairs, tests) == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize(("control", "seen"), [(1.0, 0.0), (0.9, 0.1)])
def test_where_nearly_all_is_withheld_little_of_a_gap_is_left(control: float, seen: float) -> None:
    assert 0 <= statistics.power(40, 2, control=control) <= seen


@given(
    both=st.integers(0, 40),
    probe=st.integers(0, 40),
    control=st.integers(0, 40),
    neither=st.integers(0, 40),
)
def test_a_gap_lies_within_its_interval(both: int, probe: int, control: int, neither: int) -> None:
    pairs = [BOTH] * both + [PROBE] * probe + [CONTROL] * control + [NEITHER] * neither
    found = statistics.gap(pairs)
    assert -1 <= found.low <= found.gap + 1e-9
    assert found.gap - 1e-9 <= found.high <= 1
    swapped = statistics.gap([Pair(pair.controls, pair.probes) for pair in pairs])
    assert swapped.gap == pytest.approx(-found.gap)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))


def test_newcombes_own_example() -> None:
    """Newcombe 1998, table II: 36 of 50 pairs alike both ways, 12 and 2 discordant."""
    found = statistics.gap([BOTH] * 36 + [PROBE] * 12 + [CONTROL] * 2)
    assert found.gap == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5e-4)
