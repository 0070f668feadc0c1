"""What a result was made with: hashes that tell whether another was made with the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from . import __version__, learned, topics
from .types import Value

HOUSE = Path(__file__).parent
PHRASES = HOUSE / "data" / "phrases"
OTHER = sorted((HOUSE / "data").glob("*.yaml")) + sorted(HOUSE.glob("data/[eo]*/*.yaml"))
CODE = (*sorted(HOUSE.glob("*.py")), *sorted(HOUSE.glob("detectors/*.py")), *OTHER)


class Versions(Value):
    """Hashes of packs, weights and phrases, and the code's version."""

    candor: str
    packs: str
    weights: str
    phrases: str


def versions() -> Versions:
    return Versions(
        candor=__version__,
        packs=digest(topics.files()),
        weights=digest([learned.WEIGHTS]),
        phrases=digest(sorted(PHRASES.glob("*.yaml"))),
    )


def digest(files: Iterable[Path]) -> str:
    """A hash of the files' names and contents."""
    seen = hashlib.sha256()
    for file in files:
        seen.update(file.name.encode() + b"\0" + file.read_bytes())
    return seen.hexdigest()[:16]
