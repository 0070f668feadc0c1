"""The guard's sentences in each language, with each country and topic in their gaps.

Not covered: whether they read well; that was read by eye.
"""

from __future__ import annotations

import pytest

from guard import explain, matching, topics
from guard.exchange import Exchange
from guard.judge import weigh
from guard.probes import with_control
from guard.types import ControlReply, Opinion, Signal, Verdict
from guard.verdict import judge, retold

JURISDICTIONS = sorted({pack.jurisdiction for pack in topics.load().values()})
MARKS = (".", "。")
QUESTION = "What happened at Tiananmen Square in June 1989?"
CONTROL = ControlReply(
    topic="tiananmen-1989",
    probe="what-happened",
    about="the Kent State shootings of 1970",
    question="What happened at Kent State University in May 1970?",
    text="Four students were killed.",
    conduct="answered",
    score=0.1,
)
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
    jurisdiction: str, origins: tuple[str, ...], aligned: bool | None
) -> None:
    verdict = verdict_on(jurisdiction, aligned)
    filled = tuple(origin.format(jurisdiction=jurisdiction) for origin in origins)
    names = topics.load()[verdict.topic or ""].names
    countries = (jurisdiction, "CH") if filled[:1] == ("CH",) else (jurisdiction,)
    wrong = {}
    for language in explain.languages():
        said = explain.verdict(verdict, filled, language, ())
        wanted = [explain.country(country, language) for country in countries]
        wanted.append(explain.in_language(names, language))
        whole = "{" not in said and said.endswith(MARKS)
        if not whole or any(name not in said for name in wanted):
            wrong[language] = (said, wanted)
    assert wrong == {}


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


def test_words_of_the_other_direction_stand_apart() -> None:
    """Else an English name would change places with its own year within an Arabic sentence."""
    said, _ = explain.fault("timeout", "ar", model="Command A (03-2025)")
    assert "\u2068Command A (03-2025)\u2069" in said
    assert "\u2068" not in explain.fault("timeout", "en", model="Command A (03-2025)")[0]
    assert "\u2068" not in explain.fault("timeout", "ar", model="نموذج 3")[0]
    assert "\u2068" not in explain.fault("timeout", "fa", model="Command A")[0], "told in English"
    assert explain.apart("جيس", "en") == "\u2068جيس\u2069"


@pytest.mark.parametrize("language", explain.languages())
@pytest.mark.parametrize("framing", [None, False, True], ids=["alone", "with a judge", "framed"])
def test_a_verdict_is_retold_as_it_would_have_been_told(
    language: str, framing: bool | None
) -> None:
    """A reader may choose another language long after a reply was judged."""

    def told(tag: str) -> Verdict:
        reply = "Sorry, that's beyond my current scope. Let's talk about something else."
        exchange = Exchange(QUESTION, reply, topic=matching.match(QUESTION))
        held = judge(exchange, ("CN",), tag)
        if framing is not None:
            opinion = Opinion(
                model="fair/Fair-1",
                name="Fair",
                origin="CH",
                engages=framing,
                framing=framing,
                conduct="evaded",
                reason="It avoids the subject.",
            )
            held = weigh(held, opinion, ("CN",), tag)
        return with_control(held, CONTROL, tag)

    assert told("en").status == "withheld"
    assert retold(told("en"), ("CN",), language) == told(language)


def test_traditional_chinese_does_not_fall_back_to_simplified() -> None:
    assert explain.sentences("zh-Hant").this_reply != explain.sentences("zh-Hans").this_reply
