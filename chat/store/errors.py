"""What a store raises, and what a database does that refuses or is gone."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

UNREACHABLE = (DBAPIError, PoolTimeout, OSError)  # what a database raises that refuses or is gone
T = TypeVar("T")


class NotFound(LookupError):
    """There is no such row, or it is somebody else's."""


def existing(found: T | None, id_: str) -> T:
    """What was found by an id.

    Raises:
        NotFound: nothing was.
    """
    if found is None:
        raise NotFound(id_)
    return found


class Taken(Exception):
    """Another run writes this reply now."""


class TooMany(Exception):
    """A conversation has as many shares as it may have."""


def fault_of(error: BaseException) -> str:
    """A database's error for the log. Its message is left out where it can hold what was to be
    written: that of a value which the database refuses does."""
    cause = getattr(error, "orig", None) or error
    name = type(cause).__name__
    telling = isinstance(error, OperationalError | PoolTimeout | OSError)
    return f"{name}: {cause}" if telling else name
