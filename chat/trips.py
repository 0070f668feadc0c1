"""SQLite in fewer trips to its thread.

aiosqlite runs each call of a connection in the connection's own thread. SQLAlchemy makes four calls
of one statement: a cursor, its execution, its rows, its end; and others to end what never began.
Beside a hundred streams every trip waits for its turn on the event loop, and whoever waits for the
one writer waits for all of them. Here a statement is one trip, and nothing is ended that is not
open. Cursors of the server's side are left as they are.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)


class Told(NamedTuple):
    """All that a statement gave, and whether its connection is in a transaction since."""

    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]
    open: bool


def run(
    connection: sqlite3.Connection, statement: str, parameters: Any, *, many: bool = False
) -> Told:
    """One statement from its cursor to its last row."""
    cursor = connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return Told(
            cursor.description, cursor.rowcount, cursor.lastrowid, rows, connection.in_transaction
        )
    finally:
        cursor.close()


class Given:
    """A cursor that has ended: what it gave can still be read."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    async def close(self) -> None:
        """Nothing is left to close."""


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor whose statement is one trip."""

    __slots__ = ()

    def _make_new_cursor(self, connection: Any) -> Any:
        return Given()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        return await self._trip(operation, () if parameters is None else parameters)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        return await self._trip(operation, seq_of_parameters, many=True)

    async def _trip(self, statement: str, parameters: Any, *, many: bool = False) -> None:
        adapted = cast("OneTripConnection", self._adapt_connection)
        async with adapted._execute_mutex:
            adapted.open = True  # and stays so where this is cancelled: the thread goes on
            driver = cast("Any", self._connection)
            told: Told = await driver._execute(run, driver._conn, statement, parameters, many=many)
            adapted.open = told.open
        given = cast("Any", self._cursor)
        given.description, given.rowcount = told.description, told.rowcount
        given.lastrowid = told.lastrowid
        self._rows = deque(told.rows)


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """A connection that ends a transaction only where one may be open."""

    _cursor_cls = OneTripCursor
    __slots__ = ("open",)
    open: bool

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self.open = True

    def rollback(self) -> None:
        self._end(super().rollback)

    def commit(self) -> None:
        self._end(super().commit)

    def _end(self, ending: Callable[[], None]) -> None:
        if self.open:
            ending()
            self.open = False


class OneTripDriver(AsyncAdapt_aiosqlite_dbapi):
    """aiosqlite, as `create_engine(module=…)` takes it."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *arg: Any, **kw: Any) -> OneTripConnection:
        plain = super().connect(*arg, **kw)
        return OneTripConnection(self, plain._connection)
