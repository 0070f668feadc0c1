"""What Gradio leaves undone when the app imports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.addaudithook(lambda event, given: event == "open" and print("opened", given[0]))
{first}
from gradio.components import HTML
print(HTML.__name__, "change" in [str(event) for event in HTML.EVENTS], HTML("x").value)
"""


def opened(first: str) -> tuple[list[str], str]:
    """The stubs that a process reads or writes, and its last word."""
    command = [sys.executable, "-c", PROGRAM.format(first=first)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    *files, last = done.stdout.splitlines()
    return [one for one in files if one.endswith(".pyi")], last


@pytest.mark.parametrize(("first", "stubs"), [("import chat", False), ("", True)])
def test_no_stub_is_written_and_components_are_what_they_are(first: str, *, stubs: bool) -> None:
    files, last = opened(first)
    assert bool(files) == stubs, "Gradio writes none by itself: chat/quick_gradio.py may go"
    assert last == "HTML True x"
