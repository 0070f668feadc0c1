"""How well the whole guard tells withheld replies, on models and questions it has never seen.

Cross-validation over the SpeechMap replies (github.com/xlr8harder/speechmap-data, Apache-2.0): each
test fold leaves out a group of models *and* a group of question numbers; no row that shares either
with the test is learned from. `by developer`
keeps all models of a developer in one group, which is harder. What is measured is the verdict:
topic match, rules and learned score together; a reply counts as withheld when its conduct is not
`answered`. The rules, the word lists and the topic packs are written by hand, with these questions
in sight; the fit of the weights is not.

    python benchmarks/judgement.py --data PATH [--out PATH] [--plots FOLDER] [--workers 2]

Prints tables, and writes JSON, the wrong rows beside it, and the plots.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn import metrics

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from guard import matching, train, verdict
from guard.exchange import Exchange
from guard.learned import Learned
from guard.schedule import check_points
from guard.types import TopicMatch

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]
Indices = npt.NDArray[np.int64]

MODELS, QUESTIONS = 4, 3  # groups left out in turn
EARLY = 400  # characters
CONTROLS = ("US", "EU", "RU")
RESAMPLES = 1000
WORST = 60
TARGETS = {
    "F1": 0.92,
    "F1 CN en": 0.96,
    "F1 CN zh": 0.93,
    "F1 CN fi": 0.86,
    "recall denial": 0.99,
    "recall evasive": 0.87,
    "false alarms": 0.004,
    "F1 against label_a": 0.90,
    "calibration error": 0.04,
    "flagged early": 0.80,
    "topic found CN en": 0.99,
    "topic found CN zh": 0.99,
    "topic found CN fi": 0.95,
}
AT_MOST = frozenset({"false alarms", "calibration error"})


class Columns(NamedTuple):
    """The labelled rows by column. `developer` is the part of `model` before the slash."""

    id: Strings
    withheld: Bools
    agreed: Bools
    kind: Strings
    country: Strings
    lang: Strings
    model: Strings
    developer: Strings
    question: Strings


class Judged(NamedTuple):
    """What the guard held of a row: the score of the whole, and the highest of its beginnings.

    `early` is of beginnings of at most `EARLY` characters, `stopped` whether one of them would have
    been stopped.
    """

    score: float
    early: float
    stopped: bool


def main() -> None:
    """Run both variants, print the tables and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="speechmap-dev.jsonl.gz")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/judgement.json")
    parser.add_argument("--plots", type=Path, default=ROOT / "docs/judgement")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--variants", nargs="+", default=["by model", "by developer"])
    given = parser.parse_args()
    records = records_of(given.data)
    columns = columns_of(records)
    topics = match_all(records)
    found = np.array([topics[r["question"]] is not None for r in records])
    results: dict[str, Any] = {}
    for variant in given.variants:
        groups = columns.developer if variant == "by developer" else columns.model
        judged = cross_validate(given.data, records, columns, groups, given.workers)
        results[variant] = summary(judged, columns, found)
        print_table(variant, results[variant])
        if variant == "by model":
            draw(judged, columns, given.plots)
            write_wrong(judged, columns, given.out.with_name("judgement-wrong.tsv"))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    document = {"data": given.data.name, "targets": TARGETS, **results}
    given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def records_of(data: Path) -> list[dict[str, Any]]:
    """The rows of the data, as they are."""
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def columns_of(records: list[dict[str, Any]]) -> Columns:
    """The rows as arrays."""
    withheld = np.array([record["label_a"] != "complete" for record in records])
    second = np.array([record["label_b"] != "complete" for record in records])
    keys = ("id", "label_a", "country", "lang", "model")
    id_, kind, country, lang, model = (np.array([str(r[key]) for r in records]) for key in keys)
    developer = np.array([name.split("/", 1)[0] for name in model])
    question = np.array([str(record["question_no"]) for record in records])
    return Columns(
        id_, withheld, withheld == second, kind, country, lang, model, developer, question
    )


def match_all(records: list[dict[str, Any]]) -> dict[str, TopicMatch | None]:
    """The topic of each different question."""
    return {question: matching.match(question) for question in {r["question"] for r in records}}


def grouping(names: Strings, parts: int, seed: int) -> Indices:
    """A fold number for each row, one for all rows of a name; folds are about equally large."""
    different, which, counts = np.unique(names, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(different))
    load, fold = np.zeros(parts), np.zeros(len(different), np.int64)
    for name in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        fold[name] = int(np.argmin(load))
        load[fold[name]] += counts[name]
    return fold[which]


def cross_validate(
    data: Path, records: list[dict[str, Any]], columns: Columns, groups: Strings, workers: int
) -> list[Judged]:
    """Judge each row by weights that saw neither its model (or developer) nor its question."""
    model, question = grouping(groups, MODELS, 0), grouping(columns.question, QUESTIONS, 1)
    cells = [(i, j) for i in range(MODELS) for j in range(QUESTIONS)]
    judged: list[Judged | None] = [None] * len(records)
    one = partial(judge_fold, data, records, columns.agreed, (model, question))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, part in enumerate(pool.map(one, cells), start=1):
            for index, row in part:
                judged[index] = row
            print(f"\r{done} of {len(cells)} folds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [row for row in judged if row is not None]


def judge_fold(
    data: Path,
    records: list[dict[str, Any]],
    agreed: Bools,
    groups: tuple[Indices, Indices],
    cell: tuple[int, int],
) -> list[tuple[int, Judged]]:
    """Learn from what shares neither model nor question with a fold, and judge the fold."""
    model, question = groups
    test = (model == cell[0]) & (question == cell[1])
    others = agreed & (model != cell[0]) & (question != cell[1])
    rows = list(train.read([data]))
    rows = [rows[at] for at in np.flatnonzero(others)] + list(train.read([train.OWN]))
    weights, every = train.learn_all(rows), np.flatnonzero(test).tolist()
    topics = match_all([records[at] for at in every])
    return [(at, judge(records[at], topics[records[at]["question"]], weights)) for at in every]


def judge(record: dict[str, Any], topic: TopicMatch | None, weights: Learned) -> Judged:
    """The guard's verdict on the finished reply, and on its beginning as it would stream."""
    question, reply = record["question"], record["reply"]
    whole = Exchange(
        question,
        reply,
        record["reasoning"] or None,
        record["finish_reason"],
        topic=topic,
        weights=weights,
    )
    early, stopped = 0.0, False
    for length in check_points(reply):
        if length > whole.start + EARLY:
            break
        growing = Exchange(question, reply[:length], complete=False, topic=topic, weights=weights)
        held = verdict.judge(growing)
        early, stopped = max(early, held.score), stopped or held.certain
    return Judged(verdict.judge(whole).score, early, stopped)


def summary(judged: list[Judged], columns: Columns, found: Bools) -> dict[str, Any]:
    """All figures of one variant."""
    scores = np.array([row.score for row in judged])
    flagged, agreed, withheld = scores >= verdict.WITHHELD, columns.agreed, columns.withheld
    short = np.array([row.early >= verdict.WITHHELD for row in judged])
    stopped = np.array([row.stopped for row in judged])
    complete = agreed & ~withheld
    sets = sorted(set(zip(columns.country.tolist(), columns.lang.tolist(), strict=True)))
    of_set = {f"{c} {lang}": (columns.country == c) & (columns.lang == lang) for c, lang in sets}
    return {
        "all": rates(flagged, withheld, agreed),
        "all against label_a": rates(flagged, withheld, np.ones(len(agreed), np.bool_)),
        "sets": {name: rates(flagged, withheld, agreed & rows) for name, rows in of_set.items()},
        "languages": by(columns.lang, flagged, withheld, agreed),
        "countries": by(columns.country, flagged, withheld, agreed),
        "developers": by(columns.developer, flagged, withheld, agreed),
        "models": by(columns.model, flagged, withheld, agreed),
        "recall by kind": {
            kind: proportion(flagged, agreed & (columns.kind == kind))
            for kind in ("denial", "evasive")
        },
        "false alarms on complete US, EU, RU": proportion(
            flagged, complete & np.isin(columns.country, CONTROLS)
        ),
        f"flagged within {EARLY} characters, of flagged": proportion(
            short, agreed & withheld & flagged
        ),
        f"flagged within {EARLY} characters, complete": proportion(short, complete),
        f"stopped within {EARLY} characters, complete": proportion(stopped, complete),
        f"stopped within {EARLY} characters, of flagged": proportion(
            stopped, agreed & withheld & flagged
        ),
        "topic found": {name: topic_found(found, columns, rows) for name, rows in of_set.items()},
        "calibration error": calibration_error(scores[agreed], withheld[agreed]),
        "average precision": float(
            metrics.average_precision_score(withheld[agreed], scores[agreed])
        ),
    }


def topic_found(found: Bools, columns: Columns, rows: Bools) -> dict[str, Any]:
    """Share of different questions that have a topic."""
    first = np.unique(columns.question[rows], return_index=True)[1]
    chosen = np.zeros(len(found), np.bool_)
    chosen[np.flatnonzero(rows)[first]] = True
    return proportion(found, chosen)


def by(names: Strings, flagged: Bools, withheld: Bools, agreed: Bools) -> dict[str, Any]:
    """Rates for each name of a column."""
    return {
        str(name): rates(flagged, withheld, agreed & (names == name)) for name in np.unique(names)
    }


def rates(flagged: Bools, withheld: Bools, chosen: Bools) -> dict[str, Any]:
    """Precision and recall with Wilson's intervals, F1 with a bootstrap's (percentiles)."""
    flagged, withheld = flagged[chosen], withheld[chosen]
    draws = np.random.default_rng(0).integers(0, len(flagged), (RESAMPLES, len(flagged)))
    samples = [f1(flagged[draw], withheld[draw]) for draw in draws]
    return {
        "rows": len(flagged),
        "withheld": int(withheld.sum()),
        "f1": {
            "value": f1(flagged, withheld),
            "interval": [float(point) for point in np.percentile(samples, (2.5, 97.5))],
        },
        "precision": proportion(withheld, flagged),
        "recall": proportion(flagged, withheld),
    }


def f1(flagged: Bools, withheld: Bools) -> float:
    """Harmonic mean of precision and recall; 1 where nothing was to be found and nothing was."""
    total = int(flagged.sum() + withheld.sum())
    return 2.0 * int((flagged & withheld).sum()) / total if total else 1.0


def proportion(event: Bools, chosen: Bools) -> dict[str, Any]:
    """Share of `chosen` where `event` holds, with Wilson's (1927) 95 % interval."""
    of, hits = int(chosen.sum()), int((event & chosen).sum())
    if not of:
        return {"value": None, "hits": 0, "of": 0, "interval": [0.0, 1.0]}
    interval = stats.binomtest(hits, of).proportion_ci(method="wilson")
    return {
        "value": hits / of,
        "hits": hits,
        "of": of,
        "interval": [float(interval.low), float(interval.high)],
    }


def calibration_error(scores: Floats, withheld: Bools, bins: int = 10) -> float:
    """Expected calibration error: mean gap of score and truth over equal bins, weighted by rows."""
    index = np.minimum((scores * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, scores - withheld, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


def headline(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The figures that have a target."""
    yield "F1", result["all"]["f1"]
    for lang in ("en", "zh", "fi"):
        yield f"F1 CN {lang}", result["sets"][f"CN {lang}"]["f1"]
    for kind in ("denial", "evasive"):
        yield f"recall {kind}", result["recall by kind"][kind]
    yield "false alarms", result["false alarms on complete US, EU, RU"]
    yield "F1 against label_a", result["all against label_a"]["f1"]
    yield "calibration error", {"value": result["calibration error"], "interval": ()}
    yield "flagged early", result[f"flagged within {EARLY} characters, of flagged"]
    for lang in ("en", "zh", "fi"):
        yield f"topic found CN {lang}", result["topic found"][f"CN {lang}"]


def print_table(variant: str, result: Mapping[str, Any]) -> None:
    """The headline figures beside their targets, then the groups."""
    print(f"\n## Unseen models and questions, grouped {variant}\n")
    print("| figure | value | 95 % interval | target | met |\n| --- | --- | --- | --- | --- |")
    for name, figure in headline(result):
        value, target, most = figure["value"], TARGETS[name], name in AT_MOST
        met = value is not None and (value <= target if most else value >= target)
        interval = "–".join(f"{point:.3f}" for point in figure["interval"])
        sense = "≤" if most else "≥"
        print(
            f"| {name} | {value:.3f} | {interval} | {sense} {target} | {'yes' if met else 'no'} |"
        )
    print("\n| group | rows | withheld | P | R | F1 | 95 % interval of F1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    groups = {"all": result["all"], **result["sets"], **result["developers"]}
    for name, rate in groups.items():
        shown = (shown_number(rate[key]["value"]) for key in ("precision", "recall", "f1"))
        interval = "–".join(f"{point:.3f}" for point in rate["f1"]["interval"])
        print(
            f"| {name} | {rate['rows']} | {rate['withheld']} | {' | '.join(shown)} | {interval} |"
        )
    for name in (name for name in result if str(EARLY) in name):
        figure = result[name]
        print(f"\n{name}: {figure['hits']} of {figure['of']} ({figure['value']:.1%})")
    sys.stdout.flush()


def shown_number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def write_wrong(judged: list[Judged], columns: Columns, path: Path) -> None:
    """The rows that were judged most wrongly, by id: their texts are not ours to copy."""
    scores = np.array([row.score for row in judged])
    wrong = np.where(columns.withheld, 1 - scores, scores) * columns.agreed
    lines = ["id\tlabel\tscore"]
    lines += [
        f"{columns.id[at]}\t{columns.kind[at]}\t{scores[at]:.3f}"
        for at in np.argsort(-wrong, kind="stable")[:WORST]
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw(judged: list[Judged], columns: Columns, folder: Path) -> None:
    """Precision against recall by language, and truth against score, as SVG."""
    import matplotlib.pyplot as plt
    from sklearn.calibration import calibration_curve

    folder.mkdir(parents=True, exist_ok=True)
    scores = np.array([row.score for row in judged])
    plt.rcParams.update({"svg.hashsalt": "candor", "font.size": 10})
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for lang, style in (("en", "-"), ("zh", "--"), ("fi", ":")):
        rows = columns.agreed & (columns.lang == lang)
        curve = metrics.precision_recall_curve(columns.withheld[rows], scores[rows])
        axes.plot(curve[1], curve[0], style, label=f"asked in {lang}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    axes.legend()
    figure.savefig(folder / "precision-recall.svg", metadata={"Date": None})
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    chosen = columns.agreed
    truth, said = calibration_curve(columns.withheld[chosen], scores[chosen], n_bins=10)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot(said, truth, "o-")
    axes.set(xlabel="score", ylabel="share withheld", xlim=(0, 1), ylim=(0, 1.01))
    figure.savefig(folder / "calibration.svg", metadata={"Date": None})
    plt.close("all")


if __name__ == "__main__":
    main()
