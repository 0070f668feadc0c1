"""Lines of the log: text for people, JSON for machines. One record is one line in both.

Whatever is logged can neither begin a line of its own nor steer a terminal. Exceptions are told by
type and place: their messages can hold a statement's values, and so what readers write. Not
covered: what libraries put into messages of their own below the level `WARNING`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from guard.events import Billed
from guard.observing import AttemptSeen, Checked, Seen

from .settings import TelemetrySettings

REPLIES = logging.getLogger("candor.replies")
REQUEST: ContextVar[Mapping[str, str]] = ContextVar("request", default={})  # noqa: B039
QUIET = ("httpx", "httpx2", "alembic", "uvicorn", "aiosqlite")  # below WARNING they tell too much
HARMLESS = (ImportError, OSError)  # their messages name files and addresses, and help
STEERING = re.compile(  # control characters, other line ends, and what turns a line's order
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
DEEPEST = 10  # exceptions within exceptions


def configure(settings: TelemetrySettings) -> None:
    """Let the process log as the operator has set it; what logged before does not any more."""
    kind = JsonLines if settings.log_format == "json" else TextLines
    handler = logging.StreamHandler()
    handler.setFormatter(kind(texts=settings.log_text))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class TextLines(logging.Formatter):
    """`LEVEL logger: message`; below it, indented, where an exception was raised."""

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__()
        self.texts = texts

    def format(self, record: logging.LogRecord) -> str:
        fields = (f" {name}={value}" for name, value in fields_of(record).items())
        told = f"{record.levelname} {record.name}: {message(record)}{''.join(fields)}"
        raised = exceptions(record, texts=self.texts)
        return "\n".join([escaped(told), *(f"    {escaped(line)}" for line in raised)])


class JsonLines(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def __init__(self, *, texts: bool = False) -> None:
        super().__init__()
        self.texts = texts

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message(record),
            **REQUEST.get(),
            **fields_of(record),
        }
        if raised := exceptions(record, texts=self.texts):
            told["exception"] = raised
        return json.dumps(told, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says besides its message: `extra={"fields": {…}}`."""
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def message(record: logging.LogRecord) -> str:
    told = record.getMessage()
    # what asyncio adds in further lines are the objects it is about, with their contents
    return told.partition("\n")[0] if record.name == "asyncio" else told


def escaped(words: str) -> str:
    """`words` in one line that steers no terminal: what could is told by its code."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], words)


def exceptions(record: logging.LogRecord, *, texts: bool) -> list[str]:
    """The exception of a record, if there is one, and those that led to it: the first one first."""
    error = record.exc_info[1] if record.exc_info else None
    return [*raised(error, texts=texts)] if error else []


def raised(error: BaseException, *, texts: bool, depth: int = 0) -> Iterator[str]:
    """The lines that tell of an exception."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth < DEEPEST:
        yield from raised(before, texts=texts, depth=depth + 1)
    for entry in traceback.format_tb(error.__traceback__):
        yield from entry.splitlines()
    told = f": {error}" if texts or isinstance(error, HARMLESS) else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{told}"
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if depth < DEEPEST:
            yield from (f"  {line}" for line in raised(one, texts=texts, depth=depth + 1))


def hashed(id_: str) -> str:
    """By what lines about one conversation can be told to be so, and no more."""
    return hashlib.sha256(id_.encode("utf-8", "replace")).hexdigest()[:16]


class ReplyLog:
    """An observer: one line for each reply, and for each finished one that was checked."""

    def __init__(self, *, texts: bool) -> None:
        self.texts = texts

    @contextmanager
    def asked(self, seen: Seen) -> Iterator[None]:
        try:
            yield
        finally:
            for attempt in seen.attempts.values():
                told = about(attempt) | (with_texts(seen, attempt) if self.texts else {})
                REPLIES.info("reply", extra={"fields": told})

    def checked(self, checked: Checked) -> None:
        held = checked.verdict
        told = {"verdict": held.status, "conduct": held.conduct, **seconds(checked.seconds)}
        REPLIES.info("check", extra={"fields": told})

    def billed(self, billed: Billed) -> None:
        told = {"model": billed.model.id, "tokens": billed.tokens, "dollars": billed.dollars}
        REPLIES.info("asked besides", extra={"fields": told})


def about(attempt: AttemptSeen) -> dict[str, Any]:
    """What is told of a reply. Its topic is not: that says what was asked."""
    held, end = attempt.verdict, attempt.end
    told = {
        "model": attempt.model.id,
        "origin": attempt.model.origin,
        "outcome": attempt.outcome,
        "cause": attempt.cause,
        "verdict": held.status if held else None,
        "conduct": held.conduct if held else None,
        "fault": getattr(end, "kind", None),
        "tokens": getattr(end, "tokens", None),
        "dollars": getattr(end, "dollars", None),
    }
    if attempt.ended is not None:
        told |= seconds(attempt.ended - attempt.began)
    if attempt.first_token is not None:
        told["first_token_seconds"] = round(attempt.first_token, 3)
    return {name: value for name, value in told.items() if value is not None}


def with_texts(seen: Seen, attempt: AttemptSeen) -> dict[str, Any]:
    """What was asked and answered."""
    topic = attempt.verdict.topic if attempt.verdict else None
    return {"question": seen.question, "reply": attempt.said, "topic": topic}


def seconds(taken: float) -> dict[str, float]:
    return {"seconds": round(taken, 3)}
