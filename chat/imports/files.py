"""A file's bytes -> the JSON values in it, with bounds on what it may unpack to."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, NoReturn

from ..reading import Unreadable

IMPORT_LIMIT = 20_000_000  # bytes of a file
UNPACKED = 60_000_000  # bytes of the text in a zip
MOST_SIGNS = 4_000_000  # brackets and commas: each may cost a hundred bytes of memory
MOST_MEMBERS = 20_000  # of a zip
ZIP, MEMBER = b"PK\x03\x04", b"PK\x01\x02"
CONVERSATIONS = re.compile(r"(.*/)?conversations(-\d+)?\.json")
BETWEEN = re.compile(r"[\s,]*")
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,  # a password is asked for
    ValueError,
)


def values(data: bytes) -> Iterator[tuple[Any, int]]:
    """The members of a file's list, or its values one after another, and their lengths in it.

    Raises:
        Unreadable: it is neither JSON nor a zip that holds any, or too large; or it breaks off.
    """
    for text in texts(data):
        if sum(map(text.count, "[{,")) > MOST_SIGNS:
            raise Unreadable("large")
        yield from values_of(text)


def texts(data: bytes) -> Iterator[str]:
    if not data.startswith(ZIP):
        yield decoded(data)
        return
    if data.count(MEMBER) > MOST_MEMBERS:
        raise Unreadable("large")
    try:
        yield from unpacked(data)
    except Unreadable:
        raise
    except BROKEN_ZIP as error:
        raise Unreadable("broken") from error


def unpacked(data: bytes) -> Iterator[str]:
    """The conversations of a zip; what its directory says of their sizes is not believed."""
    room = UNPACKED
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = sorted({name for name in archive.namelist() if CONVERSATIONS.fullmatch(name)})
        if not names:
            raise Unreadable("no_conversations")
        for name in names:
            with archive.open(name) as member:
                found = member.read(room + 1)
            room -= len(found)
            if room < 0:
                raise Unreadable("large")
            yield decoded(found)


def decoded(data: bytes) -> str:
    return data.decode("utf-8-sig", "replace")


def values_of(text: str) -> Iterator[tuple[Any, int]]:
    decoder = json.JSONDecoder(parse_constant=no_number)
    place = after(text, 0)
    listed = text.startswith("[", place)
    place = after(text, place + listed)
    while place < len(text) and not (listed and text[place] == "]"):
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            raise Unreadable("broken") from error
        yield value, end - place
        place = after(text, end)


def after(text: str, place: int) -> int:
    """The next place that is neither white nor a comma."""
    found = BETWEEN.match(text, place)
    return found.end() if found else place


def no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
