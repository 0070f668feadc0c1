"""The guard's whole check of a finished reply: topic, detectors, verdict and explanation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lines import serve

sys.path.insert(0, str(Path(__file__).parents[2]))
import guard
from guard import scan

FIELDS = ("id", "question", "reply", "model", "reasoning", "finish_reason")


def row_of(given: dict[str, Any]) -> scan.Row:
    return scan.row_from({key: given[key] or None for key in FIELDS} | {"reply": given["reply"]})


def withholds(row: scan.Row) -> bool:
    return scan.judge(row).conduct != "answered"


if __name__ == "__main__":
    serve(guard.__version__, row_of, withholds)
