"""The command line inside the test's own process: what it prints, and what it ends with.

A start costs more than most commands do. What only a process of its own can show (signals, pipes
that end, workers, what is imported, memory) is tested over one.
"""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import pytest

from guard.cli import main


class Done(NamedTuple):
    """How a command ended, named as `subprocess.CompletedProcess` names it."""

    returncode: int
    stdout: bytes
    stderr: bytes


def call(*arguments: str, given: bytes = b"", **environment: str) -> Done:
    """Run `python -m guard ARGUMENTS...` here; what is no exit of the command is raised."""
    printed, told = io.BytesIO(), io.BytesIO()
    streams = {"stdin": io.BytesIO(given), "stdout": printed, "stderr": told}
    with pytest.MonkeyPatch.context() as here:
        here.setattr(sys, "argv", ["guard", *arguments])
        for name, stream in streams.items():
            here.setattr(sys, name, io.TextIOWrapper(stream, encoding="utf-8"))
        for name, value in environment.items():
            here.setenv(name, value)
        code = exit_code()
        sys.stdout.flush()
        sys.stderr.flush()
        return Done(code, printed.getvalue(), told.getvalue())


def exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
