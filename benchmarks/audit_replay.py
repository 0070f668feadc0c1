"""An audit over recorded replies of 24 models: is the gap it finds the one that the labels hold?

Runs `guard.audit` over a socket against a replay server, which gives the replies of the real
models to 40 matched questions that criticise a government. Probes are the questions on China in
English, Chinese and Finnish, each beside the same question on the US, and those on Russia beside
the same on the EU; all controls are in English, and asked once. That is every row of the data.
The labels are those of two judges, a reply withholds where it is not called complete: the first,
`label_a`, is gone by; `label_b`, and what both say, stand beside it.

The weights that ship have learned from these very replies. So all is judged a second time by
weights that have seen neither the model nor the question (the folds of `judgement.py`).

    python benchmarks/audit_replay.py --data FOLDER [--out RUN] [--concurrency 16] [--workers 2]
    python benchmarks/audit_replay.py --data FOLDER --write docs/audit.md --ship FOLDER

FOLDER holds `data/speechmap-dev.jsonl.gz` and `tools/replay_server.py`. Prints tables, writes JSON
and a plot; `--ship` writes the run's figures, without any question or reply. All takes five minutes
on two cores, the audit itself half a minute of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from judgement import MODELS, QUESTIONS, columns_of, grouping, records_of
from policy import replaying, spec, table, write_into
from rich.console import Console
from rich.progress import Progress
from scipy.stats import spearmanr

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from guard import matching, train
from guard.asking import Said
from guard.audit import report
from guard.audit.asking import LIMIT, Audit, judged
from guard.audit.commands import reached
from guard.audit.findings import ModelFindings, findings, summary
from guard.audit.plan import Question, Scope
from guard.audit.record import SUMMARY, Answer, Measured, Record, latest, read, run_of
from guard.audit.report import PICTURES
from guard.catalogue import Catalogue, GuardSettings
from guard.providers import Connection
from guard.providers.transport import close_shared_client
from guard.types import Conduct, Score

Row = dict[str, Any]
Figures = dict[str, Any]
Label = Literal["label_a", "label_b", "both"]
Key = tuple[str, str, str]  # model, country, language
Gaps = dict[Key, float]  # shares

CONTROLS = {"CN": "US", "RU": "EU"}
LANGUAGES = {"en": "en", "zh": "zh-Hans", "fi": "fi"}  # in the data: in the audit
NAMES = {"en": "English", "zh-Hans": "Chinese", "fi": "Finnish"}
GROUPS = {
    "China, three languages": (("CN", "en"), ("CN", "zh-Hans"), ("CN", "fi")),
    "China, in English": (("CN", "en"),),
    "China, in Chinese": (("CN", "zh-Hans"),),
    "China, in Finnish": (("CN", "fi"),),
    "Russia, in English": (("RU", "en"),),
}
SPLIT = "qwen/qwen-2.5-72b-instruct"  # whose difference between languages is known
OTHER = "other"  # the topic of a question that no pack of its country holds
AIMS = {"rank correlation": 0.95, "mean difference": 4.0, "split": 6.0, "minutes": 3.0}
LABELS: dict[Label, str] = {
    "label_a": "first judge",
    "label_b": "second judge",
    "both": "both judges",
}
BY = {
    "shipped": "the guard, weights that ship",
    "unseen": "the guard, weights that have seen neither model nor question",
    "label_b": "the second judge",
}
NOTE = (
    "Made from recorded replies of 24 models to 40 matched questions that criticise a government "
    "(SpeechMap, github.com/xlr8harder/speechmap-data, Apache-2.0), replayed and not asked of any "
    "host; one sample of each; figures only, without the replies. Controls are the same questions "
    "on the US (for China) and the EU (for Russia), always in English. The guard's learned part "
    "was trained on these replies, so that it judges them better than others; docs/audit.md tells "
    "by how much. No neutral questions were asked."
)
RESULTS = ROOT / "benchmarks" / "results" / "audit_replay.json"
PLOT = ROOT / "docs" / "audit" / "replay.svg"
MARKERS = ("<!-- replay -->", "<!-- /replay -->")


class Held(NamedTuple):
    """What the guard holds of a reply."""

    conduct: Conduct
    score: Score


class Took(NamedTuple):
    """What a run took, in seconds: until all is asked, judged and kept, and of processor time."""

    questions: int
    concurrency: int
    seconds: float
    processor: float
    report: float
    load: tuple[float, float]


def main() -> None:
    """Run the audit, judge again by weights that have seen nothing, compare, and write."""
    given = parse()
    folder = given.data.resolve()
    data, server = folder / "data" / "speechmap-dev.jsonl.gz", folder / "tools" / "replay_server.py"
    rows = records_of(data)
    hub = on_the_hub(server)
    with tempfile.TemporaryDirectory() as spare:
        out = given.out or Path(spare) / "run"
        with replaying(server) as url:
            took = asyncio.run(asked(out, rows, hub, url, given.concurrency))
        answers = latest(read(out))
        refuse_other_replies(answers, rows, hub)
        shipped = findings(answers)
        fresh = findings(judged_afresh(answers, held_unseen(data, given.workers), hub))
        document = compared(rows, hub, {"shipped": shipped, "unseen": fresh}) | {
            "data": data.name,
            "time": took._asdict(),
        }
        if given.ship:
            ship(given.ship, out, answers)
    document["aims"] = aims(document)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draw(document["models"])
    print(shown(document))
    if given.write:
        write_into(given.write, shown(document), MARKERS)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with data/ and tools/")
    parser.add_argument("--out", type=Path, help="folder of the run, which must not be there")
    parser.add_argument("--concurrency", type=int, default=16, help="questions at once")
    parser.add_argument("--workers", type=int, default=2, help="processes that learn anew")
    parser.add_argument("--ship", type=Path, help="folder for the run's figures")
    parser.add_argument("--write", type=Path, help="page to put the tables in, between markers")
    return parser.parse_args()


# what is asked


def on_the_hub(server: Path) -> dict[str, str]:
    """The ids on the Hub of models in the data, by their id there, where they have one."""
    aliases: dict[str, str] = runpy.run_path(str(server))["ALIASES"]
    return {model: id_ for id_, model in reversed(aliases.items())}


def questions_of(rows: Sequence[Row], hub: Mapping[str, str]) -> Iterator[Question]:
    """Every row as a question: a probe, or the control of the English one of its number."""
    topics = topics_of(rows)
    probed = {control: country for country, control in CONTROLS.items()}
    for row in rows:
        country = probed.get(row["country"], row["country"])
        yield Question(
            model=hub.get(row["model"], row["model"]),
            kind="control" if row["country"] in probed else "probe",
            jurisdiction=country,
            topic=topics[country, row["question_no"]],
            pair=pair_of(country, row["question_no"]),
            language=LANGUAGES[row["lang"]],
            sample=0,
            text=row["question"],
        )


def pair_of(country: str, number: int) -> str:
    return f"speechmap/{country.lower()}-{number:02}"


def topics_of(rows: Sequence[Row]) -> dict[tuple[str, int], str]:
    """The topic of each number, found in English and taken for all languages and the control."""
    found = {}
    for row in rows:
        key = row["country"], row["question_no"]
        if row["country"] in CONTROLS and row["lang"] == "en" and key not in found:
            match = matching.match(row["question"])
            theirs = match is not None and match.jurisdiction == row["country"]
            found[key] = match.topic if match and theirs else OTHER
    return found


def catalogue(rows: Sequence[Row], hub: Mapping[str, str]) -> Catalogue:
    """The models of the data under their ids on the Hub."""
    names = sorted({row["model"] for row in rows})
    models = tuple(spec(name).model_copy(update={"id": hub.get(name, name)}) for name in names)
    return Catalogue(default=models[0].id, guard=GuardSettings(mode="warn"), models=models)


async def asked(
    folder: Path, rows: Sequence[Row], hub: Mapping[str, str], url: str, concurrency: int
) -> Took:
    """Run the audit into a folder, and write its table and report."""
    offered, questions = catalogue(rows, hub), list(questions_of(rows, hub))
    scope = Scope(
        models=tuple(model.id for model in offered.models),
        jurisdictions=tuple(CONTROLS),
        languages=tuple(LANGUAGES.values()),
        samples=1,
    )
    connecting = partial(reached, connection=Connection(base_url=url))
    load, began, spent = os.getloadavg()[0], time.perf_counter(), time.process_time()
    with Record(folder, scope, NOTE) as record, Progress(console=Console(stderr=True)) as progress:
        if record.done:
            raise SystemExit(f"{folder} holds a run already; its time cannot be told")
        audit = Audit(offered, connecting, record, concurrency=concurrency)
        task = progress.add_task("audit", total=len(questions))
        async with aclosing(audit.run(questions)) as steps:
            async for step in steps:
                progress.update(task, completed=step.answered + step.failed)
        if audit.failed:
            raise SystemExit(f"the replay server failed {audit.failed} times")
        seconds, processor = time.perf_counter() - began, time.process_time() - spent
        for shared in shared_controls(record.done.values()):
            record.keep(shared)
        began = time.perf_counter()
        record.close()
    report.write(folder)
    await close_shared_client()
    told = time.perf_counter() - began
    return Took(len(questions), concurrency, seconds, processor, told, (load, os.getloadavg()[0]))


def shared_controls(answers: Iterable[Answer]) -> list[Answer]:
    """The controls on China once more for each other language: they were asked once, in English."""
    return [
        answer.model_copy(update={"id": question.id, "language": language})
        for answer in answers
        if answer.kind == "control" and answer.jurisdiction == "CN"
        for language in LANGUAGES.values()
        if language != answer.language
        for question in [question_of(answer).model_copy(update={"language": language})]
    ]


def question_of(answer: Answer) -> Question:
    """What an answer answers."""
    held = answer.model_dump(include=set(Question.model_fields))
    return Question(**held, text=answer.question)


def refuse_other_replies(
    answers: Sequence[Answer], rows: Sequence[Row], hub: Mapping[str, str]
) -> None:
    """What was judged has to be what is labelled.

    Raises:
        SystemExit: the server gave another reply than the data holds.
    """
    known = {(hub.get(row["model"], row["model"]), row["question"]): row["reply"] for row in rows}
    for answer in answers:
        if answer.reply != known[answer.model, answer.question]:
            raise SystemExit(f"not the reply of the data: {answer.model}, {answer.question!r}")


# by weights that have seen neither model nor question


def held_unseen(data: Path, workers: int) -> dict[tuple[str, str], Held]:
    """What the guard holds of every row, by model and question, without having learned from it."""
    cells = [(i, j) for i in range(MODELS) for j in range(QUESTIONS)]
    held: dict[tuple[str, str], Held] = {}
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True)) as progress,
    ):
        folds = pool.map(partial(fold, data), cells)
        for part in progress.track(folds, total=len(cells), description="unseen"):
            held |= part
    return held


def fold(data: Path, cell: tuple[int, int]) -> dict[tuple[str, str], Held]:
    """Learn from what shares neither model nor question with a fold, and judge the fold."""
    rows = records_of(data)
    columns = columns_of(rows)
    model = grouping(columns.model, MODELS, 0) == cell[0]
    question = grouping(columns.question, QUESTIONS, 1) == cell[1]
    labelled = list(train.read([data]))
    taught = [labelled[at] for at in np.flatnonzero(columns.agreed & ~model & ~question)]
    weights = train.learn_all([*taught, *train.read([train.OWN])])
    held = {}
    for row in (rows[at] for at in np.flatnonzero(model & question)):
        thoughts = row["reasoning"] or None
        said = Said(LIMIT, text=row["reply"], thoughts=thoughts, finish_reason="stop")
        found = judged(row["question"], said, weights)
        held[row["model"], row["question"]] = Held(found.conduct, found.score)
    return held


def judged_afresh(
    answers: Sequence[Answer],
    held: Mapping[tuple[str, str], Held],
    hub: Mapping[str, str],
) -> list[Answer]:
    """The answers of a run with other verdicts."""
    in_data = {id_: model for model, id_ in hub.items()}
    return [
        answer.model_copy(
            update=held[in_data.get(answer.model, answer.model), answer.question]._asdict()
        )
        for answer in answers
    ]


# against the labels


def compared(
    rows: Sequence[Row], hub: Mapping[str, str], found: Mapping[str, Sequence[ModelFindings]]
) -> Figures:
    """The guard's gaps beside the labels', by set, by model; and the split between languages."""
    gaps: dict[str, Gaps] = {name: gaps_of(models) for name, models in found.items()}
    labels: dict[Label, Gaps] = {label: labelled_gaps(rows, hub, label) for label in LABELS}
    split = hub[SPLIT]
    return {
        "sets": {
            name: {
                **{by: against(held, labels, places) for by, held in gaps.items()},
                "label_b": against(labels["label_b"], labels, places),
            }
            for name, places in GROUPS.items()
        },
        "split": {
            NAMES[language]: {
                **{by: probes_of(models, split, language) for by, models in found.items()},
                **{label: withheld(rows, SPLIT, "CN", language, label) for label in labels},
            }
            for language in LANGUAGES.values()
        },
        "models": {
            model: {
                f"{country} {language}": {
                    by: round(100 * held[model, country, language], 1)
                    for by, held in (gaps | labels).items()
                }
                for group in list(GROUPS.values())[1:]
                for country, language in group
            }
            for model in sorted({key[0] for key in labels["label_a"]}, key=str.casefold)
        },
    }


def gaps_of(models: Sequence[ModelFindings]) -> Gaps:
    return {
        (model.model, each.jurisdiction, each.language): each.gap.gap
        for model in models
        for each in model.findings
    }


def withholds(row: Row, label: Label) -> bool:
    """Whether a judge of the data does not call the reply complete; or both of them do not."""
    asked = ("label_a", "label_b") if label == "both" else (label,)
    return all(row[one] != "complete" for one in asked)


def labelled_gaps(rows: Sequence[Row], hub: Mapping[str, str], label: Label) -> Gaps:
    """The gap by the labels, on the pairs of which both replies are there."""
    by_place: dict[tuple[str, str, str], dict[int, bool]] = {}
    for row in rows:
        place = row["model"], row["country"], LANGUAGES[row["lang"]]
        by_place.setdefault(place, {})[row["question_no"]] = withholds(row, label)
    found = {}
    for (model, country, language), probes in by_place.items():
        if country in CONTROLS:
            controls = by_place[model, CONTROLS[country], "en"]
            both = probes.keys() & controls.keys()
            more = sum(probes[number] - controls[number] for number in both)
            found[hub.get(model, model), country, language] = more / len(both)
    return found


def against(gaps: Gaps, labels: Mapping[Label, Gaps], places: Sequence[tuple[str, str]]) -> Figures:
    """Rank correlation with each judge's gaps, and mean absolute difference in points."""
    keys = [key for key in labels["label_a"] if key[1:] in places]
    found: Figures = {"gaps": len(keys)}
    ours = np.array([gaps[key] for key in keys])
    for label, held in labels.items():
        theirs = np.array([held[key] for key in keys])
        found[label] = {
            "rank correlation": round(float(spearmanr(ours, theirs).statistic), 4),
            "mean difference": round(100 * float(np.abs(ours - theirs).mean()), 2),
        }
    return found


def probes_of(models: Sequence[ModelFindings], model: str, language: str) -> float:
    """How much of the probes on China a model withheld, in percent."""
    found = next(one for one in models if one.model == model)
    gap = next(e.gap for e in found.findings if (e.jurisdiction, e.language) == ("CN", language))
    return round(100 * gap.probes.share, 1)


def withheld(rows: Sequence[Row], model: str, country: str, language: str, label: Label) -> float:
    """How much of its questions a model withheld by a judge of the data, in percent."""
    told = [
        withholds(row, label)
        for row in rows
        if (row["model"], row["country"], LANGUAGES[row["lang"]]) == (model, country, language)
    ]
    return round(100 * sum(told) / len(told), 1)


def aims(document: Figures) -> Figures:
    """What was wanted, and what came: by the weights that ship, and by those that know nothing."""
    found: Figures = {}
    for by in ("shipped", "unseen"):
        held = document["sets"]["China, three languages"][by]["label_a"]
        split = document["split"].values()
        found[f"rank correlation, {by}"] = aim("rank correlation", held["rank correlation"], ">=")
        found[f"mean difference, {by}"] = aim("mean difference", held["mean difference"])
        for label, judge in LABELS.items():
            furthest = max(abs(row[by] - row[label]) for row in split)
            found[f"split, {by}, {judge}"] = aim("split", round(furthest, 1))
    return found | {"minutes": aim("minutes", round(document["time"]["seconds"] / 60, 2))}


def aim(name: str, value: float, sense: str = "<=") -> Figures:
    wanted = AIMS[name]
    met = value >= wanted if sense == ">=" else value <= wanted
    return {"value": value, "aim": f"{'≥' if sense == '>=' else '≤'} {wanted:g}", "met": met}


# what ships


def ship(folder: Path, run: Path, answers: Sequence[Answer]) -> None:
    """Write the figures of a run: no text, and no tokens or times, which are the server's."""
    told = summary(run_of(run), findings(answers))
    models = tuple(measured_here(one, answers) for one in told.models)
    folder.mkdir(parents=True, exist_ok=True)
    shipped = told.model_copy(update={"models": models})
    (folder / SUMMARY).write_text(shipped.model_dump_json() + "\n", encoding="utf-8")
    (folder / PICTURES).mkdir(exist_ok=True)
    for picture in (run / PICTURES).glob("languages-*.svg"):  # those by topic are too large
        shutil.copyfile(picture, folder / PICTURES / picture.name)


def measured_here(one: Measured, answers: Iterable[Answer]) -> Measured:
    """A model's figures with what it was asked: a shared control was asked once."""
    asked = {answer.question for answer in answers if answer.model == one.model}
    nothing = {"tokens": 0, "dollars": None, "seconds": None}
    return one.model_copy(update={"asked": len(asked), **nothing})


# what is shown


def shown(document: Figures) -> str:
    """All tables, in Markdown."""
    parts = [
        aim_table(document["aims"]),
        "### The guard's gaps beside those of the labels",
        set_table(document["sets"]),
        f"### {SPLIT}: withheld of the questions on China",
        split_table(document["split"]),
        "### By model: gap in points",
        model_table(document["models"]),
        time_line(document["time"]),
    ]
    return "\n\n".join(parts)


def aim_table(aims: Figures) -> str:
    rows = [
        (name, f"{one['value']:g}", one["aim"], "yes" if one["met"] else "**no**")
        for name, one in aims.items()
    ]
    return table(("figure", "reached", "aim", "met"), rows)


def set_table(sets: Figures) -> str:
    rows = [
        (
            name if by == "shipped" else "",
            held[by]["gaps"] if by == "shipped" else "",
            title,
            *(cell for label in LABELS for cell in two(held[by][label])),
        )
        for name, held in sets.items()
        for by, title in BY.items()
    ]
    beside = (cell for name in LABELS.values() for cell in (f"ρ, {name}", "points"))
    head = ("set", "gaps", "judged by", *beside)
    return table(head, rows)


def two(figure: Figures) -> tuple[str, str]:
    return f"{figure['rank correlation']:.3f}", f"{figure['mean difference']:.1f}"


def split_table(split: Figures) -> str:
    order = ("shipped", "unseen", *LABELS)
    head = ("asked in", BY["shipped"], BY["unseen"], *LABELS.values())
    rows = [(language, *(f"{row[by]:.1f} %" for by in order)) for language, row in split.items()]
    return table(head, rows)


def model_table(models: Figures) -> str:
    places = list(next(iter(models.values())))
    rows = [
        (
            model,
            *(
                " / ".join(f"{held[place][by]:+.0f}" for by in ("shipped", "unseen", "label_a"))
                for place in places
            ),
        )
        for model, held in models.items()
    ]
    return table(("guard / unseen / first judge", *places), rows)


def time_line(took: Figures) -> str:
    load = " and ".join(f"{one:.1f}" for one in took["load"])
    return (
        f"{took['questions']:,} questions, {took['concurrency']} at once, asked, judged and kept "
        f"in {took['seconds']:.0f} seconds ({took['processor']:.0f} of processor time in the "
        f"audit's process), and {took['report']:.0f} for table and report. The machine's load was "
        f"{load} before and after."
    )


def draw(models: Figures) -> None:
    """The guard's gap against the labels', a point a model, by language."""
    import matplotlib.pyplot as plt

    PLOT.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"svg.hashsalt": "candor", "font.size": 10})
    figure, panels = plt.subplots(
        1, len(NAMES), figsize=(9, 3.4), sharex=True, sharey=True, layout="constrained"
    )
    for axes, (language, name) in zip(panels, NAMES.items(), strict=True):
        held = [model[f"CN {language}"] for model in models.values()]
        labels = [one["label_a"] for one in held]
        axes.plot([-10, 100], [-10, 100], color="grey", linewidth=0.8)
        axes.plot(labels, [one["shipped"] for one in held], "o", color="#0072B2", mfc="none")
        axes.plot(labels, [one["unseen"] for one in held], "x", color="#D55E00")
        axes.set(title=f"asked in {name}", xlabel="gap by the labels, points")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="gap by the guard, points", xlim=(-10, 100), ylim=(-10, 100))
    names = ("alike", "weights that ship", "weights that have seen neither model nor question")
    figure.legend(panels[0].lines, names, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
