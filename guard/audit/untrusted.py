"""Reads a run that somebody else wrote: every value is checked before it is kept.

Words that a report prints as they are hold no markup; texts of models are bounded. Not covered:
whether what it says is true: conduct and scores are its publisher's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from .. import jsonl
from ..errors import HubError
from ..plain import one_line
from ..types import Value
from .rating import Rating
from .record import Answer, beside

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema

V = TypeVar("V", bound=Value)
WORD = re.compile(r"[\w.:/@+#-]{0,300}", re.ASCII)
QUOTED = frozenset({"note", "question", "reply", "reason"})  # reports show these as what others say
FROM_HOSTS = frozenset(
    {"provider", "answered_as", "finish_reason"}
)  # shown without markup, if at all
ROWS = 2_000_000
UNPACKED = 16 * 2**30  # bytes of a whole table
LONGEST = 2**18  # bytes of one text: four for each character of a reply that an audit reads
AT_ONCE = 64  # rows; each may hold texts of that length


def parsed(content: bytes, model: type[V], what: str) -> V:
    """A value of JSON.

    Raises:
        HubError: it is not one, or holds words that are more than words.
    """
    try:
        return sound(model.model_validate_json(content), what)
    except ValidationError as error:
        raise HubError(unlike(what, model, error)) from error


def rows(table: Path, what: str) -> Iterator[Answer]:
    """The answers in a table of Parquet.

    Raises:
        HubError: it is no such table, too large, or holds what is no answer.
    """
    from pyarrow import ArrowException

    try:
        for number, row in enumerate(plain_rows(table, what), 1):
            yield sound(Answer.model_validate(row), f"row {number} of {what}")
    except ValidationError as error:
        raise HubError(unlike(f"row {number} of {what}", Answer, error)) from error
    except (ArrowException, OSError, ValueError) as error:
        raise HubError(f"{what} is no table that can be read ({one_line(str(error))})") from error


def ratings(journal: Path, what: str) -> Iterator[Rating]:
    """The opinions in a file of JSON lines.

    Raises:
        HubError: a line is none.
    """
    with journal.open("rb") as stream:
        for line in jsonl.lines(stream):
            yield parsed(line.data, Rating, f"line {line.number} of {what}")


def plain_rows(table: Path, what: str) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet, types

    schema = parquet.read_schema(table)
    refuse_foreign(schema, what)
    wanted = [name for name in schema.names if name in Answer.model_fields]
    texts = [field.name for field in schema if types.is_string(field.type)]
    with parquet.ParquetFile(table, read_dictionary=texts) as file:
        refuse_large(file.metadata, what)
        for batch in file.iter_batches(AT_ONCE, columns=wanted):
            refuse_long(batch, what)
            yield from batch.to_pylist()


def refuse_foreign(schema: Schema, what: str) -> None:
    """Refuse a table with columns that no answer has, or of types that may unpack to anything."""
    from pyarrow import types

    known = Answer.model_fields.keys() | beside(None).keys()
    plain = (types.is_string, types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    for field in schema:
        if field.name not in known or not any(is_a(field.type) for is_a in plain):
            raise HubError(
                f"{what} has a column that no audit of this version writes: "
                f"{one_line(field.name)}; it may be of another version of Candor"
            )


def refuse_large(metadata: Any, what: str) -> None:
    groups = (metadata.row_group(n) for n in range(metadata.num_row_groups))
    if metadata.num_rows > ROWS or sum(group.total_byte_size for group in groups) > UNPACKED:
        raise HubError(
            f"{what} is too large: at most {ROWS} rows are read, and {UNPACKED // 2**30} GiB"
        )


def refuse_long(batch: RecordBatch, what: str) -> None:
    """Refuse a text that fills the memory once it is unpacked for each row."""
    from pyarrow import DictionaryArray, compute

    texts = [column for column in batch.columns if isinstance(column, DictionaryArray)]
    for column in texts:
        longest = compute.max(compute.binary_length(column.dictionary)).as_py()
        if longest is not None and longest > LONGEST:
            raise HubError(f"{what} holds a text of {longest} bytes; at most {LONGEST} are read")


def sound(value: V, what: str) -> V:
    """The value, whose words are words and whose numbers are numbers."""
    for name, leaf in leaves(value.model_dump()):
        if isinstance(leaf, float) and not math.isfinite(leaf):
            raise HubError(f"{what} holds a number that is none: {name}")
        free = name in QUOTED | FROM_HOSTS
        if isinstance(leaf, str) and not free and not WORD.fullmatch(leaf):
            raise HubError(f"{what} holds more than a word: {name}: {one_line(leaf)!r}")
    return value


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Keys, and whatever is no list and no mapping, with the field that they stand in."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield name, key
            yield from leaves(each, key)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each, name)
    else:
        yield name, value


def unlike(what: str, model: type[Value], error: ValidationError) -> str:
    """What is wrong with a value, without repeating it."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or model.__name__
    return (
        f"{what} is not as an audit of this version writes it ({one_line(place)}: "
        f"{one_line(first['msg'])}); it may be of another version of Candor"
    )
