"""What a message takes of each part of Candor, and what that means for many users.

    python benchmarks/scaling.py

Two replicas stand on PostgreSQL and Redis, as `compose.yaml` runs them. People ask at both, once
with short replies and once with long ones; what a message and a token take is told apart by that:
the processor's time of the replicas, of PostgreSQL and of Redis, the database's transactions and
growth, Redis's commands and bytes, memory of a running reply. pgbench tells how many small
transactions this PostgreSQL takes in a second.

From these figures and the assumptions printed beside them the second table reckons what numbers of
daily users need. The provider's cost is given in tokens: prices are the provider's. Not covered:
networks between machines, which these figures are too small to show, and larger machines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import redis
from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))
from beside.backing import POSTGRESQL
from beside.servers import BESIDE, Server, free_port, serving
from beside.setups import SETUPS, Setup
from beside.users import Users

ERRORS = Console(stderr=True)
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
PEOPLE = 40
RATE = 20  # tokens a second of a reply
DAILY = (100, 10_000, 1_000_000)
SETTLING = 3  # seconds until what is written now and then has been

# assumptions of the second table
MESSAGES = 8  # of a user a day
BUSIEST = 0.12  # of a day's messages come in its busiest hour
REPLY, PROMPT = 400, 1_500  # tokens: of a reply, and of what the model is told before
FULL = 0.6  # of a processor's time is planned for; the rest is for peaks within the hour
DAYS = 365


@dataclass(frozen=True)
class Taken:
    """What all messages of a run took together. Seconds of processors, bytes, numbers."""

    messages: int
    app: float
    postgresql: float
    redis: float
    transactions: int
    database: int
    commands: int
    redis_peak: int
    memory: int
    connections: int


@dataclass(frozen=True)
class Cost:
    """What one message, and one token of its reply, take of the app; the rest is of a message."""

    message_ms: float
    token_ms: float
    postgresql_ms: float
    redis_ms: float
    transactions: float
    database_kb: float
    commands: float
    reply_memory_kb: float
    reply_redis_kb: float
    connections: int
    pgbench: float


async def asked(database: str, query: str) -> Any:
    connection = await asyncpg.connect(database.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def of_database(database: str, query: str) -> int:
    return int(asyncio.run(asked(database, query)))


TRANSACTIONS = "SELECT sum(xact_commit) FROM pg_stat_database"
SIZE = "SELECT pg_database_size(current_database())"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


def processor(pid: int) -> float:
    return Server("", pid).processor_seconds()


def run(setup: Setup, seconds: float, prefix: str) -> Taken:
    """What people take who ask for so long."""
    if setup.postgresql is None or setup.redis is None:
        raise SystemExit("this needs two replicas")
    stores = [setup.postgresql.process, setup.redis.process]
    pids = [*(app.pid for app in setup.apps), *(one.pid for one in stores if one)]
    client = redis.Redis.from_url(setup.redis.url)

    def figures() -> list[float]:
        told = client.info()
        return [
            *map(processor, pids),
            of_database(setup.database, TRANSACTIONS),
            of_database(setup.database, SIZE),
            told["total_commands_processed"],
            told["used_memory"],
        ]

    async def asking() -> tuple[int, int, int]:
        users = Users(PEOPLE, [app.url for app in setup.apps], MODEL, 60, prefix)
        end, idle = time.monotonic() + seconds, sum(app.memory() for app in setup.apps)
        task = asyncio.create_task(users.run(lambda: time.monotonic() > end))
        await asyncio.sleep(seconds * 0.7)
        peak = sum(app.memory() for app in setup.apps) - idle
        connections = await asked(setup.database, CONNECTIONS)
        await task
        failed = [put for put in users.all if put.outcome != "ended"]
        if failed:
            raise SystemExit(f"{len(failed)} messages were not answered: {failed[0]}")
        return len(users.all), peak, int(connections)

    before = figures()
    messages, memory, connections = asyncio.run(asking())
    time.sleep(SETTLING)
    after = figures()
    first, second, stored, shared, transactions, size, commands, _ = (
        b - a for a, b in zip(before, after, strict=True)
    )
    peak = int(client.info()["used_memory_peak"]) - int(before[-1])
    return Taken(
        messages,
        first + second,
        stored,
        shared,
        int(transactions),
        int(size),
        int(commands),
        peak,
        memory,
        connections,
    )


def pgbench(setup: Setup) -> float:
    """Small transactions a second (TPC-B without its hot rows), from eight clients."""
    program = sorted(POSTGRESQL.glob("*/bin/pgbench"))
    if not program:
        return math.nan
    port = setup.database.rpartition(":")[2].partition("/")[0]
    to = ["-h", "127.0.0.1", "-p", port, "-U", "candor", "postgres"]
    subprocess.run([program[-1], "-i", "-q", "-s", "5", *to], check=True, capture_output=True)
    command = [program[-1], "-N", "-c", "8", "-T", "10", *to]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(told.rpartition("tps = ")[2].split()[0])


def costs(short: Taken, long: Taken, tokens: tuple[int, int], small: float) -> Cost:
    """What a message and a token take, from replies of two lengths."""
    each = [1000 * one.app / one.messages for one in (short, long)]
    token = max((each[1] - each[0]) / (tokens[1] - tokens[0]), 0)
    return Cost(
        message_ms=round(each[0] - tokens[0] * token, 2),
        token_ms=round(token, 3),
        postgresql_ms=round(1000 * long.postgresql / long.messages, 2),
        redis_ms=round(1000 * long.redis / long.messages, 2),
        transactions=round(long.transactions / long.messages, 1),
        database_kb=round(long.database / long.messages / 1000, 1),
        commands=round(long.commands / long.messages, 1),
        reply_memory_kb=round(max(long.memory, 0) / PEOPLE / 1000, 1),
        reply_redis_kb=round(max(long.redis_peak, 0) / PEOPLE / 1000, 1),
        connections=long.connections,
        pgbench=round(small),
    )


def needs(users: int, cost: Cost) -> dict[str, float]:
    """What so many daily users need in the busiest hour, by `cost` and the assumptions."""
    daily = users * MESSAGES
    second = daily * BUSIEST / 3600
    message = cost.message_ms + REPLY * cost.token_ms
    return {
        "messages a second": round(second, 2),
        "running replies": round(second * REPLY / RATE, 1),
        "tokens a second": round(second * REPLY),
        "processors of replicas": math.ceil(second * message / 1000 / FULL),
        "transactions a second": round(second * cost.transactions, 1),
        "of pgbench's (%)": round(100 * second * cost.transactions / cost.pgbench, 1),
        "processors of PostgreSQL": round(second * cost.postgresql_ms / 1000, 2),
        "processors of Redis": round(second * cost.redis_ms / 1000, 2),
        "database a year (GB)": round(daily * DAYS * cost.database_kb / 1e6, 1),
        "prompt tokens a day (millions)": round(daily * PROMPT / 1e6, 1),
        "reply tokens a day (millions)": round(daily * REPLY / 1e6, 1),
    }


def table(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    names = list(rows[0][1])
    head = f"| | {' | '.join(name for name, _ in rows)} |\n| --- |{' --- |' * len(rows)}"
    lines = [f"| {name} | {' | '.join(f'{row[name]:,}' for _, row in rows)} |" for name in names]
    return "\n".join([head, *lines])


def measured(folder: Path, seconds: float, tokens: tuple[int, int]) -> Cost:
    """The costs, from a run with each length of replies."""
    found = []
    small = math.nan
    for length in tokens:
        place, port = folder / str(length), free_port()
        place.mkdir()
        script = [sys.executable, str(BESIDE / "faulty_host.py"), "--port", str(port)]
        script += ["--rate", str(RATE), "--tokens", str(length)]
        with (
            serving(script, port, "/health") as host,
            SETUPS["two"](place, host.url, host.process) as setup,
        ):
            run(setup, 5, "warm")
            found.append(run(setup, seconds, f"t{length}"))
            ERRORS.print(found[-1])
            small = pgbench(setup)
    return costs(found[0], found[1], tokens, small)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60, help="of each run")
    parser.add_argument("--tokens", type=int, nargs=2, default=[20, 200], help="of replies")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/scaling.json")
    return parser.parse_args()


def main() -> None:
    """Measure, reckon, print the tables and write the JSON."""
    arguments = parse()
    with tempfile.TemporaryDirectory() as folder:
        cost = measured(Path(folder), arguments.seconds, tuple(arguments.tokens))
    rows = [(f"{users:,} users a day", needs(users, cost)) for users in DAILY]
    assumed = {
        "messages of a user a day": MESSAGES,
        "of them in the busiest hour": BUSIEST,
        "tokens of a reply": REPLY,
        "tokens of what is told before": PROMPT,
        "planned load of a processor": FULL,
    }
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "a message": asdict(cost),
        "assumed": assumed,
        "needs": dict(rows),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table([("a message", asdict(cost))]), "\n")
    print("\n".join(f"- {name}: {value:g}" for name, value in assumed.items()), "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
