"""The real app as a process of its own, as an operator starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds; a loaded machine takes its time to import everything


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`python app.py` on a free port, with its own data; started again, it keeps both."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "app.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
        own = {"HOST": "127.0.0.1", "PORT": str(self.port), "CANDOR_DATA": str(folder)}
        self.environment = kept | own | {"NO_PROXY": "127.0.0.1"} | environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Begin to start; `ready` waits until it serves."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def ready(self) -> Server:
        """Wait until `/health` answers."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310
                    return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the app did not start:\n{self.log.read_text()[-4000:]}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait until the process is gone."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None
