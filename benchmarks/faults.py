"""What becomes of people's messages on bad days.

    python benchmarks/faults.py                      # all faults, then a soak of 10 minutes
    python benchmarks/faults.py --setups one         # without PostgreSQL and Redis
    python benchmarks/faults.py --only "a replica killed" --soak 0
    python benchmarks/faults.py --only "" --soak 3600

50 users ask one question after the other while one fault after the other is injected: into the host
of models, the stores, the network, the clock, the processes. It runs in two setups: one process on
SQLite, and two replicas on PostgreSQL and Redis. For each fault are counted, over the messages put
from its begin until ten seconds after its end:

- answered: the reply is in the store, whole, with the words of its own question;
- failed with a clear error: refused with a sentence, or the stored reply says why it failed;
- unanswered: every try broke off without a word from the app, as where nothing is left to answer;
- lost: the app took the message, and it or its reply is not in the store, or still streams;
- twice: the store has the message more than once;
- hung: the reply did not end within the app's timeout and ten seconds;
- recovery: how long after the end of the fault the last question was put that was not answered.

What the store holds is read from the database itself, at the end. The soak asks on without faults
and measures the app's memory and open files. A part that is run alone takes its place among the
results of the others. Not covered: several machines, and what a network between them does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from sqlalchemy import select

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))
from beside.faulty_host import FAULTS
from beside.servers import BESIDE, free_port, serving
from beside.setups import SETUPS, TIMEOUT, Setup
from beside.users import Put, Users

from chat.store import Reply, Store, Turn

ERRORS = Console(stderr=True)
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
PEOPLE = 50
LONGEST = 35.0  # seconds of the longest reply without a fault's end: a host of a token a second
BEFORE, AFTER = 4.0, 10.0  # seconds of asking around a fault
CONNECTIONS = 1000
WANTED = {"lost": 0, "twice": 0, "hung": 0, "recovery": 5.0, "memory": 0.05}


Injected = Callable[[Setup], Any]  # an async context manager: the fault lasts while it is open


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for so many seconds."""

    name: str
    seconds: float
    injected: Injected
    setups: tuple[str, ...] = ("one", "two")
    needs: Callable[[Setup], str] = lambda _: ""  # why it must be left out


# --- the faults -----------------------------------------------------------------------------------


def host_fails(name: str) -> Injected:
    @asynccontextmanager
    async def injected(setup: Setup) -> AsyncIterator[None]:
        await tell_host(setup, name)
        yield
        await tell_host(setup, "")

    return injected


async def tell_host(setup: Setup, name: str) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        await client.post(f"{setup.host}/fault", json={"name": name})


@asynccontextmanager
async def provider_down(setup: Setup) -> AsyncIterator[None]:
    """Its process stands still: connections are taken, and nothing comes."""
    os.kill(setup.host_process, signal.SIGSTOP)
    yield
    os.kill(setup.host_process, signal.SIGCONT)


@asynccontextmanager
async def postgresql_stopped(setup: Setup) -> AsyncIterator[None]:
    """Its processes stand still, as on a disk that does not answer."""
    server = of(setup.postgresql)
    server.signal(signal.SIGSTOP)
    yield
    server.signal(signal.SIGCONT)


@asynccontextmanager
async def postgresql_killed(setup: Setup) -> AsyncIterator[None]:
    of(setup.postgresql).kill()
    yield
    await asyncio.to_thread(of(setup.postgresql).start)


@asynccontextmanager
async def redis_stopped(setup: Setup) -> AsyncIterator[None]:
    """It ends, and comes back without what it held."""
    of(setup.redis).kill()
    yield
    await asyncio.to_thread(of(setup.redis).start)


@asynccontextmanager
async def replica_killed(setup: Setup) -> AsyncIterator[None]:
    first = setup.apps[0]
    first.end(signal.SIGKILL)
    yield
    await asyncio.to_thread(first.start)


@asynccontextmanager
async def replica_renewed(setup: Setup) -> AsyncIterator[None]:
    """As when a new version is rolled out: it is asked to end, and started again."""
    first = setup.apps[0]
    await asyncio.to_thread(first.end, signal.SIGTERM)
    yield
    await asyncio.to_thread(first.start)


@asynccontextmanager
async def disk_full(setup: Setup) -> AsyncIterator[None]:
    filler = setup.data / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    yield
    filler.unlink()


def on_a_small_disk(setup: Setup) -> str:
    small = shutil.disk_usage(setup.data).total < 1 << 30
    return "" if small else "no small disk could be mounted"


@asynccontextmanager
async def clock_jumps(setup: Setup) -> AsyncIterator[None]:
    """The wall clock goes an hour forth, then two back; the monotonic one knows nothing of it."""
    clock = of(setup.clock)
    set_clock(clock, 3600)
    await asyncio.sleep(5)
    set_clock(clock, -3600)
    yield
    set_clock(clock, 0)


def set_clock(clock: Path, seconds: int) -> None:
    with clock.open("r+b") as file:
        file.write(struct.pack("=q", seconds))


def with_a_clock(setup: Setup) -> str:
    return "" if setup.clock else "no C compiler is installed: apt-get install gcc"


@asynccontextmanager
async def silent_connections(setup: Setup) -> AsyncIterator[None]:
    held = []
    for number in range(CONNECTIONS):
        port = setup.apps[number % len(setup.apps)].port
        held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        if number % 50 == 0:
            await asyncio.sleep(0.05)
    yield
    for one in held:
        one.close()


def of(value: Any) -> Any:
    """What this setup has.

    Raises:
        SystemExit: it has none.
    """
    if value is None:
        raise SystemExit("this fault needs another setup")
    return value


LISTED = (
    Fault("none", 10, host_fails("")),
    *(Fault(f"host: {name}", 12, host_fails(name)) for name in FAULTS),
    Fault("provider down for 30 s", 30, provider_down),
    Fault("1,000 silent connections", 20, silent_connections),
    Fault("disk full", 12, disk_full, ("one",), on_a_small_disk),
    Fault("clock jumps", 8, clock_jumps, ("one",), with_a_clock),
    Fault("PostgreSQL stopped for 20 s", 20, postgresql_stopped, ("two",)),
    Fault("PostgreSQL killed", 5, postgresql_killed, ("two",)),
    Fault("Redis stopped", 10, redis_stopped, ("two",)),
    Fault("a replica killed", 10, replica_killed, ("two",)),
    Fault("a replica renewed", 5, replica_renewed, ("two",)),
)


# --- counting -------------------------------------------------------------------------------------


@dataclass
class Counted:
    """What became of the messages around one fault; `details` are the errors that were told."""

    fault: str
    sent: int = 0
    answered: int = 0
    failed: int = 0
    unanswered: int = 0
    lost: int = 0
    twice: int = 0
    hung: int = 0
    recovery: float = 0.0
    details: dict[str, int] = field(default_factory=dict)


async def stored(database: str) -> dict[str, list[Sequence[Any]]]:
    """By the names of questions: the state, the text and the fault of each turn's last reply."""
    store = Store(database)
    query = (
        select(Turn.id, Turn.question, Reply.state, Reply.text, Reply.fault)
        .outerjoin(Reply, Reply.turn_id == Turn.id)
        .order_by(Reply.run, Reply.step)
    )
    try:
        rows = await store.read(lambda session: session.execute(query).all())
    finally:
        await store.close()
    last = {row.id: row for row in rows}
    found: dict[str, list[Sequence[Any]]] = {}
    for row in last.values():
        name = row.question.rpartition("[")[2].rstrip("]")
        found.setdefault(name, []).append(row)
    return found


def counted(fault: str, puts: Sequence[Put], found: dict[str, Any], gone: float) -> Counted:
    """The messages of one fault by what became of them. `gone`: when the fault had ended."""
    result, told = Counted(fault, sent=len(puts)), Counter[str]()
    for put in puts:
        rows = found.get(put.name, [])
        kind, why = became(put, rows)
        result.twice += len(rows) > 1
        setattr(result, kind, getattr(result, kind) + 1)
        told[why] += bool(why)
        if kind != "answered":
            result.recovery = max(result.recovery, round(put.at - gone, 1))
    result.details = dict(told.most_common(5))
    return result


def became(put: Put, rows: Sequence[Any]) -> tuple[str, str]:
    """Which count a message belongs to, and what was told of its failure."""
    of_those_put = {
        "no end": ("hung", put.told or "no end"),
        "no answer": ("lost", "taken without a word") if rows else ("unanswered", put.told[:60]),
        "refused": ("failed", put.told[:80]),
    }
    if put.outcome in of_those_put:
        return of_those_put[put.outcome]
    if not rows or rows[0].state in {None, "streaming"}:
        return "lost", rows[0].state or "no reply" if rows else "no question"
    state, text, fault = rows[0].state, rows[0].text, rows[0].fault
    if state == "done" and f"[{put.name}]" in text:
        return "answered", ""
    if fault or state == "interrupted":
        return "failed", f"reply: {fault['kind'] if fault else state}"
    return "lost", f"another reply: {text[:40]!r}"


# --- running --------------------------------------------------------------------------------------


async def under_load(setup: Setup, fault: Fault) -> tuple[list[Put], float]:
    """The messages put from a fault's begin on, and when it ended."""
    over = asyncio.Event()
    patience = max(LONGEST, fault.seconds) + TIMEOUT + 10
    prefix = f"f{LISTED.index(fault)}"
    users = Users(PEOPLE, [app.url for app in setup.apps], MODEL, patience, prefix)
    asking = asyncio.create_task(users.run(over.is_set))
    await asyncio.sleep(BEFORE)
    async with fault.injected(setup):
        await asyncio.sleep(fault.seconds)
    gone = time.monotonic()
    await asyncio.sleep(AFTER)
    over.set()
    await asking
    return users.all, gone


def measured(setup: Setup, only: Sequence[str] | None) -> list[Counted]:
    """The counts of each fault that this setup knows."""
    results = []
    for fault in LISTED:
        if setup.name not in fault.setups or (only is not None and fault.name not in only):
            continue
        if left_out := fault.needs(setup):
            ERRORS.print(f"left out: {fault.name}: {left_out}")
            continue
        puts, gone = asyncio.run(under_load(setup, fault))
        time.sleep(3)  # what could not be stored is written now
        found = asyncio.run(stored(setup.database))
        results.append(counted(fault.name, puts, found, gone))
        ERRORS.print(f"{setup.name}: {results[-1]}", markup=False)
    return results


@dataclass(frozen=True)
class Soaked:
    """Bytes and open files of each process: after the first fifth of the time, and at its end."""

    seconds: float
    messages: int
    not_answered: int
    memory: list[tuple[int, int]]
    descriptors: list[tuple[int, int]]

    @property
    def growth(self) -> float:
        return max(after / before - 1 for before, after in self.memory)


def soak(setup: Setup, seconds: float) -> Soaked:
    """Ask on and on, without faults."""

    async def asking() -> tuple[list[Put], list[int], list[int]]:
        end = time.monotonic() + seconds
        urls = [app.url for app in setup.apps]
        users = Users(PEOPLE, urls, MODEL, LONGEST + TIMEOUT + 10, "soak")
        task = asyncio.create_task(users.run(lambda: time.monotonic() > end))
        await asyncio.sleep(seconds / 5)
        memory = [app.memory() for app in setup.apps]
        descriptors = [app.descriptors() for app in setup.apps]
        await asyncio.sleep(seconds * 4 / 5 - 1)
        after = [app.memory() for app in setup.apps]
        await task
        return users.all, [*zip(memory, after, strict=True)], descriptors  # type: ignore[return-value]

    puts, memory, before = asyncio.run(asking())
    time.sleep(5)  # connections that are kept for a moment
    found = asyncio.run(stored(setup.database))
    result = counted("soak", puts, found, time.monotonic())
    descriptors = [*zip(before, (app.descriptors() for app in setup.apps), strict=True)]
    return Soaked(seconds, len(puts), len(puts) - result.answered, memory, descriptors)  # type: ignore[arg-type]


NAMES = {"one": "One process on SQLite", "two": "Two replicas on PostgreSQL and Redis"}


def table(results: Sequence[Counted]) -> str:
    keys = ("sent", "answered", "failed", "unanswered", "lost", "twice", "hung", "recovery")
    head = [f"| fault | {' | '.join(keys)} |", f"| --- |{' --- |' * len(keys)}"]
    rows = [
        f"| {row.fault} | {' | '.join(f'{getattr(row, key):g}' for key in keys)} |"
        for row in results
    ]
    return "\n".join([*head, *rows])


def keep(out: Path, setup: str, results: Sequence[Counted], soaked: Soaked | None) -> None:
    """Write what was found; of what was not run now, earlier results stay."""
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    setups = known.get("setups", {})
    before = setups.get(setup, {"faults": [], "soak": None})
    rows = {row["fault"]: row for row in before["faults"]} | {r.fault: vars(r) for r in results}
    setups[setup] = {
        "faults": [rows[fault.name] for fault in LISTED if fault.name in rows],
        "soak": vars(soaked) | {"growth": round(soaked.growth, 4)} if soaked else before["soak"],
    }
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = {"machine": machine, "people": PEOPLE, "wanted": WANTED, "setups": setups}
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--setups", nargs="+", choices=[*SETUPS], default=[*SETUPS])
    parser.add_argument("--only", nargs="*", help="names of faults")
    parser.add_argument("--soak", type=float, default=600, help="seconds; 0 for none")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/faults.json")
    return parser.parse_args()


def main() -> None:
    """Inject everything, print the tables and write the JSON."""
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.setups:
            place, port = Path(folder) / name, free_port()
            place.mkdir()
            script = [sys.executable, str(BESIDE / "faulty_host.py"), "--port", str(port)]
            with (
                serving(script, port, "/health") as host,
                SETUPS[name](place, host.url, host.process) as setup,
            ):
                results = measured(setup, arguments.only)
                soaked = soak(setup, arguments.soak) if arguments.soak else None
            print(f"\n{NAMES[name]}\n\n{table(results)}")
            if soaked:
                print(f"\nSoak of {soaked.seconds:g} s: {soaked}, growth {soaked.growth:.4f}")
            keep(arguments.out, name, results, soaked)


if __name__ == "__main__":
    main()
