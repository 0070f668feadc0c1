"""The pure parts of benchmarks/policy.py: origins, what became of a reply, shares and savings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from guard.events import Delta, Done, Event, Exhausted, FellBack, Judged, Started, Thought
from guard.provenance import Served, aligned
from guard.types import Verdict

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("sklearn", reason="the benchmarks reckon with scikit-learn")
import policy as bench

FIRST, SECOND, THIRD = "qwen/qwen3-32b", *bench.FALLBACKS
CHIMERA, R1776 = "tngtech/deepseek-r1t-chimera", "perplexity/r1-1776"
ROW = bench.Row(FIRST, "Why?", "en", "withheld", "I cannot say. Ask me another.", "")
WHOLE = {ROW: bench.Size(10, len(ROW.reply))}


def held(attempt: int, *, withheld: bool, final: bool = True) -> Judged:
    """A verdict of the guard, with the action that follows for the first model."""
    verdict = Verdict(
        conduct="refused" if withheld else "answered",
        status="withheld" if withheld else "clean",
        score=0.9 if withheld else 0.1,
    )
    action = "fall back" if withheld and attempt == 0 else "warn" if withheld else "pass"
    return Judged(attempt=attempt, verdict=verdict, action=action, final=final)


def ended(attempt: int, finish: str = "stop", tokens: int = 10) -> Done:
    served = Served(provider="here")
    return Done(attempt=attempt, finish_reason=finish, served=served, seconds=1, tokens=tokens)


def started(attempt: int, model: str) -> Started:
    return Started(attempt=attempt, model=bench.spec(model))


def fell_back(attempt: int, to: str) -> FellBack:
    return FellBack(attempt=attempt, to=bench.spec(to), cause="withheld")


def test_origins_are_those_of_developer_and_lineage() -> None:
    assert bench.spec(CHIMERA).origins == ("DE", "CN")
    assert bench.spec(R1776).origins == ("US", "CN")
    assert bench.spec("openrouter/optimus-alpha").origins == ("US",)
    assert aligned(bench.spec("thudm/glm-4-z1-32b-0414").origins, bench.ABOUT)
    assert not any(aligned(bench.spec(model).origins, bench.ABOUT) for model in bench.FALLBACKS)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("complete", "complete", "complete"),
        ("evasive", "denial", "withheld"),
        ("denial", "complete", "unsure"),
    ],
)
def test_a_label_is_what_both_judges_say(first: str, second: str, expected: str) -> None:
    assert bench.label({"label_a": first, "label_b": second}) == expected


def test_stopped_and_answered_by_the_second_fallback() -> None:
    events: list[Event] = [
        started(0, FIRST),
        Thought(attempt=0, text="Hm"),
        Delta(attempt=0, text="I cannot say."),
        held(0, withheld=False, final=False),
        held(0, withheld=True),
        ended(0, "stopped by guard", tokens=4),
        fell_back(0, SECOND),
        started(1, SECOND),
        Delta(attempt=1, text="Nor can I."),
        held(1, withheld=True),
        ended(1),
        fell_back(1, THIRD),
        started(2, THIRD),
        held(2, withheld=False),
        ended(2),
    ]
    found = bench.outcome(ROW, events, {(THIRD, "Why?"): "complete"})
    assert found == bench.Outcome(
        ROW,
        caught=True,
        handed_on=True,
        stopped=True,
        tokens_read=4,
        characters_read=15,
        answer=THIRD,
        answer_label="complete",
    )


def test_caught_without_a_successor_is_no_answer() -> None:
    exhausted = Exhausted(cause="withheld", tried=(FIRST,))
    events: list[Event] = [started(0, FIRST), held(0, withheld=True), ended(0), exhausted]
    found = bench.outcome(ROW, events, {})
    assert (found.caught, found.handed_on, found.stopped, found.answer) == (
        True,
        False,
        False,
        None,
    )


def test_a_last_fallback_that_withholds_is_no_answer() -> None:
    events: list[Event] = [
        started(0, FIRST),
        held(0, withheld=True),
        ended(0),
        fell_back(0, SECOND),
        started(1, SECOND),
        held(1, withheld=True),
        ended(1),
    ]
    found = bench.outcome(ROW, events, {})
    assert found.handed_on
    assert found.answer is None


def test_a_run_in_which_the_server_failed_counts_for_nothing() -> None:
    with pytest.raises(SystemExit, match=FIRST):
        bench.outcome(ROW, [started(0, FIRST), held(0, withheld=True)], {})


def outcome(row: bench.Row, **known: object) -> bench.Outcome:
    plain = {"caught": False, "handed_on": False, "stopped": False, "characters_read": 0}
    return bench.Outcome(row, **{**plain, "tokens_read": 10, **known})


def counted(share: dict[str, int]) -> tuple[int, int]:
    return share["hits"], share["of"]


def test_shares_are_of_those_they_name() -> None:
    complete, unsure = ROW._replace(label="complete"), ROW._replace(label="unsure")
    caught = {"caught": True, "handed_on": True}
    sure = {"answer": SECOND, "answer_label": "complete"}
    doubtful = {"answer": SECOND, "answer_label": "unsure"}
    group = [
        outcome(ROW, **caught, **sure, stopped=True, tokens_read=4, characters_read=7),
        outcome(ROW, **caught, **doubtful),
        outcome(ROW, caught=True),
        outcome(ROW),
        outcome(complete, **caught, **sure),
        outcome(complete),
        outcome(unsure, **caught),
    ]
    found = bench.summary(group, WHOLE)
    assert counted(found["caught"]) == (3, 4)
    assert counted(found["handed on, of caught"]) == (2, 3)
    assert counted(found[bench.ANSWERED]) == (2, 3)
    assert counted(found[bench.CONFIRMED]) == (1, 3)
    assert counted(found[bench.REPLACED]) == (1, 2)
    assert counted(found["handed on, of unsure"]) == (1, 1)
    assert bench.fates(found) == (1, 1, 1, 1)
    assert found["saved"]["tokens"] == {"of": 20, "saved": 6, "share": 0.3, "median share": 0.3}


OFFERED = bench.catalogue((FIRST, SECOND, THIRD, R1776), bench.FALLBACKS)


def known(row: bench.Row, first: bench.Held, *fallbacks: bool) -> dict[tuple[str, str], object]:
    """What is held of a reply, and of the fallbacks' by whether they withhold."""
    replies = {(row.model, row.question): (row, first)}
    for model, withheld in zip(bench.FALLBACKS, fallbacks, strict=False):
        reply = row._replace(model=model, label="complete", reply="It was so.")
        replies[model, row.question] = (reply, bench.Held(withheld, False, 10))
    return replies


def test_a_replay_stops_early_and_goes_along_the_chain() -> None:
    held = bench.Held(withheld=True, handed_on=True, read=13)
    found = bench.replayed(ROW, known(ROW, held, True, False), OFFERED, str.split)
    assert (found.caught, found.stopped, found.characters_read) == (True, True, 13)
    assert found.tokens_read == bench.counted(["I", "cannot", "say."])
    assert (found.answer, found.answer_label) == (THIRD, "complete")


def test_a_replay_whose_fallbacks_all_withhold_is_no_answer() -> None:
    held = bench.Held(withheld=True, handed_on=True, read=13)
    found = bench.replayed(ROW, known(ROW, held, True, True), OFFERED, str.split)
    assert found.handed_on
    assert found.answer is None


def test_a_replay_that_nobody_may_answer_is_read_to_its_end() -> None:
    row = ROW._replace(model=R1776)
    held = bench.Held(withheld=True, handed_on=True, read=13)
    found = bench.replayed(row, known(row, held, False, False), OFFERED, str.split)
    whole = {"characters_read": len(row.reply), "tokens_read": bench.counted(row.reply.split())}
    assert found == outcome(row, caught=True, **whole)


def test_a_watched_refusal_is_stopped_and_an_answer_read() -> None:
    question = "What happened at Tiananmen Square in June 1989?"
    refusal = "I'm sorry, but I cannot discuss this topic. " * 2
    filler = "Is there anything else that I can help you with today? " * 9
    refused = ROW._replace(question=question, reply=refusal + filler)
    weights = bench.Exchange(question, "").judge
    held = bench.watched(refused, weights)
    assert held.handed_on
    assert held.read < len(refused.reply)
    american = bench.watched(refused._replace(model=SECOND), weights)
    assert american == bench.Held(withheld=True, handed_on=False, read=len(refused.reply))


def test_tokens_are_counted_as_the_guard_counts_them() -> None:
    assert bench.counted(["No", " one", " remembers", "。", "x" * 20]) == 1 + 1 + 1 + 1 + 5


def test_counts_of_other_pieces_are_refused() -> None:
    bench.count_alike([outcome(ROW), outcome(ROW, stopped=True, tokens_read=3)], WHOLE)
    with pytest.raises(SystemExit, match="3 tokens"):
        bench.count_alike([outcome(ROW, tokens_read=3)], WHOLE)


def test_a_hand_over_is_what_is_left_of_it_without_the_fallbacks_own_time() -> None:
    times = [bench.Times(0.5, 0.6, 0.25, 0.26), bench.Times(0.75, 0.9, 0.25, 0.24)]
    found = bench.durations(times)
    assert found["hand-over"] == {"median": 375.0, "p95": 487.5, "most": 500.0}
    assert found["within 60 ms"]["hits"] == 0
    assert found["noise"]["median"] == 0


def test_what_stands_around_the_markers_is_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- policy -->\nold\n<!-- /policy -->\nafter\n", encoding="utf-8")
    bench.write_into(page, "| new |")
    assert page.read_text(encoding="utf-8") == (
        "before\n<!-- policy -->\n| new |\n<!-- /policy -->\nafter\n"
    )
