"""The database: SQLite by default, PostgreSQL by URL; how it is reached, read and written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy import ColumnElement, Delete, Update, event, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.ext.asyncio import async_sessionmaker as sessionmaker
from sqlalchemy.orm import Session

from guard.errors import ConfigError

from .errors import UNREACHABLE
from .indexing import WRITTEN_ANEW
from .migrating import migrate_postgresql, migrate_sqlite, migration_due
from .sqlite_threads import SqliteThreads
from .tables import Base, new_id

CONNECTIONS = 10  # of a replica to PostgreSQL, at most
BUSY = 15  # seconds to wait for another writer
LAST_WORDS = 0.5  # seconds; aiosqlite's thread answers after a failed connection, then ends
SOLE = 0x43616E646F72  # of a lock, within the database
GOES_DOWN = 10  # seconds in which a process that ran before may end
TWO_PROCESSES = (
    "another Candor uses this database. For several replicas, set CANDOR_REDIS_URL for each; "
    "else end the other, or give CANDOR_DATABASE_URL another database."
)
ADVICE = "Set CANDOR_DATA to a folder that can be written, or CANDOR_DATABASE_URL."
ADVICE_ON_SERVERS = "See that its server runs and lets Candor in, or mend CANDOR_DATABASE_URL."
T = TypeVar("T")


class Database:
    """A database and the ways to it.

    Args:
        url: a SQLAlchemy address of an async driver.
        connections: that it holds to PostgreSQL at most.

    Raises:
        ConfigError: there is no such driver, or the address cannot be read.
    """

    temporary: ClassVar[bool] = False  # what it holds is neither listed nor leaves it

    def __init__(self, url: str, connections: int = CONNECTIONS) -> None:
        try:
            self.url = make_url(url)
            self._threads: SqliteThreads | None = None
            self._faults: tuple[type[Exception], ...] = ()  # of the driver, besides SQLAlchemy's
            self.engine = self._engine(connections)
        except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
            raise ConfigError(f"the database cannot be used: {error}. {ADVICE}") from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    def _engine(self, connections: int) -> AsyncEngine:
        if not self.url.drivername.startswith("sqlite"):
            from .postgresql import FAULTS, address, serving_engine  # SQLite needs not wait for it

            self.url, self._faults = address(self.url), FAULTS
            return serving_engine(self.url, connections)
        if self.url.database in {None, "", ":memory:"}:
            self.url = make_url(in_memory())
        file = self.url.database or ""
        if not file.startswith("file:"):
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        patience = {} if "timeout" in self.url.query else {"timeout": BUSY}
        options = {"connect_args": patience, "hide_parameters": self.temporary}
        engine = create_async_engine(self.url, **options)
        event.listen(engine.sync_engine, "connect", self._prepare)
        self._threads = SqliteThreads(self.url, self._prepare, **options)
        return engine

    def _prepare(self, connection: Any, _: Any) -> None:
        """Make a new connection to SQLite ready.

        Foreign keys that hold, zeros in the place of what is deleted, little waiting for the disk:
        more than `NORMAL` is not needed beside write-ahead.
        """
        execute_all(connection, "foreign_keys=ON", "synchronous=NORMAL", "secure_delete=ON")

    @asynccontextmanager
    async def usable(self) -> AsyncIterator[None]:
        """Close the store where the database turns out not to be of use.

        Raises:
            ConfigError: in place of what the database raises.
        """
        faults: tuple[type[Exception], ...] = (*UNREACHABLE, *self._faults, SQLAlchemyError)
        try:
            yield
        except faults as error:
            await self.close()
            await asyncio.sleep(LAST_WORDS)
            raise self.unusable(error) from error

    def unusable(self, error: Exception) -> ConfigError:
        """What to say of an error of the database."""
        shown, cause = self.url.render_as_string(hide_password=True), getattr(error, "orig", error)
        advice = ADVICE if self._threads else ADVICE_ON_SERVERS
        return ConfigError(f"the database {shown} cannot be used: {cause}. {advice}")

    async def migrate(self) -> None:
        """Bring the tables up to date."""
        on_sqlite = self._threads is not None
        if on_sqlite:
            await self._write_ahead()
        async with self.engine.connect() as connection:
            due = await connection.run_sync(migration_due)
        if due and on_sqlite:
            await migrate_sqlite(self.engine)
        elif due:
            await migrate_postgresql(self.url)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Be the one process that runs replies in this database.

        PostgreSQL tells two such processes apart, by a lock that a connection holds.

        Raises:
            ConfigError: another one runs replies there.
        """
        if self._threads:
            yield
            return
        async with self.engine.connect() as connection:
            await self._lock(connection)
            try:
                yield
            finally:
                await connection.invalidate()  # the lock goes with it

    async def _lock(self, connection: AsyncConnection) -> None:
        """Take the lock of the sole process; one that goes down just then is waited for."""
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for left in reversed(range(GOES_DOWN)):
            if await connection.scalar(select(func.pg_try_advisory_lock(SOLE))):
                return
            if left:
                await asyncio.sleep(1)
        raise ConfigError(TWO_PROCESSES)

    async def _write_ahead(self) -> None:
        """Let readers go on beside a writer. The file remembers; SQLite does not wait for this."""
        for left in reversed(range(BUSY * 10)):
            try:
                async with self.engine.connect() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            except DBAPIError as error:
                if "locked" not in str(error.orig) or not left:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def close(self) -> None:
        if self._threads:
            await self._threads.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed at the end, rolled back on an error.

        Raises:
            ConnectionError: PostgreSQL let no connection in.
        """
        try:
            async with self._sessions() as session, session.begin():
                yield session
        except self._faults as error:
            raise ConnectionError(str(error)) from error

    async def read(self, work: Callable[[Session], T]) -> T:
        """What a function of a session reads. Of SQLite it runs in a thread."""
        if self._threads:
            return await self._threads.read(work)
        async with self.session() as session:
            return await session.run_sync(work)

    async def ping(self) -> None:
        """Ask the database something, to see whether it answers."""
        await self.read(lambda session: session.execute(text("SELECT 1")).all())

    async def write(self, work: Callable[[Session], T]) -> T:
        """Do what a function of a session does, as one transaction. Of SQLite it runs in a thread.

        What it raises is raised here, and nothing is written then.
        """
        if self._threads:
            return await self._threads.write(work)
        async with self.session() as session:
            return await session.run_sync(work)

    def upsert(
        self,
        table: type[Base],
        key: dict[str, str],
        values: dict[str, Any],
        where: ColumnElement[bool] | None = None,
    ) -> Any:
        """Set columns of the row of that key, or make it; two who do so at once both succeed.

        Args:
            where: what must hold of a row that is there, else it stays as it is.
        """
        on_postgresql = self.engine.dialect.name == "postgresql"
        made = (postgresql if on_postgresql else sqlite).insert(table).values(key | values)
        return made.on_conflict_do_update(index_elements=[*key], set_=values, where=where)

    async def scrub(self) -> None:
        """Leave no word of what was deleted in SQLite's files.

        Rows are overwritten as they go (`secure_delete`); the search's index keeps words until it
        is written anew, and the log of writes until it is emptied. That waits for who reads just
        then, up to `BUSY` seconds; where it is in vain, the next one does it.
        """
        if self.engine.dialect.name != "sqlite":
            return
        await self.write(lambda session: session.execute(text(WRITTEN_ANEW)))
        async with self.engine.connect() as connection:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def changed(session: Session, statement: Update | Delete) -> int:
    """Run a statement; how many rows it changed or removed."""
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def in_memory() -> str:
    """The address of a new SQLite database in memory, which is there while it has a connection."""
    return f"sqlite+aiosqlite:///file:/candor-{new_id()}?vfs=memdb&uri=true"


def execute_all(connection: Any, *pragmas: str) -> None:
    """Set pragmas of a connection."""
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
