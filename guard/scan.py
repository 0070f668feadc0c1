"""Millions of replies from JSON lines: one row in, one row out, in order, in bounded memory.

A row that cannot be read comes out as `Broken`, so that none is lost. Not covered: conversations (a
row is one question and its reply), and spreading the work over several machines.
"""

from __future__ import annotations

import json
import logging
import re
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache, lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeGuard, TypeVar

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
from .errors import CandorError, InputError
from .exchange import Exchange, Progress
from .schedule import check_points
from .types import Conduct, Country, Score, Signal, Status, Value, Verdict

log = logging.getLogger(__name__)

CHUNK_ROWS, CHUNK_SIZE = 64, 2**20  # rows, and characters, that go to a worker at a time
NO_TEXT = re.compile("[\x00\ud800-\udfff]")  # NUL, and halves of surrogate pairs
AHEAD = 2  # chunks for each worker that are read before their turn
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


def repaired(given: object) -> object:
    """Text that every store and terminal can take; what it loses is replaced, so places stay."""
    return NO_TEXT.sub("\ufffd", given) if isinstance(given, str) else given


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
Out = TypeVar("Out", bound=Value)
Careful = Callable[[R | Broken], Out | Broken]  # a result for every row; never raises


def read(stream: BinaryIO, kind: type[R]) -> Iterator[R | Broken]:
    """The rows of a stream of JSON lines."""
    return (parse(line, kind) for line in jsonl.lines(stream))


def parse(line: jsonl.Line, kind: type[R]) -> R | Broken:
    """One line as a row. The number of the line is the `id` of a row that has none."""
    if line.fault:
        return Broken(id=line.number, error=f"Line {line.number}: {line.fault}.")
    try:
        row = json.loads(line.data.decode())
        return kind.model_validate(numbered(row, line.number))
    except (InputError, ValueError, RecursionError) as error:
        return Broken(id=known_id(line), error=f"Line {line.number}: {told(error)}.")


def numbered(row: Any, number: int) -> dict[str, Any]:
    """The row with an id."""
    if not isinstance(row, dict):
        raise InputError(f"a row must be an object, not {JSON_NAMES[type(row)]}")
    return row if row.get("id") is not None else {**row, "id": number}


def known_id(line: jsonl.Line) -> str | int:
    """The id of a row that is broken elsewhere, else the number of its line."""
    try:
        row = json.loads(line.data.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return line.number
    found: object = row.get("id") if isinstance(row, dict) else None
    return found if is_id(found) else line.number


def row_from(given: dict[str, Any]) -> Row:
    """A row that does not come from a file.

    Raises:
        InputError: a field is missing or wrong.
    """
    try:
        return Row.model_validate(given)
    except ValidationError as error:
        raise InputError(f"{told(error)}.") from error


def told(error: Exception) -> str:
    """What is wrong with a row, as the second half of a sentence."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ValidationError):
        return complaint(error.errors()[0])
    if isinstance(error, UnicodeDecodeError):
        return f"the row is not valid UTF-8 (byte {error.start + 1})"
    if isinstance(error, json.JSONDecodeError):
        what = error.msg.lower().removesuffix(" at")
        return f"the row is not valid JSON ({what} at character {error.pos + 1})"
    too_deep = isinstance(error, RecursionError)
    why = "too many brackets in each other" if too_deep else "a number of too many digits"
    return f"the row is not valid JSON ({why})"


def complaint(error: ErrorDetails) -> str:
    """One error of pydantic's in our words."""
    field = error["loc"][0]
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


def scan(
    rows: Iterable[Row | Broken],
    *,
    language: str = "en",
    models: Path = catalogue_file.FILE,
    workers: int = 1,
) -> Iterator[Scanned | Broken]:
    """The verdict on each row, in their order.

    Args:
        rows: read lazily, a bounded number ahead.
        language: of the explanations.
        models: the file from which models' lineage is known.
        workers: processes; with 1 a row is judged as soon as it is read.

    Raises:
        ConfigError: `models` or a data file of the guard is wrong.
    """
    models_on_offer(models)
    topics.load()
    return each(partial(scan_row, language=language, models=models), rows, workers)


def match(rows: Iterable[Asked | Broken], *, workers: int = 1) -> Iterator[Matched | Broken]:
    """The topic of each row's question, in their order."""
    topics.load()
    return each(match_row, rows, workers)


def each(
    look: Callable[[R], Out], rows: Iterable[R | Broken], workers: int
) -> Iterator[Out | Broken]:
    """`look` at each row, here or in processes."""
    careful: Careful[R, Out] = partial(look_at, look)
    return map(careful, rows) if workers <= 1 else spread(careful, rows, workers)


def look_at(look: Callable[[R], Out], row: R | Broken) -> Out | Broken:
    """One row's result. What goes wrong with it must not end the rows behind it."""
    if isinstance(row, Broken):
        return row
    try:
        return look(row)
    except Exception as error:
        log.exception("row %r could not be judged", row.id)
        return Broken(id=row.id, error=f"The guard failed on this row ({type(error).__name__}).")


def spread(
    look: Careful[R, Out], rows: Iterable[R | Broken], workers: int
) -> Iterator[Out | Broken]:
    """`look` at rows in processes, a few chunks ahead of the one that is wanted."""
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=leave_interrupts
    )
    ahead: deque[Future[list[Out | Broken]]] = deque()
    try:
        for chunk in chunks(rows):
            ahead.append(pool.submit(look_at_all, look, chunk))
            if len(ahead) >= AHEAD * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as error:
        raise CandorError("a worker process ended unexpectedly; is memory short?") from error
    finally:
        pool.shutdown(cancel_futures=True)


def leave_interrupts() -> None:
    """Ctrl-C is the parent's affair; it ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def look_at_all(look: Careful[R, Out], rows: list[R | Broken]) -> list[Out | Broken]:
    return [look(row) for row in rows]


def chunks(rows: Iterable[R | Broken]) -> Iterator[list[R | Broken]]:
    """Rows in lists, each bounded in number and in size."""
    chunk: list[R | Broken] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += sum(len(value) for _, value in row if isinstance(value, str))
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_SIZE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
