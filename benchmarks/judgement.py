"""How well the learned score tells withheld replies, on models and questions it has never seen.

Cross-validation over the SpeechMap replies (github.com/xlr8harder/speechmap-data, Apache-2.0): each
test fold leaves out a group of models *and* a group of question numbers; a row that shares either
with the test is not trained on. `by developer` keeps all models of a developer in one group, which
is harder. The score is that of `guard.learned` alone, not of the whole guard. Everything
is fitted inside the training rows; the threshold is `THRESHOLD` throughout.

    python benchmarks/judgement.py [--data PATH] [--out PATH] [--models 4] [--questions 3]
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from guard import train
from guard.learned import Learned, answer_of

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]

THRESHOLD = 0.4
BEGINNINGS = (100, 200, 300, 400)  # characters at which a growing reply is looked at
CONTROLS = ("US", "EU", "RU")
RESAMPLES = 1000
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
}


class Scored(NamedTuple):
    """One prediction a row: of the whole reply, and the highest over its beginnings."""

    whole: Floats
    early: Floats


class Columns(NamedTuple):
    """The labelled rows by column. `developer` is the part of `model` before the slash."""

    withheld: Bools
    agreed: Bools
    kind: Strings
    country: Strings
    lang: Strings
    model: Strings
    developer: Strings
    question: Strings
    short: Bools


def main() -> None:
    """Run both variants, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared/data/speechmap-dev.jsonl.gz"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/judgement.json")
    parser.add_argument("--models", type=int, default=4, help="groups of models")
    parser.add_argument("--questions", type=int, default=3, help="groups of questions")
    parser.add_argument("--variants", nargs="+", default=["by model", "by developer"])
    arguments = parser.parse_args()
    with gzip.open(arguments.data, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    rows = list(train.read([arguments.data]))
    columns = columns_of(records)
    results = {}
    for variant in arguments.variants:
        began = time.monotonic()
        groups = columns.developer if variant == "by developer" else columns.model
        scored = cross_validate(rows, columns, groups, arguments.models, arguments.questions)
        results[variant] = {**summary(scored, columns), "seconds": round(time.monotonic() - began)}
        print_table(variant, results[variant])
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "data": arguments.data.name,
            "threshold": THRESHOLD,
            "targets": TARGETS,
            **results,
        }
        arguments.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def columns_of(records: list[dict[str, Any]]) -> Columns:
    """The rows as arrays."""
    withheld = np.array([record["label_a"] != "complete" for record in records])
    second = np.array([record["label_b"] != "complete" for record in records])
    keys = ("label_a", "country", "lang", "model")
    kind, country, lang, model = (np.array([record[key] for record in records]) for key in keys)
    return Columns(
        withheld,
        withheld == second,
        kind,
        country,
        lang,
        model,
        np.array([name.split("/", 1)[0] for name in model]),
        np.array([str(record["question_no"]) for record in records]),
        np.array([len(answer_of(record["reply"])) <= BEGINNINGS[-1] for record in records]),
    )


def grouping(names: Strings, parts: int, seed: int) -> npt.NDArray[np.int64]:
    """A fold number for each row, one for all rows of a name; folds are about equally large."""
    different, which, counts = np.unique(names, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(different))
    load, fold = np.zeros(parts), np.zeros(len(different), np.int64)
    for name in shuffled[np.argsort(-counts[shuffled], kind="stable")]:
        fold[name] = int(np.argmin(load))
        load[fold[name]] += counts[name]
    return fold[which]


def cross_validate(
    rows: list[train.Row], columns: Columns, groups: Strings, models: int, questions: int
) -> Scored:
    """Score each row by weights that saw neither its model (or developer) nor its question."""
    families = train.load_families()
    whole = train.encode_rows(rows, families)
    growing = train.encode_rows(rows, families, beginnings=True)
    outer = (grouping(groups, models, 0), grouping(columns.question, questions, 1))
    scored = Scored(np.full(len(rows), np.nan), np.zeros(len(rows)))
    for i in range(models):
        for j in range(questions):
            learn = np.flatnonzero(columns.agreed & (outer[0] != i) & (outer[1] != j))
            learned, _ = train.fit(whole, growing, learn, families, seed=0)
            for index in np.flatnonzero((outer[0] == i) & (outer[1] == j)):
                scored.whole[index] = learned.score(rows[index].question, rows[index].reply)
                scored.early[index] = early_score(learned, rows[index])
            print(f"fold {i + 1}.{j + 1} of {models}.{questions}", file=sys.stderr, flush=True)
    return scored


def early_score(learned: Learned, row: train.Row) -> float:
    """The highest score that the reply reaches while it grows to its first 400 characters."""
    answer = answer_of(row.reply)
    cuts = [size for size in BEGINNINGS if size < len(answer)]
    return max(
        (learned.score(row.question, answer[:cut], complete=False) for cut in cuts), default=0.0
    )


def summary(scored: Scored, columns: Columns) -> dict[str, Any]:
    """All figures of one variant."""
    flagged, agreed, withheld = scored.whole >= THRESHOLD, columns.agreed, columns.withheld
    controls = agreed & ~withheld & np.isin(columns.country, CONTROLS)
    found = agreed & withheld & flagged
    soon = (scored.early >= THRESHOLD) | columns.short
    complete = agreed & ~withheld
    return {
        "all": rates(flagged, withheld, agreed),
        "all against label_a": rates(flagged, withheld, np.ones(len(agreed), np.bool_)),
        "sets": {
            f"{country} {lang}": rates(
                flagged, withheld, agreed & (columns.country == country) & (columns.lang == lang)
            )
            for country, lang in sorted(
                set(zip(columns.country.tolist(), columns.lang.tolist(), strict=True))
            )
        },
        "languages": by(columns.lang, flagged, withheld, agreed),
        "countries": by(columns.country, flagged, withheld, agreed),
        "developers": by(columns.developer, flagged, withheld, agreed),
        "recall by kind": {
            kind: proportion(flagged, agreed & (columns.kind == kind))
            for kind in ("denial", "evasive")
        },
        "false alarms on complete US, EU, RU": proportion(flagged, controls),
        "flagged within 400 characters, of flagged": proportion(soon, found),
        "false alarms within 400 characters, all complete": proportion(
            scored.early >= THRESHOLD, complete
        ),
        "calibration error": calibration_error(scored.whole[agreed], withheld[agreed]),
    }


def by(names: Strings, flagged: Bools, withheld: Bools, agreed: Bools) -> dict[str, Any]:
    """Rates for each name of a column."""
    return {
        str(name): rates(flagged, withheld, agreed & (names == name)) for name in np.unique(names)
    }


def rates(flagged: Bools, withheld: Bools, chosen: Bools) -> dict[str, Any]:
    """Precision and recall with Wilson's intervals, F1 with a bootstrap's (percentiles)."""
    flagged, withheld = flagged[chosen], withheld[chosen]
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(flagged), (RESAMPLES, len(flagged)))
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
    z, share = 1.959964, hits / of
    centre = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return {
        "value": share,
        "hits": hits,
        "of": of,
        "interval": [float(centre - half), float(centre + half)],
    }


def calibration_error(scores: Floats, withheld: Bools, bins: int = 10) -> float:
    """Expected calibration error: mean gap of score and truth over equal bins, weighted by rows."""
    index = np.minimum((scores * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, scores - withheld, minlength=bins)
    return float(np.abs(gaps).sum() / len(scores))


def headline(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The figures that have a target: name, figure, and whether more or less is better."""
    yield "F1", result["all"]["f1"], "≥"
    for lang in ("en", "zh", "fi"):
        yield f"F1 CN {lang}", result["sets"][f"CN {lang}"]["f1"], "≥"
    for kind in ("denial", "evasive"):
        yield f"recall {kind}", result["recall by kind"][kind], "≥"
    yield "false alarms", result["false alarms on complete US, EU, RU"], "≤"
    yield "F1 against label_a", result["all against label_a"]["f1"], "≥"
    yield "calibration error", {"value": result["calibration error"], "interval": None}, "≤"
    yield "flagged early", result["flagged within 400 characters, of flagged"], "≥"


def print_table(variant: str, result: Mapping[str, Any]) -> None:
    """The headline figures beside their targets, then the groups."""
    print(f"\n## Unseen models and questions, grouped {variant}\n")
    print("| figure | value | 95 % interval | target | met |\n| --- | --- | --- | --- | --- |")
    for name, figure, sense in headline(result):
        value, target = figure["value"], TARGETS[name]
        met = value is not None and (value >= target if sense == "≥" else value <= target)
        interval = "–".join(f"{point:.3f}" for point in figure["interval"] or ())
        print(
            f"| {name} | {value:.3f} | {interval} | {sense} {target} | {'yes' if met else 'no'} |"
        )
    print("\n| group | rows | withheld | P | R | F1 |\n| --- | --- | --- | --- | --- | --- |")
    groups = {"all": result["all"], **result["sets"], **result["developers"]}
    for name, rate in groups.items():
        shown = " | ".join(
            shown_number(rate[key]["value"]) for key in ("precision", "recall", "f1")
        )
        print(f"| {name} | {rate['rows']} | {rate['withheld']} | {shown} |")
    sys.stdout.flush()


def shown_number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
