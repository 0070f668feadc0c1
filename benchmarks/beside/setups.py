"""The app as operators run it, for benchmarks that stop and start its parts: one process on SQLite,
or two replicas on PostgreSQL and Redis.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from beside import backing
from beside.backing import Backing
from beside.servers import BESIDE, free_port, started

TIMEOUT = 8  # seconds of silence that the app grants a host
DISK = "768m"  # of the small disk


@dataclass
class App:
    """One process of the app; it is started again with the same command."""

    port: int
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers; raises as `started`."""
        told = {**self.environment, "PORT": str(self.port)}
        with self.log.open("a+b") as log:
            self.process = started([sys.executable, "app.py"], f"{self.url}/health", log, told)

    def end(self, which: int) -> None:
        if self.process:
            self.process.send_signal(which)
            self.process.wait(60)

    def memory(self) -> int:
        """Bytes that it holds, of its own alone (Linux)."""
        told = Path(f"/proc/{self.pid}/smaps_rollup")
        lines = dict(line.split(":", 1) for line in told.read_text().splitlines()[1:])
        return sum(int(lines[name].split()[0]) * 1024 for name in lines if "Private" in name)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - a count alone

    @property
    def pid(self) -> int:
        if self.process is None:
            raise SystemExit("the app does not run")
        return self.process.pid


@dataclass
class Setup:
    """The app as it stands, and what it stands on."""

    name: str
    apps: list[App]
    host: str
    database: str
    host_process: int
    data: Path
    postgresql: Backing | None = None
    redis: Backing | None = None
    clock: Path | None = None


@contextmanager
def one(folder: Path, host: str, process: int) -> Iterator[Setup]:
    """One process on SQLite, its data on a small disk of its own and with a clock, if there are."""
    data = folder / "small"
    data.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(data)],
        check=False,
        stderr=subprocess.DEVNULL,
    ).returncode
    clock, preloaded = a_clock(folder)
    told = {"CANDOR_DATA": str(data), **to_host(host), **preloaded}
    app = App(free_port(), told, folder / "app.log")
    database = f"sqlite+aiosqlite:///{data / 'candor.sqlite3'}"
    try:
        app.start()
        yield Setup("one", [app], host, database, process, data, clock=clock)
        app.end(signal.SIGTERM)
    finally:
        app.end(signal.SIGKILL)
        if mounted:
            subprocess.run(["umount", str(data)], check=False)


def a_clock(folder: Path) -> tuple[Path | None, dict[str, str]]:
    """A file that sets the wall clock of whoever starts with the variables beside it."""
    library, clock = folder / "clock.so", folder / "clock"
    source = str(BESIDE / "clock.c")
    compiler = shutil.which("cc")
    if compiler is None:
        return None, {}
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), source, "-ldl"], check=True)
    clock.write_bytes(struct.pack("=q", 0))
    return clock, {"LD_PRELOAD": str(library), "JUMP": str(clock)}


@contextmanager
def two(folder: Path, host: str, process: int) -> Iterator[Setup]:
    """Two replicas on PostgreSQL and Redis."""
    with ExitStack() as stack:
        database = stack.enter_context(backing.postgresql())
        shared = stack.enter_context(backing.redis())
        told = {"CANDOR_DATABASE_URL": database.url, "CANDOR_REDIS_URL": shared.url}
        told |= {"CANDOR_SECRET": "of-this-benchmark-alone-not-kept", **to_host(host)}
        apps = []
        for number in range(2):
            data = {"CANDOR_DATA": str(folder / str(number))}
            apps.append(App(free_port(), told | data, folder / f"app{number}.log"))
            stack.callback(apps[-1].end, signal.SIGKILL)
        for app in apps:
            app.start()
        yield Setup("two", apps, host, database.url, process, folder, database, shared)


def to_host(host: str) -> dict[str, str]:
    return {"CANDOR_BASE_URL": f"{host}/v1", "CANDOR_TIMEOUT": str(TIMEOUT)}


SETUPS = {"one": one, "two": two}
