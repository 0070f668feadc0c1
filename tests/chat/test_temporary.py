"""Temporary conversations: all that others can, and nothing of it on any disk or in any list."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, Site, page_of, settles
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from test_continue import ids

from chat.memory import Full, MemoryStore
from chat.store import Conversation, NotFound, Reply, Turn
from chat.store.tables import Indexed

SECRET = "a zebrafinch in my attic"


def temporary(page: Page, question: str = SECRET, **changes: Any) -> str:
    """A temporary conversation with an answer."""
    return page.answered(question, temporary=True, **changes)


def turns(page: Page, id_: str) -> int:
    return len(ids("turn", page.state(id_)["thread"]))


# --- what it can, and what it leaves --------------------------------------------------------------


def test_nothing_of_it_is_on_disk_in_a_list_or_in_the_log(
    page: Page, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    page.answered("an owl that is stored")
    with caplog.at_level(logging.DEBUG):
        asked = page.ask(SECRET, temporary=True)
        id_ = asked["conversation"]
        end = page.whole(id_)[-1][1]
        page.answered("and its zebrafinch chicks?", id_, temporary=True, mode="compare")
        turn = ids("turn", page.state(id_)["thread"])[0]
        page.post(f"/conversations/{id_}/turns/{turn}/edit", question="a zebrafinch elsewhere")
        page.whole(id_)
    assert (asked["entry"], end["entry"]) == (None, None)
    assert (asked["title"], end["title"]) == ("Temporary chat", "Temporary chat")
    assert not end["titling"]
    state = page.state(id_)
    assert state["temporary"]
    assert id_ not in state["sidebar"]
    assert "an owl" in state["sidebar"]
    for query in ("zebrafinch", "temporary chat"):
        assert id_ not in page.http.get("/candor/search", params={"q": query}).json()["results"]
    assert "zebrafinch" not in page.http.get("/candor/export").text
    for path in ("export.json", "export.md", "shares"):
        assert page.http.get(f"/candor/conversations/{id_}/{path}").status_code == 404, path
    assert page.post(f"/conversations/{id_}/shares").status_code == 404
    folder: Path = site.app.state.settings.data
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name.endswith("-wal") for file in files)
    stored = b"".join(file.read_bytes() for file in files)
    assert b"an owl that is stored" in stored
    assert b"zebrafinch" not in stored
    assert id_.encode() not in stored
    assert "zebrafinch" not in caplog.text


def test_its_files_are_on_no_disk_and_go_along_with_what_is_kept(
    page: Page, stranger: Page, site: Site, host: replies.Host
) -> None:
    sent = page.http.post("/candor/files?name=a.txt&temporary=true", content=b"A kakapo, in words")
    file = sent.raise_for_status().json()["id"]
    shown = f"/candor/files/{file}"
    assert page.http.get(shown).text == "A kakapo, in words"
    assert stranger.http.get(shown).status_code == 404
    assert (
        page.post("/ask", question=SOUP, model=LLAMA, mode="off", files=[file]).status_code == 409
    )
    id_ = temporary(page, SOUP, files=[file])
    assert "A kakapo, in words" in host.asked[-1].body["messages"][-1]["content"]
    reply = ids("reply", page.state(id_)["thread"])[0]
    folder: Path = site.app.state.settings.data
    assert b"kakapo" not in b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
    fork = page.post(f"/conversations/{id_}/replies/{reply}/fork").json()["conversation"]
    kept = page.post(f"/conversations/{id_}/temporary/keep").json()["conversation"]
    assert page.http.get(shown).status_code == 404
    for copy in (fork, kept):
        (copied,) = re.findall(r'href="(/candor/files/\w+)"', page.state(copy)["thread"])
        assert page.http.get(copied).text == "A kakapo, in words"


def test_the_readers_own_settings_hold_in_it(page: Page, host: replies.Host) -> None:
    body = {"model": LLAMA, "options": {"system": "Speak as a zebrafinch."}}
    page.http.put("/candor/settings/model", json=body).raise_for_status()
    temporary(page, SOUP)
    assert host.asked[-1].body["messages"][0]["content"] == "Speak as a zebrafinch."


def test_it_goes_with_all_else_that_is_the_readers(page: Page, site: Site) -> None:
    cookie = page.http.cookies
    id_ = temporary(page)
    running = page.ask("show many words fault:slow", temporary=True)["conversation"]
    kept = {"candor_reader": cookie["candor_reader"]}
    page.http.delete("/candor/data").raise_for_status()
    page.http.cookies.update(kept)
    assert page.state(id_)["conversation"] is None
    assert page.state(running)["conversation"] is None


def test_everything_else_works_in_it(page: Page, host: replies.Host) -> None:
    id_ = temporary(page, TIANANMEN, model=QWEN, mode="fall back")
    thread = page.state(id_)["thread"]
    assert "guard amber" in thread
    assert "opened fire" in thread
    (turn,) = ids("turn", thread)
    reply = ids("reply", thread)[0]
    page.post(f"/conversations/{id_}/turns/{turn}/retry", model=LLAMA).raise_for_status()
    page.whole(id_)
    assert "2 of 2" in page.state(id_)["thread"]
    back = page.post(f"/conversations/{id_}/turns/{turn}/show", run=0).json()["thread"]
    assert "1 of 2" in back
    rated = page.post(f"/conversations/{id_}/replies/{reply}/rate", feedback="good").json()
    assert 'aria-pressed="true"' in rated["html"]
    assert page.patch(f"/conversations/{id_}", mode="off").json() == {
        "entry": None,
        "title": "Temporary chat",
    }
    stalled = page.ask(f"{SOUP} fault:stall", id_, temporary=True)
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    assert page.state(id_)["running"]
    assert stalled["path"] == ids("turn", page.state(id_)["thread"])
    page.post(f"/conversations/{id_}/stop")
    assert "You stopped this reply here" in page.state(id_)["thread"]
    cut = ids("reply", page.state(id_)["thread"])[-1]
    page.post(f"/conversations/{id_}/replies/{cut}/continue").raise_for_status()
    page.post(f"/conversations/{id_}/stop")
    fork = page.post(f"/conversations/{id_}/replies/{reply}/fork").json()
    assert fork["entry"] is None
    assert page.state(fork["conversation"])["temporary"]


def test_nobody_else_has_it(page: Page, stranger: Page) -> None:
    id_ = temporary(page)
    (turn,) = ids("turn", page.state(id_)["thread"])
    assert stranger.state(id_)["conversation"] is None
    for method, path in (
        ("GET", "/events"),
        ("POST", "/stop"),
        ("POST", f"/turns/{turn}/retry"),
        ("POST", "/temporary/keep"),
        ("DELETE", "/temporary"),
    ):
        url = f"/candor/conversations/{id_}{path}"
        assert stranger.http.request(method, url, json={}).status_code == 404, path
    body = {"question": "Mine?", "model": LLAMA, "mode": "warn", "temporary": True}
    assert stranger.post("/ask", conversation=id_, **body).status_code == 404
    assert turns(page, id_) == 1
    with page_of(page.http.base_url.__str__(), **{"x-candor": ""}) as bare:
        del bare.http.headers["x-candor"]
        for method, path in (("POST", "/temporary/keep"), ("DELETE", "/temporary")):
            url = f"/candor/conversations/{id_}{path}"
            assert bare.http.request(method, url, json={}).status_code == 403


def test_who_leaves_it_lets_it_go_and_what_is_asked_there_then_is_not_stored(
    page: Page, host: replies.Host
) -> None:
    id_ = str(page.ask(f"{SOUP} fault:stall", temporary=True)["conversation"])
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    assert page.http.delete(f"/candor/conversations/{id_}/temporary").status_code == 200
    assert host.settles(lambda: host.answering == 0)
    state = page.http.get("/candor/state", params={"c": id_, "temporary": "true"}).json()
    assert (state["conversation"], state["temporary"]) == (None, True)
    assert state["notice"] == "That temporary chat is gone."
    body = {"question": SECRET, "model": LLAMA, "mode": "warn", "temporary": True}
    assert page.post("/ask", conversation=id_, **body).status_code == 404
    stored = page.answered(SOUP)
    assert page.post("/ask", conversation=stored, **body).status_code == 404
    assert page.http.delete(f"/candor/conversations/{stored}/temporary").status_code == 404
    assert turns(page, stored) == 1


def test_one_may_be_kept_after_all(page: Page) -> None:
    id_ = temporary(page, TIANANMEN, model=QWEN)
    (turn,) = ids("turn", page.state(id_)["thread"])
    page.post(f"/conversations/{id_}/turns/{turn}/retry", model=LLAMA)
    assert page.post(f"/conversations/{id_}/temporary/keep").status_code == 409
    page.whole(id_)
    kept = page.post(f"/conversations/{id_}/temporary/keep").json()
    state = page.state(kept["conversation"])
    assert (state["title"], state["temporary"]) == (TIANANMEN, False)
    assert kept["conversation"] in kept["entry"]
    assert kept["conversation"] in state["sidebar"]
    assert "2 of 2" in state["thread"]
    assert page.state(id_)["conversation"] is None
    assert page.post(f"/conversations/{id_}/temporary/keep").status_code == 404


# --- the store ------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def memory(clock: Clock) -> AsyncIterator[MemoryStore]:
    opened = await MemoryStore(silence=100, most=4, of_a_reader=2, clock=clock).open()
    yield opened
    await opened.close()


async def begun(memory: MemoryStore, owner: str = "anna") -> str:
    conversation = await memory.start(owner, "Why?", LLAMA, "warn")
    turn = (await memory.add_turn(owner, conversation.id, "Why?", None)).turn.id
    model = {"id": LLAMA, "name": "Llama"}
    reply = Reply(turn_id=turn, run=0, step=0, model=model, text="So.", state="done")
    await memory.add_reply(reply)
    return conversation.id


async def rows(memory: MemoryStore) -> list[int]:
    async with memory.session() as session:
        tables = (Conversation, Turn, Reply, Indexed)
        return [len((await session.scalars(select(table))).all()) for table in tables]


async def test_one_that_nobody_uses_goes_with_all_its_rows(
    memory: MemoryStore, clock: Clock
) -> None:
    silent, used = await begun(memory), await begun(memory)
    assert await rows(memory) == [2, 2, 2, 6]
    clock.now = 60
    assert memory.holds(used)
    clock.now = 120
    assert not memory.holds(silent), "though nothing has swept yet"
    assert memory.holds(used)
    await memory.drop_silent()
    assert await rows(memory) == [1, 1, 1, 3]
    with pytest.raises(NotFound):
        await memory.conversation("anna", silent)


async def test_a_readers_oldest_makes_room_and_nobody_elses_does(
    memory: MemoryStore, clock: Clock
) -> None:
    first = await begun(memory)
    clock.now += 1
    second = await begun(memory)
    clock.now += 1
    assert memory.holds(first)
    clock.now += 1
    third = await begun(memory)
    assert [memory.holds(id_) for id_ in (first, second, third)] == [True, False, True]
    for _ in range(2):
        await begun(memory, "ben")
    with pytest.raises(Full):
        await begun(memory, "cem")
    assert len(await memory.conversations("anna")) == 2
    clock.now += 1000
    assert await begun(memory, "cem")


async def test_its_memory_is_bounded_and_a_full_one_still_reads_and_lets_go() -> None:
    memory = await MemoryStore(pages=200).open()
    id_ = await begun(memory)

    async def fill() -> None:
        for _ in range(100):
            await memory.add_turn("anna", id_, f"{SECRET} " * 2000, None)

    with pytest.raises(DBAPIError, match="full") as caught:
        await fill()
    assert SECRET not in str(caught.value)
    assert (await memory.conversation("anna", id_)).title == "Why?"
    await memory.drop([id_])
    assert await rows(memory) == [0, 0, 0, 0]
    assert await begun(memory)
    await memory.close()


async def test_a_request_that_is_cut_off_takes_nobodys_conversation_along(
    memory: MemoryStore,
) -> None:
    """SQLAlchemy closes the connection of a query that is cancelled."""
    id_ = await begun(memory)
    for _ in range(3):
        reading = [asyncio.create_task(memory.conversation("anna", id_)) for _ in range(8)]
        await asyncio.sleep(0.002)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    assert (await memory.conversation("anna", id_)).turns


async def test_writes_at_once_are_all_there_and_two_stores_are_apart(memory: MemoryStore) -> None:
    id_ = await begun(memory)
    await asyncio.gather(*(memory.add_turn("anna", id_, f"{n}?", None) for n in range(12)))
    assert len((await memory.conversation("anna", id_)).turns) == 13
    other = await MemoryStore().open()
    assert await rows(other) == [0, 0, 0, 0]
    await other.close()
    async with memory.engine.connect() as connection:
        kept = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
        spills = (await connection.exec_driver_sql("PRAGMA temp_store")).scalar()
    assert (kept, spills) == ("memory", 2)
