"""The real app as a process of its own, as an operator starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from ports import free_port, settles

ROOT = Path(__file__).parents[1]
PATIENCE = 120.0  # seconds; a loaded machine takes its time to import everything
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    """Whether an app is there, and well."""
    try:
        with DIRECT.open(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """`python app.py` on a free port, with its own data; started again, it keeps both.

    Args:
        folder: where its data and its log go; made where it is not there.
        root: where the app's code is.
        environment: its variables, beside those of the tests.
    """

    def __init__(self, folder: Path, root: Path = ROOT, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder, self.log, self._root = folder, folder / "app.log", root
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRADIO_")}
        own = {"HOST": "127.0.0.1", "PORT": str(self.port), "CANDOR_DATA": str(folder)}
        self.environment = kept | own | {"NO_PROXY": "127.0.0.1"} | environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Begin to start; `ready` waits until it serves."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=self._root,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    def ready(self) -> Server:
        """Wait until `/health` answers."""
        settles(lambda: self.answers() or self.is_gone(), PATIENCE, every=0.1)
        if not self.answers():
            raise RuntimeError(f"the app did not start:\n{self.log.read_text()[-4000:]}")
        return self

    def answers(self) -> bool:
        return answers(self.url)

    def is_gone(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; what the process ends with, or ended with before."""
        if self.process is None:
            return 0
        self.process.send_signal(how)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()  # where it did not go
            self.process.wait(20)
            self.process = None
