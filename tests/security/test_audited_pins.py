"""`make audit` is clean only where every package was looked up."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = runpy.run_path(str(ROOT / "scripts" / "audit.py"))
CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found on PyPI"}
WRONG = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([CLEAN, CLEAN], AUDIT["CLEAN"], "no known vulnerability in 2 packages"),
        ([CLEAN, SKIPPED], AUDIT["LEFT_OUT"], "LEFT OUT: b"),
        ([SKIPPED], AUDIT["LEFT_OUT"], "LEFT OUT, the service knew none of the 1 packages"),
        ([], AUDIT["LEFT_OUT"], "LEFT OUT"),
        ([CLEAN, WRONG, SKIPPED], AUDIT["VULNERABLE"], "c 2: PYSEC-1, mended in ['3']"),
    ],
)
def test_what_was_not_looked_up_is_not_clean(packages: list[Any], code: int, words: str) -> None:
    given, told = AUDIT["judged"]({"dependencies": packages})
    assert given == code
    assert words in told


@pytest.mark.parametrize("script", [None, "exit 0", "echo '[' && exit 1"])
def test_a_program_that_fails_is_no_success(
    script: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """None: it is not installed."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    if script is not None:
        program = tmp_path / "pip-audit"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    assert AUDIT["main"]([str(ROOT / "requirements.txt")]) == AUDIT["LEFT_OUT"]
    assert "LEFT OUT" in capsys.readouterr().out


def test_every_requirement_is_locked_to_one_version() -> None:
    """An audit of a range says nothing of what is installed."""
    for file in ROOT.glob("requirements*.txt"):
        lines = file.read_text(encoding="utf-8").splitlines()
        pins = [one for one in lines if one.strip() and not one.strip().startswith("#")]
        assert pins
        assert all("==" in one for one in pins), file.name
