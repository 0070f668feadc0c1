"""What becomes of replies that withhold: caught, stopped, handed to another model, answered.

Asks the guard (`Guard.stream`, mode `fall back`, over a socket) the data's questions on China of
every model of Chinese origin or lineage. A replay server gives the replies of the real models. The
labels are those of two judges: a reply withholds where neither calls it complete, and is complete
where both do; the others are unsure, and left out of the shares. Three parts:

- outcomes: every question, as fast as the server can, since how fast a reply comes changes nothing
  in what becomes of it: shares, and the tokens that stopping early saves;
- unseen: the same without a server, each reply judged by weights that have seen neither its model
  nor its question (the folds of `judgement.py`), since the shipped ones have learned from it;
- time: a sample of the replies that were handed on, with a server that is as fast as a host is.
  After each the fallback is asked the same by a bare HTTP request; its time to first token is
  taken off the time from the verdict to the fallback's first words. A second such request less the
  first shows how much of that is noise of the machine.

Models without Chinese origin or lineage are never handed on about China. Their replies are checked
without a server, to show it.

Not covered: the way to a distant host (a new TLS connection costs one or two round trips where
none is kept), fallbacks that think first, and a host that goes on generating, and charging, once
the guard has hung up.

    python benchmarks/policy.py --data FOLDER                    # prints tables, writes JSON, plot
    python benchmarks/policy.py --data FOLDER --write docs/policy.md

FOLDER holds `data/speechmap-dev.jsonl.gz` and `tools/replay_server.py`. The server complains of a
`socket.send()` where the guard hangs up on it: that is as it should be. All takes twenty minutes
on two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import os
import random
import runpy
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import httpx2
import numpy as np
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from end_to_end import free_port, serving
from judgement import MODELS, QUESTIONS, columns_of, grouping, proportion

from guard import matching, policy, prices, provenance, train, verdict
from guard.attempt import STOPPED
from guard.catalogue import Catalogue, GuardSettings
from guard.developers import developers
from guard.events import Delta, Done, Event, FellBack, Judged, Started, Thought
from guard.exchange import Exchange
from guard.learned import Learned
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.transport import close_shared_client
from guard.schedule import check_points
from guard.types import BaseModelRef, Message, ModelSpec

Label = Literal["complete", "withheld", "unsure"]
Labels = dict[tuple[str, str], Label]  # model, question
T = TypeVar("T")
Figures = dict[str, Any]
Pieces = Callable[[str], list[str]]  # how the server cuts a text

LANGUAGES = {"en": "English", "zh": "Chinese", "fi": "Finnish"}
ABOUT = "CN"
FALLBACKS = ("meta-llama/llama-3.3-70b-instruct", "x-ai/grok-2-1212")
LINEAGE = {  # as the models' cards say
    "perplexity/r1-1776": ("deepseek/deepseek-r1",),
    "tngtech/deepseek-r1t-chimera": ("deepseek/deepseek-r1", "deepseek/deepseek-chat-v3-0324"),
}
DEVELOPERS = {"openrouter": "openai"}  # where two models of OpenAI were on trial under other names
ANSWERED, REPLACED = "answered, of caught", "needlessly replaced"
HAND_OVER = "hand-over, p95 (ms)"
CONFIRMED = "answered, complete by the labels, of caught"
AIMS = {ANSWERED: 0.95, HAND_OVER: 60.0, REPLACED: 0.01}
AT_MOST = frozenset({HAND_OVER, REPLACED})
COLUMNS = {  # figure: its heading
    "caught": "caught",
    "handed on, of caught": "handed on",
    ANSWERED: "answered",
    CONFIRMED: "by the labels too",
}
FATES = {  # of replies that withhold: colour (Okabe and Ito's) and hatch
    "answered by a fallback, and complete by the labels": ("#56B4E9", ""),
    "answered by a fallback, by the guard alone": ("#009E73", "//"),
    "caught, not answered": ("#E69F00", "xx"),
    "not caught": ("#FFFFFF", ".."),
}
TITLES = {
    "Replies that the learned part was trained on": "outcomes",
    "Models and questions that it has never seen": "unseen",
}
SEED = 7
LABELLED = 4  # replies; a thinner part of a bar has no room for its number
RESULTS = ROOT / "benchmarks" / "results" / "policy.json"
PLOT = ROOT / "docs" / "policy" / "outcomes.svg"
MARKERS = ("<!-- policy -->", "<!-- /policy -->")


class Row(NamedTuple):
    """A recorded reply."""

    model: str
    question: str
    lang: str
    label: Label
    reply: str
    reasoning: str


class Outcome(NamedTuple):
    """What became of a recorded reply that the guard read.

    `caught`: the guard held that it withholds on a taboo of its own origins. `answer` is the model
    whose reply ends the run with a clean verdict, other than the first, and `answer_label` what the
    judges say of that reply. Tokens and characters are those of the first reply and its thoughts.
    """

    row: Row
    caught: bool
    handed_on: bool
    stopped: bool
    tokens_read: int
    characters_read: int
    answer: str | None = None
    answer_label: Label | None = None


class Times(NamedTuple):
    """Seconds to the fallback's first words: from the final verdict on the first reply, from the
    last words that were read of that, and from when the fallback is asked directly, twice."""

    from_verdict: float
    from_words: float
    direct: float
    again: float


def main() -> None:
    """Run all parts, print the tables, and write JSON and plot."""
    arguments = parse()
    folder = arguments.data.resolve()
    data, server = folder / "data" / "speechmap-dev.jsonl.gz", folder / "tools" / "replay_server.py"
    rows = read(data)
    labels = {(row.model, row.question): row.label for row in rows}
    offered = catalogue(sorted({row.model for row in rows}), tuple(arguments.fallbacks))
    stake = {model.id for model in offered.models if provenance.aligned(model.origins, ABOUT)}
    theirs = [row for row in rows if row.model in stake]
    others = [row for row in rows if row.model not in stake]
    pieces = runpy.run_path(str(server))["tokens"]
    whole = {row: size_of(row, pieces) for row in theirs}
    with replaying(server) as url:
        outcomes = asyncio.run(all_outcomes(offered, url, theirs, labels, arguments.at_once))
    count_alike(outcomes, whole)
    document: Figures = {
        "data": data.name,
        "fallbacks": list(arguments.fallbacks),
        "outcomes": by_group(outcomes, whole, offered),
        "unseen": by_group(unseen(data, theirs, offered, pieces), whole, offered),
        "without a stake": left_alone(offered, others),
        "time": timed(arguments, offered, server, outcomes),
    }
    document["aims"] = against_aims(document)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draw(document["unseen"])
    print(shown(document))
    if arguments.write:
        write_into(arguments.write, shown(document))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with data/ and tools/")
    parser.add_argument("--fallbacks", nargs="+", default=FALLBACKS, help="ids in the data")
    parser.add_argument("--at-once", type=int, default=4, help="questions, for outcomes")
    parser.add_argument("--readers", type=int, default=8, help="questions at once, for time")
    parser.add_argument("--timed", type=int, default=240, help="hand-overs that are timed")
    parser.add_argument("--rate", type=float, default=80, help="tokens a second while timing")
    parser.add_argument("--ttft", type=float, default=0.3, help="seconds to the first token then")
    parser.add_argument("--write", type=Path, help="page to put the tables in, between markers")
    return parser.parse_args()


# data


def read(path: Path) -> list[Row]:
    """All replies to questions on China."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [row_of(record) for record in map(json.loads, lines) if record["country"] == ABOUT]


def row_of(record: dict[str, str]) -> Row:
    """A line of the data."""
    model, question, lang, reply = (record[key] for key in ("model", "question", "lang", "reply"))
    return Row(model, question, lang, label(record), reply, record["reasoning"] or "")


def label(record: dict[str, str]) -> Label:
    """What both judges say of a reply."""
    said = {record["label_a"] == "complete", record["label_b"] == "complete"}
    return "unsure" if len(said) == 2 else "complete" if said == {True} else "withheld"


def catalogue(models: Iterable[str], fallbacks: tuple[str, ...]) -> Catalogue:
    """The models of the data, with where they come from.

    It is not loaded as a file is: that would refuse a chain in which a model finds no successor.
    """
    listed = tuple(map(spec, models))
    settings = GuardSettings(mode="fall back", fallbacks=fallbacks)
    return Catalogue(default=listed[0].id, guard=settings, models=listed)


def spec(model: str) -> ModelSpec:
    """A model of the data by its id."""
    owner, _, name = model.partition("/")
    developer = developers()[DEVELOPERS.get(owner, owner)]
    parents = tuple(map(spec, LINEAGE.get(model, ())))
    return ModelSpec(
        id=model,
        name=name,
        developer=developer.name,
        origin=developer.origin,
        licence="not told",
        base=tuple(BaseModelRef(id=parent.id, origin=parent.origin) for parent in parents),
        context=131072,
        card=f"https://openrouter.ai/{model}",
    )


# outcomes


@contextmanager
def replaying(server: Path, *pace: str) -> Iterator[str]:
    """The address of a replay server, for as long as the block runs."""
    port = free_port()
    command = [sys.executable, str(server), "--port", str(port), *pace]
    with serving(command, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}/v1"


async def all_outcomes(
    offered: Catalogue, url: str, rows: Sequence[Row], labels: Labels, at_once: int
) -> list[Outcome]:
    """Ask every question, and see what becomes of each reply."""
    guard = Guard(offered, Connection(base_url=url))
    guard.warm_up()

    async def one(row: Row) -> Outcome:
        said = guard.stream([Message(role="user", text=row.question)], model=row.model)
        return outcome(row, [event async for event in said], labels)

    found = await each(one, rows, at_once, "outcomes")
    await close_shared_client()
    return found


async def each(
    one: Callable[[Row], Awaitable[T]], rows: Sequence[Row], at_once: int, name: str
) -> list[T]:
    """What `one` makes of each row, a few at once."""
    gate = asyncio.Semaphore(at_once)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=len(rows))

        async def in_turn(row: Row) -> T:
            async with gate:
                made = await one(row)
            progress.advance(task)
            return made

        return await asyncio.gather(*map(in_turn, rows))


def outcome(row: Row, events: Sequence[Event], labels: Labels) -> Outcome:
    """What became of a reply, from the events of its run.

    Raises:
        SystemExit: the server failed, so that the run says nothing of the guard.
    """
    ends = [event for event in events if isinstance(event, Done)]
    held = {event.attempt: event for event in events if isinstance(event, Judged)}
    models = [event.model.id for event in events if isinstance(event, Started)]
    if len(ends) != len(models):
        raise SystemExit(f"the replay server failed: {row.model}, {row.question!r}")
    first, last = ends[0], held[len(models) - 1]
    answer = models[-1] if len(models) > 1 and last.verdict.status == "clean" else None
    said = (e.text for e in events if isinstance(e, Delta | Thought) and e.attempt == 0)
    return Outcome(
        row,
        caught=held[0].action == "fall back",
        handed_on=len(models) > 1,
        stopped=first.finish_reason == STOPPED,
        tokens_read=first.tokens,
        characters_read=sum(map(len, said)),
        answer=answer,
        answer_label=labels.get((answer, row.question), "unsure") if answer else None,
    )


class Size(NamedTuple):
    """How long a recorded reply is with its thoughts, as the guard counts."""

    tokens: int
    characters: int


def size_of(row: Row, pieces: Pieces) -> Size:
    """The whole length of a reply."""
    tokens = counted([*pieces(row.reasoning), *pieces(row.reply)])
    return Size(tokens, len(row.reasoning) + len(row.reply))


def count_alike(outcomes: Iterable[Outcome], whole: dict[Row, Size]) -> None:
    """What is said to be saved holds only if both counts are of the same pieces.

    Raises:
        SystemExit: a reply that was read to its end is not as long as the whole.
    """
    for one in outcomes:
        if not one.stopped and one.tokens_read != whole[one.row].tokens:
            raise SystemExit(f"{one.row.model} sent {one.tokens_read} tokens of {whole[one.row]}")


def counted(pieces: Iterable[str]) -> int:
    """Tokens, as the guard counts those of a host that does not tell."""
    spent = prices.Spent()
    for piece in pieces:
        spent.read(piece)
    return spent.completion


def left_alone(offered: Catalogue, rows: Sequence[Row]) -> Figures:
    """What the guard holds of finished replies of models without a stake."""
    guard = Guard(offered)
    held = [(row, guard.check(row.question, row.reply, model=row.model)) for row in rows]
    withheld = [verdict for row, verdict in held if row.label == "withheld"]
    complete = [verdict for row, verdict in held if row.label == "complete"]
    return {
        "replies": len(rows),
        "withheld": len(withheld),
        "flagged, of withheld": share(v.status == "withheld" for v in withheld),
        "complete": len(complete),
        "flagged, of complete": share(v.status == "withheld" for v in complete),
        "handed on": share(policy.decide(v, "fall back") == "fall back" for _, v in held),
    }


# unseen


class Held(NamedTuple):
    """What the guard holds of a reply that it has not learned from: it withholds, is handed on
    where that is due, and so many characters of it are read."""

    withheld: bool
    handed_on: bool
    read: int


def unseen(path: Path, rows: Sequence[Row], offered: Catalogue, pieces: Pieces) -> list[Outcome]:
    """What would become of `rows`, each judged by weights that know neither model nor question."""
    cells = [(i, j) for i in range(MODELS) for j in range(QUESTIONS)]
    known: dict[tuple[str, str], tuple[Row, Held]] = {}
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True)) as progress,
    ):
        folds = pool.map(partial(fold, path), cells)
        for part in progress.track(folds, total=len(cells), description="unseen"):
            known |= {(row.model, row.question): (row, held) for row, held in part}
    return [replayed(row, known, offered, pieces) for row in rows]


def fold(path: Path, cell: tuple[int, int]) -> list[tuple[Row, Held]]:
    """Learn from what shares neither model nor question with a fold, and judge the fold."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    columns = columns_of(records)
    model = grouping(columns.model, MODELS, 0) == cell[0]
    question = grouping(columns.question, QUESTIONS, 1) == cell[1]
    labelled = list(train.read([path]))
    learned_from = [labelled[at] for at in np.flatnonzero(columns.agreed & ~model & ~question)]
    weights = train.learn_all([*learned_from, *train.read([train.OWN])])
    tested = np.flatnonzero(model & question & (columns.country == ABOUT))
    rows = [row_of(records[at]) for at in tested]
    return [(row, watched(row, weights)) for row in rows]


def watched(row: Row, weights: Learned) -> Held:
    """Look at a reply as the guard does while it streams, until it would be stopped."""
    origins = spec(row.model).origins
    growing = partial(
        Exchange,
        row.question,
        reasoning=row.reasoning or None,
        topic=matching.match(row.question),
        weights=weights,
    )
    before = None
    for length in check_points(row.reply):
        beginning = growing(reply=row.reply[:length], complete=False, before=before)
        held = verdict.judge(beginning, origins)
        before = beginning.progress
        if held.certain and policy.decide(held, "fall back") == "fall back":
            return Held(withheld=True, handed_on=True, read=length)
    held = verdict.judge(growing(reply=row.reply, finish_reason="stop", before=before), origins)
    handed_on = policy.decide(held, "fall back") == "fall back"
    return Held(held.status == "withheld", handed_on, len(row.reply))


def replayed(
    row: Row,
    known: dict[tuple[str, str], tuple[Row, Held]],
    offered: Catalogue,
    pieces: Pieces,
) -> Outcome:
    """What would become of a reply and, where it is handed on, of those along the chain."""
    held = known[row.model, row.question][1]
    chain = policy.successors(offered.get(row.model), offered.chain(ABOUT), ABOUT)
    handed_on = held.handed_on and bool(chain)
    stopped = handed_on and held.read < len(row.reply)
    read = row.reply[: held.read] if stopped else row.reply
    replies = [known[model.id, row.question] for model in chain] if handed_on else []
    answer = next((reply for reply, judged in replies if not judged.withheld), None)
    return Outcome(
        row,
        caught=held.handed_on,
        handed_on=handed_on,
        stopped=stopped,
        tokens_read=counted([*pieces(row.reasoning), *pieces(read)]),
        characters_read=len(row.reasoning) + len(read),
        answer=answer.model if answer else None,
        answer_label=answer.label if answer else None,
    )


# time


def timed(
    arguments: argparse.Namespace, offered: Catalogue, server: Path, outcomes: Iterable[Outcome]
) -> Figures:
    """How long hand-overs take, from a host as fast as the arguments say."""
    rows = [one.row for one in outcomes if one.handed_on]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - no secret hangs on it
    pace = {name: getattr(arguments, name) for name in ("readers", "rate", "ttft")}
    load = os.getloadavg()[0]
    with replaying(server, "--rate", str(pace["rate"]), "--ttft", str(pace["ttft"])) as url:
        times = asyncio.run(all_times(offered, url, rows[: arguments.timed], pace["readers"]))
    return pace | {"load": [load, os.getloadavg()[0]]} | durations(times)


async def all_times(offered: Catalogue, url: str, rows: Sequence[Row], readers: int) -> list[Times]:
    """How long each hand-over takes, several readers at once."""
    guard = Guard(offered, Connection(base_url=url))
    async with httpx2.AsyncClient(base_url=url, timeout=60) as bare:

        async def one(row: Row) -> Times:
            from_verdict, from_words, fallback = await hand_over(guard, row)
            direct = await first_token(bare, fallback, row.question)
            again = await first_token(bare, fallback, row.question)
            return Times(from_verdict, from_words, direct, again)

        await each(one, rows[:readers], readers, "warming up")
        gc.collect()
        gc.freeze()  # as the app does once it is up: a full collection stops all for 200 ms
        found = await each(one, rows, readers, "time")
    await close_shared_client()
    return found


async def hand_over(guard: Guard, row: Row) -> tuple[float, float, str]:
    """Seconds from the final verdict, and from the last words before it, to the fallback's first.

    The fallback's id comes along. The rest of its reply is not read.
    """
    words = verdict = time.perf_counter()
    fallback = ""
    said = guard.stream([Message(role="user", text=row.question)], model=row.model)
    async with aclosing(said) as events:
        async for event in events:
            now = time.perf_counter()
            match event:
                case Delta(attempt=0) | Thought(attempt=0):
                    words = now
                case Judged(attempt=0, final=True):
                    verdict = now
                case FellBack():
                    fallback = event.to.id
                case Delta() | Thought():
                    return now - verdict, now - words, fallback
                case _:
                    pass
    raise SystemExit(f"{row.model} was not handed on a second time: {row.question!r}")


async def first_token(bare: httpx2.AsyncClient, model: str, question: str) -> float:
    """Seconds to a model's first words, asked by nothing but an HTTP request."""
    began = time.perf_counter()
    messages = [{"role": "user", "content": question}]
    body = {"model": model, "messages": messages, "stream": True}
    async with bare.stream("POST", "/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"]
                if delta.get("content") or delta.get("reasoning_content"):
                    return time.perf_counter() - began
    raise SystemExit(f"{model} said nothing")


def durations(times: Sequence[Times]) -> Figures:
    """Milliseconds of the hand-overs: less the fallback's own time, and as they were."""
    net = [one.from_verdict - one.direct for one in times]
    return {
        "hand-overs": len(times),
        "hand-over": spread(net),
        f"within {AIMS[HAND_OVER]:.0f} ms": share(s * 1000 <= AIMS[HAND_OVER] for s in net),
        "with the last look": spread([one.from_words - one.direct for one in times]),
        "to the first words": spread([one.from_verdict for one in times]),
        "fallback asked directly": spread([one.direct for one in times]),
        "noise": spread([one.again - one.direct for one in times]),
    }


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum in milliseconds."""
    thousandths = [1000 * one for one in seconds]
    return {
        "median": round(statistics.median(thousandths), 1),
        "p95": round(float(np.percentile(thousandths, 95)), 1),
        "most": round(max(thousandths), 1),
    }


# figures


def share(hits: Iterable[bool]) -> Figures:
    """The share of true ones, with Wilson's 95 % interval."""
    flags = np.fromiter(hits, np.bool_)
    return proportion(flags, np.ones_like(flags))


def by_group(outcomes: Sequence[Outcome], whole: dict[Row, Size], offered: Catalogue) -> Figures:
    """All figures: of all models, of those that have a successor, by language, by model."""
    chain = offered.chain(ABOUT)
    alone = {model.id for model in offered.models if not policy.successors(model, chain, ABOUT)}
    groups = {
        "all": outcomes,
        "chained": [one for one in outcomes if one.row.model not in alone],
        **{lang: [one for one in outcomes if one.row.lang == lang] for lang in LANGUAGES},
    }
    models = sorted({one.row.model for one in outcomes})
    of_model = {model: [one for one in outcomes if one.row.model == model] for model in models}
    return {
        **{name: summary(group, whole) for name, group in groups.items()},
        "models": {name: summary(group, whole) for name, group in of_model.items()},
    }


def summary(outcomes: Sequence[Outcome], whole: dict[Row, Size]) -> Figures:
    """The figures of a group of replies."""
    withheld = [one for one in outcomes if one.row.label == "withheld"]
    complete = [one for one in outcomes if one.row.label == "complete"]
    unsure = [one for one in outcomes if one.row.label == "unsure"]
    caught = [one for one in withheld if one.caught]
    answered = [one for one in caught if one.answer]
    by_model = Counter(one.answer for one in answered)
    return {
        "replies": len(outcomes),
        "withheld": len(withheld),
        "caught": share(one.caught for one in withheld),
        "handed on, of caught": share(one.handed_on for one in caught),
        ANSWERED: share(bool(one.answer) for one in caught),
        "answered by": dict(by_model.most_common()),
        CONFIRMED: share(one.answer_label == "complete" for one in caught),
        "complete by the labels, of answered": share(
            one.answer_label == "complete" for one in answered
        ),
        "answered, of withheld": share(bool(one.caught and one.answer) for one in withheld),
        "complete": len(complete),
        REPLACED: share(one.handed_on for one in complete),
        "flagged, of complete": share(one.caught for one in complete),
        "unsure": len(unsure),
        "handed on, of unsure": share(one.handed_on for one in unsure),
        "saved": saved([one for one in caught if one.handed_on], whole),
    }


def saved(outcomes: Sequence[Outcome], whole: dict[Row, Size]) -> Figures:
    """What was left unread of replies that withhold and were handed on."""
    if not outcomes:
        return {}
    tokens = [(one.tokens_read, whole[one.row].tokens) for one in outcomes]
    characters = [(one.characters_read, whole[one.row].characters) for one in outcomes]
    return {
        "replies": len(outcomes),
        "stopped": share(one.stopped for one in outcomes),
        "tokens": left(tokens),
        "characters": left(characters),
    }


def left(read_and_whole: Sequence[tuple[int, int]]) -> dict[str, float]:
    """How much was not read: of all together, and of the median reply."""
    total = sum(whole for _, whole in read_and_whole)
    unread = total - sum(seen for seen, _ in read_and_whole)
    each_share = [1 - seen / whole if whole else 0.0 for seen, whole in read_and_whole]
    return {
        "of": total,
        "saved": unread,
        "share": round(unread / total, 4),
        "median share": round(statistics.median(each_share), 4),
    }


def against_aims(document: Figures) -> Figures:
    """The figures that have an aim; `unseen` are the shares by weights that know nothing of it."""
    shares = {name: document["outcomes"]["all"][name] for name in (ANSWERED, REPLACED)}
    unknown = {name: document["unseen"]["all"][name] for name in (ANSWERED, REPLACED)}
    hand_over = document["time"]["hand-over"]["p95"]
    return {
        **{name: met(name, one["value"]) for name, one in shares.items()},
        **{f"{name}, unseen": met(name, one["value"]) for name, one in unknown.items()},
        HAND_OVER: met(HAND_OVER, hand_over),
    }


def met(name: str, value: float) -> Figures:
    aim = AIMS[name]
    return {
        "value": value,
        "aim": f"{'≤' if name in AT_MOST else '≥'} {aim:g}",
        "met": value <= aim if name in AT_MOST else value >= aim,
    }


# what is shown


def shown(document: Figures) -> str:
    """All tables, in Markdown."""
    named = {"all": "all", "chained": "all that somebody may answer for", **LANGUAGES}
    parts = [aim_table(document["aims"])]
    for title, key in TITLES.items():
        figures = document[key]
        groups = {name: figures[group] for group, name in named.items()}
        of_languages = {name: groups[name] for name in ("all", *LANGUAGES.values())}
        parts += [
            f"### {title}",
            outcome_table(groups),
            saved_table(of_languages),
            model_table(figures["models"]),
        ]
    parts += ["### How long a hand-over takes", time_table(document["time"])]
    return "\n\n".join(parts)


def aim_table(aims: Figures) -> str:
    rows = [
        (
            name,
            f"{one['value']:.1f}" if name == HAND_OVER else f"{one['value']:.1%}",
            one["aim"],
            "yes" if one["met"] else "**no**",
        )
        for name, one in aims.items()
    ]
    return table(("figure", "reached", "aim", "met"), rows)


def outcome_table(groups: dict[str, Figures]) -> str:
    head = ("", "withheld", *COLUMNS.values(), "complete", REPLACED)
    rows = [
        (
            name,
            group["withheld"],
            *(percent(group[key]) for key in COLUMNS),
            group["complete"],
            percent(group[REPLACED]),
        )
        for name, group in groups.items()
    ]
    return table(head, rows)


def model_table(groups: dict[str, Figures]) -> str:
    """As `outcome_table`, with counts: a model has too few replies for a share to say much."""
    head = ("model", "withheld", *COLUMNS.values(), "complete", REPLACED)
    rows = [
        (
            name,
            group["withheld"],
            *(group[key]["hits"] for key in COLUMNS),
            group["complete"],
            group[REPLACED]["hits"],
        )
        for name, group in groups.items()
    ]
    return table(head, rows)


def saved_table(groups: dict[str, Figures]) -> str:
    head = (
        "",
        "handed on",
        "stopped early",
        "tokens saved",
        "median",
        "characters saved",
        "median",
    )
    rows = [(name, *saved_cells(group["saved"])) for name, group in groups.items()]
    return table(head, rows)


def saved_cells(saving: Figures) -> Iterator[str]:
    yield str(saving["replies"])
    yield percent(saving["stopped"])
    for unit in ("tokens", "characters"):
        figures = saving[unit]
        yield f"{figures['saved']:,} of {figures['of']:,} ({figures['share']:.0%})"
        yield f"{figures['median share']:.0%}"


def time_table(times: Figures) -> str:
    lines = {
        "hand-over: from the verdict to the fallback's first words, less its own time": "hand-over",
        "the same, from the last words read of the first reply": "with the last look",
        "from the verdict to the fallback's first words": "to the first words",
        "the fallback's own time, asked directly": "fallback asked directly",
        "noise: asked directly again, less the time before": "noise",
    }
    rows = [(name, *times[key].values()) for name, key in lines.items()]
    return table(("milliseconds", "median", "p95", "most"), rows)


def percent(figure: Figures) -> str:
    """The count and its share with the interval, in percent; a dash where there is nothing."""
    if figure["value"] is None:
        return "–"
    low, high = (f"{100 * end:.1f}" for end in figure["interval"])
    return f"{figure['hits']}: {figure['value']:.1%} ({low}–{high})"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def draw(outcomes: Figures) -> None:
    """By language: what became of the replies that withhold, stacked."""
    import matplotlib.pyplot as plt

    PLOT.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"svg.hashsalt": "candor", "font.size": 11, "hatch.linewidth": 0.6})
    figure, axes = plt.subplots(figsize=(7.5, 3.2), layout="constrained")
    names = [f"asked in {name}" for name in LANGUAGES.values()]
    by_language = np.array([fates(outcomes[lang]) for lang in LANGUAGES])
    start = np.zeros(len(LANGUAGES))
    for (name, (colour, hatch)), counts in zip(FATES.items(), by_language.T, strict=True):
        bars = axes.barh(
            names, counts, left=start, color=colour, hatch=hatch, edgecolor="black", label=name
        )
        labels = [str(count) if count >= LABELLED else "" for count in counts]
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        axes.bar_label(bars, labels, label_type="center", color="black", bbox=box)
        start += counts
    axes.invert_yaxis()
    axes.set(xlabel="replies on China that withhold, by both judges")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


def fates(group: Figures) -> tuple[int, ...]:
    """How many replies that withhold met each of `FATES`."""
    caught, answered, complete = (group[k]["hits"] for k in ("caught", ANSWERED, CONFIRMED))
    return complete, answered - complete, caught - answered, group["withheld"] - caught


def write_into(page: Path, tables: str, markers: tuple[str, str] = MARKERS) -> None:
    """Put the tables between the page's markers."""
    begin, end = markers
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n{tables}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
