"""Databases for tests: SQLite files, and servers of PostgreSQL and Redis where they are installed.

    python tests/databases.py pytest -n 4  # with one server of each for all of its processes

`TEST_POSTGRES_URL` and `TEST_REDIS_URL` name servers that are there already. Tests make databases
`candor_test_*` in the one, and empty databases 0, 1, 2, … of the other. A test that stops a server
has one of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from ports import connects, free_port, missing, settles
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

Result = TypeVar("Result")
BINARIES = Path("/usr/lib/postgresql")
WITHOUT_ADMINS = (  # undoes migration 0012
    *(f"DROP TABLE {name}" for name in ("dispute", "setting", "admin_action")),
    "DROP INDEX ix_reply_created_at",
    *(f"ALTER TABLE reply DROP COLUMN {n}" for n in ("first_seconds", "guard_seconds", "copied")),
    "ALTER TABLE preferences DROP COLUMN share_rated",
)


# --- PostgreSQL -----------------------------------------------------------------------------------


class PostgreSQL:
    """A server in a folder of its own, on one port while it is stopped and started.

    Args:
        programs: the folder of PostgreSQL's programs.
        folder: empty; the path of its socket may not be long.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder, self._data = programs, folder, folder / "data"
        self._user = "nobody" if os.getuid() == 0 else None  # it refuses to run as root
        if self._user:
            shutil.chown(folder, self._user)
        self._port = free_port()
        self.url = f"postgresql+asyncpg://candor@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-U", "candor", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder} -c fsync=off"
        options += " -c max_connections=300"
        self._run("pg_ctl", "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        """Cut all connections off, as where the machine breaks down."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the server, then to the processes of its connections, which may end."""
        main = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(main, which)
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in map(int, children):
            with suppress(ProcessLookupError):
                os.kill(process, which)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        quiet = subprocess.DEVNULL
        subprocess.run(
            command, check=True, user=self._user, cwd=self._folder, stdout=quiet, timeout=120
        )


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, where they are installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return next((path.parent for path in sorted(BINARIES.glob("*/bin/initdb"))), None)


@contextmanager
def own_postgresql() -> Iterator[PostgreSQL]:
    """A running server that a test may stop."""
    programs = binaries()
    if programs is None:
        missing("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="candor-pg"))
    try:
        server = PostgreSQL(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.signal(signal.SIGCONT)
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a database: in the server of `TEST_POSTGRES_URL`, else in one for the time.

    In a server that is given, each process of the tests has a database of its own.
    """
    given = os.environ.get("TEST_POSTGRES_URL")
    if not given:
        with own_postgresql() as started:
            yield started.url
        return
    name = f"candor_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    apart(made(given, name))
    yield make_url(given).set(database=name).render_as_string(hide_password=False)


@contextmanager
def pooled(server: str) -> Iterator[str]:
    """The address of the same databases through PgBouncer, which gives connections out in turn."""
    program = shutil.which("pgbouncer")
    if program is None:
        missing("PgBouncer")
    at, port = make_url(server), free_port()
    with tempfile.TemporaryDirectory(prefix="candor-pool") as folder:
        users, settings = Path(folder) / "users", Path(folder) / "pgbouncer.ini"
        users.write_text(f'"{at.username}" ""\n')
        settings.write_text(
            f"[databases]\n* = host={at.host} port={at.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = session\n"
        )
        for each in (Path(folder), users, settings):
            each.chmod(0o755)
        user = "nobody" if os.getuid() == 0 else None  # it refuses to run as root
        process = subprocess.Popen([program, "-q", str(settings)], user=user)
        try:
            assert settles(lambda: connects(port)), "PgBouncer did not start"
            yield at.set(port=port).render_as_string(hide_password=False)
        finally:
            process.kill()
            process.wait(20)


def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns, where this thread may run an event loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def made(server: str, name: str) -> None:
    """Make a database."""
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0')
    await engine.dispose()


async def emptied(server: str) -> str:
    """The server's address, its public schema new."""
    engine = create_async_engine(server)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await engine.dispose()
    return server


# --- Redis ----------------------------------------------------------------------------------------


class Redis:
    """A server that keeps nothing, on one port while it is stopped and started."""

    def __init__(self, program: str, folder: str) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        where = ["--port", str(port), "--dir", folder, "--bind", "127.0.0.1"]
        self._command = [program, *where, "--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        assert settles(lambda: answers(self.url)), "Redis did not start"

    def stop(self) -> None:
        """Cut all connections off, as where the machine breaks down; what it held is gone."""
        if self._process:
            self._process.kill()
            self._process.wait(20)


@contextmanager
def own_redis() -> Iterator[Redis]:
    """A running server that a test may stop."""
    program = shutil.which("redis-server")
    if program is None:
        missing("Redis")
    with tempfile.TemporaryDirectory(prefix="candor-redis") as folder:
        server = Redis(program, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def redis_url() -> Iterator[str]:
    """The address of a Redis server: the one of `TEST_REDIS_URL`, else one for the time.

    In a server that is given, each process of the tests has a database of its own.
    """
    given = os.environ.get("TEST_REDIS_URL")
    if not given:
        with own_redis() as started:
            yield started.url
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    yield urlsplit(given)._replace(path=f"/{worker}").geturl()


def answers(url: str) -> bool:
    """Whether a Redis server can be reached."""
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


# --- SQLite ---------------------------------------------------------------------------------------


def address(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def main() -> int:
    """Run a command with a server of each kind, where none is given; returns how it ended."""
    with ExitStack() as running:
        given = {}
        if "TEST_POSTGRES_URL" not in os.environ and binaries():
            given["TEST_POSTGRES_URL"] = running.enter_context(own_postgresql()).url
        if "TEST_REDIS_URL" not in os.environ and shutil.which("redis-server"):
            given["TEST_REDIS_URL"] = running.enter_context(own_redis()).url
        return subprocess.run(sys.argv[1:], env=os.environ | given, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
