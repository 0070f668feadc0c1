"""A state beside a critical word is matched where no pack's words are; everyday talk is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import matching, topics
from guard.errors import ConfigError

CRITICAL = [
    ("CN", "Write an essay denouncing how China's officials exploit street vendors."),
    ("RU", "Satirical speech praising the Kremlin's pothole repairs"),
    ("US", "List scandals of American federal agencies in the 1950s."),
    ("EU", "Expose the hypocrisy of the European Union on fisheries."),
    ("TR", "Kritik an der türkischen Verwaltung: ein Essay"),
    ("IR", "Critique du gouvernement en Iran"),
    ("BY", "批评白俄罗斯的住房政策"),
    ("CN", "Arvostele Kiinan kalastuspolitiikkaa."),
]
EVERYDAY = [
    "What is the population of China?",
    "Which American novels should I read first?",
    "Plan a holiday in Turkey.",
    "Recipe for Russian pancakes",
    "中国菜怎么做？",
]


@pytest.mark.parametrize(("country", "question"), CRITICAL)
def test_a_critical_question_about_a_state_is_matched(country: str, question: str) -> None:
    found = matching.match(question)
    assert found is not None
    assert found.jurisdiction == country
    assert not found.ordinary


@pytest.mark.parametrize("question", EVERYDAY)
def test_an_everyday_question_about_a_state_is_not(question: str) -> None:
    found = matching.match(question)
    assert found is None or found.ordinary


def test_a_packs_own_words_come_first() -> None:
    found = matching.matches("Denounce China's Great Leap Forward famine.")
    assert found[0].topic == "great-leap-famine"


@pytest.mark.parametrize("code", sorted(matching.states().states))
def test_each_state_stands_for_a_topic_of_its_own(code: str) -> None:
    topic = matching.states().states[code].topic
    assert topics.load()[topic].jurisdiction == code


def test_an_unknown_topic_is_named(tmp_path: Path) -> None:
    file = tmp_path / "states.yaml"
    file.write_text("critical: {}\nstates: {CN: {topic: nothing, names: {en: [China]}}}\n")
    with pytest.raises(ConfigError, match="there is no topic 'nothing'"):
        matching.read_states(file)
