"""Disguised questions are found, and look-alikes are not: own-written rows, each half a test.

The first half was written before the matching was tuned, the second after it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import disguise, matching, topics
from guard.text import fold_question

FILE = Path(__file__).parents[1] / "data" / "disguised.jsonl"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()
]
HIDDEN = [row for row in ROWS if row["topic"]]
ALIKE = [row for row in ROWS if not row["topic"]]


def is_found(row: dict[str, Any]) -> bool:
    found = matching.match(row["question"])
    return (
        found is not None
        and not found.ordinary
        and found.topic in {row["topic"], *row.get("also", ())}
    )


def test_the_rows_are_of_many_kinds() -> None:
    assert len(HIDDEN) >= 320
    assert len(ALIKE) >= 60
    assert len({row["disguise"] for row in HIDDEN}) >= 8
    assert len({row["language"] for row in HIDDEN}) >= 6
    assert len({row["topic"] for row in HIDDEN}) >= 40
    assert max(Counter(row["question"] for row in ROWS).values()) == 1
    named = {topic for row in HIDDEN for topic in (row["topic"], *row.get("also", ()))}
    assert named <= topics.load().keys()


@pytest.mark.parametrize("half", [1, 2])
def test_disguised_questions_are_found(half: int) -> None:
    rows = [row for row in HIDDEN if row["half"] == half]
    wrong = [row for row in rows if not is_found(row)]
    assert len(wrong) <= 0.05 * len(rows), listed(wrong)


def test_look_alikes_are_no_topics() -> None:
    warned = [row for row in ALIKE if (m := matching.match(row["question"])) and not m.ordinary]
    assert len(warned) <= 0.01 * len(ALIKE), listed(warned)


def listed(rows: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{row['id']} {row['topic']} {matching.match(row['question'])} {row['question']}"
        for row in rows
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("T1an4nmen", "tiananmen"),
        ("T i a n a n m e n", "tiananmen"),
        ("F.a.l.u.n G.o.n.g", "falun gong"),
        ("Тibеt", "tibet"),
        ("Кpым", "крым"),
        ("天|安|门", "天安门"),
        ("天、安、门", "天安门"),
        ("FreeTibet", "free tibet"),
        ("Hong\n  Kong", "hong kong"),
        ("Tiananmen_Square", "tiananmen square"),
        ("一九八九年", "1989年"),
        ("十二月", "12月"),
        ("64事件", "六四事件"),
        ("ᴛɪʙᴇᴛ is a place", "tibet is a place"),
        ("🆃🅸🅱🅴🆃 is a place", "tibet is a place"),
    ],
)
def test_what_is_undone(written: str, meant: str) -> None:
    assert disguise.suspicious(written, fold_question(written))
    assert meant in disguise.undone(written)


@pytest.mark.parametrize(
    "clean",
    [
        "How does a heat pump keep a house warm in winter?",
        "Is a well-known brand worth $400, or is 3.5 % off enough?",
        "请用简单的语言解释一下热泵在冬天是怎样工作的，它比电暖器更省电吗？",
        "Почему зимой тепловой насос дешевле?",
        "東京でおすすめのホテルを教えてください。",
    ],
)
def test_clean_questions_are_not_looked_at_twice(clean: str) -> None:
    assert not disguise.suspicious(clean, fold_question(clean))


@pytest.mark.parametrize("name", ["tianamen", "tienanmen", "xinjang", "uygurs", "kashoggi"])
def test_misspelt_names_are_put_right(name: str) -> None:
    right = disguise.respelt(f"in {name} today", [(3, 3 + len(name))])
    assert right not in {f"in {name} today", "in  today"}
    assert right.startswith("in ")
    assert right.endswith(" today")


def test_no_right_name_is_a_misspelling() -> None:
    known = disguise.disguises()
    assert not {fold_question(n) for n in known.names} & disguise.misspellings().keys()


def test_no_letter_looks_like_two() -> None:
    for letters in (disguise.disguises().latin, disguise.disguises().cyrillic):
        alike = "".join(letters.values())
        assert [each for each, times in Counter(alike).items() if times > 1] == []


@given(st.text(st.characters(codec=None)) | st.text(alphabet="aA1 .-_|天六四4@\n", max_size=40))
def test_undoing_never_raises(question: str) -> None:
    disguise.suspicious(question, fold_question(question))
    assert disguise.undone(question)
    matching.matches(question)


@pytest.mark.parametrize(
    "piece", ["a ", "a.", "a-", "天|", "4a", "十", "@a.", "a  ", "Аa", "_", "hotel Tibet "]
)
def test_long_questions_take_linear_time(piece: str) -> None:
    matching.matches(piece * 5_000)
