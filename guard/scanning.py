"""A scan from its source to its output: read, judge here or elsewhere, write, and go on later."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from . import jsonl, snapshot
from .checkpoint import Checkpoint, Journal, sync
from .errors import InputError
from .scan import Work
from .sources import CHUNK_ROWS, PARQUET, Position, Source, pyarrow
from .types import Value
from .versions import CODE, digest, versions
from .workers import Done, here, spread

if TYPE_CHECKING:
    from pyarrow import Schema

log = logging.getLogger(__name__)

Advance = Callable[[Checkpoint, int], None]  # what there is, stored bytes of the source behind it
STANDARD_OUTPUT = "-"
GROUP = 2**23  # bytes of JSON lines that become a row group


@dataclass(frozen=True)
class Scan:
    """What is to be done.

    `workers` are processes; None with `ray` for as many as the cluster has cores. `made` tells by
    name what the rows depend on besides the source; a scan is resumed only where it is the same.
    """

    source: Source
    target: str
    work: Work[Any]
    made: Mapping[str, str] = field(default_factory=dict)
    engine: Literal["local", "ray"] = "local"
    workers: int | None = 1
    resume: bool = False

    def run(self, advance: Advance) -> Checkpoint:
        """Do it, and tell how many rows there are.

        Raises:
            OSError, HubError: a file cannot be read or written.
            InputError: a file is damaged, or the scan cannot be resumed.
            CandorError: the engine failed. What there is stays for `resume`.
        """
        self.work.prepare()
        path = Path(self.target)
        if self.target == STANDARD_OUTPUT or (path.exists() and not path.is_file()):
            return self.stream(advance)
        refuse_missing(path.name)
        return self.resumable(path, advance) if self.source.again else self.once(path, advance)

    def stream(self, advance: Advance) -> Checkpoint:
        """Write each part for who waits for it."""
        self.refuse_resuming()
        with opened(self.target) as stream:
            return self.append(stream, Checkpoint(), advance, lambda _: stream.flush())

    def once(self, path: Path, advance: Advance) -> Checkpoint:
        """Write a file from a source that cannot be read again."""
        self.refuse_resuming()
        journal = Journal(path.resolve(), f"{os.getpid()}.")
        try:
            with journal.rows.open("wb") as rows:
                done = self.append(rows, Checkpoint(), advance, lambda _: None)
                sync(rows)
                journal.finish(done, partial(formed, self.work.gives, done.numbered))
        finally:
            journal.rows.unlink(missing_ok=True)
        return done

    def resumable(self, path: Path, advance: Advance) -> Checkpoint:
        """Write a file so that it can be gone on with at any moment."""
        journal = Journal(path.resolve())
        with journal.opened(self.made, self.resume) as (rows, begun):
            done = begun if begun.whole else self.appended(journal, rows, begun, advance)
            journal.finish(done, partial(formed, self.work.gives, done.numbered))
        return done

    def appended(
        self, journal: Journal, rows: BinaryIO, begun: Checkpoint, advance: Advance
    ) -> Checkpoint:
        """All rows; where that fails, those that there are stay."""
        try:
            done = self.append(rows, begun, advance, partial(journal.reached, rows))
        except BaseException:
            journal.keep(rows, journal.last)
            kept = journal.last.rows
            log.warning("%d rows are kept; the same command with --resume goes on", kept)
            raise
        journal.keep(rows, done.model_copy(update={"whole": True}))
        return done

    def refuse_resuming(self) -> None:
        if self.resume:
            raise InputError("--resume needs rows from files, and a file with --output")

    def append(
        self,
        stream: BinaryIO,
        at: Checkpoint,
        advance: Advance,
        written: Callable[[Checkpoint], None],
    ) -> Checkpoint:
        """Write the rows behind a checkpoint; `written` is told where it has come to."""
        advance(at, self.source.passed(at.at))
        for after, part in self.judged(at.at):
            stream.write(part.lines)
            at = at.behind(part, after)
            written(at)
            advance(at, self.source.passed(after))
        return at

    def judged(self, at: Position) -> Iterator[Done]:
        """The parts behind a position, in their order."""
        if self.engine == "ray":
            from .on_ray import spread as on_cluster

            return on_cluster(self.work, self.source, at, self.workers)
        alone = self.workers is None or self.workers == 1
        live = alone and not self.source.again  # somebody may wait for each row
        chunks = self.source.chunks(at, 1 if live else CHUNK_ROWS)
        return here(self.work, chunks) if alone else spread(self.work, chunks, self.workers or 1)


@contextmanager
def opened(target: str) -> Iterator[BinaryIO]:
    """Standard output, a device or a pipe."""
    if target == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        return
    with Path(target).open("wb") as stream:
        yield stream


def refuse_missing(name: str) -> None:
    """Find out early that what the output's form needs is not installed; raises ConfigError."""
    if PARQUET.search(name):
        pyarrow()
    elif jsonl.is_zstandard(name):
        jsonl.zstandard()


def formed(kind: type[Value], numbered: bool, rows: Path, target: Path) -> None:
    """Put JSON lines into the form that a name asks for."""
    if PARQUET.search(target.name):
        with jsonl.whole_file(target, unfinished(target)) as stream:
            write_table(rows, stream, kind, numbered)
    elif jsonl.is_packed(target.name):
        with rows.open("rb") as plain, jsonl.whole_file(target, unfinished(target)) as stream:
            shutil.copyfileobj(plain, stream, GROUP)
    else:
        rows.replace(target)


def unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.new")


def write_table(rows: Path, stream: BinaryIO, kind: type[Value], numbered: bool) -> None:
    """Write rows as Parquet, a row group at a time.

    Args:
        kind: of the rows that are not broken.
        numbered: whether all ids are numbers; else all become text.
    """
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    schema = schema_of(kind, numbered)
    with rows.open("rb") as plain, ParquetWriter(stream, schema, compression="zstd") as writer:
        while lines := plain.readlines(GROUP):
            found = [json.loads(line) for line in lines]
            if not numbered:
                found = [{**row, "id": str(row["id"])} for row in found]
            writer.write_table(Table.from_pylist(found, schema))


def schema_of(kind: type[Value], numbered: bool) -> Schema:
    """The columns of a result, and of the rows that are broken."""
    import pyarrow as arrow

    span = arrow.list_(arrow.int64())
    signal = {"name": arrow.string(), "score": arrow.float64(), "spans": arrow.list_(span)}
    types = {
        "id": arrow.int64() if numbered else arrow.string(),
        "score": arrow.float64(),
        "aligned": arrow.bool_(),
        "ordinary": arrow.bool_(),
        "at_char": arrow.int64(),
        "signals": arrow.list_(arrow.struct([*signal.items(), ("reason", arrow.string())])),
    }
    names = (*kind.model_fields, "error")
    return arrow.schema([(name, types.get(name, arrow.string())) for name in names])


def made_with(source: Source, models: Path, **options: str) -> dict[str, str]:
    """What the rows depend on, by the names that a refusal to go on tells."""
    known = versions()
    return {
        "input": hashed(source.model_dump_json(include={"files"})),
        "options": hashed(source.model_dump_json(include={"columns"}), *sorted(options.items())),
        "models": digest(path for path in (models, snapshot.beside(models)) if path.exists()),
        "packs": known.packs,
        "weights": known.weights,
        "phrases": known.phrases,
        "code": f"{known.candor} {digest(CODE)}",
    }


def hashed(*told: object) -> str:
    return sha256(repr(told).encode()).hexdigest()[:16]
