"""A scan's output while it grows, so that one that is killed goes on where it was.

Rows are appended to `.OUT.part` as JSON lines; `.OUT.checkpoint` says how many bytes of it count,
and how far the source was read then. It is written after the rows are on the disk: what a killed
scan had appended since is cut off, and done again. When all rows are there they are put into the
form that the name of OUT asks for, and OUT takes its name; then both files go.

Not covered: a machine whose disk forgets what it said was written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from pydantic import ValidationError

from .errors import InputError
from .scan import Part
from .sources import Position
from .types import Value

SECONDS = 1.0  # between two checkpoints


class Checkpoint(Value):
    """`made` tells by name what the rows were made with; `size` is in bytes."""

    made: Mapping[str, str] = {}
    at: Position = Position()
    size: int = 0
    rows: int = 0
    broken: int = 0
    numbered: bool = True
    whole: bool = False

    def behind(self, part: Part, at: Position) -> Checkpoint:
        """The same, with one part more."""
        return self.model_copy(
            update={
                "at": at,
                "size": self.size + len(part.lines),
                "rows": self.rows + part.rows,
                "broken": self.broken + part.broken,
                "numbered": self.numbered and part.numbered,
            }
        )


class Journal:
    """The rows that there are so far; nobody else writes to them while it is open."""

    def __init__(self, target: Path, own: str = "") -> None:
        """`own` is a part of the name that nobody else's rows have."""
        self.target = target
        self.rows = target.with_name(f".{target.name}.{own}part")
        self.place = target.with_name(f".{target.name}.checkpoint")
        self.last = Checkpoint()
        self.kept = 0.0  # when, by the monotonic clock

    def found(self) -> Checkpoint | None:
        """The checkpoint of a scan that broke off.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return Checkpoint.model_validate_json(self.place.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InputError(
                f"{self.place} cannot be read; delete it to scan from the start"
            ) from error

    def begun(self, made: Mapping[str, str], resume: bool) -> Checkpoint:
        """Where to go on: from the start, or where a scan broke off.

        Raises:
            InputError: there is a scan that broke off and it is not to be resumed, or it cannot be.
        """
        found = self.found()
        if found is None and resume and self.target.exists():
            raise InputError(
                f"{self.target} is there, and no scan of it broke off; leave --resume out to scan "
                "anew"
            )
        if found is None or (not resume and not found.rows):
            return Checkpoint(made=dict(made))
        if not resume:
            raise InputError(
                f"a scan of {self.target} broke off after {found.rows} rows: --resume goes on with "
                f"it; to scan from the start, delete {self.place}"
            )
        changed = [
            name for name in {**made, **found.made} if made.get(name) != found.made.get(name)
        ]
        if changed:
            raise InputError(
                f"the scan of {self.target} cannot go on, as it was begun with other "
                f"{' and '.join(changed)}; to scan from the start, delete {self.place}"
            )
        finished = found.whole and self.target.exists()
        if size_of(self.rows) < found.size and not finished:
            raise InputError(
                f"{self.rows} lacks rows that it had; delete {self.place} to scan from the start"
            )
        return found

    @contextmanager
    def opened(
        self, made: Mapping[str, str], resume: bool
    ) -> Iterator[tuple[BinaryIO, Checkpoint]]:
        """The rows to append to, and where to go on.

        Raises:
            InputError: as `begun`, or another scan is appending to them.
        """
        with self.rows.open("ab") as rows:
            lock(rows, self.rows)
            try:
                at = self.begun(made, resume)
            except InputError:
                if not self.place.exists():
                    self.rows.unlink()
                raise
            if not at.whole:
                rows.truncate(at.size)
                self.keep(rows, at)
            yield rows, at

    def keep(self, rows: BinaryIO, at: Checkpoint) -> None:
        """Make a checkpoint."""
        sync(rows)
        fresh = self.place.with_name(f"{self.place.name}.new")
        with fresh.open("wb") as file:
            file.write(at.model_dump_json().encode())
            sync(file)
        fresh.replace(self.place)
        self.last, self.kept = at, time.monotonic()

    def reached(self, rows: BinaryIO, at: Checkpoint) -> None:
        """Note where the scan has come to, and from time to time for good."""
        self.last = at
        if time.monotonic() - self.kept >= SECONDS:
            self.keep(rows, at)

    def finish(self, at: Checkpoint, written: Callable[[Path, Path], None]) -> None:
        """Have the target written from the rows, once; then only it is left.

        Args:
            written: writes the second path from the first, or moves it there.
        """
        if size_of(self.rows) == at.size:  # else it was, and no more was left to do than to forget
            written(self.rows, self.target)
        self.rows.unlink(missing_ok=True)
        self.place.unlink(missing_ok=True)


def sync(file: BinaryIO) -> None:
    """Have on the disk what was written."""
    file.flush()
    os.fsync(file.fileno())


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def lock(file: IO[bytes], path: Path) -> None:
    """Keep others from writing at the same time, where the system can; ends with the process.

    Raises:
        InputError: somebody does, or has just finished.
    """
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            alone = False
        if not alone:
            raise InputError(f"another scan is writing {path}; let it end first")
