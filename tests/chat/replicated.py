"""Two replicas of the app as processes of their own, over one database, one Redis and one host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from served import API_KEY, HF_TOKEN, LLAMA, Page, free_port, page_of
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

ROOT = Path(__file__).parents[2]


class Replica:
    """`python app.py` on a port of its own."""

    def __init__(self, folder: Path, name: str, **environment: str) -> None:
        self.warm = False
        self.port, self.log = free_port(), folder / f"{name}.log"
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"PORT": str(self.port), "CANDOR_DATA": str(folder / name)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=os.environ | own | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def answers(self) -> bool:
        try:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
        except OSError:
            return False

    def ready(self) -> Replica:
        end = time.monotonic() + 120
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)
        return self

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(60)


@contextmanager
def same_reader(first: Page, url: str) -> Iterator[Page]:
    """The same reader's page at another replica."""
    with page_of(url) as page:
        page.http.cookies = first.http.cookies
        yield page


def stored(database: str, conversation: str) -> list[Any]:
    """The replies of a conversation as the database has them, in their order."""

    async def rows() -> list[Any]:
        engine = create_async_engine(database)
        query = text(
            "SELECT reply.text, reply.state, reply.run, reply.step, reply.lane FROM reply"
            " JOIN turn ON turn.id = turn_id WHERE conversation_id = :id"
            " ORDER BY turn.created_at, run, step"
        )
        async with engine.connect() as connection:
            found = [*await connection.execute(query, {"id": conversation})]
        await engine.dispose()
        return found

    return asyncio.run(rows())


def environment(host: str, database: str, redis: str, **more: str) -> dict[str, str]:
    return {
        "CANDOR_BASE_URL": host,
        "CANDOR_DEFAULT_MODEL": LLAMA,
        "CANDOR_API_KEY": API_KEY,
        "HF_TOKEN": HF_TOKEN,
        "CANDOR_DATABASE_URL": database,
        "CANDOR_REDIS_URL": redis,
        "CANDOR_DRAIN": "10",
    } | more
