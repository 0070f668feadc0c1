"""Servers as processes of their own, and the processor time that they take."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2

ROOT = Path(__file__).parents[2]
BESIDE = Path(__file__).parent
PATIENCE = 180  # seconds to start on a busy machine
LAST_WORDS = 2000  # bytes of what a server wrote that are told where it does not start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running server."""

    url: str
    process: int

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def processor_seconds(self) -> float:
        """What it and its children have taken so far, in all their threads (Linux)."""
        taken, parents = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                told = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            process = int(stat.parent.name)
            parents[process] = int(told[1])
            taken[process] = sum(map(int, told[11:15]))  # its own, and of children that ended
        family = {self.process}
        while more := {one for one, parent in parents.items() if parent in family} - family:
            family |= more
        return sum(taken[one] for one in family & set(taken)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(command: list[str], port: int, health: str, **environment: str) -> Iterator[Server]:
    """A server on `port` for as long as the block runs; raises as `started`."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log, started(command, url + health, log, environment) as one:
        try:
            yield Server(url, one.pid)
        finally:
            one.terminate()


def started(
    command: list[str], address: str, log: BinaryIO, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A server's process, as soon as `address` answers; what it writes goes into `log`.

    Raises:
        SystemExit: it did not start; says what it wrote last.
    """
    held = {**os.environ, "NO_PROXY": "127.0.0.1", **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=held, stdout=log, stderr=log)
    try:
        ready = settles(process, address)
    except BaseException:
        process.kill()
        raise
    if not ready:
        process.kill()
        log.seek(0)
        last = log.read()[-LAST_WORDS:].decode(errors="replace")
        raise SystemExit(f"{' '.join(command)} did not start:\n{last}")
    return process


def settles(process: subprocess.Popen[bytes], address: str) -> bool:
    """Whether a server comes to answer before it ends, or takes too long."""
    end = time.monotonic() + PATIENCE
    while not answers(address):
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def answers(address: str) -> bool:
    try:
        return httpx2.get(address, timeout=5, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def host(rate: float, tokens: int) -> Iterator[Server]:
    """The host of models."""
    port = free_port()
    script = str(BESIDE / "host.py")
    options = ["--port", str(port), "--rate", str(rate), "--tokens", str(tokens)]
    with serving([sys.executable, script, *options], port, "/health") as server:
        yield server


@contextmanager
def candor(models: Server, folder: Path) -> Iterator[Server]:
    """Candor as an operator starts it, its data in `folder`."""
    port = free_port()
    told = {"PORT": str(port), "CANDOR_DATA": str(folder), "CANDOR_BASE_URL": f"{models.url}/v1"}
    with serving([sys.executable, "app.py"], port, "/health", **told) as server:
        time.sleep(3)  # what it loads once the page is up
        yield server


@contextmanager
def gradio(models: Server, *options: str) -> Iterator[Server]:
    """A bare Gradio chat."""
    port = free_port()
    script = str(BESIDE / "gradio_chat.py")
    command = [sys.executable, script, "--port", str(port), "--host", models.url, *options]
    with serving(command, port, "/", GRADIO_SERVER_NAME="127.0.0.1") as server:
        yield server
