"""Where the guard is unsure: how often it is wrong, by score, on unseen models and questions.

The folds are those of `judgement.py`. Counted are the replies to questions with a topic, since no
others are sent to a second model. A reply is wrong where the guard's side is not that of both
judges of the data; where those two differ, it is counted apart. A band is worth asking about where
many are wrong and few replies lie.

    python benchmarks/unsure.py --data PATH [--out PATH]

Prints two tables and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from judgement import (
    MODELS,
    QUESTIONS,
    ROOT,
    Bools,
    Columns,
    Floats,
    columns_of,
    grouping,
    match_all,
    records_of,
)

from guard import train, verdict
from guard.exchange import Exchange

BINS = 10
BANDS = ((0.4, 0.6), (0.3, 0.7), (0.3, 0.8), (0.3, 0.9), (0.2, 0.8), (0.1, 0.9))


class Band(NamedTuple):
    """Replies with scores from `low` to `high`; `wrong` of `replies` were judged wrongly.

    Beside those `disputed` are replies on which the judges of the data differ.
    """

    low: float
    high: float
    replies: int
    wrong: int
    withheld: int
    disputed: int


class Scored(NamedTuple):
    """Replies to questions with a topic: score, and what the judges of the data hold."""

    score: Floats
    withheld: Bools
    agreed: Bools


def main() -> None:
    """Score every row, print how often the guard is wrong by score, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="speechmap-dev.jsonl.gz")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/unsure.json")
    given = parser.parse_args()
    records = records_of(given.data)
    columns = columns_of(records)
    scores = cross_validated(given.data, records, columns)
    there = ~np.isnan(scores)
    scored = Scored(scores[there], columns.withheld[there], columns.agreed[there])
    edges = np.linspace(0, 1, BINS + 1).round(2).tolist()
    bins = [band(scored, low, high, last=high == 1) for low, high in pairwise(edges)]
    bands = [band(scored, low, high, last=True) for low, high in BANDS]
    everything = band(scored, 0, 1, last=True)
    print_table("by score", bins, everything)
    print_table("bands", bands, everything)
    document = {
        "data": given.data.name,
        "all": everything._asdict(),
        "by score": [one._asdict() for one in bins],
        "bands": [one._asdict() for one in bands],
    }
    given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def cross_validated(data: Path, records: list[dict[str, Any]], columns: Columns) -> Floats:
    """Each row's score by weights that saw neither its model nor its question, or nan."""
    model, question = grouping(columns.model, MODELS, 0), grouping(columns.question, QUESTIONS, 1)
    rows, own = list(train.read([data])), list(train.read([train.OWN]))
    topics = match_all(records)
    scores = np.full(len(records), np.nan)
    for cell in range(MODELS * QUESTIONS):
        i, j = divmod(cell, QUESTIONS)
        taught = np.flatnonzero(columns.agreed & (model != i) & (question != j))
        weights = train.learn_all([*(rows[at] for at in taught), *own])
        for at in np.flatnonzero((model == i) & (question == j)):
            record, topic = records[at], topics[records[at]["question"]]
            if topic is None or topic.ordinary:
                continue
            exchange = Exchange(
                record["question"],
                record["reply"],
                record["reasoning"] or None,
                record["finish_reason"],
                topic=topic,
                weights=weights,
            )
            scores[at] = verdict.judge(exchange).score
        print(f"\r{cell + 1} folds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return scores


def band(scored: Scored, low: float, high: float, *, last: bool) -> Band:
    """What lies from `low` to `high`, that end included only where it is the `last`."""
    score = scored.score
    inside = (score >= low) & ((score <= high) if last else (score < high))
    wrong = (score >= verdict.WITHHELD) != scored.withheld
    sets = (scored.agreed, wrong & scored.agreed, scored.withheld & scored.agreed, ~scored.agreed)
    return Band(low, high, *(int((inside & each).sum()) for each in sets))


def print_table(name: str, bands: list[Band], everything: Band) -> None:
    """One row a band: what asking about it costs, and what of the errors lies in it."""
    print(f"\n## {name}\n")
    print("| score | replies | of all | withheld | wrong | of these | of all wrong | disputed |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for one in bands:
        shares = (
            one.replies / everything.replies,
            one.wrong / max(one.replies, 1),
            one.wrong / everything.wrong,
        )
        of_all, of_these, of_wrong = (f"{share:.1%}" for share in shares)
        print(
            f"| {one.low:.1f}–{one.high:.1f} | {one.replies} | {of_all} | {one.withheld} "
            f"| {one.wrong} | {of_these} | {of_wrong} | {one.disputed} |"
        )


if __name__ == "__main__":
    main()
