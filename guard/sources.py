"""Where rows come from: JSON lines and Parquet; a file, a folder, a glob, a dataset on the Hub.

Rows are handed on in chunks, as they lie there: whoever judges them also parses them, so that
reading keeps up with many processes. Nothing is held but the chunk that is being read. A dataset is
read at one commit, file by file, without a copy on the disk.

Not covered: nested columns (a conversation in a list), and JSON that is not one object a line.
"""

from __future__ import annotations

import glob
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast
from urllib.parse import unquote

from . import jsonl
from .errors import ConfigError, HubError, InputError, nearest
from .plain import one_line
from .types import Value

if TYPE_CHECKING:
    from types import ModuleType

    from huggingface_hub import HfApi
    from pyarrow import DataType, RecordBatch, Schema, Table
    from pyarrow.parquet import ParquetFile, RowGroupMetaData

CHUNK_ROWS, CHUNK_SIZE = 256, 2**20  # rows, and bytes, that are judged at a time
AT_ONCE = 2**20  # bytes that are read at a time
FROM_HUB = 4 * 2**20  # bytes of one request
MOST_FILES = 20_000  # of a dataset's listing that are read
STANDARD_INPUT = "-"
HUB = "hf://datasets/"
NAME = r"\w[\w.-]{0,95}"
DATASET = re.compile(rf"{HUB}({NAME}/{NAME})(?:@(refs/convert/\w+|[\w.%-]+))?(?:/(.*))?", re.ASCII)
PARQUET = re.compile(r"\.(?:parquet|pq)$", re.IGNORECASE)
LINES = re.compile(r"\.(?:jsonl|ndjson)(?:\.gz|\.zst)?$", re.IGNORECASE)
SPLITS = ("train", "validation", "valid", "dev", "test")
NO_PYARROW = "Parquet needs pyarrow: pip install -r requirements-scan.txt"
FORMS = "Parquet or JSON lines (.parquet, .jsonl, .ndjson; .gz and .zst of the latter)"
REQUIRED = ("question", "reply")
MOST_TOLD = 400  # characters of the names of columns


class Columns(Value):
    """Which column holds which field of a row; an empty name for none."""

    id: str = "id"
    question: str = "question"
    reply: str = "reply"
    model: str = "model"
    reasoning: str = "reasoning"
    finish_reason: str = "finish_reason"

    @property
    def named(self) -> dict[str, str]:
        """The column of each field that has one."""
        return {field: column for field, column in self if column}

    @property
    def renamed(self) -> dict[str, str]:
        """Those that are not called as we call the field."""
        return {field: column for field, column in self.named.items() if field != column}

    def row(self, found: dict[str, object]) -> dict[str, object]:
        """A row by the names of our fields."""
        return {field: found[name] for field, name in self.named.items() if name in found}

    def refuse_lacking(self, there: Iterable[str], name: str) -> None:
        """Refuse rows that lack a column that is named, or that a row must have.

        Raises:
            InputError: it tells which columns are there.
        """
        there = list(there)
        needed = {field: self.named[field] for field in REQUIRED if field in self.named}
        for field, column in (needed | self.renamed).items():
            if column not in there:
                known = one_line(", ".join(there), MOST_TOLD) or "none"
                raise InputError(
                    f"{name} has no column {column!r}; it has {known}. Name the one to read with "
                    f"--{field.replace('_', '-')}-column.{nearest(column, there)}"
                )


class File(Value):
    """One file of rows. `stamp` changes with its content: its time, or its commit on the Hub.

    `path` is of this machine, or of huggingface_hub's file system where it is `on_hub`; `label`
    tells the file from the others of its source, and is empty where there are none.
    """

    path: str
    label: str = ""
    size: int | None = None
    stamp: str = ""
    on_hub: bool = False

    @property
    def name(self) -> str:
        """As people would write it."""
        return f"hf://{self.path}" if self.on_hub else self.path

    @property
    def is_parquet(self) -> bool:
        return bool(PARQUET.search(self.path))

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file as it is stored.

        Raises:
            OSError: it cannot be opened.
            HubError: the Hub does not hand it out.
        """
        if self.path == STANDARD_INPUT:
            yield sys.stdin.buffer
        elif self.on_hub:
            from huggingface_hub import HfFileSystem

            from .audit.sharing import told_faults

            files = HfFileSystem(token=token())
            with (
                told_faults(f"{self.name} could not be read"),
                files.open(self.path, block_size=FROM_HUB) as stream,
            ):
                yield cast("BinaryIO", io.BufferedReader(stream))
        else:
            with Path(self.path).open("rb") as stream:
                yield stream


class Position(Value):
    """How far the files of a source are read.

    Args:
        file: the place of the file in the list.
        number: lines or rows of it that lie behind.
        end: bytes of its lines, unpacked.
        passed: its stored bytes that lie behind, about; for telling how far it is.
    """

    file: int = 0
    number: int = 0
    end: int = 0
    passed: int = 0


START = Position()


class Chunk(NamedTuple):
    """Some rows as they lie in a file: lines, or a table in Arrow's stream format.

    `first` is the number of a table's first row in its file; `label` is the file's.
    """

    rows: tuple[jsonl.Line, ...] | bytes
    first: int
    label: str
    after: Position

    def alone(self) -> Iterator[Chunk]:
        """Each row in a chunk of its own."""
        if not isinstance(self.rows, bytes):
            yield from (self._replace(rows=(line,)) for line in self.rows)
            return
        batches = unpacked_table(self.rows).to_batches(max_chunksize=1)
        for place, batch in enumerate(batches):
            yield self._replace(rows=packed_table(batch), first=self.first + place)


class Source(Value):
    """The files to read, in their order."""

    files: tuple[File, ...]
    columns: Columns = Columns()

    @property
    def size(self) -> int | None:
        """Stored bytes of all files; None where that is not known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def again(self) -> bool:
        """Whether it can be read a second time."""
        return self.size is not None

    def passed(self, at: Position) -> int:
        """Stored bytes that lie behind a position."""
        return at.passed + sum(file.size or 0 for file in self.files[: at.file])

    def chunks(self, at: Position = START, most: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """The rows from a position on, at most so many at a time.

        Raises:
            OSError, HubError: a file cannot be read.
            InputError: it is no Parquet, or lacks a column.
        """
        for place in range(at.file, len(self.files)):
            yield from self.chunks_of(at if place == at.file else Position(file=place), most)

    def chunks_of(self, at: Position, most: int = CHUNK_ROWS) -> Iterator[Chunk]:
        """The rows of one file, from a position on; raises as `chunks`."""
        file = self.files[at.file]
        with file.opened() as raw:
            if file.is_parquet:
                yield from tables(raw, file, self.columns, at)
                return
            with jsonl.unpacked(raw, file.path) as stream:
                yield from lists(stream, raw, file, at, most)

    def checked(self) -> Source:
        """The same, where the columns of its first file are as they must be.

        Raises:
            InputError: there are no such columns; it tells which there are.
        """
        file = self.files[0]
        if file.is_parquet:
            with file.opened() as raw, parquet_of(raw, file) as table:
                columns_of(table.schema_arrow, self.columns, file.name)
        elif self.columns.renamed and self.again:
            with file.opened() as raw, jsonl.unpacked(raw, file.path) as stream:
                first = next(jsonl.lines(stream), jsonl.Line(0))
                self.columns.refuse_lacking(names_in(first), file.name)
        return self


def names_in(line: jsonl.Line) -> list[str]:
    """The fields of a line; none where it is no row."""
    try:
        row = json.loads(line.data)
    except (ValueError, RecursionError):
        return []
    return list(row) if isinstance(row, dict) else []


def lists(stream: BinaryIO, raw: BinaryIO, file: File, at: Position, most: int) -> Iterator[Chunk]:
    """Lines, so many at a time, or fewer where they are long."""
    skip(stream, at.end)
    held: list[jsonl.Line] = []
    size = 0
    for line in jsonl.lines(stream, at.number, at.end):
        held.append(line)
        size += len(line.data)
        if len(held) >= most or size >= CHUNK_SIZE:
            yield list_of(held, raw, file, at)
            held, size = [], 0
    if held:
        yield list_of(held, raw, file, at)


def list_of(held: list[jsonl.Line], raw: BinaryIO, file: File, at: Position) -> Chunk:
    last = held[-1]
    passed = raw.tell() if file.size is not None else 0
    after = Position(file=at.file, number=last.number, end=last.end, passed=passed)
    return Chunk(tuple(held), held[0].number, file.label, after)


def skip(stream: BinaryIO, size: int) -> None:
    """Go on behind so many bytes."""
    if size and stream.seekable():
        stream.seek(size)
        return
    while size and (passed := len(stream.read(min(size, AT_ONCE)))):
        size -= passed


def tables(raw: BinaryIO, file: File, columns: Columns, at: Position) -> Iterator[Chunk]:
    """Rows of a Parquet file: row group by row group, of which a part is in memory.

    Raises:
        InputError: it is no Parquet, is damaged, or lacks a column.
    """
    with parquet_of(raw, file) as table:
        wanted = columns_of(table.schema_arrow, columns, file.name)
        number, total = 0, table.metadata.num_rows
        for group in range(table.num_row_groups):
            held = table.metadata.row_group(group)
            if number + held.num_rows <= at.number:
                number += held.num_rows
                continue
            for batch in table.iter_batches(batch_of(held), row_groups=[group], columns=wanted):
                fresh = batch.slice(max(at.number - number, 0))
                number += batch.num_rows
                passed = (file.size or 0) * number // total
                after = Position(file=at.file, number=number, passed=passed)
                if fresh.num_rows:
                    first = number - fresh.num_rows + 1
                    yield Chunk(packed_table(fresh), first, file.label, after)


def batch_of(group: RowGroupMetaData) -> int:
    """How many of its rows are judged at a time: fewer where they are long."""
    size: int = group.total_byte_size // max(group.num_rows, 1)
    return max(1, min(CHUNK_ROWS, CHUNK_SIZE // max(size, 1)))


@contextmanager
def parquet_of(raw: BinaryIO, file: File) -> Iterator[ParquetFile]:
    """A Parquet file of which no more is read than is asked for.

    Raises:
        ConfigError: pyarrow is not installed.
        InputError: it is no Parquet, or is damaged.
    """
    arrow = pyarrow()
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(raw, buffer_size=AT_ONCE, pre_buffer=False) as table:
            yield table
    except (arrow.ArrowException, OSError) as error:
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise  # the disk's or the Hub's, not the format's
        why = one_line(str(error))
        raise InputError(f"{file.name} is no Parquet that can be read ({why})") from error


def columns_of(schema: Schema, columns: Columns, name: str) -> list[str]:
    """The columns to read.

    Raises:
        InputError: one is not there, or holds no text.
    """
    columns.refuse_lacking(schema.names, name)
    held = [column for column in dict.fromkeys(columns.named.values()) if column in schema.names]
    for column in held:
        kind = schema.field(column).type
        if not holds(kind, numbers=column == columns.id):
            raise InputError(
                f"{name}: the column {column!r} holds {one_line(str(kind))}, not text; an option "
                "names another for a field, or none ('')"
            )
    return held


def holds(kind: DataType, *, numbers: bool) -> bool:
    """Whether a column's type is text, or whole numbers where they may be."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return holds(kind.value_type, numbers=numbers)
    texts = (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    return any(is_a(kind) for is_a in texts) or (numbers and types.is_integer(kind))


def packed_table(batch: RecordBatch) -> bytes:
    """A part of a table to be handed to another process, without what it is a part of."""
    arrow = pyarrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpacked_table(packed: bytes) -> Table:
    return pyarrow().ipc.open_stream(packed).read_all()


def pyarrow() -> ModuleType:
    """The package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow as package
        import pyarrow.ipc  # no part of the package until then
    except ImportError as error:
        raise ConfigError(NO_PYARROW) from error
    return cast("ModuleType", package)


def find(given: str, columns: Columns, split: str | None = None, but: Path | None = None) -> Source:
    """The files that are meant.

    Args:
        given: a file, a folder, a glob, `hf://datasets/OWNER/NAME[@REVISION][/PATH]`, or `-`.
        columns: which column holds what.
        split: of a dataset or folder, where there are several.
        but: a file that is left out where others are read, as it is written to; without links in
            its path.

    Raises:
        OSError: there is no such file.
        InputError: there are no rows in it, or no such columns or split.
        HubError: the Hub does not tell what the dataset holds.
    """
    if given == STANDARD_INPUT:
        return Source(files=(File(path=given),), columns=columns)
    files = of_dataset(given) if given.startswith(HUB) else on_disk(given, but)
    if not files:
        raise InputError(f"{given} holds no {FORMS}")
    files = of_split(files, split, given)
    files = files if len(files) > 1 else [files[0].model_copy(update={"label": ""})]
    return Source(files=tuple(files), columns=columns).checked()


def on_disk(given: str, but: Path | None) -> list[File]:
    """The files of a path, in the order of their names."""
    path = Path(given)
    if path.is_dir():
        found = (
            each for each in path.rglob("*") if PARQUET.search(each.name) or LINES.search(each.name)
        )
        shown = (each for each in sorted(found) if is_shown(each, path))
        return [local(each, path) for each in shown if each.resolve() != but]
    if glob.has_magic(given) and not path.exists():
        matching = (Path(each) for each in glob.iglob(given, recursive=True))  # noqa: PTH207
        named = sorted(each for each in matching if each.is_file() and each.resolve() != but)
        above = Path(os.path.commonpath([each.parent for each in named])) if named else path
        return [local(each, above) for each in named]
    return [local(path, path.parent)]


def is_shown(path: Path, folder: Path) -> bool:
    """Whether no part of its name says that it is no data, as `.cache` and `_delta_log` do."""
    return not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def local(path: Path, folder: Path) -> File:
    """A file of this machine; raises OSError where it is not there."""
    stat = path.stat()
    regular = path.is_file()
    return File(
        path=str(path),
        label=path.relative_to(folder).as_posix(),
        size=stat.st_size if regular else None,
        stamp=str(stat.st_mtime_ns) if regular else "",
    )


def of_dataset(given: str) -> list[File]:
    """The files of a dataset on the Hub, at one commit, in the order of their names.

    Raises:
        InputError: it is no dataset's address.
        HubError: the Hub does not tell.
    """
    found = DATASET.fullmatch(given)
    if not found:
        raise InputError(
            f"{one_line(given)!r} is no dataset: write {HUB}OWNER/NAME[@REVISION][/PATH]"
        )
    from huggingface_hub import HfApi

    from .audit.sharing import commit_of, told_faults
    from .hub import SECONDS, patiently

    dataset, revision, inside = found[1], unquote(found[2] or "") or None, found[3] or ""
    with told_faults(f"{HUB}{dataset} could not be read"):
        api = HfApi(token=token())
        head = patiently(lambda: api.dataset_info(dataset, revision=revision, timeout=SECONDS))
        commit = commit_of(head.sha, dataset)
        listed = patiently(lambda: sizes_of(api, dataset, commit))
    return [
        File(
            path=f"datasets/{dataset}@{commit}/{path}",
            label=path,
            size=size,
            stamp=commit,
            on_hub=True,
        )
        for path, size in sorted(listed.items())
        if is_meant(path, inside)
    ]


def sizes_of(api: HfApi, dataset: str, commit: str) -> dict[str, int]:
    """The bytes of each file of a dataset."""
    from huggingface_hub import RepoFile

    tree = api.list_repo_tree(dataset, recursive=True, revision=commit, repo_type="dataset")
    entries = list(islice(tree, MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        raise HubError(f"it holds more than {MOST_FILES} files; name a folder of it")
    return {entry.path: int(entry.size) for entry in entries if isinstance(entry, RepoFile)}


def is_meant(path: str, inside: str) -> bool:
    """Whether a file of a dataset is named by what stands behind the dataset's name."""
    inside = inside.strip("/")
    if path == inside:
        return True
    if not PARQUET.search(path) and not LINES.search(path):
        return False
    return not inside or path.startswith(f"{inside}/") or fnmatchcase(path, inside)


def of_split(files: list[File], split: str | None, given: str) -> list[File]:
    """The files of one split, as their names tell.

    Raises:
        InputError: there is no such split, or there are several and none is named.
    """
    there = [name for name in SPLITS if any(is_of(file, name) for file in files)]
    if split is None:
        if len(there) > 1 and len(files) > 1:
            raise InputError(f"{given} has the splits {', '.join(there)}; name one with --split")
        return files
    wanted = [file for file in files if is_of(file, split)]
    if not wanted:
        known = f"it has {', '.join(there)}" if there else "the names of its files tell of none"
        raise InputError(f"{given} has no split {split!r}: {known}.{nearest(split, there)}")
    return wanted


def is_of(file: File, split: str) -> bool:
    """`data/train-00000-of-00002.parquet` and `train/a.jsonl` are of `train`."""
    return split in re.split(r"[^A-Za-z0-9]+", file.label)


def token() -> str | bool:
    return os.environ.get("HF_TOKEN", "").strip() or False
