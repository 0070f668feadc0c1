"""The public surface of the guard, pinned: a name that comes or goes is a change to be told."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import guard

NAMES = [
    "Billed",
    "Called",
    "CandorError",
    "Catalogue",
    "ConfigError",
    "Connection",
    "Consulted",
    "Delta",
    "Document",
    "Done",
    "Event",
    "Exhausted",
    "Failed",
    "FellBack",
    "Guard",
    "GuardReport",
    "GuardedChatModel",
    "Image",
    "InputError",
    "Judged",
    "Message",
    "ModelSpec",
    "Options",
    "Passed",
    "ProviderError",
    "Returned",
    "Signal",
    "Span",
    "Started",
    "Telling",
    "Thought",
    "ToolServers",
    "Toolbox",
    "UnknownModel",
    "Unoffered",
    "Verdict",
    "Waiting",
    "__version__",
    "load_catalogue",
]


def test_public_names() -> None:
    assert guard.__all__ == NAMES
    assert set(NAMES) <= set(dir(guard))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there_and_told_about(name: str) -> None:
    value = getattr(guard, name)
    assert name == "__version__" or getattr(value, "__doc__", None)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Gard'"):
        guard.Gard  # noqa: B018


def test_names_are_loaded_when_they_are_used() -> None:
    program = "import sys, guard; guard.Verdict; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "guard.types" in done.stdout.split()
    assert not {"langchain_core", "guard.pipeline"} & set(done.stdout.split())


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((Path(guard.__file__).parents[1] / "pyproject.toml").read_text())
    assert guard.__version__ == project["project"]["version"]
