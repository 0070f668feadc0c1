"""What is kept of a reader, counted, and how all of it goes; in each database, and in the file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import address
from sqlalchemy import func, select

from chat.personal import Stored, conversations_of, erase, keep_options, options_of, stored
from chat.search import search
from chat.store import (
    Attachment,
    Conversation,
    NotFound,
    Preferences,
    Reply,
    Share,
    Store,
    new_id,
    now,
)
from chat.store.loading import turn_of
from chat.store.tables import Base, ModelOptions
from chat.words import phrases
from guard.types import Options

ANNA, BERT = "cookie:anna", "hf:bert"
BRIEF = Options(system="Be brief.", temperature=0.2)
SECRET = "Kakapo"  # stands in all that Anna keeps, and in nothing else


def said(turn_id: str, **values: Any) -> Reply:
    given = {"run": 0, "step": 0, "lane": 0, "model": {"id": "a/b"}, "state": "done"}
    return Reply(id=new_id(), turn_id=turn_id, **given | values)


async def kept(store: Store, owner: str, word: str) -> str:
    """A conversation with a reply, a shared copy, files and settings, all of which hold a word."""
    conversation = await store.start(owner, f"Where is the {word}?", "a/b", "warn")
    sent, unsent = (
        Attachment(owner=owner, name=f"{word}.txt", kind="text", text=word, content=word.encode())
        for _ in range(2)
    )
    await store.attach(sent)
    await store.attach(unsent)
    question = f"Where is the {word}?"
    turn_id = (await store.add_turn(owner, conversation.id, question, None, [sent.id])).turn.id
    reply = said(turn_id, text=f"The {word} sleeps.", thoughts=f"{word}!", options={"system": word})
    await store.add_reply(reply)
    await store.rate(owner, conversation.id, reply.id, not_withheld=True)
    await store.share(owner, conversation.id, {"title": word})
    await keep_options(store, owner, "a/b", Options(system=f"Speak as a {word}."))
    await store.prefer(owner, model=f"birds/{word}", theme="dark")
    return conversation.id


async def rows_of(store: Store) -> dict[str, int]:
    async with store.session() as session:
        tables = Base.metadata.sorted_tables
        counts = [await session.scalar(select(func.count()).select_from(one)) for one in tables]
    return {table.name: count or 0 for table, count in zip(tables, counts, strict=True)}


# --- options --------------------------------------------------------------------------------------


async def test_options_are_kept_by_owner_and_model(store: Store) -> None:
    await keep_options(store, ANNA, "a/b", Options(system="Sing."))
    await keep_options(store, ANNA, "a/b", BRIEF)
    await keep_options(store, ANNA, "c/d", Options(max_tokens=5))
    await keep_options(store, BERT, "a/b", Options(top_p=1))
    assert await options_of(store, ANNA) == {"a/b": BRIEF, "c/d": Options(max_tokens=5)}
    assert await options_of(store, BERT) == {"a/b": Options(top_p=1)}


async def test_options_that_are_emptied_leave_no_row(store: Store) -> None:
    await keep_options(store, ANNA, "a/b", BRIEF)
    await keep_options(store, ANNA, "a/b", Options())
    await keep_options(store, ANNA, "never/set", Options())
    assert (await rows_of(store))["model_options"] == 0


async def test_what_is_set_at_once_from_two_pages_is_kept(store: Store) -> None:
    """Neither page fails because the other one made the row first."""
    for n in range(5):
        owner = f"cookie:{n}"
        await asyncio.gather(
            *(keep_options(store, owner, "a/b", Options(max_tokens=k + 1)) for k in range(4)),
            store.prefer(owner, theme="dark"),
            store.prefer(owner, model="a/b"),
            store.prefer(owner, mode="warn"),
        )
        found = await store.preferences(owner)
        assert (found.theme, found.model, found.mode) == ("dark", "a/b", "warn")
        assert (await options_of(store, owner))["a/b"].max_tokens in range(1, 5)


# --- votes ----------------------------------------------------------------------------------------


async def test_a_vote_is_kept_by_run_changed_and_taken_back(store: Store) -> None:
    id_ = (await store.start(ANNA, "Why?", "a/b", "compare")).id
    turn_id = (await store.add_turn(ANNA, id_, "Why?", None)).turn.id
    for run in (0, 1):
        for lane in (0, 1):
            await store.add_reply(said(turn_id, run=run, step=lane, lane=lane, text="So."))

    async def voted() -> dict[str, str] | None:
        return turn_of(await store.conversation(ANNA, id_), turn_id).votes

    await store.vote(ANNA, id_, turn_id, 1, "first")
    await store.vote(ANNA, id_, turn_id, 1, "neither")
    await store.show(ANNA, id_, turn_id, 0)
    await store.vote(ANNA, id_, turn_id, 0, "both")
    assert await voted() == {"0": "both", "1": "neither"}
    await store.vote(ANNA, id_, turn_id, 0, None)
    assert await voted() == {"1": "neither"}
    with pytest.raises(NotFound):
        await store.vote(ANNA, id_, turn_id, 1, "both")  # which is not shown
    with pytest.raises(NotFound):
        await store.vote(BERT, id_, turn_id, 0, "both")


async def test_there_is_no_vote_where_no_two_replies_stand_side_by_side(store: Store) -> None:
    id_ = (await store.start(ANNA, "Why?", "a/b", "fall back")).id
    turn_id = (await store.add_turn(ANNA, id_, "Why?", None)).turn.id
    await store.add_reply(said(turn_id, text="No."))
    await store.add_reply(said(turn_id, step=1, text="So."))
    await store.add_reply(said(turn_id, step=2, lane=1, text=" ", state="failed"))
    with pytest.raises(NotFound):
        await store.vote(ANNA, id_, turn_id, 0, "first")


# --- what is stored -------------------------------------------------------------------------------


async def test_nothing_is_stored_of_who_never_came(store: Store) -> None:
    assert await stored(store, ANNA) == Stored(
        conversations=0,
        messages=0,
        characters=0,
        deleted=0,
        shares=0,
        files=0,
        settings=0,
        since=None,
    )


async def test_what_is_stored_is_counted_for_its_owner_alone(store: Store) -> None:
    first = await kept(store, ANNA, SECRET)
    gone = await kept(store, ANNA, SECRET)
    await kept(store, BERT, "Weka")
    turn_id = (await store.add_turn(ANNA, first, "六四?", None)).turn.id
    await store.add_reply(said(turn_id, text="Yes.", thoughts=None))
    await store.change(ANNA, gone, deleted_at=now())
    began = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    await store.change(ANNA, first, created_at=began)
    words = ("Where is the Kakapo?", "The Kakapo sleeps.", "Kakapo!", "六四?", "Yes.")
    assert await stored(store, ANNA) == Stored(
        conversations=1,
        messages=4,
        characters=len("".join(words)),
        deleted=1,
        shares=1,  # that of the deleted one went at once
        files=4,
        settings=3,  # theme, default model, one model's options
        since=began,
    )


# --- deletion -------------------------------------------------------------------------------------


async def test_all_of_a_readers_rows_go_and_nobody_elses(store: Store) -> None:
    ids = [await kept(store, ANNA, SECRET) for _ in range(3)]
    await store.change(ANNA, ids[0], deleted_at=now())
    theirs = await kept(store, BERT, "Weka")
    assert set(await conversations_of(store, ANNA)) == set(ids)
    assert set(await erase(store, ANNA)) == set(ids)
    assert await rows_of(store) == {
        "conversation": 1,
        "turn": 1,
        "reply": 1,
        "dispute": 1,
        "indexed": 3,  # Bert's title, question and reply
        "share": 1,
        "preferences": 1,
        "model_options": 1,
        "attachment": 2,
        **dict.fromkeys(("api_key", "setting", "admin_action"), 0),  # the operator's
    }
    assert await search(store, ANNA, phrases(SECRET)) == []
    assert [found.conversation.id for found in await search(store, BERT, phrases("Weka"))] == [
        theirs
    ]
    assert await erase(store, ANNA) == []


async def test_all_goes_or_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last table cannot be written, the first is as it was."""
    id_ = await kept(store, ANNA, SECRET)
    before = await rows_of(store)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE preferences RENAME TO elsewhere")
    with pytest.raises(Exception, match="preferences"):
        await erase(store, ANNA)
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO preferences")
    assert await rows_of(store) == before
    assert (await store.conversation(ANNA, id_)).title


def files_with(word: str, folder: Path) -> list[str]:
    """The files that hold a word, in any case: the search's index has it in small letters."""
    wanted = word.lower().encode()
    return sorted(path.name for path in folder.iterdir() if wanted in path.read_bytes().lower())


@pytest.mark.parametrize("how", ["erased", "forgotten"])
async def test_no_word_lingers_in_the_files(file: Path, how: str) -> None:
    """SQLite's file, its log and the search's index; other readers' words stay."""
    store = await Store(address(file)).open()
    ids = [await kept(store, ANNA, SECRET) for _ in range(3)]
    await kept(store, BERT, "Weka")
    assert files_with(SECRET, file.parent)
    if how == "erased":
        await erase(store, ANNA)
    else:
        for id_ in ids:
            await store.change(ANNA, id_, deleted_at=now())
        async with store.session() as session:  # options and preferences are no conversation's
            for table in (ModelOptions, Preferences):
                for row in await session.scalars(select(table).where(table.owner == ANNA)):
                    await session.delete(row)
        await store.forget(now())
    assert files_with(SECRET, file.parent) == []
    assert files_with("Weka", file.parent) == [file.name]
    await store.close()


async def test_readers_and_writers_go_on_meanwhile(store: Store) -> None:
    """Who reads or writes while a reader's data goes neither fails nor brings any of it back."""
    for _ in range(5):
        await kept(store, ANNA, SECRET)

    async def others() -> Sequence[str]:
        ids = [await kept(store, BERT, "Weka") for _ in range(5)]
        assert len(await search(store, BERT, phrases("Weka"))) == 5
        return ids

    _, ids = await asyncio.gather(erase(store, ANNA), others())
    async with store.session() as session:
        owners = set(await session.scalars(select(Conversation.owner)))
        assert set(await session.scalars(select(Share.owner))) == owners == {BERT}
    assert {one.id for one in await store.conversations(BERT)} == set(ids)
