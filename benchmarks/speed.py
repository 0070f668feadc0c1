"""How fast the guard is beside the public detectors of refusals, and how right on the same replies.

    python benchmarks/speed.py --data PATH --compare-python VENV/bin/python --promptfoo FOLDER

Prints Markdown tables and writes JSON. `benchmarks/requirements-compare.txt` says how to install
the others; one that is not installed is left out, with a line that says how to. Everything runs on
one core. The parts:

- comparison: each reply goes to every detector in turn, in random order, so that other work of the
  machine hits all alike. Each is a process of its own that times the call alone; the guard's is
  `scan.judge`: topic, detectors, verdict, explanation. All are given the reply as it came;
- streaming: what all looks at a growing reply take together, in whole checks of the same reply;
- length: one reply of 1 kB to 10 MB, made of repeated sentences;
- start: fresh processes, up to the first verdict, beside `import gradio`; peak memory.

Not covered: detectors that ask a model, several cores, and the network. The learned part of the
guard was trained on these replies, so its F1 here is in-sample; what it reaches on models and
questions it has never seen is for `benchmarks/judgement.py` to say.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from compare.detectors import Detector, Missing, Running, Said, known

from guard import scan

Rows = list[dict[str, Any]]
ERRORS = Console(stderr=True)
SEED = 7
WARM_UP = 100  # replies that every detector is given before the clock counts
REPEATS = 3  # the fastest counts, where the same work can be done again
STREAMED = 300  # replies of the streaming part
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # characters
STARTS = 5
NOISE = 1.25  # a step in size may cost that much more than its share, before it is not linear
WANTED = {
    "median, of promptfoo's": 0.7,
    "median, of garak's": 0.2,
    "99th percentile, of the median": 5.0,
    "F1, of promptfoo's": 4.0,
    "F1, of garak's": 4.0,
    "F1, of LLM Guard's": 4.0,
    "streaming, in whole checks (median)": 3.0,
    "start, of import gradio's": 0.2,
    "peak memory (MiB)": 200.0,
    "length, steepest step (check)": NOISE,
    "length, steepest step (streaming)": NOISE,
}
GUARD_START = """
import sys
from guard import Guard
guard = Guard()
guard.warm_up()
guard.check("What happened at Tiananmen Square in 1989?", "I cannot discuss this.",
            model="Qwen/QwQ-32B")
status = open("/proc/self/status").read() if sys.platform == "linux" else ""
print(next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), 0))
"""
QUESTION = "What happened at Tiananmen Square in 1989, and how many people died?"
SENTENCES = (
    "The square lies in the middle of the city, and it can hold several hundred thousand people.",
    "Students had gathered there since April; by the middle of May, many were on hunger strike.",
    "“We came because we had questions,” one of them said years later, “and we were young.”",
    "On 20 May the government declared martial law, yet for two weeks the streets stayed blocked!",
    "Who gave which order, and when?",
    "1. Diplomatic cables, hospital lists and eyewitnesses give numbers that differ widely.",
    "2. A list kept by the families of victims holds more than two hundred names (so far).",
    "In the night to 4 June troops moved in from the west along Chang'an Avenue.",
    "- Most deaths were not on the square itself but on the roads that lead to it.",
    "Historians, among them editors of the papers of that spring, still disagree on 3 points.",
    "The word for it in Chinese, 六四, simply says the date: June fourth.",
    "After 1989 many went abroad; others lost their posts, and some spent 10 years in prison.",
    "# What followed\n",
    "Markets opened further in 1992, while the press, by contrast, was held on a shorter lead.",
    "It's a subject on which textbooks in different places print between zero and forty pages.",
    "Naïve readers may take a café anecdote for proof; archives, once open, will weigh more.",
)


class Times(NamedTuple):
    """Microseconds a reply."""

    median: float
    p95: float
    p99: float


def main() -> None:
    """Run all parts, print the tables and write the JSON."""
    arguments = parse()
    core = on_one_core()
    rows = sample(arguments.data, arguments.rows)
    load = os.getloadavg()
    ERRORS.print(f"core {core}, load {load[0]:.2f}, {len(rows)} replies")
    result: dict[str, Any] = {
        "machine": machine(core),
        "load before": load,
        "data": arguments.data.name,
        "rows": len(rows),
        "comparison": comparison(rows, known(arguments.compare_python, arguments.promptfoo)),
        "streaming": streaming(rows[:STREAMED]),
        "length": length(),
        "start": start(),
        "load after": os.getloadavg(),
    }
    result["targets"] = targets(result)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(shown(result))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared/data/speechmap-dev.jsonl.gz"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/speed.json")
    parser.add_argument("--rows", type=int, help="so many replies, drawn with a fixed seed")
    parser.add_argument(
        "--compare-python", default=sys.executable, help="of the venv with garak and LLM Guard"
    )
    parser.add_argument(
        "--promptfoo", type=Path, default=Path(), help="where its npm package was unpacked"
    )
    return parser.parse_args()


def on_one_core() -> int | None:
    """Keep this process, and those it starts, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def machine(core: int | None) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "core": core,
    }


def sample(path: Path, most: int | None) -> Rows:
    """The replies in a random but fixed order, at most `most` of them."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - no secret hangs on it
    return rows[:most]


# comparison


def comparison(rows: Rows, detectors: Iterable[Detector]) -> dict[str, Any]:
    """Every detector on every reply: how right, how fast, and how much memory."""
    running, missing = started(detectors)
    said = ask_all(running, rows)
    figures = {
        each.name: {
            "version": each.version,
            "memory": each.end(),
            "times": times(s.nanoseconds for s in said[each.name])._asdict(),
            "judgement": judgement(rows, said[each.name]),
            "judgement en": judgement(rows, said[each.name], "en"),
        }
        for each in running
    }
    return {"detectors": figures, "missing": missing}


def started(detectors: Iterable[Detector]) -> tuple[list[Running], list[str]]:
    """Those that are installed, and a line for each that is not; without the guard, nothing."""
    running, missing = [], []
    for detector in detectors:
        try:
            running.append(Running(detector))
        except Missing as error:
            if not running:
                raise SystemExit(str(error)) from error
            missing.append(str(error))
            ERRORS.print(str(error), markup=False, soft_wrap=True)
    return running, missing


def ask_all(running: Sequence[Running], rows: Rows) -> dict[str, list[Said]]:
    """What each says of each reply, in the replies' order."""
    said: dict[str, list[Said]] = {each.name: [] for each in running}
    order = random.Random(SEED)  # noqa: S311 - no secret hangs on it
    for row in rows[:WARM_UP]:
        for each in running:
            each.ask(row)
    for row in track(rows, "comparing", console=ERRORS):
        for each in order.sample(running, len(running)):
            said[each.name].append(each.ask(row))
    return said


def times(nanoseconds: Iterable[float]) -> Times:
    cuts = statistics.quantiles(nanoseconds, n=100, method="inclusive")
    return Times(cuts[49] / 1000, cuts[94] / 1000, cuts[98] / 1000)


def judgement(rows: Rows, said: Sequence[Said], language: str | None = None) -> dict[str, Any]:
    """Precision, recall and F1 on the replies on which both labels agree: complete or not."""
    pairs = [
        (row["label_a"] != "complete", answer.withheld)
        for row, answer in zip(rows, said, strict=True)
        if (row["label_a"] == "complete") == (row["label_b"] == "complete")
        and language in (None, row["lang"])
    ]
    both = sum(withheld and flagged for withheld, flagged in pairs)
    withheld, flagged = sum(w for w, _ in pairs), sum(f for _, f in pairs)
    return {
        "rows": len(pairs),
        "withheld": withheld,
        "precision": both / flagged if flagged else 0.0,
        "recall": both / withheld if withheld else 0.0,
        "f1": 2 * both / (withheld + flagged) if withheld + flagged else 0.0,
    }


# streaming


def streamed_checks(row: scan.Row) -> Callable[[], object]:
    """All looks that the streaming reply gets before its last; the topic is matched before."""
    whole = scan.exchange_of(row)
    return lambda: scan.certain_at(whole)


def streaming(rows: Rows) -> dict[str, Any]:
    """What the looks at growing replies take, in whole checks of the same replies."""
    before, with_final = [], []
    for given in track(rows, "streaming", console=ERRORS):
        once, looks = once_and_looks(row_of(given))
        before.append(looks / once)
        with_final.append((looks + once) / once)
    return {
        "rows": len(rows),
        "without the final check": spread(before),
        "with the final check": spread(with_final),
    }


def row_of(given: dict[str, Any]) -> scan.Row:
    fields = ("id", "question", "reply", "model", "finish_reason")
    return scan.row_from(
        {key: given[key] for key in fields} | {"reasoning": given["reasoning"] or None}
    )


def once_and_looks(row: scan.Row) -> tuple[float, float]:
    """The least nanoseconds of a whole check and of all looks, tried in turn."""
    checks, looks = [], []
    for _ in range(REPEATS):
        checks.append(nanoseconds(partial(scan.judge, row)))
        looks.append(nanoseconds(streamed_checks(row)))
    return min(checks), min(looks)


def nanoseconds(call: Callable[[], object]) -> int:
    began = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"median": cuts[49], "p95": cuts[94]}


# length


def length() -> dict[str, Any]:
    """How the time grows with the reply, finished and streaming."""
    checked, streamed = {}, {}
    for size in track(SIZES, "lengths", console=ERRORS):
        row = scan.Row(id=size, question=QUESTION, reply=text(size))
        scan.judge(row)
        checked[size], streamed[size] = once_and_looks(row)
    return {"check": growth(checked), "streaming": growth(streamed)}


def text(size: int) -> str:
    """A text of that many characters; the sentences come in ever new orders."""
    order, parts, have = random.Random(SEED), [], 0  # noqa: S311 - no secret hangs on it
    while have < size:
        for sentence in order.sample(SENTENCES, len(SENTENCES)):
            parts.append(sentence)
            have += len(sentence) + 1
    return " ".join(parts)[:size]


def growth(by_size: dict[int, float]) -> dict[str, Any]:
    """Nanoseconds a character by size, and whether they rise.

    A step is steep by how much more time there is, over how much more text; 1 is linear.
    """
    each = {size: taken / size for size, taken in by_size.items()}
    small, large = min(each), max(each)
    return {
        "ns a character": each,
        "largest of smallest": each[large] / each[small],
        "steepest step": max(each[b] / each[a] for a, b in pairwise(sorted(each))),
    }


# start


def start() -> dict[str, Any]:
    """Fresh processes, the two in turn: medians of seconds, and the guard's memory."""
    codes = {"guard": GUARD_START, "import gradio": "import gradio"}
    seen: dict[str, list[Start]] = {name: [] for name in codes}
    for round_ in track(range(STARTS + 1), "starts", console=ERRORS):
        for name, code in codes.items():
            fresh = start_once(code)
            if round_:  # the first one writes compiled files
                seen[name].append(fresh)
    figures: dict[str, Any] = {name: medians(starts) for name, starts in seen.items()}
    ours, gradio = figures["guard"], figures["import gradio"]
    return {**figures, "ratio": {key: ours[key] / gradio[key] for key in ("wall", "cpu")}}


class Start(NamedTuple):
    """One fresh process: seconds, and MiB at its peak where it said so."""

    wall: float
    cpu: float
    memory: float


def start_once(code: str) -> Start:
    with spent() as clock:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
        )
    told = done.stdout.split()
    return Start(clock["wall"], clock["cpu"], int(told[-1]) / 1024 if told else 0.0)


@contextmanager
def spent() -> Iterator[dict[str, float]]:
    """The seconds on the clock, and on the processor by processes that ended meanwhile."""
    clock: dict[str, float] = {}
    before, began = os.times(), time.perf_counter()
    yield clock
    clock["wall"], after = time.perf_counter() - began, os.times()
    clock["cpu"] = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def medians(starts: Sequence[Start]) -> dict[str, float]:
    return {key: statistics.median(getattr(each, key) for each in starts) for key in Start._fields}


# tables


def targets(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was wanted, what was seen, and whether that is met; nothing seen is not met."""
    seen = figures(result)
    return {
        name: {
            "wanted": wanted,
            "at least": name.startswith("F1"),
            "seen": seen.get(name),
            "met": name in seen
            and (seen[name] >= wanted if name.startswith("F1") else seen[name] <= wanted),
        }
        for name, wanted in WANTED.items()
    }


def figures(result: dict[str, Any]) -> dict[str, float]:
    """The figures that have a target, as far as they were measured."""
    detectors = result["comparison"]["detectors"]
    guard = detectors["guard"]
    seen = {
        "99th percentile, of the median": guard["times"]["p99"] / guard["times"]["median"],
        "streaming, in whole checks (median)": result["streaming"]["without the final check"][
            "median"
        ],
        "start, of import gradio's": result["start"]["ratio"]["wall"],
        "peak memory (MiB)": max(guard["memory"], result["start"]["guard"]["memory"]),
        "length, steepest step (check)": result["length"]["check"]["steepest step"],
        "length, steepest step (streaming)": result["length"]["streaming"]["steepest step"],
    }
    for name, other in detectors.items():
        owner = name.rpartition(" ")[0]
        if owner:
            seen[f"median, of {owner}'s"] = guard["times"]["median"] / other["times"]["median"]
            seen[f"F1, of {owner}'s"] = ratio(guard["judgement"]["f1"], other["judgement"]["f1"])
    return seen


def ratio(value: float, other: float) -> float:
    return value / other if other else float("inf")


def shown(result: dict[str, Any]) -> str:
    """All tables, as Markdown."""
    compared = result["comparison"]
    agreed = compared["detectors"]["guard"]["judgement"]
    parts = [
        f"{result['rows']} replies, one core; load before and after "
        f"{result['load before'][0]:.2f} and {result['load after'][0]:.2f}. Labels agree on "
        f"{agreed['rows']}, {agreed['withheld']} of them withheld. The guard's F1 is in-sample "
        "for its learned part; cross-validated figures are those of benchmarks/judgement.py.",
        detector_table(compared["detectors"]),
        *compared["missing"],
        streaming_table(result["streaming"]),
        length_table(result["length"]),
        start_table(result["start"]),
        target_table(result["targets"]),
    ]
    return "\n\n".join(parts)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def detector_table(detectors: dict[str, Any]) -> str:
    guard = detectors["guard"]
    head = (
        *("detector", "P", "R", "F1", "F1 en", "median µs", "p95", "p99"),
        *("guard's time of its (median)", "guard's F1 of its", "peak MiB"),
    )
    lines = []
    for name, each in detectors.items():
        right, took = each["judgement"], each["times"]
        lines.append(
            (
                f"{name} {each['version']}",
                *(f"{right[key]:.3f}" for key in ("precision", "recall", "f1")),
                f"{each['judgement en']['f1']:.3f}",
                *(f"{took[key]:,.0f}" for key in Times._fields),
                f"{guard['times']['median'] / took['median']:.2f}",
                f"{ratio(guard['judgement']['f1'], right['f1']):.2f}",
                f"{each['memory']:.0f}",
            )
        )
    return table(head, lines)


def streaming_table(seen: dict[str, Any]) -> str:
    kinds = [name for name in seen if name != "rows"]
    return table(
        (f"streaming, in whole checks ({seen['rows']} replies)", "median", "p95"),
        [(name, f"{seen[name]['median']:.2f}", f"{seen[name]['p95']:.2f}") for name in kinds],
    )


def length_table(seen: dict[str, Any]) -> str:
    sizes = [f"{size:,}" for size in SIZES]
    return table(
        ("ns a character, by characters", *sizes, "largest of smallest", "steepest step"),
        [
            (
                name,
                *(f"{value:,.1f}" for value in each["ns a character"].values()),
                f"{each['largest of smallest']:.3f}",
                f"{each['steepest step']:.2f}",
            )
            for name, each in seen.items()
        ],
    )


def start_table(seen: dict[str, Any]) -> str:
    lines = [
        (
            name,
            f"{each['wall']:.3f}",
            f"{each['cpu']:.3f}",
            f"{each['memory']:.0f}" if each.get("memory") else "–",
        )
        for name, each in seen.items()
    ]
    return table((f"start (median of {STARTS})", "wall s", "CPU s", "peak MiB"), lines)


def target_table(wanted: dict[str, Any]) -> str:
    lines = [
        (
            name,
            f"{'≥' if each['at least'] else '≤'} {each['wanted']:g}",
            "not measured" if each["seen"] is None else f"{each['seen']:.3g}",
            "yes" if each["met"] else "no",
        )
        for name, each in wanted.items()
    ]
    return table(("target", "wanted", "seen", "met"), lines)


if __name__ == "__main__":
    main()
