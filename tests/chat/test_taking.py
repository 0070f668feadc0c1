"""Replies that a replica has left: who goes on with them, and who does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import redis
import replies
from served import API_KEY, LLAMA
from test_live import until

from chat.auth import Reader
from chat.counting import Counting
from chat.limiting import Limiter
from chat.limits import limits_now
from chat.parts import close_connections
from chat.replicas import taking
from chat.replicas.following import stream_of
from chat.replicas.link import Link
from chat.replicas.replica import Replica
from chat.replicas.taking import TakingOver
from chat.replicas.wire import Told
from chat.routes import Chat
from chat.settings import Settings
from chat.store import Reply, Store, Turn, new_id, now
from guard import catalogue
from guard.providers import Connection
from guard.tools.settings import ToolSettings
from guard.tools.toolbox import ToolServers

READER = Reader(owner="cookie:anna", language="en")
SIGNED_IN = Reader(owner="hf:1", language="en", token="hf_theirs", name="ada")


class Running:
    """A turn as its replica knows it."""

    def __init__(self, *rows: Reply) -> None:
        self.replies = [*rows]


@pytest.fixture
async def chat(redis_url: str, host: replies.Host) -> AsyncIterator[Chat]:
    with redis.Redis.from_url(redis_url) as client:
        client.set("candor:known", 1)  # it has been in use
    store = await Store("sqlite+aiosqlite:///:memory:").open()
    replica = Replica(Link(redis_url), store)
    replica.start()
    connection = Connection(base_url=host.base_url, api_key=API_KEY)
    tools = ToolServers(ToolSettings())
    chat = Chat(store, catalogue.load(), connection, tools, others=replica)
    yield chat
    await chat.close()
    await close_connections()
    await store.close()


def taking_over(chat: Chat) -> TakingOver:
    replica: Any = chat.live._others
    return TakingOver(chat, replica, Limiter(Counting(None), partial(limits_now, Settings())))


async def left(chat: Chat, who: Reader, *lanes: int, **values: Any) -> Turn:
    """A turn whose replies a replica has left."""
    first = Turn(question="How do I cook lentil soup?")
    begun = await chat.store.start(who.owner, "Soup", LLAMA, "warn", first=first)
    spec = chat.visitors.models.get(LLAMA).model_dump(mode="json")
    for lane in lanes or (0,):
        values = {"model": spec, "state": "streaming", "text": "Here is", "runner": "dead"} | values
        reply = Reply(id=new_id(), turn_id=first.id, run=0, step=lane, lane=lane, **values)
        await chat.store.add_reply(reply)
    return await chat.store.turn(who.owner, begun.id, first.id)


async def now_is(chat: Chat, who: Reader, turn: Turn) -> list[Reply]:
    return (await chat.store.turn(who.owner, turn.conversation_id, turn.id)).replies


async def whole(chat: Chat, who: Reader, turn: Turn) -> bool:
    return all(reply.state == "done" for reply in await now_is(chat, who, turn))


async def test_a_reply_that_was_left_goes_on_and_with_what_its_replica_told(
    chat: Chat, redis_url: str
) -> None:
    turn = await left(chat, READER)
    (told,) = await now_is(chat, READER, turn)
    told.text += " more than was stored."
    news = Told().news(Running(told))  # type: ignore[arg-type]
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(stream_of("dead"), {"news": news or ""})
    await taking_over(chat).look()
    await until(lambda: whole(chat, READER, turn))
    (reply,) = await now_is(chat, READER, turn)
    assert reply.text.startswith("Here is more than was stored.")
    assert "step by step" in reply.text
    assert reply.runner not in {None, "dead"}


async def test_what_is_stored_stays_where_less_was_told(
    chat: Chat, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "WAITS", 0.0)
    turn = await left(chat, SIGNED_IN)
    (told,) = await now_is(chat, SIGNED_IN, turn)
    told.text, told.thoughts = "Here", "Let me see."
    news = Told().news(Running(told))  # type: ignore[arg-type]
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(stream_of("dead"), {"news": news or ""})
    await taking_over(chat).look()
    (reply,) = await now_is(chat, SIGNED_IN, turn)
    assert (reply.text, reply.thoughts) == ("Here is", "Let me see.")


async def test_of_two_side_by_side_one_goes_on(chat: Chat) -> None:
    turn = await left(chat, READER, 0, 1)
    await taking_over(chat).look()

    async def settled() -> bool:
        return [reply.state for reply in await now_is(chat, READER, turn)] == [
            "done",
            "interrupted",
        ]

    await until(settled)


async def test_what_a_readers_own_token_pays_for_waits_for_them(
    chat: Chat, host: replies.Host
) -> None:
    turn = await left(chat, SIGNED_IN)
    look = taking_over(chat).look
    await look()
    assert [reply.state for reply in await now_is(chat, SIGNED_IN, turn)] == ["streaming"]
    chat.back[turn.conversation_id] = Reader(owner="hf:2", language="en", token="hf_another")
    await look()
    assert not host.asked
    chat.back[turn.conversation_id] = SIGNED_IN
    await look()
    await until(lambda: whole(chat, SIGNED_IN, turn))
    assert len(host.asked) == 1


async def test_who_does_not_come_back_finds_it_interrupted(
    chat: Chat, host: replies.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "WAITS", 0.0)
    turn = await left(chat, SIGNED_IN)
    await taking_over(chat).look()
    (reply,) = await now_is(chat, SIGNED_IN, turn)
    assert (reply.state, reply.text) == ("interrupted", "Here is")
    assert reply.cut
    assert not host.asked


async def test_a_model_that_is_gone_leaves_the_words(chat: Chat) -> None:
    turn = await left(chat, READER, model={"id": "gone/Model", "name": "Gone"})
    await taking_over(chat).look()
    assert [reply.state for reply in await now_is(chat, READER, turn)] == ["interrupted"]
    assert await chat.live.find(turn.conversation_id) is None


async def test_what_an_older_candor_runs_is_left_alone_until_it_is_old(chat: Chat) -> None:
    turn = await left(chat, READER, runner=None)
    await taking_over(chat).look()
    assert [reply.state for reply in await now_is(chat, READER, turn)] == ["streaming"]
    (reply,) = await now_is(chat, READER, turn)
    await chat.store.save_reply(reply.id, created_at=now() - timedelta(hours=1))
    await taking_over(chat).look()
    assert [reply.state for reply in await now_is(chat, READER, turn)] == ["interrupted"]


async def test_what_runs_is_not_taken(chat: Chat, redis_url: str) -> None:
    turn = await left(chat, READER)
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"candor:running:{turn.conversation_id}", f"another {turn.id} 0 0 dead")
    await taking_over(chat).look()
    assert [reply.state for reply in await now_is(chat, READER, turn)] == ["streaming"]
