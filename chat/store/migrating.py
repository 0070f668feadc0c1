"""The store's migrations: which are due, who else may go on beside them, and how they are run.

Each migration after 0010 states `works_with`: the oldest revision of the code that goes on with the
tables that it leaves. The newest of these is kept in the database, in a column of its own beside
Alembic's, so that a replica of that code may start again while newer ones are being rolled out.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from guard.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parents[1] / "migrations"
ADVISORY_LOCK = 0x43414E444F52  # of PostgreSQL; any number that nobody else takes
LOCK_TIMEOUT = 2000  # milliseconds; replicas that serve wait behind a migration that waits
TRIES = 30  # to get the tables' locks, PAUSE seconds apart
PAUSE = 1.0
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's code for a lock that was not to be had in time


def newest_migration() -> str:
    """The revision that this code's tables are at."""
    return max(file.stem.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*.py"))


def migration_due(connection: Connection) -> bool:
    """Whether the database is older than the code.

    Raises:
        ConfigError: it is newer, and this code cannot go on with it.
    """
    if not inspect(connection).has_table("alembic_version"):
        return True
    found = connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
    newest = newest_migration()
    if found > newest and newest < (oldest := works_with(connection) or found):
        raise ConfigError(
            f"the database is at migration {found}, which needs a Candor that knows {oldest}; this "
            f"one knows none after {newest}. Run the newer Candor, or give CANDOR_DATABASE_URL "
            "another one."
        )
    return bool(found < newest)


def works_with(connection: Connection) -> str | None:
    """The oldest revision of the code that goes on with this database, where it tells."""
    if "works_with" not in columns_of_version(connection):
        return None
    told: str | None = connection.scalar(text("SELECT works_with FROM alembic_version"))
    return told


def columns_of_version(connection: Connection) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns("alembic_version")}


def migrate(connection: Connection) -> None:
    """Run the migrations that this database has not seen, as part of the open transaction.

    Raises:
        ConfigError: another process has made the database too new meanwhile.
    """
    if not migration_due(connection):
        return
    from alembic import command  # slow, and seldom needed
    from alembic.script import ScriptDirectory

    config = config_for(connection)
    command.upgrade(config, "head")
    if "works_with" not in columns_of_version(connection):
        connection.execute(text("ALTER TABLE alembic_version ADD COLUMN works_with VARCHAR(32)"))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    oldest = max(getattr(one.module, "works_with", one.revision) for one in scripts)
    connection.execute(text("UPDATE alembic_version SET works_with = :oldest"), {"oldest": oldest})


def config_for(connection: Connection) -> Config:
    """What Alembic is told, which runs the migrations on this connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def migrate_sqlite(engine: AsyncEngine) -> None:
    """Migrate a file as its only writer; who else opens it waits."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")  # else each step commits by itself
        await connection.run_sync(migrate)


async def migrate_postgresql(url: URL) -> None:
    """Migrate in one transaction, whoever comes first; the others wait, and find it done.

    A table that a replica is using is waited for shortly and again, as everybody who wants it
    afterwards stands in line behind who waits for the whole of it.
    """
    from .postgresql import migrating_engine

    engine = migrating_engine(url)
    for left in reversed(range(TRIES)):
        try:
            async with engine.begin() as connection:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
                await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}"))
                await connection.run_sync(migrate)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE or not left:
                raise
            log.warning("the migration waits for a table that is in use")
            await asyncio.sleep(PAUSE)
        else:
            return
