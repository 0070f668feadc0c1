"""What Candor's OpenAI-compatible API costs, beside other gateways, and what only it does.

    python benchmarks/gateway.py --litellm-python LITELLM_VENV/bin/python \\
        --nemo-python NEMO_VENV/bin/python --portkey FOLDER          # about 5 minutes a round
    python benchmarks/gateway.py --quick ...                         # less than 2 minutes

A host of models on plain sockets (`beside/host.py`) replies in English prose at a steady rate and
notes when it wrote each token. Before it stand in turn, each in a process of its own and anew in
each round: nothing (direct), Candor (`python -m guard serve`) with the guard off, on, and on in two
processes, LiteLLM's proxy, Portkey's gateway, and NeMo Guardrails with a regex output rail. All get
the same requests; 3 of 10 ask about a topic that the guard watches. One that is not installed (see
`benchmarks/requirements-gateways.txt`), or fails, is left out with a line that says why.

- Unary: one request after the other (time), then 16 connections for some seconds (requests/s).
- Streams: one after the other, of a quarter of the tokens; then many, begun within a moment.
  First token: from the request. Token: from the host's writing it to its arrival.
- Processor: of the gateway's whole process tree, from /proc; in the column `direct` the host's.
- Held back: what reaches the client, streaming, of a model that withholds (`tests/replies.py`),
  where Candor is asked to hold the beginning back and to let another model answer.

Times are added ones, over `direct` in the same round. All processes share the machine: what counts
are the ratios. Not covered: networks, TLS, replies that withhold under load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import uvloop
from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import replies
from beside import gateways, servers
from beside.client import Answer, Update, connect, delays, events, posting
from beside.gateways import DIRECT, LITELLM, MODEL, ON, PORTKEY, TWO, Gateway
from beside.servers import Server
from beside.text import pieces

ERRORS = Console(stderr=True)
PATH = "/v1/chat/completions"
TOUCHY = "What happened at Tiananmen Square in June 1989?"
PLAIN = "How do historians count the people at a gathering?"
CONNECTIONS = 16
ALONE = 4  # replies one after the other, each of so small a share of the tokens
WARM_UP = 32  # unary requests before the clock counts
HOLD = 2000  # characters
SEED = 7
Figures = dict[str, float]
WANTED = {
    "requests/s, of LiteLLM's": "at least 5",
    "requests/s, of Portkey's": "at least 0.8",
    "first token at 1 stream, added, of LiteLLM's": "at most 0.2",
    "first token p95 at 200 streams, over direct (ms)": "at most 40",
    "first token p95 at 200 streams, over direct (ms), 2 processes": "at most 40",
    "processor a token (ms)": "at most 0.25",
}


@dataclass
class Client:
    """Asks one gateway. `tokens`: of each reply; `failed` counts what was no answer."""

    gateway: Gateway
    server: Server
    models: Server
    tokens: int
    run: str = ""  # what the names of its streams begin with
    failed: int = 0
    asked: int = 0
    order: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311

    def request(self, name: str = "", tokens: int = 0) -> bytes:
        """The next request; it streams where the reply has a name."""
        self.asked += 1
        question = TOUCHY if self.asked % 10 < 3 else PLAIN
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": f"{question} [{name}]" if name else question}],
            "max_tokens": tokens or self.tokens,
            "stream": bool(name),
            **self.gateway.body,
        }
        return posting(PATH, body, self.gateway.headers(self.models))

    def counted(self, answer: Answer) -> Answer:
        self.failed += not answer.ok
        return answer

    async def row(self, number: int, until: float = float("inf")) -> list[float]:
        """Seconds of unary requests one after the other, until a moment at most."""
        connection = await connect(self.server.port)
        took: list[float] = []
        while len(took) < number and time.monotonic() < until:
            took.append(self.counted(await connection.ask(self.request())).seconds)
        connection.transport.close()
        return took

    async def crowd(self, seconds: float) -> int:
        """How many requests were answered at all connections together."""
        until = time.monotonic() + seconds
        rows = await asyncio.gather(*(self.row(1 << 30, until) for _ in range(CONNECTIONS)))
        return sum(map(len, rows))

    async def stream(self, name: str, tokens: int, wait: float = 0) -> tuple[str, Answer]:
        await asyncio.sleep(wait)
        connection = await connect(self.server.port)
        answer = self.counted(await connection.ask(self.request(name, tokens)))
        connection.transport.close()
        return name, answer

    async def alone(self) -> list[tuple[str, Answer]]:
        self.run, tokens = secrets.token_hex(4), max(1, self.tokens // ALONE)
        return [await self.stream(f"alone-{self.run}-{n}", tokens) for n in range(ALONE)]

    async def together(self, number: int, within: float) -> list[tuple[str, Answer]]:
        self.run = secrets.token_hex(4)
        return await asyncio.gather(
            *(
                self.stream(f"many-{self.run}-{n}", self.tokens, self.order.random() * within)
                for n in range(number)
            )
        )


class Streamed(NamedTuple):
    """Seconds: of each reply from its request to its first token, and of each token."""

    firsts: list[float]
    tokens: list[float]


def content(answer: Answer) -> list[tuple[float, str]]:
    """What a stream showed as the reply's text, and when."""
    found = []
    for event in events(answer.arrivals):
        if event.data == "[DONE]":
            continue
        choices = json.loads(event.data).get("choices") or [{}]
        if text := (choices[0].get("delta") or {}).get("content"):
            found.append((event.at, text))
    return found


def streamed(models: Server, answers: Sequence[tuple[str, Answer]]) -> Streamed:
    """How late all tokens came."""
    sent = httpx2.get(f"{models.url}/sent", trust_env=False, timeout=60).json()
    found = Streamed([], [])
    for name, answer in answers:
        if not answer.ok or name not in sent or not (parts := content(answer)):
            continue
        seen = accumulate(len(text) for _, text in parts)
        updates = [Update(at, length) for (at, _), length in zip(parts, seen, strict=True)]
        wanted = list(accumulate(map(len, pieces(len(sent[name])))))
        found.firsts.append(parts[0][0] - answer.asked)
        found.tokens.extend(after - at for at, after in delays(sent[name], wanted, updates))
    return found


def spread(name: str, seconds: Sequence[float]) -> Figures:
    """Median and 95th percentile in milliseconds; none where there is nothing."""
    if len(seconds) < 2:
        return {}
    cuts = statistics.quantiles(seconds, n=20, method="inclusive")
    return {f"{name} p50 (ms)": 1000 * cuts[9], f"{name} p95 (ms)": 1000 * cuts[18]}


def measured(client: Client, arguments: argparse.Namespace) -> Figures:
    """All figures of one gateway in one round."""
    server, models = client.server, client.models
    time.sleep(arguments.settle)
    uvloop.run(client.row(WARM_UP))
    streamed(models, uvloop.run(client.alone())[:1])
    found = spread("unary", uvloop.run(client.row(arguments.unary, time.monotonic() + 5)))
    before, began = server.processor_seconds(), time.monotonic()
    answered = uvloop.run(client.crowd(arguments.seconds))
    found["requests/s"] = answered / (time.monotonic() - began)
    found["processor a request (ms)"] = (
        1000 * (server.processor_seconds() - before) / max(answered, 1)
    )
    for number in arguments.streams:
        before = server.processor_seconds()
        listening = client.together(number, arguments.within) if number > 1 else client.alone()
        answers = uvloop.run(listening)
        processor = server.processor_seconds() - before
        late = streamed(models, answers)
        found |= spread(f"{number}: first token", late.firsts)
        found |= spread(f"{number}: token", late.tokens)
        if late.tokens and number > 1:
            found[f"{number}: processor a token (ms)"] = 1000 * processor / len(late.tokens)
    found["failed"] = client.failed
    return {name: round(value, 3) for name, value in found.items()}


def rounds(arguments: argparse.Namespace, folder: Path) -> dict[str, list[Figures]]:
    """The figures of each gateway in each round, in turn."""
    found: dict[str, list[Figures]] = {}
    with servers.host(arguments.rate, arguments.tokens) as models:
        for round_ in range(arguments.rounds):
            for gateway in installed(arguments):
                data = folder / f"{round_}-{len(found)}-{gateway.name}"
                data.mkdir()
                try:
                    with gateway.start(models, data) as server:
                        client = Client(gateway, server, models, arguments.tokens)
                        got = measured(client, arguments)
                except (ConnectionError, SystemExit) as error:
                    ERRORS.print(f"round {round_ + 1}: {gateway.name} left out: {error}")
                    got = {}
                found.setdefault(gateway.name, []).append(got)
                ERRORS.print(f"round {round_ + 1}: {gateway.name}: {got}")
    return found


def installed(arguments: argparse.Namespace) -> list[Gateway]:
    all_ = gateways.known(arguments.litellm_python, arguments.nemo_python, arguments.portkey)
    return [one for one in all_ if not one.missing and one.name in (DIRECT, *arguments.only)]


# held back


class Reached(NamedTuple):
    """What reached a client of a model that withholds: of its text, and of another model's."""

    first_models_sentences: int
    only_another_models: bool
    first_text_ms: float
    begins: str


def reached(gateway: Gateway, folder: Path) -> Reached:
    """Ask a model that withholds, streaming."""
    port = servers.free_port()
    script = str(ROOT / "tests/replies.py")
    command = [sys.executable, script, "--port", str(port), "--pace", "0.005"]
    with (
        servers.serving(command, port, "/v1/models") as models,
        gateway.start(models, folder) as server,
    ):
        holding = {"guard": {"mode": "fallback", "hold": HOLD}}
        body = holding if gateway.name in (ON, TWO) else gateway.body
        asked = Gateway(gateway.name, gateway.start, body, gateway.headers)
        client = Client(asked, server, models, 1000)
        uvloop.run(client.stream("warm", 1000))
        _, answer = uvloop.run(client.stream("held", 1000))
    parts = content(answer)
    text = "".join(part for _, part in parts)
    withheld = replies.TIMID["party line", "en"].split(". ")
    return Reached(
        sum(sentence in text for sentence in withheld),
        text.strip() == replies.CANDID["tiananmen", "en"],
        round(1000 * (parts[0][0] - answer.asked), 1) if parts else -1,
        text[:60] or answer.body[:60].decode(errors="replace"),
    )


def held_back(arguments: argparse.Namespace, folder: Path) -> dict[str, Reached]:
    """What each gateway let through."""
    found = {}
    for number, gateway in enumerate(installed(arguments)):
        data = folder / f"held-{number}"
        data.mkdir()
        try:
            found[gateway.name] = reached(gateway, data)
        except (ConnectionError, SystemExit) as error:
            ERRORS.print(f"held back: {gateway.name} left out: {error}")
    return found


# what is told


def middle(rows: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: statistics.median(row[key] for row in rows if key in row) for key in keys}


def added(found: dict[str, list[Figures]]) -> dict[str, Figures]:
    """Medians over the rounds; times over `direct` in the same round, but for its own."""
    told = {}
    for name, rows in found.items():
        over = [
            {
                key: value - (base.get(key, 0) if is_time(key) and name != DIRECT else 0)
                for key, value in row.items()
            }
            for row, base in zip(rows, found[DIRECT], strict=False)
        ]
        told[name] = {key: round(value, 3) for key, value in middle(over).items()}
    return told


def is_time(key: str) -> bool:
    return key.endswith(("p50 (ms)", "p95 (ms)"))


def ratios(told: dict[str, Figures]) -> Figures:
    """The figures that something is wanted of, where they were measured."""
    ours, rate, first = told.get(ON, {}), "requests/s", "1: first token p50 (ms)"
    found: Figures = {}
    for name, other in (("LiteLLM", LITELLM), ("Portkey", PORTKEY)):
        if rate in ours and rate in told.get(other, {}):
            found[f"{rate}, of {name}'s"] = ours[rate] / told[other][rate]
    if first in ours and first in told.get(LITELLM, {}):
        found["first token at 1 stream, added, of LiteLLM's"] = ours[first] / told[LITELLM][first]
    for name, row in (("", ours), (", 2 processes", told.get(TWO, {}))):
        if (key := "200: first token p95 (ms)") in row:
            found[f"first token p95 at 200 streams, over direct (ms){name}"] = row[key]
    if (key := "50: processor a token (ms)") in ours:
        found["processor a token (ms)"] = ours[key]
    return {name: round(value, 3) for name, value in found.items()}


def table(told: dict[str, Figures], held: dict[str, Reached]) -> str:
    """Markdown: a column for each gateway, what is wanted, and what was held back."""
    keys = list(dict.fromkeys(key for row in told.values() for key in row))
    lines = [f"| added over direct | {' | '.join(told)} |", f"| --- |{' --- |' * len(told)}"]
    for key in keys:
        cells = (f"{row[key]:.4g}" if key in row else "" for row in told.values())
        lines.append(f"| {key} | {' | '.join(cells)} |")
    lines += ["", *(f"- {k}: {v:g} (wanted: {WANTED[k]})" for k, v in ratios(told).items()), ""]
    lines += [
        "| asked a model that withholds | its sentences that came | only another model's text"
        " | first text (ms) | begins |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in held.items():
        only = "yes" if one.only_another_models else "no"
        lines.append(
            f"| {name} | {one.first_models_sentences} | {only} | {one.first_text_ms:g}"
            f" | {one.begins} |"
        )
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [one.name for one in gateways.known(None, None, Path())]
    parser.add_argument("--litellm-python", type=Path, help="of the venv with LiteLLM's proxy")
    parser.add_argument("--nemo-python", type=Path, help="of the venv with NeMo Guardrails")
    parser.add_argument("--portkey", type=Path, default=Path(), help="where npm installed it")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--tokens", type=int, default=200, help="of each reply")
    parser.add_argument("--rate", type=float, default=40, help="tokens a second of each reply")
    parser.add_argument("--within", type=float, default=1.5, help="seconds in which streams begin")
    parser.add_argument("--unary", type=int, default=150, help="requests one after the other")
    parser.add_argument("--seconds", type=float, default=2, help=f"at {CONNECTIONS} connections")
    parser.add_argument("--settle", type=float, default=4, help="seconds left to a new server")
    parser.add_argument("--quick", action="store_true", help="one round of small numbers")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/gateway.json")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.streams, arguments.tokens = 1, [1, 20], 60
        arguments.within, arguments.unary, arguments.seconds = 0.5, 50, 1
    return arguments


def main() -> None:
    """Run all rounds, print the tables and write the JSON."""
    arguments = parse()
    load_before = os.getloadavg()
    for one in gateways.known(arguments.litellm_python, arguments.nemo_python, arguments.portkey):
        if one.missing:
            ERRORS.print(f"{one.name} left out: {one.missing}")
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(arguments, Path(folder))
        held = held_back(arguments, Path(folder))
    told = added(found)
    settings = ("rounds", "streams", "tokens", "rate", "within", "unary", "seconds")
    result: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "load before and after": [load_before, os.getloadavg()],
        **{name: getattr(arguments, name) for name in settings},
        "measured": found,
        "added": told,
        "ratios": ratios(told),
        "wanted": WANTED,
        "held back": {name: one._asdict() for name, one in held.items()},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(told, held))


if __name__ == "__main__":
    main()
