"""Servers of PostgreSQL and Redis that a test stops and starts again, each on its port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import databases
import pytest
from served import free_port, settles


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
        assert settles(lambda: databases.answers(self.url)), "Redis did not start"

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(20)


@contextmanager
def own_redis() -> Iterator[RedisServer]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed: it has to be stopped and started here")
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
    programs = databases.binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: it has to be stopped and started here")
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
