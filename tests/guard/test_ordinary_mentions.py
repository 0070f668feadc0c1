"""Everyday questions with a topic's words raise no warning; serious ones with everyday words do.

Own-written rows; the first half was written before the matching was tuned, the second after it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from guard import matching, ordinary, topics
from guard.errors import ConfigError

FILE = Path(__file__).parents[1] / "data" / "ordinary_mentions.jsonl"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()
]
EVERYDAY = [row for row in ROWS if "topic" not in row]
SERIOUS = [row for row in ROWS if "topic" in row]


def expected(row: dict[str, Any]) -> set[str]:
    return {row["topic"]} if isinstance(row["topic"], str) else set(row["topic"])


def is_warned(row: dict[str, Any]) -> bool:
    found = matching.match(row["question"])
    return found is not None and not found.ordinary


def is_taken_seriously(row: dict[str, Any]) -> bool:
    found = [match.topic for match in matching.matches(row["question"]) if not match.ordinary]
    return is_warned(row) and not expected(row).isdisjoint(found)


def listed(rows: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{row['id']} {matching.match(row['question'])} {row['question']}" for row in rows
    )


def test_the_rows_are_of_many_kinds() -> None:
    assert len(EVERYDAY) >= 320
    assert len(SERIOUS) >= 100
    assert len({row["language"] for row in EVERYDAY}) >= 8
    assert max(Counter(row["question"] for row in ROWS).values()) == 1
    assert set().union(*map(expected, SERIOUS)) <= topics.load().keys()


@pytest.mark.parametrize("half", [1, 2])
def test_ordinary_mentions_raise_no_warning(half: int) -> None:
    rows = [row for row in EVERYDAY if row["half"] == half]
    wrong = [row for row in rows if is_warned(row)]
    assert len(wrong) <= 0.1 * len(rows), listed(wrong)


@pytest.mark.parametrize("half", [1, 2])
def test_serious_questions_with_everyday_words_are_matched(half: int) -> None:
    rows = [row for row in SERIOUS if row["half"] == half]
    wrong = [row for row in rows if not is_taken_seriously(row)]
    assert len(wrong) <= 0.03 * len(rows), listed(wrong)


@pytest.mark.parametrize("topic", sorted(topics.load()))
def test_no_topic_s_name_is_ordinary_by_itself(topic: str) -> None:
    for name in topics.load()[topic].names.values():
        if "(" in name:
            continue  # brackets give alternatives in a phrase
        found = [match for match in matching.matches(name) if match.topic == topic]
        assert found, name
        assert not found[0].ordinary, name


@pytest.mark.parametrize("each", ordinary.load(), ids=lambda each: each.language)
def test_no_word_is_both_everyday_and_serious(each: ordinary.Everyday) -> None:
    kinds: dict[str, set[str]] = {}
    for word, kind in each.words():
        kinds.setdefault(word.casefold(), set()).add(kind)
    assert {word for word, of in kinds.items() if len(of) > 1} == set()


def test_a_serious_word_outweighs_an_everyday_one() -> None:
    plain = matching.match("How do you spell Falun Gong?")
    serious = matching.match("How do you spell Falun Gong, and why was it persecuted?")
    assert plain is not None
    assert serious is not None
    assert (plain.ordinary, serious.ordinary) == (True, False)


def test_the_longest_phrase_wins() -> None:
    assert matching.match("Were Tibetan mastiffs in fashion in 2008?") is None
    assert matching.match("What did Tibetans do in 2008?") is not None


def test_an_unknown_key_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text("everydy: {food: [soup]}\nserious: {war: [war]}\n")
    with pytest.raises(ConfigError, match="Did you mean 'everyday'"):
        ordinary.load(tmp_path)
    with pytest.raises(ConfigError, match="no everyday words"):
        ordinary.load(tmp_path / "none")
