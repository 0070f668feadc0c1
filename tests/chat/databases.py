"""Databases for tests: SQLite files, and servers of PostgreSQL and Redis where they are installed.

`TEST_POSTGRES_URL` and `TEST_REDIS_URL` name servers that are there already; tests empty them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from served import free_port, settles
from sqlalchemy.ext.asyncio import create_async_engine

BINARIES = Path("/usr/lib/postgresql")
WITHOUT_ADMINS = (  # undoes migration 0012
    *(f"DROP TABLE {name}" for name in ("dispute", "setting", "admin_action")),
    "DROP INDEX ix_reply_created_at",
    *(f"ALTER TABLE reply DROP COLUMN {n}" for n in ("first_seconds", "guard_seconds", "copied")),
    "ALTER TABLE preferences DROP COLUMN share_rated",
)


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs, where they and its driver are installed."""
    if find_spec("asyncpg") is None:
        return None
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return next((path.parent for path in sorted(BINARIES.glob("*/bin/initdb"))), None)


@contextmanager
def server() -> Iterator[str]:
    """The address of a PostgreSQL server: the one of `TEST_POSTGRES_URL`, else one for the time."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL or asyncpg is not installed, and TEST_POSTGRES_URL names no server")
    # it refuses to run as root, and the path of its socket may not be long
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="candor-pg"))
    if user:
        shutil.chown(folder, user)
    port = free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(
            command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120
        )

    try:
        run("initdb", "-U", "candor", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        run("pg_ctl", "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql+asyncpg://candor@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


async def emptied(server: str) -> str:
    """The server's address, its public schema new."""
    engine = create_async_engine(server)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await engine.dispose()
    return server


@contextmanager
def redis_server() -> Iterator[str]:
    """The address of a Redis server: the one of `TEST_REDIS_URL`, else one for the time."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("Redis is not installed, and TEST_REDIS_URL names no server")
    port = free_port()
    quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--bind", "127.0.0.1"]
    with tempfile.TemporaryDirectory(prefix="candor-redis") as folder:
        process = subprocess.Popen([program, "--port", str(port), "--dir", folder, *quiet])
        try:
            url = f"redis://127.0.0.1:{port}/0"
            assert settles(lambda: answers(url)), "Redis did not start"
            yield url
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    """Whether a Redis server can be reached."""
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def address(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"
