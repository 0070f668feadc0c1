"""Many people at the page at once: how late each token comes, beside a bare Gradio Chatbot.

    python benchmarks/page_load.py                          # 100 people, 300 tokens each: 4 minutes
    python benchmarks/page_load.py --people 10 --tokens 60  # a quick look

A host streams replies at a steady rate and notes when it wrote each token to its socket. In turn,
each in a process of its own, stand before it:

- Candor (`python app.py`), the guard on, in front of SQLite; a share of the questions has a topic;
- the same with 200 messages in each conversation already;
- a bare Gradio Chatbot that is updated with every token.

The people speak each page's own protocol over sockets of their own: `/candor/ask` and the events
that `candor.js` listens to; `/gradio_api/queue/join` and `/queue/data`. A token's added latency is
from the host's writing it to the arrival of the first update in which its letters can be seen. All
processes share the machine, so the same work hits all alike; what counts are the ratios.

Not covered: what browsers do with the updates, networks, and more than one process of the app.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from gradio_client.utils import apply_diff
from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from beside import servers
from beside.client import Arrival, Update, dechunked, delays, events
from beside.servers import Server
from beside.text import pieces, seen_after_each, seen_in_html, seen_in_markdown

from chat.store import Conversation, Reply, Store, Turn
from guard.catalogue import load

ERRORS = Console(stderr=True)
SEED = 7
MODEL = load().get("meta-llama/Llama-3.3-70B-Instruct")
TOUCHY = "What happened at Tiananmen Square in June 1989?"
PLAIN = "How do historians count the people at a gathering?"
SHARE_OF_TOUCHY = 0.3
BEFORE = 100  # turns of a long conversation: 200 messages
TEXT_PART = re.compile(r'data-part="text"[^>]*>(.*?)</div>\s*<div data-part="note"', re.DOTALL)
BLOCK = re.compile(r'<div class="block">(.*?)</div>', re.DOTALL)
WANTED = {"added latency p95, of Gradio's": 0.1, "200 messages, of none (p95)": 1.2}


@dataclass
class Listened:
    """One person's question: when it was put, and all that came back."""

    name: str
    asked: float
    arrivals: list[Arrival] = field(default_factory=list)


@dataclass
class Run:
    """What all people at one server got."""

    latencies: list[float]
    firsts: list[float]
    tokens: int
    bytes: int
    processor: float
    missing: int

    def figures(self) -> dict[str, float]:
        """Milliseconds, and bytes and milliseconds of the processor a token."""
        cuts = statistics.quantiles(self.latencies, n=100, method="inclusive")
        return {
            "added p50 (ms)": round(1000 * cuts[49], 1),
            "added p95 (ms)": round(1000 * cuts[94], 1),
            "added p99 (ms)": round(1000 * cuts[98], 1),
            "first token p50 (ms)": round(1000 * statistics.median(self.firsts), 1),
            "processor (ms a token)": round(1000 * self.processor / self.tokens, 3),
            "bytes a token": round(self.bytes / self.tokens),
            "tokens": self.tokens,
            "tokens not seen": self.missing,
        }


# sockets


async def post(port: int, path: str, body: Any, cookie: str = "") -> Any:
    """Post JSON on a connection of its own; the answer's JSON."""
    raw = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-candor: 1\r\ncookie: {cookie}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(raw)}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + raw)
    answer = await reader.read()
    writer.close()
    header, _, content = answer.partition(b"\r\n\r\n")
    if b" 200 " not in header.splitlines()[0]:
        raise SystemExit(f"{path}: {answer[:500]!r}")
    return json.loads(dechunked(content) if b"chunked" in header.lower() else content)


async def listen(port: int, path: str, cookie: str = "") -> list[Arrival]:
    """All that comes from an address until the server closes the connection, with its times."""
    head = (
        f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode())
    arrivals = []
    while data := await reader.read(1 << 20):
        arrivals.append(Arrival(time.monotonic(), data))
    writer.close()
    return arrivals


def messages(arrivals: Sequence[Arrival]) -> Iterator[tuple[float, str, Any]]:
    """The server-sent events: when the last byte of each had come, its name and its data."""
    for one in events(arrivals):
        yield one.at, one.name, json.loads(one.data)


# what each page's protocol shows


def shown_by_candor(arrivals: Sequence[Arrival]) -> Iterator[Update]:
    """What the page's thread shows of the reply, as `update` in candor.js puts it in place."""
    blocks: list[int] = []
    for at, name, data in messages(arrivals):
        if name == "update" and "grow" in data:
            blocks[-1] += seen_in_markdown(data["grow"])
        elif name == "update" and "part" not in data:
            part = TEXT_PART.search(data["html"])
            blocks = [seen_in_html(one) for one in BLOCK.findall(part[1])] if part else []
        elif name == "update" and data["part"] == "text":
            blocks = blocks[: data["from"]] + [seen_in_html(one) for one in data["blocks"]]
        elif name == "end":
            blocks = [sum(map(seen_in_html, BLOCK.findall(data["html"])))]
        yield Update(at, sum(blocks))


def shown_by_gradio(arrivals: Sequence[Arrival]) -> Iterator[Update]:
    """What the Chatbot holds as its last message, each update as a change to the one before."""
    value: Any = None
    for at, _, data in messages(arrivals):
        if data["msg"] not in {"process_generating", "process_completed"}:
            continue
        (told,) = data["output"]["data"]
        whole = value is None or data["msg"] == "process_completed"
        value = told if whole else apply_diff(value, told)
        yield Update(at, seen_in_markdown("".join(part["text"] for part in value[-1]["content"])))


# people


@dataclass
class Candor:
    """People at Candor, each with a conversation of `before` turns, or a new one."""

    server: Server
    mode: str = "fall back"
    conversations: dict[int, str] = field(default_factory=dict)
    shown = staticmethod(shown_by_candor)

    def cookie(self, person: int) -> str:
        return f"candor_reader={person:032x}"

    async def ask(self, person: int, question: str) -> list[Arrival]:
        body = {"question": question, "model": MODEL.id, "mode": self.mode}
        cookie = self.cookie(person)
        told = {"conversation": self.conversations.get(person)}
        answer = await post(self.server.port, "/candor/ask", body | told, cookie)
        path = f"/candor/conversations/{answer['conversation']}/events"
        return await listen(self.server.port, path, cookie)


@dataclass
class Gradio:
    """People at a Chatbot."""

    server: Server
    shown = staticmethod(shown_by_gradio)

    async def ask(self, person: int, question: str) -> list[Arrival]:
        session = secrets.token_hex(6)
        body = {"data": [question, []], "fn_index": 0, "session_hash": session}
        await post(self.server.port, "/gradio_api/queue/join", body)
        return await listen(self.server.port, f"/gradio_api/queue/data?session_hash={session}")


async def everybody(
    people: Candor | Gradio, number: int, arrive: float, run: str
) -> list[Listened]:
    """So many people ask, each at some moment of the first `arrive` seconds."""
    order = random.Random(SEED)  # noqa: S311 - no secret hangs on it
    starts = [order.random() * arrive for _ in range(number)]
    touchy = [order.random() < SHARE_OF_TOUCHY for _ in range(number)]

    async def one(person: int) -> Listened:
        name = f"{run}-{person}"
        await asyncio.sleep(starts[person])
        asked = time.monotonic()
        question = f"{TOUCHY if touchy[person] else PLAIN} [{name}]"
        return Listened(name, asked, await people.ask(person, question))

    return await asyncio.gather(*(one(person) for person in range(number)))


def measured(
    people: Candor | Gradio,
    models: Server,
    run: str,
    *,
    number: int,
    arrive: float,
    tokens: int,
) -> Run:
    """Let everybody ask, and reckon what each token took."""
    before = people.server.processor_seconds()
    listened = asyncio.run(everybody(people, number, arrive, run))
    processor = people.server.processor_seconds() - before
    sent = httpx2.get(f"{models.url}/sent", trust_env=False, timeout=60).json()
    wanted = seen_after_each(pieces(tokens))
    found = Run([], [], number * tokens, 0, processor, 0)
    for each in listened:
        late = delays(sent[each.name], wanted, list(people.shown(each.arrivals)))
        found.latencies += [after - at for at, after in late]
        found.missing += len({*wanted}) - len(late)
        found.firsts += [after - each.asked for _, after in late[:1]]
        found.bytes += sum(len(one.data) for one in each.arrivals)
    return found


# long conversations


async def long_conversations(folder: Path, number: int) -> dict[int, str]:
    """A conversation of 200 messages for each person, as the store keeps them."""
    store = await Store(f"sqlite+aiosqlite:///{folder}/candor.sqlite3").open()
    ids = {}
    said = "".join(pieces(200))
    for person in range(number):
        conversation = Conversation(
            owner=f"cookie:{person:032x}", title="Long", model=MODEL.id, mode="fall back"
        )
        conversation.id = secrets.token_hex(16)
        parent = None
        for turn in turns(conversation.id, said):
            turn.parent_id, parent = parent, turn.id
            conversation.turns.append(turn)
        conversation.leaf_id = parent
        await store.add(conversation)
        ids[person] = conversation.id
    await store.close()
    return ids


def turns(conversation: str, said: str) -> Iterator[Turn]:
    for number in range(BEFORE):
        turn = Turn(id=secrets.token_hex(16), conversation_id=conversation, shown_run=0)
        turn.question = f"{PLAIN} (question {number})"
        reply = Reply(turn_id=turn.id, run=0, step=0, lane=0, text=said, state="done")
        reply.id, reply.model = secrets.token_hex(16), MODEL.model_dump(mode="json")
        turn.replies.append(reply)
        yield turn


# the whole


def rounds(arguments: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """The figures of each server in each round, in turn."""
    found: dict[str, list[dict[str, float]]] = {}
    number, tokens = arguments.people, arguments.tokens
    with servers.host(arguments.rate, tokens) as models:
        for round_ in range(arguments.rounds):
            data = folder / str(round_)
            data.mkdir()
            for name in arguments.only:
                with STARTS[name](models, data) as server:
                    people = PEOPLE[name](server)
                    if name == LONG:
                        people.conversations = asyncio.run(long_conversations(data, number))
                    run = f"{round_}-{list(STARTS).index(name)}"
                    measured(people, models, f"w{run}", number=1, arrive=0, tokens=tokens)
                    got = measured(
                        people,
                        models,
                        f"r{run}",
                        number=number,
                        arrive=arguments.arrive,
                        tokens=tokens,
                    ).figures()
                found.setdefault(name, []).append(got)
                ERRORS.print(f"round {round_ + 1}: {name}: {got}")
    return found


CANDOR, LONG, GRADIO = "Candor", "Candor, 200 messages", "Gradio Chatbot"
STARTS: dict[str, Callable[..., Any]] = {
    CANDOR: servers.candor,
    GRADIO: lambda models, _: servers.gradio(models),
    LONG: servers.candor,
}
PEOPLE: dict[str, Callable[[Server], Candor | Gradio]] = {
    CANDOR: Candor,
    GRADIO: Gradio,
    LONG: Candor,
}


def middle(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def ratios(found: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Medians over the rounds of what one server took of the other's."""
    p95, size = "added p95 (ms)", "bytes a token"
    pairs = {
        "added latency p95, of Gradio's": (CANDOR, GRADIO, p95),
        "200 messages, of none (p95)": (LONG, CANDOR, p95),
        "200 messages, of none (bytes a token)": (LONG, CANDOR, size),
        "processor a token, of Gradio's": (CANDOR, GRADIO, "processor (ms a token)"),
    }
    return {
        name: round(
            statistics.median(
                a[key] / b[key] for a, b in zip(found[one], found[other], strict=True)
            ),
            3,
        )
        for name, (one, other, key) in pairs.items()
        if one in found and other in found
    }


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table of the medians over the rounds, and the ratios."""
    figures = {name: middle(rows) for name, rows in found.items()}
    keys = list(next(iter(figures.values())))
    head = f"| | {' | '.join(keys)} |\n| --- |{' --- |' * len(keys)}"
    lines = [f"| {n} | {' | '.join(f'{row[k]:g}' for k in keys)} |" for n, row in figures.items()]
    told = [
        f"- {name}: {value:g}" + (f" (wanted: at most {WANTED[name]:g})" if name in WANTED else "")
        for name, value in ratios(found).items()
    ]
    return "\n".join([head, *lines, "", *told])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=300, help="of each reply")
    parser.add_argument("--rate", type=float, default=20, help="tokens a second of each reply")
    parser.add_argument("--arrive", type=float, default=5, help="seconds within which all ask")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*STARTS], default=[*STARTS])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/page_load.json")
    return parser.parse_args()


def main() -> None:
    """Run all rounds, print the table and write the JSON."""
    arguments = parse()
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        found = rounds(arguments, Path(folder))
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "load before and after": [load_before, os.getloadavg()],
        **{name: getattr(arguments, name) for name in ("people", "tokens", "rate", "arrive")},
        "rounds": found,
        "ratios": ratios(found),
        "wanted": WANTED,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main()
