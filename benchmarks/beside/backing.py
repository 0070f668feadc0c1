"""Servers of PostgreSQL and Redis of a benchmark's own, to be stopped, killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from beside.servers import free_port

POSTGRESQL = Path("/usr/lib/postgresql")
PATIENCE = 60  # seconds to start


@dataclass
class Backing:
    """A server that keeps its data in `folder`; `command` starts it, `ready` tells that it runs."""

    url: str
    command: list[str]
    ready: list[str]
    folder: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            SystemExit: it does not.
        """
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(
            self.command, user=self.user, cwd=self.folder, start_new_session=True, **quiet
        )
        end = time.monotonic() + PATIENCE
        while subprocess.run(self.ready, check=False, **quiet).returncode:
            if time.monotonic() > end:
                raise SystemExit(f"{self.command[0]} did not start")
            time.sleep(0.1)

    def signal(self, which: int) -> None:
        """Send a signal to the server and all of its processes."""
        if self.process:
            os.killpg(self.process.pid, which)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.process = None


@contextmanager
def postgresql() -> Iterator[Backing]:
    """A running PostgreSQL server.

    Raises:
        SystemExit: it is not installed.
    """
    found = sorted(POSTGRESQL.glob("*/bin"))
    if not found:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
    # it refuses to run as root, and the path of its socket may not be long
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="bench-pg"))
    if user:
        shutil.chown(folder, user)
    port, programs = free_port(), found[-1]
    data = str(folder / "data")
    initial = [str(programs / "initdb"), "-D", data, "-U", "candor", "-A", "trust", "-E", "UTF8"]
    subprocess.run(initial, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    command = [str(programs / "postgres"), "-D", data, "-p", str(port), "-k", str(folder)]
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
    url = f"postgresql+asyncpg://candor@127.0.0.1:{port}/postgres"
    yield from running(Backing(url, command, ready, folder, user))


@contextmanager
def redis() -> Iterator[Backing]:
    """A running Redis server that keeps nothing on disk.

    Raises:
        SystemExit: it is not installed.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("Redis is not installed: apt-get install redis-server")
    folder, port = Path(tempfile.mkdtemp(prefix="bench-redis")), str(free_port())
    command = [program, "--port", port, "--save", "", "--appendonly", "no"]
    ready = ["redis-cli", "-p", port, "ping"]
    yield from running(Backing(f"redis://127.0.0.1:{port}/0", command, ready, folder))


def running(server: Backing) -> Iterator[Backing]:
    server.start()
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
