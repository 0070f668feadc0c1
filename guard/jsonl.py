"""JSON lines in and out: `.gz` and `.zst` by name, nothing held in memory.

A file that is written appears under its name only when it is whole: until then it is a hidden
`.part` beside it, which goes away where the work fails.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from .errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

ROW_LIMIT = 16 * 2**20  # bytes; a longer line is no row of a question and a reply
TOO_LONG = f"the row is longer than {ROW_LIMIT // 2**20} MiB"
PASSED_OVER = 2**16  # bytes at a time
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SMALL = 2**10  # bytes; as they may unpack to some ten thousand times that
LEVEL = 3  # of Zstandard; its own default
NO_ZSTANDARD = "`.zst` needs zstandard: pip install -r requirements-scan.txt"


class Line(NamedTuple):
    """One line by its number from 1; `fault` says why it could not be read, where it could not.

    `end` is the number of bytes up to its end.
    """

    number: int
    data: bytes = b""
    fault: str = ""
    end: int = 0


def lines(stream: BinaryIO, number: int = 0, end: int = 0) -> Iterator[Line]:
    """The lines that are not blank. One that is too long is passed over, not held.

    Args:
        stream: stands behind `number` lines, of `end` bytes.

    Raises:
        OSError: the stream fails, which another time it might not; what is damaged is a `fault`.
    """
    while True:
        number += 1
        try:
            data, length = next_line(stream)
        except damaged() as error:
            yield Line(number, fault=f"the input cannot be read from here on ({error})", end=end)
            return
        end += length
        if data is None:
            yield Line(number, fault=TOO_LONG, end=end)
        elif not data:
            return
        elif data.strip():
            data = data.removeprefix(BYTE_ORDER_MARK) if number == 1 else data
            yield Line(number, data, end=end)


def next_line(stream: BinaryIO) -> tuple[bytes | None, int]:
    """The next line, nothing at the end, None where it is too long; and its length in bytes."""
    data = stream.readline(ROW_LIMIT + 1)
    if len(data) <= ROW_LIMIT:
        return data, len(data)
    length = len(data)
    while data and not data.endswith(b"\n"):
        data = stream.readline(PASSED_OVER)
        length += len(data)
    return None, length


def damaged() -> tuple[type[Exception], ...]:
    """What is raised on packed data that is broken or ends early."""
    faults: tuple[type[Exception], ...] = (gzip.BadGzipFile, EOFError, zlib.error)
    with suppress(ConfigError):
        faults = (*faults, zstandard().ZstdError)
    return faults


@contextmanager
def unpacked(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """What a file holds, unpacked as its name says.

    Raises:
        ConfigError: it needs a package that is not installed.
    """
    if is_gzip(name):
        with gzip.GzipFile(fileobj=raw) as stream:
            yield cast("BinaryIO", stream)
    elif is_zstandard(name):
        yield cast("BinaryIO", io.BufferedReader(Unpacking(raw), PASSED_OVER))
    else:
        yield raw


class Unpacking(io.RawIOBase):
    """Reads Zstandard; the package's own reader takes a file that breaks off for a whole one."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.frame: Any = None  # that is being unpacked
        self.package = zstandard().ZstdDecompressor()
        self.pending, self.held = b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of `io.RawIOBase`.

        Raises:
            EOFError: the file ends within a frame.
        """
        while not self.held:
            self.pending = self.pending or self.raw.read(SMALL)
            if not self.pending:
                if self.frame is not None:
                    raise EOFError("the compressed file ends early")
                return 0
            self.frame = self.frame or self.package.decompressobj()
            self.held = memoryview(self.frame.decompress(self.pending))
            self.pending = b""
            if self.frame.eof:
                self.pending, self.frame = self.frame.unused_data, None
        size = min(len(buffer), len(self.held))
        buffer[:size], self.held = self.held[:size], self.held[size:]
        return size


@contextmanager
def packed(raw: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """What packs as the name says; the same bytes for the same content.

    Raises:
        ConfigError: it needs a package that is not installed.
    """
    with ExitStack() as stack:
        stream: object = raw
        if is_gzip(name):
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
        elif is_zstandard(name):
            packing = zstandard().ZstdCompressor(LEVEL)
            stream = stack.enter_context(packing.stream_writer(raw, closefd=False))
        yield cast("BinaryIO", stream)


@contextmanager
def whole_file(path: Path, part: Path | None = None) -> Iterator[BinaryIO]:
    """A file that takes its name once all of it is on the disk; until then it is `part`."""
    part = part or path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as raw:
            with packed(raw, path.name) as stream:
                yield stream
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def is_gzip(name: str) -> bool:
    return name.casefold().endswith(".gz")


def is_zstandard(name: str) -> bool:
    return name.casefold().endswith(".zst")


def is_packed(name: str) -> bool:
    return is_gzip(name) or is_zstandard(name)


def zstandard() -> ModuleType:
    """The package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import zstandard as package
    except ImportError as error:
        raise ConfigError(NO_ZSTANDARD) from error
    return package
