"""JSON lines in and out: `-` for the standard streams, `.gz` by name, nothing held in memory.

A file that is written appears under its name only when it is whole: until then it is a hidden
`.part` beside it, which goes away where the work fails. Devices and pipes are written to directly.
"""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from pydantic import BaseModel

ROW_LIMIT = 16 * 2**20  # bytes; a longer line is no row of a question and a reply
PASSED_OVER = 2**16  # bytes at a time
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Write = Callable[[BaseModel], None]


class Line(NamedTuple):
    """One line by its number from 1; `fault` says why it could not be read, where it could not."""

    number: int
    data: bytes = b""
    fault: str = ""


def lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines that are not blank. One that is too long is passed over, not held."""
    number = 0
    while True:
        number += 1
        try:
            data = next_line(stream)
        except (OSError, EOFError, zlib.error) as error:
            yield Line(number, fault=f"the input cannot be read from here on ({error})")
            return
        if data is None:
            yield Line(number, fault=f"the row is longer than {ROW_LIMIT // 2**20} MiB")
        elif not data:
            return
        elif data.strip():
            yield Line(number, data.removeprefix(BYTE_ORDER_MARK) if number == 1 else data)


def next_line(stream: BinaryIO) -> bytes | None:
    """The next line, nothing at the end, None where it is too long."""
    data = stream.readline(ROW_LIMIT + 1)
    if len(data) <= ROW_LIMIT:
        return data
    while data and not data.endswith(b"\n"):
        data = stream.readline(PASSED_OVER)
    return None


@contextmanager
def opened(source: str) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The stream to read, and the file below it, whose position tells how far the reading is.

    Raises:
        OSError: the file cannot be opened.
    """
    if source == "-":
        yield sys.stdin.buffer, sys.stdin.buffer
        return
    with Path(source).open("rb") as raw:
        if is_gzip(source):
            with gzip.GzipFile(fileobj=raw) as stream:
                yield cast("BinaryIO", stream), raw
        else:
            yield raw, raw


@contextmanager
def written(target: str) -> Iterator[Write]:
    """What writes one value a line to `target`.

    Raises:
        OSError: the file cannot be written.
    """
    if target == "-":
        yield writer(sys.stdout.buffer, at_once=True)
    elif Path(target).exists() and not Path(target).is_file():
        with Path(target).open("wb") as raw:
            yield writer(raw, at_once=True)
    else:
        with whole_file(Path(target).resolve()) as stream:
            yield writer(stream)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name once all of it is on the disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            with ExitStack() as stack:
                stream: BinaryIO = raw
                if is_gzip(path.name):  # without name and time: the same rows, the same bytes
                    zipped = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
                    stream = cast("BinaryIO", stack.enter_context(zipped))
                yield stream
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def writer(stream: BinaryIO, at_once: bool = False) -> Write:
    """Writes a value as one line; `at_once` for readers that wait for it."""

    def write(value: BaseModel) -> None:
        stream.write(value.model_dump_json().encode() + b"\n")
        if at_once:
            stream.flush()

    return write


def is_gzip(name: str) -> bool:
    return name.casefold().endswith(".gz")
