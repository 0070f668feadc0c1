"""A reply that was cut goes on in its own row: over a real socket, and over a store that fails."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import replies
from databases import address
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, settles
from test_live import FIRST, OWNER, START, Place, Told, a_turn, done, judged, over, until, word
from test_live import VIEW as LIVE_VIEW

from chat.growing import GrowingText
from chat.live import LiveReplies
from chat.store import Reply, Store
from chat.stream import Watcher, watch
from guard.events import Done, Failed, Thought

ROOT = Path(__file__).parents[2]
CUT = f"{SOUP} fault:late-cut"
OPEN = GrowingText.OPEN_BLOCKS
WHOLE = replies.CANDID["", "en"]


def ids(kind: str, html: str) -> list[str]:
    return re.findall(f'data-{kind}="([0-9a-f]{{32}})"', html)


def offers(page: Page, id_: str) -> int:
    """How many replies can go on."""
    return str(page.state(id_)["thread"]).count('data-act="continue"')


def cut_reply(page: Page, question: str = CUT, **changes: Any) -> tuple[str, str]:
    """A conversation whose reply broke off, and that reply."""
    id_ = page.answered(question, **changes)
    (reply,) = ids("reply", page.state(id_)["thread"])
    return id_, reply


def words(page: Page, id_: str, reply: str) -> str:
    found = page.http.get(f"/candor/conversations/{id_}/replies/{reply}")
    return str(found.raise_for_status().json()["markdown"])


# --- over a real host -----------------------------------------------------------------------------


def test_a_reply_that_broke_off_goes_on_as_the_same_reply(page: Page, host: replies.Host) -> None:
    id_, reply = cut_reply(page)
    before = words(page, id_, reply)
    assert before
    assert WHOLE.startswith(before)
    assert offers(page, id_) == 1
    answer = page.post(f"/conversations/{id_}/replies/{reply}/continue")
    assert answer.json()["path"] == ids("turn", page.state(id_)["thread"])
    *updates, (_, end) = page.whole(id_)
    assert ids("reply", end["html"]) == [reply]
    told = host.asked[-1].body["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert (told[0]["content"], told[1]["content"]) == (CUT, before)
    assert host.asked[-1].model == LLAMA
    after = words(page, id_, reply)
    assert after.startswith(before)
    assert "In the end, check the result." in after
    assert offers(page, id_) == 0
    assert 'class="fault"' not in end["html"]
    assert "of 2" not in end["html"]
    blocks = [data for name, data in updates if data.get("part") == "text"]
    again = [data for data in blocks if not data["from"] and len(data["blocks"]) > OPEN]
    assert again == [], "the beginning was sent again"


def test_a_fault_meanwhile_keeps_the_words_and_says_so(page: Page, host: replies.Host) -> None:
    id_, reply = cut_reply(page)
    before = words(page, id_, reply)
    with host.failing("400"):
        page.post(f"/conversations/{id_}/replies/{reply}/continue")
        end = page.whole(id_)[-1][1]
    assert words(page, id_, reply) == before
    assert "The reply broke off" in end["html"]
    assert offers(page, id_) == 1


def test_a_reader_stops_and_goes_on(page: Page, host: replies.Host) -> None:
    id_ = str(page.ask(f"{SOUP} fault:stall")["conversation"])
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    (reply,) = ids("reply", page.state(id_)["thread"])
    refused = page.post(f"/conversations/{id_}/replies/{reply}/continue")
    assert refused.status_code == 409, "it still comes in"
    page.post(f"/conversations/{id_}/stop")
    before = words(page, id_, reply)
    assert offers(page, id_) == 1
    page.post(f"/conversations/{id_}/replies/{reply}/continue").raise_for_status()
    page.whole(id_)
    assert words(page, id_, reply).startswith(before)
    assert len(words(page, id_, reply)) > len(before)


def test_what_withholds_once_it_is_whole_is_told(page: Page, host: replies.Host) -> None:
    """The first part alone says too little; and in its own run nobody is asked besides."""
    id_, reply = cut_reply(page, f"{TIANANMEN} fault:late-cut", model=QWEN)
    page.post(f"/conversations/{id_}/replies/{reply}/continue").raise_for_status()
    end = page.whole(id_)[-1][1]
    assert "guard amber" in end["html"]
    assert 'class="withheld"' in end["entry"]
    assert end["html"].count("<mark>") > 1
    assert ids("reply", end["html"]) == [reply]


def test_only_the_reply_that_the_path_ends_with_goes_on(page: Page, stranger: Page) -> None:
    id_, reply = cut_reply(page)
    page.answered(SOUP, id_)
    assert offers(page, id_) == 0
    whole = ids("reply", page.state(id_)["thread"])[-1]
    for one in (reply, whole):
        answer = page.post(f"/conversations/{id_}/replies/{one}/continue")
        assert answer.status_code == 409
        assert "cannot be continued" in answer.json()["detail"]
    path = f"/conversations/{id_}/replies/{reply}/continue"
    assert stranger.post(path).status_code == 404
    assert page.post(f"/conversations/{id_}/replies/{'0' * 32}/continue").status_code == 404


def test_a_reply_that_the_guard_stopped_or_a_file_brought_does_not_go_on(
    page: Page,
) -> None:
    id_, _ = cut_reply(page)
    exported = page.http.get(f"/candor/conversations/{id_}/export.json").json()
    page.http.post("/candor/import", json=exported).raise_for_status()
    imported = ids("conversation", page.state()["sidebar"])
    assert [offers(page, one) for one in sorted(imported, key=lambda one: one != id_)] == [1, 0]
    stopped = Reply(text="No.", state="stopped", finish_reason="stopped by guard")
    assert not stopped.cut


@pytest.mark.parametrize(
    ("values", "cut"),
    [
        ({"state": "done", "finish_reason": "length"}, True),
        ({"state": "done", "finish_reason": "stop"}, False),
        ({"state": "done", "finish_reason": "content_filter"}, False),
        ({"state": "streaming"}, False),
        ({"state": "interrupted"}, True),
        ({"state": "failed", "fault": {"kind": "interrupted"}}, True),
        ({"state": "failed", "fault": {"kind": "too_long"}, "finish_reason": "length"}, False),
        ({"state": "stopped", "text": "  "}, False),
        ({"state": "stopped", "text": "<think>only thoughts"}, False),
        ({"state": "stopped", "source": "chatgpt"}, False),
    ],
)
def test_which_replies_were_cut(values: dict[str, Any], cut: bool) -> None:
    assert Reply(**{"text": "It was", "finish_reason": ""} | values).cut is cut


# --- over a store ---------------------------------------------------------------------------------


@pytest.fixture
async def memory() -> AsyncIterator[Store]:
    opened = await Store("sqlite+aiosqlite:///:memory:").open()
    yield opened
    await opened.close()


@pytest.fixture
async def lives(memory: Store) -> AsyncIterator[LiveReplies]:
    running = LiveReplies(memory)
    yield running
    await running.close()


async def limited(memory: Store, lives: LiveReplies) -> tuple[Place, Reply]:
    """A reply that came to its limit."""
    conversation = await memory.start(OWNER, "Why?", FIRST.id, "warn")
    turn = (await memory.add_turn(OWNER, conversation.id, "Why?", None)).turn.id
    place = Place(memory, conversation.id, turn)
    first = Told(START, Thought(attempt=0, text="Hm."), word("It was "), judged(), then=())
    first.after = (timed(taking(2.0, 10, 0.5, "length"), 0.25, 0.5),)
    first.go.set()
    await over(await lives.begin(place.conversation, turn, first, run=0))
    return place, await stored(place)


def taking(seconds: float, tokens: int, dollars: float | None, why: str = "stop") -> Done:
    took = {"seconds": seconds, "tokens": tokens, "dollars": dollars, "finish_reason": why}
    return done().model_copy(update=took)


def timed(one: Done, first: float, guard: float) -> Done:
    return one.model_copy(update={"first_seconds": first, "guard_seconds": guard})


async def stored(place: Place) -> Reply:
    (reply,) = await place.kept()
    return reply


async def test_seconds_tokens_and_dollars_add_up_and_thoughts_stay(
    memory: Store, lives: LiveReplies
) -> None:
    place, reply = await limited(memory, lives)
    end = timed(taking(1.5, 4, 0.25), 0.125, 0.25)
    more = Told(START, Thought(attempt=0, text=" And."), word("so."), then=(end,))
    more.go.set()
    await over(await lives.begin(place.conversation, place.turn_id, more, run=0, grows=reply))
    after = await stored(place)
    assert (after.id, after.text, after.thoughts) == (reply.id, "It was so.", "Hm. And.")
    assert (after.seconds, after.tokens, after.dollars) == (3.5, 14, 0.75)
    assert (after.first_seconds, after.guard_seconds) == (0.25, 0.75)
    assert (after.state, after.finish_reason) == ("done", "stop")
    assert len((await memory.conversation(OWNER, place.conversation)).turns) == 1


async def test_what_is_not_known_of_one_part_is_not_told_of_the_whole(
    memory: Store, lives: LiveReplies
) -> None:
    place, reply = await limited(memory, lives)
    more = Told(START, word("so."), then=(taking(1.0, 4, None),))
    more.go.set()
    await over(await lives.begin(place.conversation, place.turn_id, more, run=0, grows=reply))
    after = await stored(place)
    assert (after.seconds, after.tokens, after.dollars) == (3.0, 14, None)


async def test_a_fault_a_stop_and_a_close_keep_the_words_and_the_verdict(
    memory: Store, lives: LiveReplies
) -> None:
    place, reply = await limited(memory, lives)
    fault = Failed(attempt=0, kind="interrupted", message="gone")
    failing = Told(START, word("so"), fault, then=())
    failing.go.set()
    await over(await lives.begin(place.conversation, place.turn_id, failing, run=0, grows=reply))
    failed = await stored(place)
    assert (failed.text, failed.state, failed.status) == ("It was so", "failed", "withheld")
    assert failed.fault is not None
    for state in ("stopped", "interrupted"):
        waiting = Told(START)
        live = await lives.begin(
            place.conversation, place.turn_id, waiting, run=0, grows=await stored(place)
        )
        await until(lambda live=live: live.version > 0)
        assert ((await stored(place)).state, (await stored(place)).fault) == ("streaming", None)
        await live.stop(state)  # type: ignore[arg-type]
        after = await stored(place)
        assert (after.text, after.state, after.status) == ("It was so", state, "withheld")


KILLED = """
import asyncio, os, signal, sys
from chat.live import LiveReplies
from chat.store import Store
from guard.catalogue import load
from guard.events import Delta, Started

async def source():
    yield Started(attempt=0, model=load().models[0])
    while True:
        yield Delta(attempt=0, text="more ")
        await asyncio.sleep(0.01)

async def main(url, conversation_id):
    store = await Store(url).open()
    conversation = await store.conversation("cookie:anna", conversation_id)
    turn = conversation.turns[0]
    await LiveReplies(store).begin(
        conversation_id, turn.id, source, run=0, grows=turn.replies[0]
    )
    while True:
        kept = await store.conversation("cookie:anna", conversation_id)
        if "more more" in kept.turns[0].replies[0].text:
            break
        await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_that_is_killed_meanwhile_loses_no_word_that_was_there(
    file: Path,
) -> None:
    url = address(file)
    store = await Store(url).open()
    place, _ = await limited(store, LiveReplies(store))
    command = [sys.executable, "-c", KILLED, url, place.conversation]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert (await stored(place)).state == "streaming"
    again = await Store(url).open()
    after = await stored(place)
    await store.close()
    await again.close()
    assert after.text.startswith("It was more more")
    assert (after.state, after.status, after.thoughts) == ("interrupted", "withheld", "Hm.")
    assert after.cut


async def test_a_source_that_never_begins_leaves_the_reply_as_it_was(
    memory: Store, lives: LiveReplies
) -> None:
    place, reply = await limited(memory, lives)

    async def broken() -> AsyncIterator[Any]:
        raise ZeroDivisionError
        yield

    await over(await lives.begin(place.conversation, place.turn_id, broken, run=0, grows=reply))
    after = await stored(place)
    assert (after.text, after.state, after.finish_reason) == ("It was ", "done", "length")


async def test_the_search_finds_both_parts_once(memory: Store, lives: LiveReplies) -> None:
    from chat.search import search
    from chat.words import phrases

    place, reply = await limited(memory, lives)
    more = Told(START, word("snowing."))
    more.go.set()
    await over(await lives.begin(place.conversation, place.turn_id, more, run=0, grows=reply))
    (found,) = await search(memory, OWNER, phrases("was snowing"))
    assert found.message is not None
    assert found.message.reply == reply.id


async def test_a_page_that_watches_is_sent_the_beginning_once(
    memory: Store, lives: LiveReplies
) -> None:
    place, reply = await limited(memory, lives)
    reply.text = "".join(f"Paragraph {n}.\n\n" for n in range(30))
    more = Told(START, then=(*(word(f"More {n}.\n\n") for n in range(5)), done()))
    live = await lives.begin(place.conversation, place.turn_id, more, run=0, grows=reply)
    heard = []

    async def listen() -> None:
        async for messages in watch(live, Watcher(await a_turn(place), LIVE_VIEW, 1)):
            if messages:
                heard.extend(messages)
                more.go.set()

    async with asyncio.timeout(20):
        await listen()
    assert "Paragraph 0." in heard[0]["html"]
    assert "Paragraph 0." not in str(heard[1:])
    assert "More 4." in str(heard[1:])
