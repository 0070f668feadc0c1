"""What tests need that start servers: a port that is free, and waiting until something is so."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

MISSING = " is not installed"  # why tests are skipped whose server is absent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settles(reached: Callable[[], Any], seconds: float = 20) -> bool:
    """Whether `reached` comes true within a generous time."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
