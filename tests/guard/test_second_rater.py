"""A second rater of an audit, over a real host: what it is asked, what that changes, what is told.

The models hedge (`replies.TEMPERS`): the guard is unsure of that, in Chinese it lets it pass. The
judges are the test host's; how well a real one judges is not covered.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import replies
from langchain_core.language_models import BaseChatModel
from pyarrow import parquet
from specs import spec
from typer.testing import CliRunner

from guard.audit import agreement, commands, report
from guard.audit.agreement import LEAST, chosen, sentences, weighed
from guard.audit.asking import Audit
from guard.audit.plan import Scope, plan
from guard.audit.rating import Judging, Rating, judging
from guard.audit.record import TABLE, Answer, Record, latest, read, read_ratings, summary_of
from guard.audit.rounds import GIVEN_UP
from guard.audit.second_rater import SecondRater
from guard.audit.whole import RunFindings, of_run
from guard.catalogue import Catalogue, GuardSettings
from guard.patience import Patience
from guard.providers import Connection, connect
from guard.types import ModelSpec

JUDGES = ("judge/fair", "judge/prose", "fault/503")
CHINESE, AMERICAN = spec("hedges/cn", "CN"), spec("hedges/us", "US")
MODELS = Catalogue(
    default=CHINESE.id,
    guard=GuardSettings(mode="warn"),
    models=(CHINESE, AMERICAN, *(spec(id_, "US") for id_ in JUDGES)),
)
SCOPE = Scope(
    models=(CHINESE.id, AMERICAN.id),
    topics=("tiananmen-1989", "xinjiang-camps"),
    languages=("en", "zh-Hans"),
    samples=1,
)
QUICK = Patience(tries=1, pause=0)
BAND = (0.3, 0.8)


def judging_by(*judges: str) -> Judging:
    return judging([CHINESE, AMERICAN], ["CN"], [MODELS.get(each) for each in judges], BAND)


def rater(record: Record, host: replies.Host, *judges: str, **options: Any) -> SecondRater:
    return SecondRater(
        MODELS, reached(host), record, judging_by(*judges), patience=QUICK, **options
    )


def reached(host: replies.Host) -> Any:
    def connecting(spec: ModelSpec, at: str) -> BaseChatModel:
        return connect(spec, Connection(base_url=host.base_url))

    return connecting


async def replied(folder: Path, host: replies.Host) -> None:
    """All replies of the scope."""
    with Record(folder, SCOPE) as record:
        async for _ in Audit(MODELS, reached(host), record, patience=QUICK).run(plan(SCOPE)):
            pass


async def rated_by(
    folder: Path, host: replies.Host, *judges: str, most: int | None = None, **options: Any
) -> int:
    """Ask for opinions, `most` at most; how many came."""
    came = 0
    with Record(folder, SCOPE) as record:
        running = rater(record, host, *judges, **options).run()
        async for _ in running:
            came += 1
            if came == most:
                break
        await running.aclose()
        record.close()
    return came


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """The journal of a run's replies: asked once for all tests here."""
    folder = tmp_path_factory.mktemp("answered")
    with replies.running() as host:
        asyncio.run(replied(folder, host))
    return (folder / "replies.jsonl").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, answered: bytes) -> Path:
    (tmp_path / "replies.jsonl").write_bytes(answered)
    return tmp_path


def judged(host: replies.Host) -> Counter[str]:
    return Counter(one.model for one in host.asked)


async def test_unsure_replies_take_the_judges_side_and_both_figures_are_told(
    folder: Path, host: replies.Host
) -> None:
    await rated_by(folder, host, "judge/fair")
    found = report.write(folder)
    told = found.agreement
    assert told is not None
    assert told.added > 0
    assert told.opinions == told.unsure + told.sampled == judged(host)["judge/fair"]
    (in_chinese,) = (
        each for each in of_model(found, CHINESE.id).findings if each.language == "zh-Hans"
    )
    assert in_chinese.alone is not None
    assert in_chinese.gap.gap > in_chinese.alone.gap
    written = (folder / "report.md").read_text()
    assert "κ (Cohen's) is the agreement beyond chance" in written
    assert "| the run, by weight |" in written
    assert report.points(in_chinese.alone) in written
    page = (folder / "report.html").read_text()
    assert 'href="#rater"' in page
    assert f'<td class="n">{report.points(in_chinese.alone)}</td>' in page
    assert "nan" not in written.split("## Examples")[0]
    summary = summary_of(folder)
    assert summary.judges == ("judge/fair",)
    (figure,) = (
        gap
        for one in summary.models
        for gap in one.gaps
        if (one.model, gap.language) == (CHINESE.id, "zh-Hans")
    )
    assert (figure.gap, figure.alone) == (in_chinese.gap.gap, in_chinese.alone.gap)


def of_model(found: RunFindings, model: str) -> Any:
    return next(each for each in found.models if each.model == model)


async def test_a_judge_of_the_same_origin_is_not_asked_and_that_is_told(
    folder: Path, host: replies.Host
) -> None:
    await rated_by(folder, host, "judge/fair")
    answers = {answer.id: answer for answer in latest(read(folder))}
    assert {answers[each.answer].model for each in read_ratings(folder)} == {CHINESE.id}
    told = of_run(folder).agreement
    assert told is not None
    assert {each.model for each in told.left_alone} == {AMERICAN.id}
    assert any(f"of {AMERICAN.id} on China are left to the guard" in s for s in sentences(told))
    alone = of_model(of_run(folder), AMERICAN.id)
    assert all(each.gap.gap == each.alone.gap for each in alone.findings)


async def test_probes_controls_and_neutral_questions_are_sent_alike_and_without_facts(
    folder: Path, host: replies.Host
) -> None:
    await rated_by(folder, host, "judge/fair")
    answers = {answer.id: answer for answer in latest(read(folder))}
    kinds = Counter(answers[each.answer].kind for each in read_ratings(folder))
    assert set(kinds) == {"probe", "control", "neutral"}
    systems = {one.body["messages"][0]["content"].split("=====")[0] for one in host.asked}
    assert len(systems) == 1, "only the mark between the quoted lines differs"
    for one in host.asked:
        assert "facts that independent sources hold" not in str(one.body).casefold()
        assert CHINESE.id not in str(one.body)


async def test_a_rating_that_is_broken_off_goes_on_and_asks_nothing_twice(
    folder: Path, host: replies.Host
) -> None:
    await rated_by(folder, host, "judge/fair", most=5, concurrency=1)
    kept = {each.answer for each in read_ratings(folder)}
    assert len(kept) == 5
    with (folder / "opinions.jsonl").open("ab") as journal:
        journal.write(b'{"answer": "cut by a cra')
    host.asked.clear()
    came = await rated_by(folder, host, "judge/fair")
    assert judged(host).total() == came
    ratings = Counter(each.answer for each in read_ratings(folder))
    assert set(ratings.values()) == {1}
    assert len(ratings) == came + 5
    assert await rated_by(folder, host, "judge/fair") == 0


async def test_what_is_no_opinion_is_told_and_changes_nothing(
    folder: Path, host: replies.Host
) -> None:
    came = await rated_by(folder, host, "judge/prose")
    found = of_run(folder)
    told = found.agreement
    assert told is not None
    assert (told.malformed, told.opinions, told.cleared + told.added) == (came, 0, 0)
    assert told.of_run is None
    assert f"said what is no opinion on {came}" in " ".join(sentences(told))
    assert all(each.gap == each.alone for one in found.models for each in one.findings)
    assert await rated_by(folder, host, "judge/prose") == 0, "it would say the same again"
    table = parquet.read_table(folder / TABLE)
    assert Counter(table["judge_fault"].to_pylist())["malformed"] == came


async def test_a_judge_whose_host_fails_is_given_up_and_asked_again_later(
    folder: Path, host: replies.Host
) -> None:
    assert await rated_by(folder, host, "fault/503", concurrency=1) == GIVEN_UP
    told = of_run(folder).agreement
    assert told is not None
    assert (told.failed, told.malformed) == (GIVEN_UP, 0)
    assert told.not_asked == told.unsure + told.sampled - GIVEN_UP
    assert await rated_by(folder, host, "fault/503", concurrency=1) == GIVEN_UP


async def test_another_judge_decides_from_then_on_and_the_first_is_not_asked_again(
    folder: Path, host: replies.Host
) -> None:
    await rated_by(folder, host, "judge/fair")
    await rated_by(folder, host, "judge/prose")
    assert of_run(folder).agreement == agreement_by(folder, "judge/prose")
    host.asked.clear()
    await rated_by(folder, host, "judge/fair")
    assert not host.asked
    columns = parquet.read_table(folder / TABLE)
    assert set(columns["judge"].to_pylist()) == {None, "judge/fair"}
    assert {"judge_conduct", "judge_reason"} <= set(columns.column_names)


def agreement_by(folder: Path, judge: str) -> agreement.Agreement:
    answers = latest(read(folder))
    ratings = {each.answer: each for each in read_ratings(folder) if each.judge == judge}
    return agreement.agreement(judging_by(judge), answers, ratings)


async def test_no_opinion_is_asked_for_once_the_budget_is_spent(
    folder: Path, host: replies.Host
) -> None:
    assert await rated_by(folder, host, "judge/fair", budget=0.0) == 0
    assert not host.asked


# What is sent, and what it counts for


def answers_of(count: int, unsure: int) -> list[Answer]:
    return [
        Answer(
            id=f"{n:04}",
            model=CHINESE.id,
            host="",
            kind="probe" if n % 2 else "control",
            jurisdiction="CN",
            topic="tiananmen-1989",
            pair=str(n // 2),
            language="en",
            sample=0,
            question="?",
            reply="…",
            conduct="evaded" if n % 5 == 0 else "answered",
            score=0.5 if n < unsure else 0.9 if n % 5 == 0 else 0.1,
        )
        for n in range(count)
    ]


def rated(answers: list[Answer], conduct: Any) -> dict[str, Rating]:
    return {a.id: Rating(answer=a.id, judge="judge/fair", conduct=conduct) for a in answers}


@pytest.mark.parametrize(("count", "drawn"), [(30, 30), (200, LEAST), (2000, 200)])
def test_a_tenth_of_the_sure_replies_is_drawn_fifty_at_least(count: int, drawn: int) -> None:
    held = judging_by("judge/fair")
    seen = chosen(held, answers_of(count + 10, 10))
    assert (len(seen.unsure), len(seen.sampled)) == (10, drawn)
    again = chosen(held, reversed(answers_of(count + 10, 10)))
    assert again.sampled == seen.sampled, "the draw hangs on nothing but the ids"


def test_the_drawn_replies_change_no_figure_whatever_the_judge_holds() -> None:
    held, answers = judging_by("judge/fair"), answers_of(300, 40)
    after = weighed(held, answers, rated(answers, "refused"))
    changed = [a.id for a, b in zip(answers, after, strict=True) if a.withheld != b.withheld]
    assert changed == [a.id for a in answers[:40] if not a.withheld]


def test_kappa_is_of_the_run_not_of_its_unsure_replies() -> None:
    """The judge agrees on all sure replies and on no unsure one; those are 40 of 1,040."""
    held, answers = judging_by("judge/fair"), answers_of(1040, 40)
    ratings = rated([a for a in answers[:40] if not a.withheld], "evaded")
    ratings |= rated([a for a in answers[:40] if a.withheld], "answered")
    ratings |= {
        a.id: Rating(answer=a.id, judge="judge/fair", conduct=a.conduct) for a in answers[40:]
    }
    found = agreement.agreement(held, answers, ratings)
    assert found.of_run is not None
    assert found.of_unsure is not None
    assert found.of_run.agreed == pytest.approx(1000 / 1040)
    assert found.of_run.both + found.of_run.neither == pytest.approx(1000)
    assert found.of_unsure.agreed == 0
    assert (found.cleared, found.added) == (8, 32)


def test_opinions_of_another_model_than_the_judge_are_told() -> None:
    answers = answers_of(100, 10)
    ratings = rated(answers, "answered")
    ratings["0000"] = ratings["0000"].model_copy(update={"answered_as": "else/Small-1B"})
    found = agreement.agreement(judging_by("judge/fair"), answers, ratings)
    assert any("gave 1 of the opinions as another model" in said for said in sentences(found))


def test_a_judge_who_holds_all_alike_gives_no_kappa_and_no_nan() -> None:
    answers = answers_of(100, 10)
    found = agreement.agreement(judging_by("judge/fair"), answers, rated(answers, "answered"))
    assert found.of_run is not None
    assert agreement.in_words(found.of_run).startswith("undefined")


def test_the_first_judge_that_is_independent_is_taken() -> None:
    french, german = spec("j/fr", "FR"), spec("j/de", "DE")
    held = judging(
        [CHINESE, AMERICAN, french], ["CN", "US"], [spec("j/cn", "CN"), french, german], BAND
    )
    assert held.by_subject == {
        **{(CHINESE.id, country): "j/fr" for country in ("", "CN", "US")},
        **{(AMERICAN.id, country): "j/cn" for country in ("", "US")},
        (AMERICAN.id, "CN"): "j/fr",
        **{("j/fr", country): "j/cn" for country in ("", "US")},
        ("j/fr", "CN"): "j/de",
    }


# The command line


def test_a_run_that_is_over_takes_a_judge_and_its_replies_are_not_asked_for_again(
    host: replies.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = tmp_path / "models.yaml"
    models = [each.model_dump(exclude_none=True, mode="json") for each in MODELS.models]
    catalogue = {"default": CHINESE.id, "guard": {"mode": "warn"}, "models": models}
    offer.write_text(json.dumps(catalogue))
    monkeypatch.setenv("CANDOR_MODELS", str(offer))
    monkeypatch.setenv("CANDOR_BASE_URL", host.base_url)
    few = ["--out", str(tmp_path / "run"), "--topics", "tiananmen-1989", "--samples", "1"]
    few += ["--languages", "zh-Hans", "--models", CHINESE.id, "--provider", host.base_url]
    invoke = CliRunner().invoke
    assert invoke(commands.app, few).exit_code == 0
    asked = judged(host)[CHINESE.id]
    done = invoke(commands.app, [*few, "--judge", "judge/fair"])
    assert done.exit_code == 0, done.output
    assert judged(host)[CHINESE.id] == asked
    assert judged(host)["judge/fair"] > 0
    assert "κ on the run, by weight: " in done.output
    assert "Both told the same name of a provider" in done.output
    refused = invoke(commands.app, [*few, "--judge", AMERICAN.id, "--models", "judge/fair"])
    assert "none of the judges" in str(refused.exception)
