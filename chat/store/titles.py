"""Titles, and other text that a row holds on one line."""

from __future__ import annotations

from guard.plain import plain

TITLE_LENGTH = 60


def titled(question: str) -> str:
    """A title by a question."""
    return shortened(on_one_line(question), TITLE_LENGTH)


def on_one_line(title: str) -> str:
    """A title without signs that turn the words beside it: it stands in lists, tabs and exports."""
    return plain(" ".join(title.split())) or "…"


def shortened(line: str, most: int) -> str:
    """A line of at most so many characters."""
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
