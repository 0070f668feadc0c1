"""Running replies over a real store: races, faults of the database, and what watchers are told.

The source of events is the seam: a test writes down what a guard would say.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from chat.live import EventSource, Live, LiveReplies
from chat.render import View
from chat.store import Reply, Store, Turn
from chat.store.database import execute_all
from chat.store.loading import turn_of
from chat.stream import PAUSE, Watcher, watch
from guard.catalogue import Catalogue, load
from guard.events import Delta, Done, Event, Exhausted, Failed, FellBack, Judged, Started, Thought
from guard.provenance import served_by
from guard.providers import Connection
from guard.types import Verdict

OWNER = "cookie:anna"
CATALOGUE: Catalogue = load()
FIRST, SECOND = CATALOGUE.models[0], CATALOGUE.chain("CN")[0]
VIEW = View("en", CATALOGUE, Connection(base_url="http://127.0.0.1:9/v1"))
WITHHELD = Verdict(conduct="refused", status="withheld", score=0.9, topic="tiananmen-1989")
BLOCK = re.compile('<div class="block">(.*?)</div>', re.DOTALL)
START = Started(attempt=0, model=FIRST)


def word(text: str, attempt: int = 0) -> Delta:
    return Delta(attempt=attempt, text=text)


def done(attempt: int = 0, why: str = "stop") -> Done:
    served = served_by("novita", FIRST.id, None)
    return Done(attempt=attempt, finish_reason=why, served=served, seconds=0.5)


def judged(verdict: Verdict = WITHHELD, attempt: int = 0) -> Judged:
    return Judged(attempt=attempt, verdict=verdict, action="warn", final=True)


def timed(first: float | None, guard: float, attempt: int = 0) -> Done:
    return done(attempt).model_copy(update={"first_seconds": first, "guard_seconds": guard})


class Told:
    """A source of events that tells what it has, then waits to be let go on."""

    def __init__(self, *events: Event, then: tuple[Event, ...] = (done(),)) -> None:
        self.before, self.after = events, then
        self.go = asyncio.Event()
        self.closed = False

    async def __call__(self) -> AsyncIterator[Event]:
        try:
            for event in self.before:
                yield event
            await self.go.wait()
            for event in self.after:
                yield event
        finally:
            self.closed = True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "candor.sqlite3"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    opened = await Store(f"sqlite+aiosqlite:///{file}?timeout=0.2").open()
    yield opened
    await opened.close()


@pytest.fixture
async def replies(store: Store) -> AsyncIterator[LiveReplies]:
    running = LiveReplies(store)
    yield running
    await running.close()


class Place:
    """A turn of a conversation, to run replies in."""

    def __init__(self, store: Store, conversation: str, turn: str) -> None:
        self.store, self.conversation, self.turn_id = store, conversation, turn

    async def turn(self) -> Turn:
        return turn_of(await self.store.conversation(OWNER, self.conversation), self.turn_id)

    async def kept(self) -> list[Reply]:
        return (await self.turn()).replies


@pytest.fixture
async def place(store: Store) -> Place:
    conversation = await store.start(OWNER, "Why?", FIRST.id, "warn")
    turn = (await store.add_turn(OWNER, conversation.id, "Why?", None)).turn.id
    return Place(store, conversation.id, turn)


async def begin(
    replies: LiveReplies, place: Place, source: EventSource, run: int = 0, step: int = 0
) -> Live:
    return await replies.begin(place.conversation, place.turn_id, source, run=run, step=step)


async def until(reached: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while True:
            now = reached()
            if await now if isinstance(now, Awaitable) else now:
                return
            await asyncio.sleep(0.005)


async def over(live: Live) -> None:
    await until(lambda: not live.running)


@asynccontextmanager
async def without_table(store: Store) -> AsyncIterator[None]:
    """A database that refuses every write of a reply."""
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE reply RENAME TO elsewhere")
    yield
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO reply")


# --- what is kept -----------------------------------------------------------------------------


async def test_every_step_is_kept(replies: LiveReplies, place: Place) -> None:
    source = Told(
        START,
        Thought(attempt=0, text="Hm."),
        word("I can"),
        word("not say."),
        judged(),
        done(),
        FellBack(attempt=0, to=SECOND, cause="withheld"),
        Started(attempt=1, model=SECOND, cause="withheld"),
        word("It was so.", 1),
        then=(done(1),),
    )
    source.go.set()
    await over(await begin(replies, place, source))
    first, second = await place.kept()
    assert (first.text, first.thoughts) == ("I cannot say.", "Hm.")
    assert (first.state, first.step, first.finish_reason) == ("done", 0, "stop")
    assert (first.status, first.action) == ("withheld", "warn")
    assert first.served == done().served.model_dump()
    assert (second.text, second.step, second.cause) == ("It was so.", 1, "withheld")
    assert second.model["id"] == SECOND.id
    assert (await place.store.conversations(OWNER))[0].withheld


async def test_a_failure_and_an_exhausted_chain_are_kept(
    replies: LiveReplies, place: Place
) -> None:
    failed = Failed(attempt=0, kind="rate_limited", message="slow down", retry_after=7)
    source = Told(START, failed, then=(Exhausted(cause="failed", tried=(FIRST.id,)),))
    source.go.set()
    await over(await begin(replies, place, source))
    (reply,) = await place.kept()
    assert (reply.state, reply.exhausted) == ("failed", "failed")
    assert reply.fault == {"kind": "rate_limited", "message": "slow down", "retry_after": 7}


async def test_times_are_kept_where_they_are_known(replies: LiveReplies, place: Place) -> None:
    events = (START, word("So."), timed(0.2, 0.03), Started(attempt=1, model=SECOND))
    source = Told(*events, word("So.", 1), then=(timed(None, 0, 1),))
    source.go.set()
    await over(await begin(replies, place, source))
    first, second = await place.kept()
    assert (first.first_seconds, first.guard_seconds) == (0.2, 0.03)
    assert (second.first_seconds, second.guard_seconds) == (None, None)


async def test_what_is_no_text_is_not_kept(replies: LiveReplies, place: Place) -> None:
    source = Told(START, Thought(attempt=0, text="\ud800"), word("a\x00b"))
    source.go.set()
    await over(await begin(replies, place, source))
    assert [(r.text, r.thoughts) for r in await place.kept()] == [("a\ufffdb", "\ufffd")]


async def test_a_source_that_breaks_leaves_a_failed_reply(
    replies: LiveReplies, place: Place
) -> None:
    async def broken() -> AsyncIterator[Event]:
        yield START
        yield word("Half of")
        raise ZeroDivisionError

    await over(await begin(replies, place, broken))
    (reply,) = await place.kept()
    assert (reply.text, reply.state) == ("Half of", "failed")
    assert reply.fault is not None


async def test_a_source_that_ends_without_an_end_is_interrupted(
    replies: LiveReplies, place: Place
) -> None:
    source = Told(START, word("Half of"), then=())
    source.go.set()
    await over(await begin(replies, place, source))
    assert [(r.text, r.state) for r in await place.kept()] == [("Half of", "interrupted")]


async def test_what_streams_is_kept_before_it_ends(replies: LiveReplies, place: Place) -> None:
    """A killed process loses half a second of a reply, not the reply."""

    async def slow() -> AsyncIterator[Event]:
        yield START
        for _ in range(1000):
            yield word("word ")
            await asyncio.sleep(0.01)

    await begin(replies, place, slow)

    async def on_disk() -> bool:
        return any(reply.text and reply.state == "streaming" for reply in await place.kept())

    await until(on_disk)


# --- stopping and races -----------------------------------------------------------------------


async def test_stop_ends_the_source_and_keeps_the_text(replies: LiveReplies, place: Place) -> None:
    source = Told(START, word("Half of"))
    live = await begin(replies, place, source)
    await until(lambda: live.version >= 2)
    await replies.stop(place.conversation)
    assert source.closed
    assert not live.running
    assert [(r.text, r.state) for r in await place.kept()] == [("Half of", "stopped")]


async def test_closing_interrupts_and_does_not_say_that_the_reader_stopped(
    replies: LiveReplies, place: Place
) -> None:
    live = await begin(replies, place, Told(START, word("Half of")))
    await until(lambda: live.version >= 2)
    await replies.close()
    assert [(r.text, r.state) for r in await place.kept()] == [("Half of", "interrupted")]


async def test_a_reply_stopped_at_once_is_still_a_reply(replies: LiveReplies, place: Place) -> None:
    live = await begin(replies, place, Told(START))
    await replies.stop(place.conversation)
    assert not live.running
    assert [reply.state for reply in await place.kept()] == ["stopped"]


async def test_stopping_twice_at_once_is_stopping(replies: LiveReplies, place: Place) -> None:
    live = await begin(replies, place, Told(START, word("Half")))
    await asyncio.gather(*(replies.stop(place.conversation) for _ in range(5)))
    assert not live.running
    assert [reply.state for reply in await place.kept()] == ["stopped"]
    await replies.stop(place.conversation)


async def test_of_many_that_begin_at_once_one_runs(replies: LiveReplies, place: Place) -> None:
    sources = [Told(START, word(f"{n}")) for n in range(6)]
    lives = await asyncio.gather(
        *(begin(replies, place, source, run=n) for n, source in enumerate(sources))
    )
    running = [live for live in lives if live.running]
    assert len(running) == 1
    assert replies.get(place.conversation) is running[0]
    await replies.stop(place.conversation)
    kept = await place.kept()
    assert sorted(reply.run for reply in kept) == list(range(6))
    assert {reply.state for reply in kept} == {"stopped"}


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["begin", "stop", "go", "pause"]), max_size=8))
def test_in_any_order_nothing_is_left_open(orders: list[str]) -> None:
    asyncio.run(in_order(orders))


async def in_order(orders: list[str]) -> None:
    store = await Store("sqlite+aiosqlite:///:memory:").open()
    conversation = await store.start(OWNER, "Why?", FIRST.id, "warn")
    place = Place(
        store, conversation.id, (await store.add_turn(OWNER, conversation.id, "Why?", None)).turn.id
    )
    replies = LiveReplies(store)
    tasks: list[asyncio.Task[Any]] = []
    sources = []
    for run, order in enumerate(orders):
        if order == "begin":
            sources.append(Told(START, word("Half of")))
            tasks.append(asyncio.create_task(begin(replies, place, sources[-1], run=run)))
        elif order == "stop":
            tasks.append(asyncio.create_task(replies.stop(conversation.id)))
        elif order == "go" and sources:
            sources[-1].go.set()
        await asyncio.sleep(0.002 if order == "pause" else 0)
    await asyncio.gather(*tasks)
    await replies.close()
    kept = await place.kept()
    await store.close()
    assert len(kept) == orders.count("begin")
    assert {reply.state for reply in kept} <= {"stopped", "done", "interrupted"}
    assert len(replies) == 0


async def test_a_stop_in_the_middle_of_a_write_loses_nothing(
    replies: LiveReplies, place: Place, file: Path
) -> None:
    """The verdict is being written (another process holds the database) when the stop comes."""
    acting = judged().model_copy(update={"final": False})
    source = Told(START, word("No."), then=(acting, word(" Never.")))
    live = await begin(replies, place, source)
    await until(lambda: live.version >= 2)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        source.go.set()
        await until(lambda: live.replies[0].verdict is not None)
        stopping = asyncio.create_task(replies.stop(place.conversation))
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
    await stopping
    (reply,) = await place.kept()
    assert (reply.state, reply.status) == ("stopped", "withheld")


async def test_finished_replies_are_let_go(replies: LiveReplies, place: Place) -> None:
    for run in range(5):
        source = Told(START, word("All of it."))
        source.go.set()
        await over(await begin(replies, place, source, run=run))
    await until(lambda: len(replies) == 0)
    assert replies.get(place.conversation) is None


async def test_a_lock_is_shared_by_those_who_hold_it_and_then_let_go(replies: LiveReplies) -> None:
    async with replies.alone("c"):
        assert replies.alone("c").locked()
        assert not replies.alone("d").locked()
    assert not replies.alone("c").locked()


# --- a database that refuses ------------------------------------------------------------------


class SmallDisk(Store):
    """A database that may have so many pages, as on a disk that is full then."""

    def _prepare(self, connection: Any, _: Any) -> None:
        super()._prepare(connection, _)
        execute_all(connection, "max_page_count=300")

    async def fill(self) -> None:
        """Take all the room that is left."""
        async with self.engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE filler (bytes BLOB)")
        with suppress(OperationalError):
            while True:
                async with self.engine.begin() as connection:
                    await connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(4000))")

    async def make_room(self) -> None:
        async with self.engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM filler")


async def test_a_reply_that_ends_on_a_full_disk_is_stored_when_there_is_room(file: Path) -> None:
    store = await SmallDisk(f"sqlite+aiosqlite:///{file}").open()
    conversation = await store.start(OWNER, "Why?", FIRST.id, "warn")
    turn = (await store.add_turn(OWNER, conversation.id, "Why?", None)).turn.id
    place, replies = Place(store, conversation.id, turn), LiveReplies(store)
    source = Told(START, word("It was "), then=(word("long. " * 5_000), done()))
    live = await begin(replies, place, source)
    await until(lambda: bool(live.replies) and live.version >= 2)
    await store.fill()
    source.go.set()
    await over(live)
    assert not live.kept
    assert not live.settled.is_set()
    first = Turn(question="more? " * 5_000)
    with pytest.raises(OperationalError, match="full"):
        await store.start(OWNER, "more?", FIRST.id, "warn", first=first)
    await store.make_room()
    await live.settled.wait()
    (reply,) = await place.kept()
    assert (reply.state, reply.text) == ("done", "It was " + "long. " * 5_000)
    await replies.close()
    await store.close()


async def test_what_is_unkept_as_the_server_goes_down_is_tried_until_then(
    store: Store, place: Place
) -> None:
    replies = LiveReplies(store)
    async with without_table(store):
        live = await begin(replies, place, Told(START, then=(done(),)))
        await until(lambda: live.version >= 1)
        closing = asyncio.create_task(replies.close())
        await over(live)
        assert not live.kept
    await closing
    assert [reply.state for reply in await place.kept()] == ["interrupted"]


async def test_a_reply_that_cannot_be_stored_is_shown_and_says_so(
    replies: LiveReplies, place: Place
) -> None:
    async with without_table(place.store):
        source = Told(START, word("It was so."), judged())
        live = await begin(replies, place, source)
        watcher = Watcher(await a_turn(place), VIEW, 1)
        source.go.set()
        shown = [messages async for messages in watch(live, watcher) if messages]
    assert not live.kept
    assert live.replies[0].state == "done"
    assert "It was so." in str(shown)
    assert "not stored yet" in str(shown)


async def a_turn(place: Place) -> Turn:
    return Turn(id=place.turn_id, question="Why?", shown_run=0, replies=[])


async def test_what_could_not_be_stored_is_tried_again(replies: LiveReplies, place: Place) -> None:
    source = Told(START, word("It was "), judged(), then=(word("so."), done()))
    async with without_table(place.store):
        live = await begin(replies, place, source)
        await until(lambda: live.version >= 3 and not live.kept)
    source.go.set()
    await over(live)
    assert live.kept
    (reply,) = await place.kept()
    assert (reply.text, reply.state, reply.status) == ("It was so.", "done", "withheld")


async def test_a_locked_database_does_not_end_the_reply(
    replies: LiveReplies, place: Place, file: Path
) -> None:
    source = Told(START, word("It was so."), then=(judged(), done()))
    live = await begin(replies, place, source)
    await until(lambda: live.version >= 2)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        source.go.set()
        await over(live)
        other.execute("ROLLBACK")
    assert live.replies[0].state == "done"
    assert not live.kept


async def test_a_model_is_read_while_its_replys_row_is_still_written(
    replies: LiveReplies, place: Place, file: Path
) -> None:
    source = Told(START, word("It was "), then=(word("so."), judged(), done()))
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        live = await begin(replies, place, source)
        await until(lambda: bool(live.replies) and live.replies[0].text == "It was ")
        assert await place.kept() == []
        other.execute("ROLLBACK")
    source.go.set()
    await over(live)
    (reply,) = await place.kept()
    assert (reply.text, reply.state, reply.status) == ("It was so.", "done", "withheld")
    assert live.kept


# --- watching ---------------------------------------------------------------------------------


class Page:
    """A page as the script keeps it: the blocks of the text and the other parts by name."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.parts: dict[str, str] = {}
        self.messages: list[dict[str, Any]] = []

    def take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if "grow" in message:
            self.blocks[-1] = self.blocks[-1].replace("</p>", f"{message['grow']}</p>")
        elif "part" not in message:
            self.blocks = BLOCK.findall(message["html"])
        elif message["part"] == "text":
            self.blocks[message["from"] :] = message["blocks"]
        else:
            self.parts[message["part"]] = message["html"]

    async def watch(self, live: Live, watcher: Watcher) -> None:
        async for messages in watch(live, watcher):
            for message in messages or ():
                self.take(message)


def long_reply(blocks: int) -> list[Event]:
    return [word(f"Paragraph {n} has **some** words.\n\n") for n in range(blocks)]


async def paced(events: list[Event], seconds: float) -> AsyncIterator[Event]:
    for event in events:
        yield event
        await asyncio.sleep(seconds)


async def test_a_long_reply_does_not_send_its_beginning_again(
    replies: LiveReplies, place: Place
) -> None:
    blocks = 200
    events = [START, *long_reply(blocks), done()]
    live = await begin(replies, place, lambda: paced(events, 0.005))
    page = Page()
    await page.watch(live, Watcher(await a_turn(place), VIEW, 1))
    texts = [message for message in page.messages if message.get("part") == "text"]
    assert len(texts) > 3
    sent = sum(len(message["blocks"]) for message in texts)
    assert sent <= blocks + 4 * len(texts)  # each block once, and the open ones once more
    assert len(page.blocks) == blocks
    assert "Paragraph 0 " in page.blocks[0]
    assert "Paragraph 199 " in page.blocks[-1]


async def test_only_parts_that_changed_are_sent(replies: LiveReplies, place: Place) -> None:
    events = [START, *long_reply(100), done()]
    live = await begin(replies, place, lambda: paced(events, 0.005))
    page = Page()
    await page.watch(live, Watcher(await a_turn(place), VIEW, 1))
    first, *rest = page.messages
    assert first["html"].startswith("<article")
    assert {message.get("part", "words") for message in rest} == {"text", "chip", "tools"}
    assert sum(message.get("part") == "chip" for message in rest) == 1


async def test_words_that_come_together_are_told_together(
    replies: LiveReplies, place: Place
) -> None:
    events = [START, *(word("word ") for _ in range(600)), done()]
    live = await begin(replies, place, lambda: paced(events, 0.002))
    page = Page()
    began = time.monotonic()
    await page.watch(live, Watcher(await a_turn(place), VIEW, 1))
    grown = [message["grow"] for message in page.messages if "grow" in message]
    assert 1 < len(grown) <= (time.monotonic() - began) / PAUSE + 2
    assert all(words.strip() for words in grown)
    assert page.blocks == [f"<p>{' '.join(['word'] * 600)}</p>\n"]


async def test_while_a_reply_grows_by_plain_words_nothing_is_drawn(
    replies: LiveReplies, place: Place
) -> None:
    source = Told(START, word("Some *words*, a"), then=(word(" few"), word(" more"), done()))
    live = await begin(replies, place, source)
    watcher = Watcher(await a_turn(place), VIEW, 1)
    await until(lambda: live.version >= 2)
    (reply,) = live.replies
    assert watcher.updates([reply], 0)[0]["html"]
    reply.text += " few"
    assert watcher.updates([reply], 0) == [{"reply": reply.id, "grow": " few"}]
    assert watcher.updates([reply], 0) == []
    reply.text += " *and*"
    (change,) = watcher.updates([reply], 0)
    assert (change["part"], change["from"]) == ("text", 0)
    source.go.set()
    await over(live)


async def test_two_pages_see_the_same_and_one_may_leave(replies: LiveReplies, place: Place) -> None:
    source = Told(START, word("One.\n\nTwo."), then=(word("\n\nThree."), done()))
    live = await begin(replies, place, source)
    pages = [Page(), Page(), Page()]
    turn = await a_turn(place)
    watching = [asyncio.create_task(page.watch(live, Watcher(turn, VIEW, 1))) for page in pages]
    await until(lambda: all(page.messages for page in pages))
    watching[0].cancel()
    with suppress(asyncio.CancelledError):
        await watching[0]
    source.go.set()
    await asyncio.gather(*watching[1:])
    assert [reply.state for reply in await place.kept()] == ["done"]
    for page in pages[1:]:
        assert "Three." in str(page.messages)
    assert pages[1].messages == pages[2].messages


async def test_who_watches_late_gets_the_whole_reply(replies: LiveReplies, place: Place) -> None:
    source = Told(START, *long_reply(20))
    live = await begin(replies, place, source)
    await until(lambda: live.version >= 21)
    page = Page()
    source.go.set()
    await page.watch(live, Watcher(await a_turn(place), VIEW, 1))
    assert "Paragraph 0 " in page.messages[0]["html"]
    assert "Paragraph 19 " in page.messages[0]["html"]


async def test_watching_a_turn_that_is_over_ends(replies: LiveReplies, place: Place) -> None:
    source = Told(START, word("So."))
    live = await begin(replies, place, source)
    await replies.stop(place.conversation)
    async with asyncio.timeout(10):
        await Page().watch(live, Watcher(await a_turn(place), VIEW, 1))


async def test_drawing_a_very_long_reply_does_not_hold_up_the_others(
    replies: LiveReplies, place: Place
) -> None:
    """While a list of thousands of items is drawn, the event loop goes round."""
    source = Told(START, word("- an item\n" * 5_000))
    live = await begin(replies, place, source)
    await until(lambda: live.version >= 2)
    source.go.set()
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0.001)

    beside = asyncio.create_task(others())
    page = Page()
    await page.watch(live, Watcher(await a_turn(place), VIEW, 1))
    beside.cancel()
    assert "an item" in str(page.messages)
    assert rounds > 20
