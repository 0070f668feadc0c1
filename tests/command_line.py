"""The command line inside the test's own process: what it prints, and what it ends with.

A start costs more than most commands do. What only a process of its own can show (signals, pipes
that end, workers, what is imported, memory) is tested over one.
"""

from __future__ import annotations

import io
import os
from typing import NamedTuple
from unittest import mock

from guard.cli import main


class Done(NamedTuple):
    """How a command ended, named as `subprocess.CompletedProcess` names it."""

    returncode: int
    stdout: bytes
    stderr: bytes


def call(*arguments: str, given: bytes = b"", **environment: str) -> Done:
    """Run `python -m guard ARGUMENTS...` here; what is no exit of the command is raised."""
    printed, told = io.BytesIO(), io.BytesIO()
    stdin, stdout, stderr = (
        io.TextIOWrapper(each, encoding="utf-8") for each in (io.BytesIO(given), printed, told)
    )
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    with (
        mock.patch.multiple("sys", argv=["guard", *arguments], **streams),
        mock.patch.dict(os.environ, environment),
    ):
        code = exit_code()
    stdout.flush()
    stderr.flush()
    return Done(code, printed.getvalue(), told.getvalue())


def exit_code() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0
