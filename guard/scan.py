"""What a scan says of one row, and of a chunk of them; who hands out chunks is `scanning.py`.

A row that cannot be read comes out as `Broken`, so that none is lost. Not covered: conversations (a
row is one question and its reply).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, NamedTuple, TypeGuard, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails

from . import catalogue as catalogue_file
from . import jsonl, matching, provenance, topics, verdict
from .catalogue import Catalogue
from .characters import repaired
from .errors import InputError
from .exchange import Exchange, Progress
from .schedule import check_points
from .sources import Chunk, Columns, unpacked_table
from .types import Conduct, Country, Score, Signal, Status, Value, Verdict

if TYPE_CHECKING:
    from pyarrow import Table

log = logging.getLogger(__name__)

NUMBERS = range(-(2**63), 2**63)  # that a column of whole numbers holds
COLUMNS = Columns()
NOT_WRITTEN = {"certain", "ordinary", "opinion", "control", "repeats"}  # nobody is asked here
JSON_NAMES = {
    bool: "true or false",
    int: "a number",
    float: "a fraction",
    str: "text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def name_of_a_row(given: object) -> object:
    if is_id(given):
        return given
    if isinstance(given, str):
        raise ValueError("holds half of a surrogate pair, which is not text")
    raise ValueError(f"must be text or a whole number, not {JSON_NAMES[type(given)]}")


def is_id(given: object) -> TypeGuard[str | int]:
    """Whether it can name a row; `true` is no number here."""
    return type(given) is int or (isinstance(given, str) and is_unicode(given))


def is_unicode(words: str) -> bool:
    """Whether it can be written as UTF-8: no half of a surrogate pair."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


Text = Annotated[str, BeforeValidator(repaired)]
Id = Annotated[str | int, BeforeValidator(name_of_a_row)]


class Asked(BaseModel):
    """A row with a question. Other fields are let be: data sets have columns of their own."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    id: Id
    question: Text


class Row(Asked):
    """A question and its finished reply. `model` is an id, from which the origin is known."""

    reply: Text
    model: Text | None = None
    reasoning: Text | None = None
    finish_reason: Text | None = None


class Broken(Value):
    """A row that could not be read or judged, and why, in one sentence."""

    id: str | int
    error: str


class Matched(Value):
    """The topic of a row's question; `topic` is None where there is none."""

    id: str | int
    topic: str | None = None
    jurisdiction: Country | None = None
    score: Score = 0
    ordinary: bool = False


class Scanned(Value):
    """The verdict on a row.

    `at_char` is the length of the reply at which the check of a streaming one would first have been
    certain that it withholds, whatever the topic; None where it never would.
    """

    id: str | int
    conduct: Conduct
    status: Status
    score: Score
    topic: str | None
    jurisdiction: Country | None
    aligned: bool | None
    at_char: int | None = Field(default=None, ge=0)
    signals: tuple[Signal, ...]
    explanation: str


R = TypeVar("R", bound=Asked)


class Part(NamedTuple):
    """What a chunk came to: its rows as JSON lines, and how many of them are `Broken`.

    `numbered` says whether each row's id is a whole number that fits a column.
    """

    lines: bytes
    rows: int
    broken: int
    numbered: bool


@dataclass(frozen=True)
class Work(Generic[R]):
    """What is done with each row, in this or other processes.

    A row of one kind `gives` a value of another. `prepare` reads what it needs.
    """

    kind: type[R]
    gives: type[Value]
    look: Callable[[R], Value]
    columns: Columns
    prepare: Callable[[], object]

    def __call__(self, chunk: Chunk) -> Part:
        """The result of every row, in their order; never raises for what is wrong with one."""
        return part_of([look_at(self.look, row) for row in self.rows(chunk)])

    def rows(self, chunk: Chunk) -> Iterator[R | Broken]:
        if not isinstance(chunk.rows, bytes):
            return (parse(line, self.kind, self.columns, chunk.label) for line in chunk.rows)
        return self.table(chunk, unpacked_table(chunk.rows))

    def table(self, chunk: Chunk, table: Table) -> Iterator[R | Broken]:
        try:
            found = table.to_pylist()
        except UnicodeDecodeError as error:
            if table.num_rows > 1:  # as only one need be broken
                for alone in chunk.alone():
                    yield from self.rows(alone)
                return
            place = Place(chunk.label, "row", chunk.first)
            yield Broken(id=place.id, error=f"{place}: {told(error)}.")
            return
        for number, row in enumerate(found, chunk.first):
            yield checked(row, self.kind, self.columns, Place(chunk.label, "row", number))


def part_of(found: list[Value]) -> Part:
    written = [row.model_dump_json().encode() + b"\n" for row in found]
    broken = sum(isinstance(row, Broken) for row in found)
    return Part(b"".join(written), len(found), broken, all(map(is_numbered, found)))


def is_numbered(row: Any) -> bool:
    return isinstance(row.id, int) and row.id in NUMBERS


class Place(NamedTuple):
    """Where a row lies; `label` names the file where there are several."""

    label: str
    unit: str
    number: int

    @property
    def id(self) -> str | int:
        """The id of a row that has none."""
        return f"{self.label}:{self.number}" if self.label else self.number

    def __str__(self) -> str:
        told = f"{self.unit} {self.number}"
        return f"{self.label}, {told}" if self.label else told.capitalize()


def parse(line: jsonl.Line, kind: type[R], columns: Columns, label: str = "") -> R | Broken:
    """One line as a row. The number of the line is the `id` of a row that has none."""
    place = Place(label, "line", line.number)
    if line.fault:
        return Broken(id=place.id, error=f"{place}: {line.fault}.")
    try:
        row = json.loads(line.data.decode())
        if not isinstance(row, dict):
            raise InputError(f"a row must be an object, not {JSON_NAMES[type(row)]}")  # noqa: TRY301
    except (InputError, ValueError, RecursionError) as error:
        return Broken(id=known_id(line, columns, place.id), error=f"{place}: {told(error)}.")
    return checked(row, kind, columns, place)


def checked(row: dict[str, Any], kind: type[R], columns: Columns, place: Place) -> R | Broken:
    """A row by its columns. Its place is the `id` of one that has none."""
    given = columns.row(row)
    if sum(len(value) for value in given.values() if isinstance(value, str)) > jsonl.ROW_LIMIT:
        return Broken(id=place.id, error=f"{place}: {jsonl.TOO_LONG}.")
    if given.get("id") is None:
        given["id"] = place.id
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        known = given["id"] if is_id(given["id"]) else place.id
        return Broken(id=known, error=f"{place}: {told(error, columns)}.")


def known_id(line: jsonl.Line, columns: Columns, otherwise: str | int) -> str | int:
    """The id of a row that is broken elsewhere."""
    try:
        row = json.loads(line.data.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return otherwise
    found: object = row.get(columns.id) if isinstance(row, dict) else None
    return found if is_id(found) else otherwise


def row_from(given: dict[str, Any]) -> Row:
    """A row that does not come from a file.

    Raises:
        InputError: a field is missing or wrong.
    """
    try:
        return Row.model_validate(given)
    except ValidationError as error:
        raise InputError(f"{told(error)}.") from error


def told(error: Exception, columns: Columns = COLUMNS) -> str:
    """What is wrong with a row, as the second half of a sentence."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ValidationError):
        return complaint(error.errors()[0], columns)
    if isinstance(error, UnicodeDecodeError):
        return f"the row is not valid UTF-8 (byte {error.start + 1})"
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.lower().removesuffix(" at")
        return f"the row is not valid JSON ({what} at character {error.pos + 1})"
    too_deep = isinstance(error, RecursionError)
    why = "too many brackets in each other" if too_deep else "a number of too many digits"
    return f"the row is not valid JSON ({why})"


def complaint(error: ErrorDetails, columns: Columns) -> str:
    """One error of pydantic's in our words."""
    field = columns.named.get(str(error["loc"][0]), error["loc"][0])
    given = JSON_NAMES.get(type(error["input"]), "something else")
    bounds = error.get("ctx", {})
    by_type = {
        "missing": "is missing",
        "string_type": f"must be text, not {given}",
        "string_too_long": f"must be no longer than {bounds.get('max_length')} characters",
        "string_too_short": "must not be empty",
        "literal_error": f"must be {bounds.get('expected')}",
    }
    otherwise = error["msg"].removeprefix("Value error, ")
    return f"the field {field!r} {by_type.get(error['type'], otherwise)}"


@cache
def models_on_offer(models: Path) -> Catalogue:
    return catalogue_file.load(models)


def judge(row: Row, language: str = "en", models: Path = catalogue_file.FILE) -> Verdict:
    """The verdict on one row's finished reply. `models` is the file from which lineage is known."""
    return verdict.judge(exchange_of(row), origins_of(row, models), language)


def exchange_of(row: Row) -> Exchange:
    return Exchange(
        row.question,
        row.reply,
        row.reasoning,
        row.finish_reason,
        topic=matching.match(row.question),
    )


def origins_of(row: Row, models: Path) -> tuple[str, ...]:
    return origins(row.model, models) if row.model else ()


@lru_cache(maxsize=4096)
def origins(model: str, models: Path) -> tuple[str, ...]:
    """A data set names few models, each many times."""
    return provenance.origins(model, models_on_offer(models))


def certain_at(whole: Exchange) -> int | None:
    """How much of the reply the streaming check would have needed to be certain."""
    before: Progress | None = None
    for length in check_points(whole.reply):
        so_far = replace(
            whole, reply=whole.reply[:length], finish_reason=None, complete=False, before=before
        )
        if verdict.judge(so_far).certain:
            return length
        before = so_far.progress
    return None


def scan_row(row: Row, language: str = "en", models: Path = catalogue_file.FILE) -> Scanned:
    """All that a scan says of one row."""
    whole = exchange_of(row)
    held = verdict.judge(whole, origins_of(row, models), language)
    shown = held.model_dump(exclude=NOT_WRITTEN)
    return Scanned(id=row.id, at_char=certain_at(whole), **shown)


def match_row(row: Asked) -> Matched:
    """The topic of one row's question."""
    found = matching.match(row.question)
    return Matched(id=row.id, **found.model_dump()) if found else Matched(id=row.id)


def scan(columns: Columns, language: str = "en", models: Path = catalogue_file.FILE) -> Work[Row]:
    """The verdict on each row.

    Args:
        language: of the explanations.
        models: the file from which models' lineage is known.
    """
    look = partial(scan_row, language=language, models=models)
    return Work(Row, Scanned, look, columns, partial(read_data, models))


def match(columns: Columns) -> Work[Asked]:
    """The topic of each row's question."""
    return Work(Asked, Matched, match_row, columns, topics.load)


def read_data(models: Path) -> None:
    """Read what each row needs, or find out early that it is wrong."""
    models_on_offer(models)
    topics.load()


def look_at(look: Callable[[R], Value], row: R | Broken) -> Value:
    """One row's result. What goes wrong with it must not end the rows behind it."""
    if isinstance(row, Broken):
        return row
    try:
        return look(row)
    except Exception as error:
        log.exception("row %r could not be judged", row.id)
        return Broken(id=row.id, error=f"The guard failed on this row ({type(error).__name__}).")
