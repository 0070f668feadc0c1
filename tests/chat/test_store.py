"""Conversations in real databases: trees, owners, undo, migrations, and many writers at once.

All of it in SQLite files; on PostgreSQL too where it and asyncpg are installed, or where
`TEST_POSTGRES_URL` names a server (its public schema is emptied).
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from databases import WITHOUT_ADMINS, address, emptied
from sqlalchemy import JSON, Connection, insert, select, text
from sqlalchemy.exc import DBAPIError

from chat.in_place import places
from chat.store import Conversation, NotFound, Reply, Store, Turn, new_id, now, ready
from chat.store.loading import turn_of
from chat.store.tables import Base
from guard.errors import ConfigError

ANNA, BEN = "cookie:anna", "cookie:ben"
ROOT = Path(__file__).parents[2]


async def begun(store: Store, question: str = "Why?", owner: str = ANNA) -> tuple[str, str]:
    """A conversation with one turn; the ids of both."""
    conversation = await store.start(owner, question, "a/b", "warn")
    return conversation.id, (await store.add_turn(owner, conversation.id, question, None)).turn.id


def said(turn_id: str, run: int = 0, step: int = 0, **values: Any) -> Reply:
    given = {"text": "So.", "state": "done", "finish_reason": "stop", "action": "pass"} | values
    return Reply(id=new_id(), turn_id=turn_id, run=run, step=step, model={"id": "a/b"}, **given)


# --- trees ------------------------------------------------------------------------------------


async def test_a_conversation_is_titled_by_its_question(store: Store) -> None:
    conversation = await store.start(ANNA, "  one\n two  ", "a/b", "warn")
    long = await store.start(ANNA, "word " * 40, "a/b", "warn")
    assert conversation.title == "one two"
    assert len(long.title) <= 60
    assert long.title.endswith("word…")


async def test_an_edited_question_stands_beside_the_first(store: Store) -> None:
    id_, first = await begun(store)
    second = (await store.add_turn(ANNA, id_, "And then?", first)).turn.id
    edited = (await store.add_turn(ANNA, id_, "Why not?", None)).turn.id
    conversation = await store.conversation(ANNA, id_)
    assert [turn.id for turn in conversation.path()] == [edited]
    (place,) = places(conversation)
    assert place.siblings == [first, edited]
    assert conversation.newest_leaf(turn_of(conversation, first)).id == second
    await store.change(ANNA, id_, leaf_id=second)
    back = await store.conversation(ANNA, id_)
    assert [turn.question for turn in back.path()] == ["Why?", "And then?"]


async def test_a_heading_and_a_turn_are_the_owners_alone(store: Store) -> None:
    id_, first = await begun(store)
    other, elsewhere = await begun(store)
    await store.add_reply(said(first))
    assert (await store.heading(ANNA, id_)).leaf_id == first
    assert [reply.text for reply in (await store.turn(ANNA, id_, first)).replies] == ["So."]
    for wrong in (
        store.heading(BEN, id_),
        store.turn(BEN, id_, first),
        store.turn(ANNA, id_, elsewhere),
        store.add_turn(BEN, id_, "Mine now?", first),
    ):
        with pytest.raises(NotFound):
            await wrong
    await store.change(ANNA, other, deleted_at=now())
    with pytest.raises(NotFound):
        await store.turn(ANNA, other, elsewhere)


async def test_a_draft_that_comes_late_leaves_an_ended_reply_alone(store: Store) -> None:
    _, first = await begun(store)
    grown, ended = said(first, text="So", state="streaming"), said(first, step=1)
    for reply in (grown, ended):
        await store.add_reply(reply)
    late = [said(first, text="So far", thoughts="Hm"), said(first, text="S")]
    for reply, as_it_was in zip(late, (grown, ended), strict=True):
        reply.id = as_it_was.id
    await store.save_growing(late)
    kept = (await store.turn(ANNA, (await store.conversations(ANNA))[0].id, first)).replies
    assert [(reply.text, reply.thoughts) for reply in kept] == [("So far", "Hm"), ("So.", None)]


async def test_a_thread_may_be_thousands_of_turns_long(store: Store) -> None:
    id_, first = await begun(store)
    ids = [first, *(f"{number:032}" for number in range(2000))]
    shared = {"conversation_id": id_, "question": "?"}
    rows = [shared | {"id": own, "parent_id": parent} for parent, own in pairwise(ids)]
    async with store.session() as session:
        await session.execute(insert(Turn), rows)
    conversation = await store.conversation(ANNA, id_)
    leaf = conversation.newest_leaf(turn_of(conversation, first))
    assert leaf.id == ids[-1]
    conversation.leaf_id = leaf.id
    assert len(conversation.path()) == 2001


async def test_a_retry_is_a_new_run_and_the_earlier_one_stays(store: Store) -> None:
    id_, turn_id = await begun(store)
    await store.add_reply(said(turn_id, run=0, text="First."))
    await store.add_reply(said(turn_id, run=1, step=0, text="Second."))
    await store.add_reply(said(turn_id, run=1, step=1, text="Third."))
    turn = turn_of(await store.conversation(ANNA, id_), turn_id)
    assert turn.runs == 2
    assert [reply.text for reply in turn.shown()] == ["Second.", "Third."]
    await store.show(ANNA, id_, turn_id, 0)
    turn = turn_of(await store.conversation(ANNA, id_), turn_id)
    assert [reply.text for reply in turn.shown()] == ["First."]


async def test_what_follows_a_run_is_shown_under_that_run_alone(store: Store) -> None:
    id_, first = await begun(store)
    await store.add_reply(said(first, run=0))
    then = (await store.add_turn(ANNA, id_, "And then?", first)).turn.id
    last = (await store.add_turn(ANNA, id_, "And last?", then)).turn.id
    await store.end_at(ANNA, id_, first)
    await store.add_reply(said(first, run=1))
    other = (await store.add_turn(ANNA, id_, "And else?", first)).turn.id
    conversation = await store.conversation(ANNA, id_)
    assert [turn.id for turn in conversation.path()] == [first, other]
    assert [place.siblings for place in places(conversation)] == [[first], [other]]
    await store.show(ANNA, id_, first, 0)
    conversation = await store.conversation(ANNA, id_)
    assert [turn.id for turn in conversation.path()] == [first, then, last]
    await store.show(ANNA, id_, other)
    conversation = await store.conversation(ANNA, id_)
    assert [turn.id for turn in conversation.path()] == [first, other]
    assert conversation.turns[0].shown_run == 1
    await store.add_reply(said(first, run=0, step=1))  # one that was to answer instead comes late
    assert (await store.conversation(ANNA, id_)).turns[0].shown_run == 1


async def test_turns_of_an_old_database_follow_the_run_that_is_shown(
    store: Store, url: str
) -> None:
    id_, first = await begun(store)
    for run in (0, 1):
        await store.add_reply(said(first, run=run))
    await store.show(ANNA, id_, first, 0)
    then = (await store.add_turn(ANNA, id_, "And then?", first)).turn.id
    followed_run = importlib.import_module("chat.migrations.versions.0009_followed_run")
    async with store.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE turn DROP COLUMN parent_run"))
        for statement in ("DROP TABLE api_key", *WITHOUT_ADMINS):
            await connection.execute(text(statement))
        await connection.execute(text("DROP INDEX ix_reply_streaming"))
        await connection.execute(text("ALTER TABLE reply DROP COLUMN runner"))
        before = text("UPDATE alembic_version SET version_num = :number")
        await connection.execute(before, {"number": followed_run.down_revision})
    again = await Store(url).open()
    conversation = await again.conversation(ANNA, id_)
    assert [turn.id for turn in conversation.path()] == [first, then]
    assert [turn.parent_run for turn in conversation.turns] == [None, 0]
    await again.close()


@pytest.mark.parametrize(("asked", "shown"), [(-5, 0), (0, 0), (1, 1), (99, 1)])
async def test_paging_stays_among_the_runs(store: Store, asked: int, shown: int) -> None:
    id_, turn_id = await begun(store)
    await store.add_reply(said(turn_id, run=0))
    await store.add_reply(said(turn_id, run=1))
    await store.show(ANNA, id_, turn_id, asked)
    assert turn_of(await store.conversation(ANNA, id_), turn_id).shown_run == shown


async def test_the_conversation_goes_on_with_the_reply_that_answers(store: Store) -> None:
    id_, turn_id = await begun(store)
    withheld = {"status": "withheld"}
    await store.add_reply(said(turn_id, step=0, text="No.", verdict=withheld))
    await store.add_reply(said(turn_id, step=1, text="It was so.", verdict={"status": "clean"}))
    await store.add_reply(said(turn_id, step=2, text="  ", state="failed"))
    answer = turn_of(await store.conversation(ANNA, id_), turn_id).answer()
    assert answer is not None
    assert answer.text == "It was so."


async def test_where_none_answers_the_last_that_spoke_stands(store: Store) -> None:
    id_, turn_id = await begun(store)
    turn = turn_of(await store.conversation(ANNA, id_), turn_id)
    assert turn.answer() is None
    for step, words in enumerate(("No.", "No!")):
        await store.add_reply(said(turn_id, step=step, text=words, verdict={"status": "withheld"}))
    answer = turn_of(await store.conversation(ANNA, id_), turn_id).answer()
    assert answer is not None
    assert answer.text == "No!"


async def test_every_column_comes_back_as_it_was_kept(store: Store) -> None:
    id_, turn_id = await begun(store)
    values: dict[str, Any] = {
        "text": "Grüße 天安门 🇨🇳\n\n`x`",
        "thoughts": "",
        "served": {"provider": "novita", "origin": "US"},
        "verdict": {"status": "withheld", "signals": [{"spans": [[0, 3]]}]},
        "fault": {"kind": "timeout", "retry_after": 7.5},
        "seconds": 1.25,
        "cause": "withheld",
        "exhausted": "failed",
    }
    reply = said(turn_id, **values)
    await store.add_reply(reply)
    await store.save_reply(reply.id, feedback="good", not_withheld=True)
    found = turn_of(await store.conversation(ANNA, id_), turn_id).replies[0]
    assert {name: getattr(found, name) for name in values} == values
    assert (found.feedback, found.not_withheld, found.kept) == ("good", True, True)
    assert found.created_at.tzinfo is not None


# --- owners and undo --------------------------------------------------------------------------


async def test_nobody_reads_or_changes_anothers_conversation(store: Store) -> None:
    id_, turn_id = await begun(store)
    reply = said(turn_id)
    await store.add_reply(reply)
    assert list(await store.conversations(BEN)) == []
    for attempt in (
        store.conversation(BEN, id_),
        store.add_turn(BEN, id_, "Mine now?", None),
        store.change(BEN, id_, title="Mine"),
        store.change(BEN, id_, deleted_at=now()),
        store.show(BEN, id_, turn_id, 0),
        store.rate(BEN, id_, reply.id, feedback="bad"),
    ):
        with pytest.raises(NotFound):
            await attempt
    conversation = await store.conversation(ANNA, id_)
    assert conversation.title == "Why?"
    assert len(conversation.turns) == 1
    assert conversation.turns[0].replies[0].feedback is None


async def test_a_reply_of_another_conversation_is_not_rated_through_ones_own(store: Store) -> None:
    _, turn_id = await begun(store)
    reply = said(turn_id)
    await store.add_reply(reply)
    own, _ = await begun(store, owner=BEN)
    with pytest.raises(NotFound):
        await store.rate(BEN, own, reply.id, feedback="bad")


async def test_deleting_hides_and_undo_brings_all_back(store: Store) -> None:
    id_, turn_id = await begun(store)
    await store.add_reply(said(turn_id))
    await store.change(ANNA, id_, deleted_at=now())
    assert list(await store.conversations(ANNA)) == []
    with pytest.raises(NotFound):
        await store.conversation(ANNA, id_)
    await store.change(ANNA, id_, deleted_at=None)
    assert turn_of(await store.conversation(ANNA, id_), turn_id).replies[0].text == "So."


async def test_a_thousand_conversations_are_listed_newest_first(store: Store) -> None:
    for batch in range(10):
        async with store.session() as session:
            for number in range(100):
                title = f"{batch * 100 + number}"
                fresh = Conversation(owner=ANNA, title=title, model="a/b", mode="warn")
                fresh.created_at = fresh.updated_at = now()
                session.add(fresh)
    await begun(store, owner=BEN)
    oldest = (await store.conversations(ANNA))[-1]
    assert oldest.title == "0"
    await store.add_turn(ANNA, oldest.id, "Again?", None)
    titles = [one.title for one in await store.conversations(ANNA)]
    assert len(titles) == 1000
    assert titles[:3] == ["0", "999", "998"]
    await store.change(ANNA, (await store.conversations(ANNA))[5].id, pinned=True)
    whole = [one.id for one in await store.conversations(ANNA)]
    paged: list[Conversation] = []
    while page := await store.conversations(
        ANNA, after=paged[-1].place if paged else None, most=300
    ):
        paged += page
    assert [one.id for one in paged] == whole
    assert [one.pinned for one in paged[:2]] == [True, False]


# --- what a database cannot take, and many at once ----------------------------------------------


async def test_nul_is_kept_or_refused_as_a_whole(store: Store) -> None:
    try:
        id_, _ = await begun(store, "a\x00b")
    except DBAPIError:
        (left,) = await store.conversations(ANNA)
        assert (await store.conversation(ANNA, left.id)).turns == []
    else:
        assert (await store.conversation(ANNA, id_)).turns[0].question == "a\x00b"


async def test_a_lone_surrogate_is_refused_and_leaves_nothing_half_written(store: Store) -> None:
    question = Turn(question="a\ud800b", files=[], replies=[])
    with pytest.raises((UnicodeEncodeError, DBAPIError)):
        await store.start(ANNA, "a", "a/b", "warn", first=question)
    assert list(await store.conversations(ANNA)) == []
    await begun(store)


async def test_many_writers_at_once_lose_nothing(store: Store, url: str) -> None:
    id_, first = await begun(store)
    other = await Store(url).open()  # as a second process would
    stores = (store, other)
    replies = [said(first, step=step) for step in range(20)]
    await asyncio.gather(*(stores[n % 2].add_reply(r) for n, r in enumerate(replies)))
    await asyncio.gather(
        *(stores[n % 2].save_reply(r.id, text=f"{n}" * 2000) for n, r in enumerate(replies)),
        *(stores[n % 2].add_turn(ANNA, id_, f"question {n}", first) for n in range(20)),
    )
    await other.close()
    conversation = await store.conversation(ANNA, id_)
    found = turn_of(conversation, first).replies
    assert [reply.text for reply in found] == [f"{n}" * 2000 for n in range(20)]
    assert len({turn.question for turn in conversation.turns}) == 21


# --- opening ----------------------------------------------------------------------------------


async def test_one_process_runs_replies_in_a_database_and_a_second_is_refused(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.store.database.GOES_DOWN", 1)
    url = await emptied(postgresql)
    first, second = await Store(url).open(alone=False), await Store(url).open(alone=False)
    async with first.sole():
        with pytest.raises(ConfigError, match="CANDOR_REDIS_URL"):
            async with second.sole():
                pass
    async with second.sole():  # as soon as the first is gone
        pass
    await first.close()
    await second.close()


async def test_what_a_killed_process_left_streaming_is_marked(store: Store, url: str) -> None:
    id_, turn_id = await begun(store)
    states = ("streaming", "done", "stopped", "failed")
    for step, state in enumerate(states):
        await store.add_reply(said(turn_id, step=step, state=state, text="Half of"))
    again = await Store(url).open()
    found = turn_of(await again.conversation(ANNA, id_), turn_id).replies
    await again.close()
    assert [reply.state for reply in found] == ["interrupted", "done", "stopped", "failed"]
    assert {reply.text for reply in found} == {"Half of"}


def differing_default(context: MigrationContext, *compared: Any) -> bool | None:
    """Of JSON on PostgreSQL, which knows no `=` for it; of all else Alembic finds out by itself."""
    _, column, there, _, meant = compared
    on_postgresql = context.dialect.name == "postgresql"
    if not (on_postgresql and isinstance(column.type, JSON) and there and meant):
        return None
    return there.removesuffix("::json").strip("'") != meant.strip("'")


async def test_migrations_make_the_tables_that_the_code_means(store: Store) -> None:
    def compare(connection: Connection) -> list[Any]:
        options = {
            "compare_type": True,
            "compare_server_default": differing_default,
            # the index over words is each database's own, and no part of the metadata
            "include_name": lambda name, *_: "indexed_words" not in str(name),
        }
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))

    async with store.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


async def test_a_migrated_database_is_opened_without_alembic(store: Store, url: str) -> None:
    id_, _ = await begun(store)
    script = (
        "import asyncio, sys; from chat.store import ready; "
        f"asyncio.run(ready({url!r})); assert 'alembic' not in sys.modules"
    )
    command = [sys.executable, "-c", script]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (await store.conversation(ANNA, id_)).title == "Why?"


async def test_a_migration_that_fails_leaves_nothing_behind(file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE reply (somebody TEXT)")
    with pytest.raises(ConfigError, match="already exists"):
        await Store(address(file)).open()
    with sqlite3.connect(file) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert tables == {"reply"}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("no address", "URL"),
        ("nosuch+driver:///x", "nosuch"),
        ("mysql+aiomysql://reader@nowhere/x", "neither postgresql nor"),
        ("postgresql://reader@nowhere/x?sslmod=require", "sslmod"),
        ("postgres://reader@127.0.0.1:9/x?sslmode=disable", "refused|Connect call failed"),
        ("sqlite:////tmp/x", "async"),
        ("sqlite+aiosqlite:////dev/null/candor.sqlite3", "File exists"),
        ("sqlite+aiosqlite:////", "unable to open"),
        ("sqlite+aiosqlite:///file:/nowhere/at/all?mode=ro&uri=true", "unable to open"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_told_in_one_line(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        await ready(url)
    assert "CANDOR_DATABASE_URL" in str(caught.value)


def test_a_file_that_is_no_database_is_told(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("Dear diary, today nothing was a database. " * 100)
    with pytest.raises(ConfigError, match="not a database"):
        asyncio.run(ready(address(file)))


async def test_a_read_only_database_is_told(file: Path) -> None:
    await ready(address(file))
    with pytest.raises(ConfigError, match="readonly"):
        await ready(f"sqlite+aiosqlite:///file:{file}?mode=ro&uri=true")


async def test_a_password_in_the_address_is_not_told() -> None:
    with pytest.raises(ConfigError) as caught:
        await ready("sqlite+aiosqlite://reader:s3cret@nowhere/x")
    assert "s3cret" not in str(caught.value)


async def test_a_write_that_the_database_refuses_changes_nothing(store: Store) -> None:
    id_, turn_id = await begun(store)
    reply = said(turn_id)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE reply RENAME TO elsewhere")
    with pytest.raises(DBAPIError):
        await store.add_reply(reply)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO reply")
    await store.add_reply(reply)  # the same object, once the table is back
    async with store.session() as session:
        assert len((await session.scalars(select(Reply))).all()) == 1
    assert turn_of(await store.conversation(ANNA, id_), turn_id).replies[0].text == "So."
