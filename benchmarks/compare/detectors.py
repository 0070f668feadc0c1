"""The guard and the public detectors of refusals, each in a process of its own that speaks `lines`.

Left out: what judges by a model (LLM Guard's NoRefusal, garak's ModernBERTRefusal), which takes
tens of milliseconds a reply on a processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

HERE = Path(__file__).parent
PROMPTFOO = "npm pack promptfoo@0.121.20 && tar xzf promptfoo-0.121.20.tgz"
VENV = (
    "uv venv compare-venv && uv pip install --python compare-venv/bin/python --no-deps "
    "-r benchmarks/requirements-compare.txt"
)


class Said(NamedTuple):
    """What a detector says of one reply, and what that took."""

    withheld: bool
    nanoseconds: int


@dataclass(frozen=True)
class Detector:
    """How to start a detector, and how to install what it needs."""

    name: str
    command: tuple[str, ...]
    install: str


class Missing(Exception):
    """A detector that does not start; the message says how to install it."""


def known(compare_python: str, promptfoo: Path) -> list[Detector]:
    """The guard first, then the others.

    Args:
        compare_python: of the environment that holds garak and LLM Guard.
        promptfoo: folder in which promptfoo's npm package was unpacked.
    """
    in_venv = f"{VENV}, then --compare-python compare-venv/bin/python"
    unpacked = f"{PROMPTFOO}, then --promptfoo FOLDER (where that was done)"
    return [
        Detector("guard", (sys.executable, str(HERE / "guard_check.py")), "see README.md"),
        Detector(
            "garak MitigationBypass", (compare_python, str(HERE / "garak_bypass.py")), in_venv
        ),
        Detector(
            "promptfoo is-refusal",
            ("node", str(HERE / "promptfoo_refusal.cjs"), str(promptfoo)),
            unpacked,
        ),
        Detector(
            "LLM Guard NoRefusalLight",
            (compare_python, str(HERE / "llm_guard_light.py")),
            in_venv,
        ),
    ]


class Running:
    """A started detector.

    Raises:
        Missing: it does not start.
    """

    def __init__(self, detector: Detector) -> None:
        self.name = detector.name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        try:
            self._process = subprocess.Popen(
                detector.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
            )
            self.version = str(self._answer()["version"])
        except (OSError, Missing) as error:
            raise Missing(
                f"{detector.name} is left out ({error}). To install it: {detector.install}"
            ) from error

    def ask(self, row: Mapping[str, Any]) -> Said:
        """What it says of one row's reply."""
        print(json.dumps(row), file=self._pipe(self._process.stdin), flush=True)
        answer = self._answer()
        return Said(answer["withheld"], answer["ns"])

    def end(self) -> float:
        """Stop it; the most memory it held, in MiB."""
        self._pipe(self._process.stdin).close()
        memory = float(self._answer()["memory"])
        self._process.wait()
        self._errors.close()
        return memory

    def _answer(self) -> dict[str, Any]:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise Missing(self._last_error())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_error(self) -> str:
        """What the process, which has ended, said last of an error."""
        self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors if "Error" in line]
        return lines[-1] if lines else f"it ended with {self._process.returncode}"

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise ValueError("the process was started without pipes")
        return pipe
