"""What tests need that start servers: a free port, waiting, and what to do where one is absent."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn

MISSING = " is not installed"  # why tests are skipped whose server is absent


def missing(what: str) -> NoReturn:
    """Leave a test out that needs a server; where changes are checked, none may be left out."""
    import pytest

    if os.environ.get("CI"):
        pytest.fail(f"{what}{MISSING}, and CI leaves nothing out")
    pytest.skip(f"{what}{MISSING}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connects(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def settles(reached: Callable[[], Any], seconds: float = 20, every: float = 0.02) -> bool:
    """Whether `reached`, asked `every` so many seconds, comes true within a generous time."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
