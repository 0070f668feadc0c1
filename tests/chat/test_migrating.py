"""Migrations of real databases: at once, beside what runs, and beside the code before them.

What each of them does with rows that are there is told where those rows are tested.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import databases
import pytest
from alembic import command
from sqlalchemy import Connection, Engine, event, text

from chat.store import Reply, Store, migrated, new_id, ready
from chat.store.loading import turn_of
from chat.store.migrating import FOLDER, config_for, newest_migration
from chat.store.postgresql import migrating_engine
from guard.errors import ConfigError

ROOT = Path(__file__).parents[2]
OLD, LATER = "0008", "9998"
ROUNDS = 3
ANNA = "cookie:anna"
TURN = (
    "INSERT INTO conversation (id, owner, title, model, mode, withheld, leaf_id, created_at,"
    " updated_at) VALUES ('c', 'cookie:anna', 'Old', 'a/b', 'warn', false, 't', '2026-01-01',"
    " '2026-01-01')",
    "INSERT INTO turn (id, conversation_id, question, shown_run, created_at)"
    " VALUES ('t', 'c', 'Why?', 0, '2026-01-01')",
)
COMMAND = """
import asyncio, sys
from chat.store import migrated
print("begun", flush=True)
for url in sys.stdin:
    asyncio.run(migrated(url.strip()))
    print("done", flush=True)
"""

# What the code before a migration does not notice.
HARMLESS = re.compile(
    r"CREATE (TABLE|INDEX|VIRTUAL TABLE|TRIGGER)|DROP INDEX|INSERT INTO|UPDATE|SELECT"
    r"|PRAGMA|SET|BEGIN"
    r"|ALTER TABLE \S+ ADD COLUMN (?!.*NOT NULL)|ALTER TABLE \S+ ADD COLUMN .*DEFAULT"
)


def only_adds(statement: str) -> bool:
    """Whether older code can go on after a statement: nothing is gone, nothing more is asked."""
    return HARMLESS.match(" ".join(statement.split())) is not None


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any connection is told meanwhile, as it is written."""
    heard: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        heard.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


async def made_old(url: str) -> None:
    """Let an empty database be as an earlier version has left it, with a conversation."""

    def make(connection: Connection) -> None:
        command.upgrade(config_for(connection), OLD)
        for statement in TURN:
            connection.execute(text(statement))

    store = Store(url)
    async with store.engine.begin() as connection:
        await connection.run_sync(make)
    await store.close()


def newer_code(folder: Path, works_with: str) -> Path:
    """A copy of the code with one more migration, which adds a table and a column that is needed.

    Args:
        works_with: what that migration states.
    """
    for name in ("chat", "guard"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", folder)
    (folder / f"chat/migrations/versions/{LATER}_later.py").write_text(
        f"""import sqlalchemy as sa
from alembic import op

revision, down_revision, works_with = "{LATER}", "{newest_migration()}", "{works_with}"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("turn", sa.Column("later", sa.Integer, nullable=False, server_default="7"))
"""
    )
    return folder


async def migrated_by(root: Path, url: str) -> str:
    """What `python app.py --migrate` of that code says; it must succeed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "app.py", "--migrate"],
        cwd=root,
        env=os.environ | {"CANDOR_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def happens(reached: Callable[[], Awaitable[Any]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(30):
        while not await reached():  # noqa: ASYNC110 -- another process brings it about
            await asyncio.sleep(0.05)


async def starter() -> asyncio.subprocess.Process:
    """A process that migrates each database that it is told of."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, cwd=ROOT, stdin=pipe, stdout=pipe
    )


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode().strip()


async def version(url: str) -> tuple[str, str]:
    """Where a database stands, and the oldest code that it works with."""
    store = Store(url)
    async with store.engine.connect() as connection:
        row = await connection.execute(text("SELECT version_num, works_with FROM alembic_version"))
        number, works_with = row.one()
    await store.close()
    return number, works_with


async def asks(store: Store) -> str:
    """A whole conversation is written and read; its id."""
    conversation = await store.start(ANNA, "Why?", "a/b", "warn")
    turn_id = (await store.add_turn(ANNA, conversation.id, "Why so?", None)).turn.id
    reply = Reply(id=new_id(), turn_id=turn_id, run=0, step=0, model={"id": "a/b"}, text="So.")
    await store.add_reply(reply)
    await store.save_reply(reply.id, state="done", text="So it is.")
    found = turn_of(await store.conversation(ANNA, conversation.id), turn_id)
    assert [reply.text for reply in found.replies] == ["So it is."]
    return conversation.id


@pytest.mark.parametrize("old", [False, True], ids=["empty", "old"])
async def test_of_two_processes_that_start_together_one_migrates(
    url: str, old: bool, tmp_path: Path
) -> None:
    processes = [await starter() for _ in range(2)]
    assert [await line(each) for each in processes] == ["begun"] * 2
    on_sqlite = url.startswith("sqlite")
    for number in range(ROUNDS):
        if on_sqlite:
            url = databases.address(tmp_path / f"{number}.sqlite3")
        else:
            await databases.emptied(url)
        if old:
            await made_old(url)
        for each in processes:
            assert each.stdin
            each.stdin.write(f"{url}\n".encode())
        assert [await line(each) for each in processes] == ["done"] * 2
        assert (await version(url))[0] == newest_migration()
        if old:
            store = await Store(url).open()
            assert (await store.conversation(ANNA, "c")).turns[0].question == "Why?"
            await store.close()
    for each in processes:
        await each.communicate(b"")
        assert each.returncode == 0


async def test_many_open_a_new_database_at_once(url: str) -> None:
    await asyncio.gather(*(ready(url) for _ in range(4)))
    store = await Store(url).open()
    await asks(store)
    await store.close()


async def test_replicas_of_the_version_before_go_on_and_start_again(
    url: str, tmp_path: Path
) -> None:
    running = await Store(url).open()
    known = await asks(running)
    newer = newer_code(tmp_path / "newer", works_with=newest_migration())
    await migrated_by(newer, url)
    assert await version(url) == (LATER, newest_migration())
    await asks(running)
    assert (await running.conversation(ANNA, known)).turns
    await running.close()
    again = await Store(url).open()
    await asks(again)
    await again.close()
    await migrated_by(ROOT, url)  # the old code has nothing to do, and says nothing of it
    assert await version(url) == (LATER, newest_migration())


@pytest.mark.parametrize("works_with", [LATER, None])
async def test_a_newer_database_that_older_code_harms_is_refused(
    url: str, works_with: str | None
) -> None:
    await ready(url)
    store = Store(url)
    newer = text("UPDATE alembic_version SET version_num = :later, works_with = :works_with")
    async with store.engine.begin() as connection:
        await connection.execute(newer, {"later": LATER, "works_with": works_with})
    await store.close()
    for opening in (ready, migrated):
        with pytest.raises(ConfigError, match=f"{LATER}.* none after {newest_migration()}"):
            await opening(url)


async def test_a_newer_database_of_code_that_told_nothing_is_refused(file: Path) -> None:
    await ready(databases.address(file))
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE alembic_version DROP COLUMN works_with")
        connection.execute("UPDATE alembic_version SET version_num = '9998'")
    with pytest.raises(ConfigError, match=LATER):
        await ready(databases.address(file))


async def test_a_table_in_use_is_waited_for_and_readers_go_on(postgresql: str) -> None:
    url = await databases.emptied(postgresql)
    await made_old(url)
    engine = migrating_engine(Store(url).url)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with engine.connect() as reader, engine.connect() as watcher:
        await reader.execute(text("SELECT * FROM turn"))  # holds the table until it has read all
        migrating = asyncio.create_task(migrated(url))
        await happens(lambda: watcher.scalar(waiting))
        other = Store(url)
        async with other.session() as session:  # in line behind the migration, which gives way
            assert await session.scalar(text("SELECT question FROM turn")) == "Why?"
        await other.close()
        assert not migrating.done()
        await reader.rollback()
        await migrating
    await engine.dispose()
    assert (await version(url))[0] == newest_migration()


async def test_a_migration_that_fails_leaves_nothing_of_it(postgresql: str) -> None:
    url = await databases.emptied(postgresql)
    engine = migrating_engine(Store(url).url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE api_key (somebody TEXT)"))  # of migration 0010
    with pytest.raises(ConfigError, match="already exists"):
        await migrated(url)
    async with engine.connect() as connection:
        tables = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        assert (await connection.scalars(tables)).all() == ["api_key"]
    await engine.dispose()


async def test_migrations_only_add(url: str) -> None:
    with statements() as heard:
        await migrated(url)
    assert any(statement.lstrip().startswith("CREATE TABLE reply") for statement in heard)
    harmful = [statement for statement in heard if not only_adds(statement)]
    assert harmful == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE turn DROP COLUMN chosen",
        "ALTER TABLE turn RENAME COLUMN chosen TO picked",
        "ALTER TABLE turn ADD COLUMN needed INTEGER NOT NULL",
        "ALTER TABLE turn ALTER COLUMN chosen SET NOT NULL",
        "CREATE UNIQUE INDEX ix ON turn (question)",
        "DROP TABLE turn",
        "DELETE FROM turn",
    ],
)
def test_what_older_code_would_miss_is_seen(statement: str) -> None:
    assert not only_adds(statement)
    assert only_adds("ALTER TABLE turn ADD COLUMN more INTEGER DEFAULT '0' NOT NULL")


def test_migrations_are_numbered_and_say_who_goes_on_beside_them() -> None:
    files = sorted((FOLDER / "versions").glob("*.py"))
    assert [file.name.split("_")[0] for file in files] == [f"{n + 1:04}" for n in range(len(files))]
    assert newest_migration() == f"{len(files):04}"
    for file in files[10:]:
        module = importlib.import_module(f"chat.migrations.versions.{file.stem}")
        assert module.works_with < module.revision, file.name


def test_what_the_command_does_not_know_is_refused() -> None:
    asked = [sys.executable, "app.py", "--migrat3"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--migrate" in done.stderr
