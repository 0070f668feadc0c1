"""What a run of the tests says and does where a server is not there to test against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
NEEDS_A_SERVER = """
import ports
import pytest

@pytest.mark.parametrize("n", range(2))
def test_of_a_server(n):
    ports.missing("PostgreSQL")

def test_of_nothing():
    pass
"""


def run(folder: Path, *options: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_one.py").write_text(NEEDS_A_SERVER)
    plugins = ("-p", "conftest", "-p", "xdist")
    command = [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, *options]
    found = os.pathsep.join(map(str, (TESTS, TESTS.parent)))
    own = {"PYTHONPATH": found, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "in processes"])
def test_what_was_left_out_is_said_at_the_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run(tmp_path, *options, ci="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Left out, as PostgreSQL is not installed: 2 tests" in done.stdout
    assert "1 passed, 2 skipped" in done.stdout


def test_where_changes_are_checked_nothing_is_left_out(tmp_path: Path) -> None:
    done = run(tmp_path, ci="true")
    assert done.returncode == 1
    assert "CI leaves nothing out" in done.stdout
    assert "2 failed, 1 passed" in done.stdout
