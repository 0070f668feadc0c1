"""A model at two hosts: a host that filters, and weights that withhold, come out as what they are.

The answers are made up, one behaviour a host; how real hosts behave is not covered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from guard.audit.findings import findings
from guard.audit.hosts import TwoHosts, compared, sentences
from guard.audit.record import Answer

PAIRS = 150
MODEL = "Qwen/Qwen2.5-72B-Instruct"
Withholds = Callable[[str, int], bool]


def never(kind: str, n: int) -> bool:
    return False


def probes(kind: str, n: int) -> bool:
    return kind == "probe" and n % 10 < 4


def both(kind: str, n: int) -> bool:
    return kind != "neutral"


def everything(kind: str, n: int) -> bool:
    return True


def at(host: str, withholds: Withholds, pairs: int = PAIRS, **told: Any) -> list[Answer]:
    """The answers of one model at a host, which tells of itself what is given."""
    return [
        Answer(
            id=f"{host}/{kind}/{n}",
            model=MODEL,
            host=host,
            kind=kind,
            jurisdiction="CN" if kind != "neutral" else "",
            topic="tiananmen-1989",
            pair=str(n),
            language="zh-Hans",
            sample=0,
            question="?",
            reply="…",
            conduct="refused" if withholds(kind, n) else "answered",
            score=0.9 if withholds(kind, n) else 0.1,
            **({"provider": host or "novita", "answered_as": MODEL} | told),
        )
        for kind in ("probe", "control", "neutral")
        for n in range(pairs)
    ]


def of(*hosts: list[Answer]) -> list[TwoHosts]:
    answers = [answer for host in hosts for answer in host]
    return compared(answers, findings(answers))


def said(*hosts: list[Answer]) -> str:
    (two,) = of(*hosts)
    return " ".join(sentences(two))


def test_what_is_withheld_at_both_hosts_is_in_the_weights_or_in_both() -> None:
    told = said(at("", probes), at("together", probes))
    assert told.startswith(
        "Withholds on China in Chinese (Simplified) at both Novita AI and Together AI (40 and 40 "
        "points): it is in the weights, or in both hosts."
    )


@pytest.mark.parametrize("first", [True, False])
def test_what_is_withheld_at_one_host_is_the_hosts(first: bool) -> None:
    here, there = (probes, never) if first else (never, probes)
    (two,) = of(at("", here), at("together", there))
    assert [each.where for each in two.found] == ["one"]
    withholding, answering = ("Novita AI", "Together AI")[:: 1 if first else -1]
    told = " ".join(sentences(two))
    assert f"at {withholding} (40 points), not at {answering} (0 points; difference on" in told
    assert "difference on probes 40, 32 to 48): the host, not the weights." in told


def test_where_no_host_withholds_or_both_do_so_on_all_nothing_is_said_of_the_weights() -> None:
    assert said(at("", never), at("together", never)).startswith(
        "At neither host beyond chance: Ch"
    )
    timid = said(at("", both), at("together", never))
    assert timid.startswith(
        "At neither host beyond chance: China in Chinese (Simplified) (but diff"
    )


def test_a_host_that_declines_all_is_not_taken_for_one_that_answers() -> None:
    told = said(at("", probes), at("together", both))
    assert "no telling whether it is the host" in told
    assert "not the weights" not in told


def test_with_few_pairs_nothing_is_told() -> None:
    few = {"pairs": 12}
    assert "Too few pairs to tell" in said(at("", never, **few), at("together", never, **few))
    told = said(at("", probes, **few), at("together", never, **few))
    assert "the weights" not in told


def test_only_pairs_that_both_hosts_answered_are_compared() -> None:
    half = [a for a in at("together", never) if a.kind == "neutral" or int(a.pair) % 8]
    (two,) = of(at("", probes), half)
    (found,) = two.found
    assert found.across.pairs == found.gaps[0].pairs == found.gaps[1].pairs < PAIRS


def test_a_host_that_failed_or_is_void_is_not_compared() -> None:
    gone = [
        a.model_copy(update={"fault": "rejected", "conduct": None}) for a in at("together", never)
    ]
    told = said(at("", probes), gone)
    assert told == (
        "Not compared: Together AI left too many questions without a reply. "
        "Together AI refused to take 450 of 450 questions."
    )
    void = said(at("", probes), at("together", everything))
    assert void == "Not compared: Together AI withheld on neutral questions as well."


def test_filters_refusals_and_other_models_are_counted() -> None:
    filtered = at("together", probes, finish_reason="content_filter")
    filtered[0] = filtered[0].model_copy(update={"fault": "rejected", "conduct": None})
    told = said(at("", probes), filtered)
    assert "Together AI ended 449 of 449 replies by a filter." in told
    assert "Together AI refused to take 1 of 450 questions." in told
    other = said(at("", probes), at("together", never, answered_as="someone-else/Small-1B"))
    assert "nothing follows for the weights, since another model answered" in other
    assert "Together AI answered as another model in 450 of 450 replies." in other
    same = said(at("", probes), at("together", never, answered_as=f"{MODEL}-Turbo"))
    assert "another model" not in same


def test_hosts_are_named_by_what_they_told_and_kept_apart() -> None:
    (two,) = of(
        at("", never, provider=""), at("http://u:secret@b.example:1/v1", never, provider="")
    )
    assert (two.first.name, two.second.name) == ("its usual host", "b.example:1")
    hostile = of(at("", never, provider="**x**](http://e.example)\n# <b>"), at("q", never))
    assert hostile[0].first.name == "xhttp:e.example b"
    (two,) = of(at("", never, provider="one"), at("http://127.0.0.1:9/v1", never, provider="one"))
    assert (two.first.name, two.second.name) == ("one (its usual host)", "one (127.0.0.1:9)")
    assert "whether they are two is not known" in " ".join(sentences(two))


def test_every_two_of_three_hosts_are_compared_and_corrected_together() -> None:
    found = of(at("", probes), at("together", never), at("nebius", probes))
    assert len(found) == 3
    for two in found:
        for each in two.found:
            assert each.across.adjusted >= each.across.p
    assert sorted(each.where for two in found for each in two.found) == ["both", "one", "one"]
