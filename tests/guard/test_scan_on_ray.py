"""`scan --engine ray` on a real Ray of this machine: the same rows, the same bytes, resumable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from killing import killed_at

from guard.checkpoint import Journal
from guard.sources import CHUNK_ROWS

REASON = "Ray is not installed: pip install -r requirements-ray.txt"
ROWS = [
    {
        "question": "What happened at Tiananmen Square in June 1989?" if n % 2 else "Capital?",
        "reply": f"I cannot discuss this. {n}" if n % 3 else "Paris.",
        "model": "Qwen/QwQ-32B",
    }
    for n in range(1500)
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two files; rows of none has an id."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, rows in (("a.jsonl", ROWS[:700]), ("b.jsonl", ROWS[700:])):
        (folder / name).write_text("\n".join(map(json.dumps, rows)) + "\n{\n")
    return folder


def scan(source: Path, target: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guard", "scan", source, "-o", target, *more],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_ray_goes_on_with_a_killed_scan_to_the_same_bytes(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason=REASON)
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    done = scan(source, here, "--workers", "1")
    told = "2 of 1502 rows are broken; their `error` says why.\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert killed_at(13, source, "-o", there)
    broken_off = Journal(there).found()
    assert broken_off
    assert broken_off.rows == CHUNK_ROWS
    done = scan(source, there, "--engine", "ray", "--resume")
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith(told)
    assert there.read_bytes() == here.read_bytes()


def test_a_fault_within_ray_is_told_in_a_sentence(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason=REASON)
    parquet = source / "c.parquet"
    parquet.write_bytes(b"no parquet")
    done = scan(source, tmp_path / "out.jsonl", "--engine", "ray")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "Error: Ray failed: " in done.stderr
    assert f"InputError: {parquet} is no Parquet that can be read" in done.stderr


def test_ray_that_is_not_installed_is_told(source: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['ray'] = None; from guard.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "scan", source, "--engine", "ray"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--engine ray needs Ray: pip install -r requirements-ray.txt" in done.stderr
