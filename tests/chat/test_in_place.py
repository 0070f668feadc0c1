"""One turn read with what surrounds it: the same as a whole conversation tells, in both databases.

How a question's statements grow with its conversation is counted over the running app.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from served import LLAMA, SOUP, Page, Site
from sqlalchemy import event, text

from chat.answering import added_and_told, placed_and_told
from chat.in_place import InPlace, in_place, places, replied
from chat.store import Attachment, Conversation, NotFound, Reply, Store, Turn, new_id, now
from chat.talk import Asked

ANNA, BEN = "cookie:anna", "cookie:ben"
GROWING = "UPDATE reply SET text=?, thoughts=? WHERE reply.id = ? AND reply.state"
SETTINGS = "SELECT setting."


def said(turn_id: str, words: str = "So.", **values: Any) -> Reply:
    given = {"run": 0, "step": 0, "lane": 0, "state": "done", "model": {"id": "a/b"}} | values
    return Reply(id=new_id(), turn_id=turn_id, text=words, **given)


def long_conversation(owner: str, turns: int) -> Conversation:
    """Questions one after the other, each answered."""
    whole = Conversation(id=new_id(), owner=owner, title="Long", model=LLAMA, mode="warn")
    for number in range(turns):
        turn = Turn(id=new_id(), conversation_id=whole.id, question=f"Question {number}?")
        turn.parent_id, turn.parent_run, turn.shown_run = whole.leaf_id, None, 0
        turn.created_at, turn.files = now(), []
        turn.replies = [said(turn.id, f"Answer {number}.", served={"provider": "novita"})]
        whole.turns.append(turn)
        whole.leaf_id = turn.id
    return whole


@pytest.fixture
async def branched(store: Store) -> str:
    """A conversation with an edited question, another run, two lanes, a withheld reply, a file."""
    file = Attachment(id=new_id(), owner=ANNA, name="a.txt", kind="text", text="In it.", read=6)
    await store.attach(file)
    first = Turn(question="Why?", files=[file.id])
    id_ = (await store.start(ANNA, "Why?", "a/b", "warn", first=first)).id
    served = {"provider": "novita", "origin": "US"}
    await store.add_reply(said(first.id, "No.", verdict={"status": "withheld"}, served=served))
    await store.add_reply(said(first.id, "It was so.", step=1, model={"id": "c/d"}))
    await store.add_turn(ANNA, id_, "Never shown?", first.id)
    await store.add_reply(said(first.id, "Otherwise.", run=1, served=served))
    then = (await store.add_turn(ANNA, id_, "And then?", first.id)).turn.id
    await store.add_reply(said(then, "This.", served={"provider": "together"}))
    await store.add_reply(said(then, "Or this.", step=1, lane=1, verdict={"status": "clean"}))
    edited = (await store.add_turn(ANNA, id_, "And if?", first.id)).turn.id
    await store.add_reply(said(edited, " ", state="failed"))
    last = (await store.add_turn(ANNA, id_, "Whence?", edited)).turn.id
    await store.add_reply(said(last, "Thence.", served={"provider": "nebius"}))
    return id_


def drawn_from(place: InPlace) -> tuple[Any, ...]:
    files, replies = [one.id for one in place.files], [one.id for one in place.turn.replies]
    return place.turn.id, place.path, place.siblings, files, replies, place.last


async def test_a_turn_stands_as_in_the_whole_conversation(store: Store, branched: str) -> None:
    whole = [*places(await store.conversation(ANNA, branched))]
    assert [place.turn.question for place in whole] == ["Why?", "And if?", "Whence?"]
    assert [len(place.siblings) for place in whole] == [1, 2, 1]
    assert [place.last for place in whole] == [False, False, True]
    for place in whole:
        alone = await in_place(store, ANNA, branched, place.turn.id)
        assert drawn_from(alone) == drawn_from(place)
        for reply in place.turn.replies:
            found = await replied(store, ANNA, branched, reply.id)
            assert drawn_from(found) == drawn_from(place)
            assert found.reply(reply.id).text == reply.text
    last = await in_place(store, ANNA, branched, whole[-1].turn.id)
    assert last.served == whole[-1].served == {"a/b": "novita"}


@pytest.mark.parametrize("place", ["at the end", "edited", "of the first run", "first", "files"])
async def test_a_turn_that_was_just_added_stands_as_it_is_read(
    store: Store, branched: str, place: str
) -> None:
    whole = await store.conversation(ANNA, branched)
    first, leaf = whole.turns[0], str(whole.leaf_id)
    parent, run, files = {
        "at the end": (leaf, None, []),
        "edited": (first.id, first.shown_run, []),
        "of the first run": (first.id, 0, []),
        "first": (None, None, []),
        "files": (leaf, None, first.files),
    }[place]
    added = await store.add_turn(ANNA, branched, "New?", parent, files, parent_run=run)
    known, told = await added_and_told(store, added)
    read, also_told = await placed_and_told(store, ANNA, branched, added.turn.id)
    assert drawn_from(known) == drawn_from(read)
    assert known.siblings[-1] == added.turn.id
    assert known.served == read.served == {}
    assert (known.conversation.id, known.turn.parent_run) == (branched, read.turn.parent_run)
    assert known.turn.shown() == []
    assert [each[:2] for each in told] == [each[:2] for each in also_told]
    assert told[-1].question == "New?"


async def talk(store: Store, conversation: str, turn: str) -> list[Asked]:
    return (await placed_and_told(store, ANNA, conversation, turn))[1]


async def test_what_a_model_is_told_follows_the_shown_way(store: Store, branched: str) -> None:
    whole = await store.conversation(ANNA, branched)
    told = await talk(store, branched, str(whole.leaf_id))
    assert [(one.question, one.answer) for one in told] == [
        ("Why?", "Otherwise."),
        ("And if?", None),
        ("Whence?", "Thence."),
    ]
    assert [[file.name for file in one.files] for one in told] == [["a.txt"], [], []]
    (then,) = [turn.id for turn in whole.turns if turn.question == "And then?"]
    assert [one.answer for one in await talk(store, branched, then)] == [
        "Otherwise.",
        "This.",  # of two side by side that of the model that was picked
    ]
    await store.show(ANNA, branched, whole.turns[0].id, 0)
    first = whole.turns[0]
    assert await answers(store, branched, first.id) == ["It was so."]  # which does not withhold
    await store.choose(ANNA, branched, first.id, first.replies[0].id)
    assert await answers(store, branched, first.id) == ["No."]


async def answers(store: Store, conversation: str, turn: str) -> list[str | None]:
    return [one.answer for one in await talk(store, conversation, turn)]


async def test_nobody_reads_a_turn_of_anothers(store: Store, branched: str) -> None:
    first = (await store.conversation(ANNA, branched)).turns[0]
    own = Turn(question="Mine?", files=[])
    other = (await store.start(BEN, "Mine?", "a/b", "warn", first=own)).id
    for owner, conversation in ((BEN, branched), (BEN, other), (ANNA, new_id())):
        for attempt in (
            in_place(store, owner, conversation, first.id),
            replied(store, owner, conversation, first.replies[0].id),
            placed_and_told(store, owner, conversation, first.id),
        ):
            with pytest.raises(NotFound):
                await attempt
    mine = await in_place(store, BEN, other, own.id)
    assert mine.alone
    with pytest.raises(NotFound):
        mine.reply(first.replies[0].id)
    with pytest.raises(NotFound):
        await store.start(BEN, "Why?", "a/b", "warn", first=Turn(question="?", files=first.files))
    assert len(await store.conversations(BEN)) == 1, "and nothing is begun"


# --- how much a question reads and writes ---------------------------------------------------------


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The SQL that runs, but what is written of growing replies and read of settings meanwhile."""
    ran: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if statement.startswith(GROWING):
            ran.remove("BEGIN IMMEDIATE")
        elif not statement.startswith(SETTINGS):
            ran.append(statement)

    assert store._threads is not None
    engines = (store.engine.sync_engine, store._threads.engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield ran
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@asynccontextmanager
async def beside(site: Site) -> AsyncIterator[Store]:
    """A store over the running app's database."""
    store = await Store(str(site.app.state.chat.store.url)).open()
    yield store
    await store.close()


async def test_a_long_conversation_takes_no_more_statements(site: Site, page: Page) -> None:
    owner = f"cookie:{page.state() and page.http.cookies['candor_reader']}"
    ran: dict[int, list[str]] = {}
    for turns in (2, 60):
        whole = long_conversation(owner, turns)
        async with beside(site) as store:
            await store.add(whole)
        with statements(site.app.state.chat.store) as ran[turns]:
            page.answered(SOUP, whole.id)
    assert len(ran[60]) == len(ran[2]) < 30
    assert ran[60].count("BEGIN IMMEDIATE") == 3, "the question, the reply, its end"


async def test_a_new_conversation_is_written_in_three_transactions(site: Site, page: Page) -> None:
    page.state()
    with statements(site.app.state.chat.store) as ran:
        page.answered(SOUP)
    assert ran.count("BEGIN IMMEDIATE") == 3


async def test_what_is_not_needed_of_earlier_replies_is_not_decoded(site: Site, page: Page) -> None:
    """It cannot be: what stands there is no JSON."""
    owner = f"cookie:{page.state() and page.http.cookies['candor_reader']}"
    whole = long_conversation(owner, 3)
    async with beside(site) as store:
        await store.add(whole)
        broken = text("UPDATE reply SET calls='{', fault='{', options='{' WHERE turn_id=:turn")
        for turn in whole.turns:
            await store.write(lambda session, t=turn: session.execute(broken, {"turn": t.id}))
        with pytest.raises(ValueError, match="Expecting property name"):
            await store.conversation(owner, whole.id)
    assert page.answered(SOUP, whole.id) == whole.id
