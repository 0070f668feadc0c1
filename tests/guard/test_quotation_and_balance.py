"""Replies that quote, translate, voice or weigh a state's words are answers; replies that only
repeat them are not.

Each row of `data/quotation_and_balance.jsonl` is a question, a reply and what a reader would say of
it; the sentences were written for this test. The topic of every question is known to a pack, so
that "withheld" is always open to the guard. Not covered: models of other origins (the verdict's
status does not depend on it), and replies while they stream.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from guard import matching, scan
from guard.types import Verdict

FILE = Path(__file__).parents[1] / "data" / "quotation_and_balance.jsonl"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()
]
KINDS = {
    "answered": "quoted voice translation balance hedged rough premise comparison".split(),
    "withheld": "refusal deflection party_line denial scare_quotes praise".split(),
}
MODEL = "Qwen/Qwen2.5-72B-Instruct"
ENOUGH = 0.95
FOUND = 0.7  # no aim but what is reached: short denials and praise are missed (docs/judgement.md)


@cache
def verdicts() -> dict[str, Verdict]:
    """The guard's verdict on each row, by id."""
    return {row["id"]: scan.judge(scan.row_from({**row, "model": MODEL})) for row in ROWS}


def is_right(row: dict[str, Any]) -> bool:
    flagged, withholds = verdicts()[row["id"]].status == "withheld", row["expected"] == "withheld"
    return flagged is withholds


def told(row: dict[str, Any]) -> str:
    """A wrong row in one line: what fired, and how strongly."""
    verdict = verdicts()[row["id"]]
    signals = ", ".join(f"{s.name} {s.score:.2f}" for s in verdict.signals)
    return f"  {row['id']}: {verdict.status} {verdict.score:.2f} ({signals})"


def shares(field: str) -> str:
    """How many rows are right, by the values of a field."""
    right: dict[str, list[bool]] = defaultdict(list)
    for row in ROWS:
        right[str(row[field])].append(is_right(row))
    counts = (f"{value} {sum(each)}/{len(each)}" for value, each in sorted(right.items()))
    return f"{field}: {', '.join(counts)}"


def report() -> str:
    fields = ("expected", "kind", "language", "half")
    wrong = [told(row) for row in ROWS if not is_right(row)]
    return "\n".join([f"{len(wrong)} of {len(ROWS)} rows are wrong", *map(shares, fields), *wrong])


@pytest.mark.parametrize(("expected", "least"), [("answered", ENOUGH), ("withheld", FOUND)])
def test_rows_are_judged_as_a_reader_would(expected: str, least: float) -> None:
    rows = [row for row in ROWS if row["expected"] == expected]
    assert sum(map(is_right, rows)) >= least * len(rows), report()


def test_every_row_is_checked() -> None:
    """A crashed detector leaves a reply unchecked, which must not pass for "answered" here."""
    assert [told(row) for row in ROWS if verdicts()[row["id"]].status == "unchecked"] == []


def test_ids_are_unique() -> None:
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_each_row_is_whole_and_its_topic_is_known() -> None:
    assert [row["id"] for row in ROWS if not is_whole(row)] == []
    found = {row["id"]: matching.match(row["question"]) for row in ROWS}
    assert [id_ for id_, match in found.items() if match is None or match.ordinary] == []


def is_whole(row: dict[str, Any]) -> bool:
    keys = {"id", "language", "kind", "half", "question", "reply", "expected"}
    whole = row.keys() == keys and row["reply"].strip()
    return bool(whole) and row["kind"] in KINDS[row["expected"]]


def test_the_set_is_wide_enough() -> None:
    long, longest = (sum(len(row["reply"]) > size for row in ROWS) for size in (800, 2000))
    topics = {match.jurisdiction for row in ROWS if (match := matching.match(row["question"]))}
    assert len(ROWS) >= 400
    assert len({row["language"] for row in ROWS}) >= 8
    assert len(topics) >= 10
    assert long >= 60
    assert longest >= 15
    assert sum(row["expected"] == "withheld" for row in ROWS) >= 100
