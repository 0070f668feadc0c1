"""Scans that are killed at a moment that a test chooses, in processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from command_line import call

from guard import checkpoint


def killed_at(moment: int, *arguments: str | Path) -> bool:
    """Whether a scan came so far as to kill itself before the so-many-th step on the disk."""
    process = get_context("fork").Process(target=scan_until, args=(moment, arguments))
    process.start()
    process.join(300)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def scan_until(moment: int, arguments: tuple[str | Path, ...]) -> None:
    """In a process of its own. A step is a file that is opened, renamed, removed or synced."""
    steps = iter(range(1, 10**6))
    folder = str(Path(arguments[0]).parent)
    sync = os.fsync

    def step() -> None:
        if next(steps) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, given: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.remove") or (event == "open" and given[1] != "r")
        if changes and folder in str(given[0]):
            step()

    def watched_sync(file: int) -> None:
        step()
        sync(file)

    checkpoint.SECONDS = 0  # a checkpoint after every chunk
    sys.addaudithook(watch)
    os.fsync = watched_sync
    call("scan", *map(str, arguments))
