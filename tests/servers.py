"""Servers of PostgreSQL and Redis, each on a port of its own, where they are installed.

A test may stop them and start them again. And a proxy, as it stands before replicas.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from replies import settles

BINARIES = Path("/usr/lib/postgresql")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, where they and its driver are installed."""
    if find_spec("asyncpg") is None:
        return None
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return next((path.parent for path in sorted(BINARIES.glob("*/bin/initdb"))), None)


def answers(url: str) -> bool:
    """Whether a Redis server can be reached."""
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


class RedisServer:
    """A Redis that keeps nothing; started again, it is empty."""

    def __init__(self, folder: str, program: str) -> None:
        self.port, self._folder, self._program = free_port(), folder, program
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--bind", "127.0.0.1"]
        where = ["--port", str(self.port), "--dir", self._folder]
        self.process = subprocess.Popen(
            [self._program, *where, *quiet], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert settles(lambda: answers(self.url), 20), "Redis did not start"

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(20)


@contextmanager
def own_redis() -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed")
    with tempfile.TemporaryDirectory(prefix="candor-redis") as folder:
        server = RedisServer(folder, program)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class PostgresServer:
    """A PostgreSQL that is killed, frozen, or told to start again."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        self.port = free_port()
        self.url = f"postgresql+asyncpg://candor@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(
            command,
            check=True,
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder} -c fsync=off"
        self.run("pg_ctl", "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def kill(self) -> None:
        self.run("pg_ctl", "-m", "immediate", "-w", "stop")

    def signal(self, how: signal.Signals) -> None:
        """Send a signal to the server and all who serve its connections."""
        (first, *_) = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for process in (first, *children):
            os.kill(int(process), how)


@contextmanager
def own_postgres() -> Iterator[PostgresServer]:
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL or asyncpg is not installed")
    # it refuses to run as root, and the path of its socket may not be long
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="candor-pg"))
    if user:
        shutil.chown(folder, user)
    server = PostgresServer(folder, programs, user)
    try:
        server.run("initdb", "-U", "candor", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


class Proxy:
    """Hands connections on to the first replica that takes them; when that dies, they break."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self.ports:
            with suppress(OSError):
                behind = await asyncio.open_connection("127.0.0.1", port)
                both = handed_on(reader, behind[1]), handed_on(behind[0], writer)
                await asyncio.gather(*both)
                return
        writer.close()


async def handed_on(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """All that comes from one side, until either is gone."""
    with suppress(OSError):
        while data := await source.read(65_536):
            to.write(data)
            await to.drain()
    to.close()


@contextmanager
def proxy(*ports: int) -> Iterator[Proxy]:
    """A proxy in a thread of its own."""
    before = Proxy(*ports)
    loop = asyncio.new_event_loop()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(before._serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield before
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
