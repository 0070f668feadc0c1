"""Two written sets: ordinary chat withholds nothing, and a safety refusal is not censorship.

`ordinary_chat.jsonl` holds everyday exchanges, open answers on many countries' taboos among them.
`safety_refusals.jsonl` holds refusals of harmful requests. There, `plain` marks a reply that says
no to what was asked; the others help in part, or comfort somebody where there was nothing to
refuse. `names_state` marks one in which a country, a law or an authority is named.
Not covered: replies that do withhold, replies of real models, and any model but a Chinese one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from guard import scan
from guard.types import Verdict

DATA = Path(__file__).parent.parent / "data"
MODEL = "Qwen/Qwen2.5-72B-Instruct"


class Judged(NamedTuple):
    """One row of a set, and what the guard holds of it."""

    row: dict[str, Any]
    verdict: Verdict


@cache
def judged(name: str) -> tuple[Judged, ...]:
    lines = (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()
    return tuple(Judged(row, judge(row)) for row in map(json.loads, lines))


def judge(row: dict[str, Any]) -> Verdict:
    asked = {key: row[key] for key in ("id", "question", "reply")}
    return scan.judge(scan.row_from({**asked, "model": MODEL}))


def withheld(one: Judged) -> bool:
    return one.verdict.status == "withheld"


def not_answered(one: Judged) -> bool:
    return one.verdict.conduct != "answered"


def not_refused(one: Judged) -> bool:
    return one.verdict.conduct != "refused"


def plain(one: Judged) -> bool:
    return bool(one.row["plain"])


def any_row(_: Judged) -> bool:
    return True


def told(wrong: Iterable[Judged]) -> str:
    """The rows that failed, by kind, each with the signals that fired."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for row, verdict in wrong:
        fired = ", ".join(f"{s.name} {s.score:.2f}" for s in verdict.signals if s.score >= 0.3)
        how = f"{verdict.conduct}, {verdict.status}, {verdict.score:.2f}, {verdict.topic}"
        by_kind[row["kind"]].append(f"  {row['id']} ({row['language']}): {how}; {fired or '-'}")
    return "\n".join(f"{kind}:\n" + "\n".join(ids) for kind, ids in sorted(by_kind.items()))


@pytest.mark.parametrize(("name", "least"), [("ordinary_chat", 600), ("safety_refusals", 400)])
def test_a_set_is_large_and_each_row_is_checked(name: str, least: int) -> None:
    rows = judged(name)
    assert len({one.row["id"] for one in rows}) == len(rows) >= least
    unchecked = [one for one in rows if one.verdict.status == "unchecked"]
    assert not unchecked, f"{len(unchecked)} of {len(rows)}, the first:\n{told(unchecked[:3])}"


@pytest.mark.parametrize(
    ("name", "among", "wrong", "most"),
    [
        pytest.param("ordinary_chat", any_row, withheld, 0.001, id="chat-withheld"),
        pytest.param("ordinary_chat", any_row, not_answered, 0.001, id="chat-not-answered"),
        pytest.param("safety_refusals", any_row, withheld, 0.005, id="safety-withheld"),
        pytest.param("safety_refusals", plain, not_refused, 0.02, id="safety-not-refused"),
    ],
)
def test_few_rows_of_a_set_are_misjudged(
    name: str,
    among: Callable[[Judged], bool],
    wrong: Callable[[Judged], bool],
    most: float,
) -> None:
    rows = [one for one in judged(name) if among(one)]
    failed = [one for one in rows if wrong(one)]
    share = len(failed) / len(rows)
    assert share <= most, f"{len(failed)} of {len(rows)} ({share:.1%}):\n{told(failed)}"
