"""`docs/parity.md`: every test that it names is there, so that no row can fall behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
NAMED = sorted(set(re.findall(r"`(test_\w+)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_named_test_is_there(file: str, test: str) -> None:
    found = [*(ROOT / "tests").rglob(f"{file}.py")]
    assert len(found) == 1
    assert re.search(rf"^(async )?def {test}\(", found[0].read_text(encoding="utf-8"), re.M)


def test_every_row_names_a_test_or_says_why_not() -> None:
    cells = [row.rstrip("| ").rpartition(" | ")[2] for row in ROWS]
    assert cells.count("Candor") == 3  # the heads of the tables
    for candors in cells:
        assert candors == "Candor" or "::test_" in candors or candors.startswith("not here:")
