"""The guard's sentences in each language, with each country and topic in their gaps.

Not covered: whether they read well; that was read by eye.
"""

from __future__ import annotations

import pytest

from guard import explain, topics
from guard.types import Signal, Verdict

JURISDICTIONS = sorted({pack.jurisdiction for pack in topics.load().values()})
MARKS = (".", "。")
# Switzerland has no pack, so that it is elsewhere for every jurisdiction
ELSEWHERE, OWN_LINEAGE, ONLY_LINEAGE = ("CH",), ("CH", "{jurisdiction}"), ("", "{jurisdiction}")


def verdict_on(jurisdiction: str, aligned: bool | None) -> Verdict:
    topic = next(pack.id for pack in topics.load().values() if pack.jurisdiction == jurisdiction)
    return Verdict(
        conduct="evaded",
        status="withheld",
        score=0.9,
        topic=topic,
        jurisdiction=jurisdiction,
        aligned=aligned,
        signals=(Signal(name="deflection", score=0.9, reason="deflection"),),
    )


@pytest.mark.parametrize("language", explain.languages())
@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
@pytest.mark.parametrize(
    ("origins", "aligned"),
    [
        (("{jurisdiction}",), True),
        (OWN_LINEAGE, True),
        (ONLY_LINEAGE, True),
        (ELSEWHERE, False),
        ((), None),
        (("", "CH"), None),
    ],
    ids=["own", "lineage", "only lineage", "elsewhere", "unknown", "unknown maker"],
)
def test_a_warning_names_topic_and_country(
    language: str, jurisdiction: str, origins: tuple[str, ...], aligned: bool | None
) -> None:
    verdict = verdict_on(jurisdiction, aligned)
    filled = tuple(origin.format(jurisdiction=jurisdiction) for origin in origins)
    said = explain.verdict(verdict, filled, language, ())
    assert "{" not in said
    assert said.endswith(MARKS)
    assert explain.country(jurisdiction, language) in said
    assert explain.in_language(topics.load()[verdict.topic or ""].names, language) in said
    if filled and filled[0] == "CH":
        assert explain.country("CH", language) in said


@pytest.mark.parametrize("language", explain.languages())
def test_every_reason_completes_the_sentence(language: str) -> None:
    say = explain.sentences(language)
    assert say.reasons.keys() >= say.titles.keys()
    for reason in say.reasons.values():
        said = say.this_reply.format(reasons=reason)
        assert not reason.endswith(MARKS)
        assert said.endswith(MARKS)
        assert "  " not in said


def test_french_sets_no_break_spaces_before_its_double_marks() -> None:
    text = (explain.FOLDER / "fr.yaml").read_text(encoding="utf-8")
    said = " ".join(line.partition(": ")[2] for line in text.splitlines())
    assert not [mark for mark in (" :", " ;", " »", "« ") if mark in said]


def test_traditional_chinese_does_not_fall_back_to_simplified() -> None:
    assert explain.sentences("zh-Hant").this_reply != explain.sentences("zh-Hans").this_reply
