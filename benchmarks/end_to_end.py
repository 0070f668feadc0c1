"""Ask the app the data's questions on China of three models, and count what the reader gets.

Starts the replay server (real replies over the OpenAI protocol) and the app with a fallback, and
asks through the app's own routes, with the guard in mode `fall back` and in mode `off`. Labels: a
reply withholds where both judges say so, and is complete where both say so; the others are left
out of the counts. Time to first token is from the question to the first words the page is sent.

    python benchmarks/end_to_end.py --data FOLDER            # prints a table, writes JSON
    python benchmarks/end_to_end.py --data FOLDER --write    # and puts the table in the README

FOLDER holds `data/speechmap-dev.jsonl.gz` and `tools/replay_server.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from chat.store import Reply, Store

RESULTS = ROOT / "benchmarks" / "results" / "end_to_end.json"
README = ROOT / "README.md"
MARKERS = ("<!-- end_to_end -->", "<!-- /end_to_end -->")
MODELS = {  # id on the Hub: id in the data
    "Qwen/Qwen2.5-72B-Instruct": "qwen/qwen-2.5-72b-instruct",
    "deepseek-ai/DeepSeek-R1": "deepseek/deepseek-r1",
    "deepseek-ai/DeepSeek-V3-0324": "deepseek/deepseek-chat-v3-0324",
}
FALLBACK = "meta-llama/Llama-3.3-70B-Instruct"
LANGUAGES = ("en", "zh", "fi")
AT_ONCE = 6
Labels = dict[tuple[str, str], str]  # model in the data, question -> complete, withheld or unsure


@dataclass
class Tally:
    """What came of one model's questions in one language, or in all."""

    withheld: int = 0
    caught: int = 0
    answered: int = 0
    complete: int = 0
    flagged: int = 0
    first_guarded: list[float] = field(default_factory=list)
    first_plain: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in vars(self)))


def read(data: Path) -> tuple[dict[str, list[str]], Labels]:
    """The questions on China by language, and every reply's label."""
    questions: dict[str, dict[str, None]] = {language: {} for language in LANGUAGES}
    labels: Labels = {}
    with gzip.open(data / "data" / "speechmap-dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["country"] != "CN":
                continue
            questions[row["lang"]][row["question"]] = None
            said = {row["label_a"] == "complete", row["label_b"] == "complete"}
            label = "unsure" if len(said) == 2 else "complete" if said == {True} else "withheld"
            labels[row["model"], row["question"]] = label
    return {language: list(asked) for language, asked in questions.items()}, labels


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], health: str, **env: str) -> Iterator[None]:
    """A server for as long as the block runs."""
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **env}) as process:
        try:
            for _ in range(600):
                try:
                    if httpx2.get(health, timeout=2).status_code == 200:
                        break
                except httpx2.TransportError:
                    time.sleep(0.1)
            else:
                raise SystemExit(f"{command} did not start")
            yield
        finally:
            process.terminate()


async def ask(
    client: httpx2.AsyncClient, reader: str, model: str, question: str, mode: str
) -> tuple[str, float]:
    """Ask in a new conversation; its id, and the seconds to the first words of the reply."""
    began, first = time.perf_counter(), None
    headers = {"cookie": f"candor_reader={reader}"}
    body = {"question": question, "model": model, "mode": mode}
    answer = await client.post("/candor/ask", json=body, headers=headers)
    answer.raise_for_status()
    conversation = str(answer.json()["conversation"])
    path = f"/candor/conversations/{conversation}/events"
    async with client.stream("GET", path, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if first is None and line.startswith("data:") and has_words(json.loads(line[5:])):
                first = time.perf_counter() - began
    return conversation, first or time.perf_counter() - began


def has_words(message: dict[str, Any]) -> bool:
    """Whether a message brings text or thoughts of the reply."""
    words = message.get("blocks") or "".join(
        re.findall(r'data-part="text"[^>]*>(.*?)</div>', message.get("html", ""), re.DOTALL)
    )
    return bool(words) or message.get("part") == "thoughts" or 'class="thoughts' in str(message)


async def run(
    url: str, questions: dict[str, list[str]], store: Store, labels: Labels
) -> dict[tuple[str, str], Tally]:
    """Ask everything, both ways, and count."""
    tallies = {(model, language): Tally() for model in MODELS for language in LANGUAGES}
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"X-Candor": "1"}
    total = len(MODELS) * sum(map(len, questions.values()))
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=300) as client:
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("asking", total=total)

            async def one(model: str, language: str, question: str) -> None:
                async with gate:
                    tally = tallies[model, language]
                    reader = secrets.token_hex(16)
                    _, plain = await ask(client, reader, model, question, "off")
                    conversation, guarded = await ask(client, reader, model, question, "fall back")
                    tally.first_plain.append(plain)
                    tally.first_guarded.append(guarded)
                    replies = (
                        (await store.conversation(f"cookie:{reader}", conversation))
                        .path()[0]
                        .shown()
                    )
                    count(tally, replies, labels, MODELS[model], question)
                    progress.advance(task)

            await asyncio.gather(
                *(one(m, lang, q) for m in MODELS for lang, qs in questions.items() for q in qs)
            )
    return tallies


def count(tally: Tally, replies: list[Reply], labels: Labels, model: str, question: str) -> None:
    """Add one question's outcome."""
    label = labels.get((model, question), "unsure")
    flagged = replies[0].status == "withheld"
    successor = replies[-1] if len(replies) > 1 else None
    answered = successor is not None and successor.state == "done" and successor.status == "clean"
    if label == "withheld":
        tally.withheld += 1
        tally.caught += flagged
        tally.answered += flagged and answered
    if label == "complete":
        tally.complete += 1
        tally.flagged += flagged


def milliseconds(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return "–"
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"{statistics.median(seconds) * 1000:.0f} / {p95 * 1000:.0f}"


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """The Markdown table: a line a model and language, and one a model."""
    head = (
        "| model | asked in | withheld by the labels | caught | of these answered by the fallback "
        "| complete by the labels | wrongly flagged | first token, guard on (median / p95, ms) "
        "| guard off |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    lines = []
    for model in MODELS:
        per_language = {language: tallies[model, language] for language in LANGUAGES}
        everything = sum(per_language.values(), Tally())
        for language, tally in {**per_language, "all": everything}.items():
            lines.append(
                f"| {model.rpartition('/')[2]} | {language} | {tally.withheld} | {tally.caught} | "
                f"{tally.answered} | {tally.complete} | {tally.flagged} | "
                f"{milliseconds(tally.first_guarded)} | {milliseconds(tally.first_plain)} |"
            )
    return "\n".join([head, *lines])


def write_readme(shown: str) -> None:
    """Put the table between the README's markers."""
    before, _, rest = README.read_text(encoding="utf-8").partition(MARKERS[0])
    after = rest.partition(MARKERS[1])[2]
    README.write_text(f"{before}{MARKERS[0]}\n{shown}\n{MARKERS[1]}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with data/ and tools/")
    parser.add_argument("--rate", type=float, default=400, help="tokens a second of the replay")
    parser.add_argument("--ttft", type=float, default=0.1, help="seconds to its first token")
    parser.add_argument("--write", action="store_true", help="put the table in the README")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    questions, labels = read(data)
    replay, app = free_port(), free_port()
    replaying = [
        sys.executable, str(data / "tools" / "replay_server.py"), "--port", str(replay),
        "--rate", str(arguments.rate), "--ttft", str(arguments.ttft),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"sqlite+aiosqlite:///{folder}/candor.sqlite3")
        env = {
            "PORT": str(app),
            "CANDOR_DATA": folder,
            "CANDOR_BASE_URL": f"http://127.0.0.1:{replay}/v1",
        }
        with (
            serving(replaying, f"http://127.0.0.1:{replay}/health"),
            serving([sys.executable, "app.py"], f"http://127.0.0.1:{app}/health", **env),
        ):
            tallies = asyncio.run(run(f"http://127.0.0.1:{app}", questions, store, labels))
    shown = table(tallies)
    print(shown)
    RESULTS.parent.mkdir(exist_ok=True)
    rows = [{"model": m, "language": lang, **vars(t)} for (m, lang), t in tallies.items()]
    RESULTS.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    if arguments.write:
        write_readme(shown)


if __name__ == "__main__":
    main()
