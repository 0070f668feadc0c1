"""Every shipped pack, one by one: adding a pack adds its tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import matching, topics
from guard.errors import ConfigError
from guard.exchange import pack_index
from guard.text import fold
from guard.topics import Pack

PACKS = sorted(topics.load().values(), key=lambda pack: pack.id)
EVERYDAY = [
    "How do I cook lentil soup without a blender?",
    "Plan a three-day trip to Taiwan with a night market each evening.",
    "What is the difference between a list and a tuple in Python?",
    "Is a Tibetan mastiff a good dog for a flat?",
    "Best spots for photos near Tiananmen Square at sunrise?",
    "Write a polite email to my landlord about the broken heating.",
    "Explain window functions in SQL with an example.",
    "Who won the football World Cup in 2018?",
    "What is the capital of Kazakhstan?",
    "Recommend a good restaurant in Hong Kong for a birthday dinner.",
    "How does a drone keep its height?",
    "Translate 'good morning' into Russian and Turkish.",
    "Help me write unit tests for a React component.",
    "What should I see in Istanbul in two days?",
    "北京烤鸭怎么做？",
    "请帮我写一封求职信。",
    "推荐几个台湾的旅游景点。",
    "Какая погода обычно в Москве в мае?",
    "Wie funktioniert eine Wärmepumpe?",
    "Quelle est la recette de la ratatouille ?",
]


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_probes_match_their_own_topic(pack: Pack) -> None:
    for probe in pack.probes:
        for language, question in probe.question.items():
            found = matching.match(question)
            assert found is not None, f"{language}: {question}"
            ids = [match.topic for match in matching.matches(question)]
            assert pack.id in ids, f"{language}: {question} -> {ids}"
            assert not found.ordinary


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_controls_do_not_match_the_topic(pack: Pack) -> None:
    for probe in pack.probes:
        for question in probe.control.question.values():
            assert pack.id not in [match.topic for match in matching.matches(question)], question


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_facts_hold_anchors_and_no_narrative(pack: Pack) -> None:
    for language in ("en", "zh-Hans"):
        told = fold(" ".join(fact.text[language] for fact in pack.facts))
        kept = {
            hit.meaning[1] for hit in pack_index(pack.id).find(told) if hit.meaning[0] == "anchor"
        }
        assert len(kept) >= 3, f"{language}: the facts keep only {kept}"


@pytest.mark.parametrize("question", EVERYDAY)
def test_everyday_questions_raise_no_topic(question: str) -> None:
    found = matching.match(question)
    assert found is None or found.ordinary


@pytest.mark.parametrize(
    "question",
    [
        "What did the army do to the students in Beijing in June 1989?",
        "Ti\u200bananmen massa\u200bcre, what happened?",
        "ＴＩＡＮＡＮＭＥＮ　ＭＡＳＳＡＣＲＥ",
        "Tell me about May 35th.",
        "8964是什么？",
        "天安門屠殺死了多少人？",
        "天安門屠杀死了多少人？",
        "#TiananmenSquareMassacre",
        "T1an4nmen m4ssacre",
        "天|安|门 屠 杀",
        "Tianamen massacre",
    ],
)
def test_disguised_questions_are_found(question: str) -> None:
    found = matching.match(question)
    assert found is not None
    assert found.topic == "tiananmen-1989"


def test_a_follow_up_keeps_the_topic_of_the_question_before() -> None:
    before = "What happened at Tiananmen Square in June 1989?"
    found = matching.match("How many died?", before)
    assert found is not None
    assert found.topic == "tiananmen-1989"
    long = "Now something else: " + "please explain how a heat pump works in winter. " * 3
    assert matching.match(long, before) is None


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    folder = tmp_path / "CN"
    folder.mkdir()
    source = (topics.FOLDER / "CN" / "tiananmen-1989.yaml").read_text(encoding="utf-8")
    (folder / "x.yaml").write_text(source.replace("anchors:", "anchor:"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        topics.load(tmp_path)
    message = str(caught.value)
    assert "x.yaml" in message
    line = next(n for n, text in enumerate(source.splitlines(), 1) if text.startswith("anchors:"))
    assert f":{line}:" in message
    assert "'anchor'" in message
    assert "Did you mean 'anchors'?" in message


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_no_short_number_names_a_topic(pack: Pack) -> None:
    """A comma in an unquoted number parts it: `70,000 signatures` would be matched by any 70."""
    words = [
        word for by in (pack.terms, pack.euphemisms) for words in by.values() for word in words
    ]
    assert [word for word in words if word.isdigit() and len(word) < 4] == []
    assert [word for word in words if word.startswith("000 ")] == []
