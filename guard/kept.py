"""Values parsed from files, kept as JSON beside them, so that a start need not parse them again.

What is kept is read only while no file has changed, and is checked against the model once more.
Where the folder cannot be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from . import __version__

M = TypeVar("M", bound=BaseModel)
NAME = ".kept.json"
CODE = tuple(sorted(Path(__file__).parent.glob("*.py")))  # what is kept was made by it


def kept(
    folder: Path,
    files: Sequence[Path],
    model: type[M],
    parse: Callable[[], list[M]],
    name: str = NAME,
) -> list[M]:
    """What `parse` makes of the files, or what was kept of it as `name` in the folder."""
    stamp = fingerprint(folder, files, model)
    place = folder / name
    adapter = TypeAdapter(tuple[str, list[model]])  # type: ignore[valid-type]
    try:
        known, values = adapter.validate_json(place.read_bytes())
        if known == stamp:
            return list(values)
    except (OSError, ValidationError):
        pass  # none yet, or of another version
    values = parse()
    keep(place, adapter.dump_json((stamp, values)))
    return values


def fingerprint(
    folder: Path, files: Sequence[Path], model: type[BaseModel], code: Sequence[Path] = CODE
) -> str:
    """Changes with the name, size or time of any file or of our code, with fields and version."""
    seen = hashlib.sha256(f"{__version__} {sorted(model.model_fields)}".encode())
    for file in (*code, *files):
        stat, name = file.stat(), os.path.relpath(file, folder)
        seen.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def keep(place: Path, content: bytes) -> None:
    """Write it whole or not at all."""
    part = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        part.replace(place)
    except OSError:
        with suppress(OSError):  # where nothing can be written, nothing can be taken away either
            part.unlink()
