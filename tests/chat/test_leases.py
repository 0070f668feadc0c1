"""Replicas in one process over a real Redis: leases, fences, streams, circuits; no faked clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from served import free_port
from test_live import FIRST, OWNER, START, Place, Told, begin, done, over, until, word

from chat.live import LiveReplies
from chat.replicas import leases as lease_times
from chat.replicas import replica, wire
from chat.replicas.leases import Lease, key_of
from chat.replicas.link import Gone, Link
from chat.replicas.replica import Replica
from chat.store import Reply, Store, new_id
from guard.errors import ConfigError, ProviderError
from guard.patience import Patience


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store("sqlite+aiosqlite:///:memory:").open()
    yield opened
    await opened.close()


@pytest.fixture
async def place(store: Store) -> Place:
    conversation = await store.start(OWNER, "Why?", FIRST.id, "warn")
    turn = (await store.add_turn(OWNER, conversation.id, "Why?", None)).turn.id
    return Place(store, conversation.id, turn)


@pytest.fixture
def redis_now(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def pair(redis_url: str, store: Store) -> AsyncIterator[tuple[LiveReplies, LiveReplies]]:
    both = []
    for _ in range(2):
        one = Replica(Link(redis_url), store)
        one.start()
        both.append(LiveReplies(store, one))
    yield both[0], both[1]
    for replies in both:
        await replies.close()


@pytest.fixture
def no_redis() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


def lease_of(of: str, runner: str = "r") -> Lease:
    return Lease(of, "turn", 0, 0, runner)


async def test_a_conversation_is_taken_by_one_replica(redis_url: str, store: Store) -> None:
    link = Link(redis_url)
    one, other = Replica(link, store), Replica(link, store)
    mine = lease_of(one.id)
    assert await one.leases.take("c", mine)
    assert not await other.leases.take("c", lease_of(other.id))
    assert await one.leases.take("c", lease_of(one.id, "next"))  # its own, for another turn
    assert await one.leases.renew([("c", mine)]) == [0]
    await one.leases.let_go("c", mine)  # which is not the one that is held
    assert await other.leases.of(["c", "d"]) == [lease_of(one.id, "next"), None]
    await link.close()


async def test_a_lease_that_nobody_renews_is_free_again(redis_url: str, store: Store) -> None:
    link = Link(redis_url)
    one, other = Replica(link, store), Replica(link, store)
    assert await one.leases.take("c", lease_of(one.id))
    assert await other.claim("c", "turn", 0, 0) is None
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.pttl(key_of("c")) <= lease_times.TTL * 1000
        client.pexpire(key_of("c"), 1)
        await until(lambda: not client.exists(key_of("c")))
        client.delete("candor:begun")  # as after a while
    claimed = await other.claim("c", "turn", 0, 0)
    assert claimed
    assert await one.leases.renew([("c", lease_of(one.id))]) == [0]
    await other.unclaim("c", claimed)
    assert await one.leases.of(["c"]) == [None]
    await link.close()


async def test_nothing_is_claimed_from_a_redis_that_has_just_begun(
    redis_url: str, store: Store
) -> None:
    link = Link(redis_url)
    one = Replica(link, store)
    assert await one.claim("c", "turn", 0, 0) is None
    await until(lambda: claimed(one))
    await link.close()


async def claimed(one: Replica) -> bool:
    return await one.claim("c", "turn", 0, 0) is not None


async def test_a_run_that_has_begun_is_in_the_store(
    pair: tuple[LiveReplies, LiveReplies], place: Place
) -> None:
    await begin(pair[0], place, Told(START))
    assert [reply.state for reply in await place.kept()] == ["streaming"]


async def test_whoever_lost_a_reply_writes_no_more_of_it(
    pair: tuple[LiveReplies, LiveReplies], place: Place, store: Store
) -> None:
    source = Told(START, word("It was "), then=(word("mine."), done()))
    live = await begin(pair[0], place, source)
    await until(lambda: live.version >= 2 and live.replies[0].kept)
    await until(lambda: kept_one(place))
    (left,) = await store.streaming()
    assert left.runner == live.runner
    assert await store.close_left(left, "another", text="It was theirs.")
    assert not await store.close_left(left, "a third")
    source.go.set()
    await over(live)
    assert live.lost
    (reply,) = await place.kept()
    assert (reply.text, reply.state, reply.runner) == ("It was theirs.", "interrupted", "another")


async def kept_one(place: Place) -> bool:
    return bool(await place.kept())


async def test_a_lease_that_another_holds_ends_the_reply_here(
    pair: tuple[LiveReplies, LiveReplies], place: Place, redis_now: Any
) -> None:
    source = Told(START, word("It was "))
    live = await begin(pair[0], place, source)
    redis_now.set(key_of(place.conversation), lease_of("another").written)
    await over(live)
    assert live.lost
    assert source.closed


async def test_a_lease_is_taken_again_when_redis_has_lost_it(
    pair: tuple[LiveReplies, LiveReplies], place: Place, redis_now: Any
) -> None:
    source = Told(START, word("It was "))
    live = await begin(pair[0], place, source)
    followed = await pair[1].find(place.conversation)
    assert followed
    await until(lambda: bool(redis_now.exists(f"candor:told:{live.runner}")))
    redis_now.flushdb()
    await until(lambda: bool(redis_now.exists(key_of(place.conversation))))
    assert live.running
    source.go.set()
    await over(live)
    assert [reply.state for reply in await place.kept()] == ["done"]


async def test_a_follower_sees_what_the_owner_says(
    pair: tuple[LiveReplies, LiveReplies], place: Place
) -> None:
    source = Told(START, *(word(f"{n} ") for n in range(300)), then=(word("end"), done()))
    live = await begin(pair[0], place, source)
    await until(lambda: live.version > 300)
    followed = await pair[1].find(place.conversation)
    assert followed
    assert followed is await pair[1].find(place.conversation)  # one for all who watch
    await until(lambda: bool(followed.replies))
    source.go.set()
    await until(lambda: not followed.running)
    assert followed.replies[0].text == live.replies[0].text
    assert followed.replies[0].state == "done"
    assert followed.replies[0].id == live.replies[0].id
    await until(lambda: gone(pair[1], place))


async def test_what_nobody_follows_is_not_told(
    pair: tuple[LiveReplies, LiveReplies], place: Place, redis_now: Any
) -> None:
    source = Told(START, word("It was "), then=(done(),))
    live = await begin(pair[0], place, source)
    await until(lambda: live.version >= 2)
    await asyncio.sleep(3 * replica.TOGETHER)
    assert not redis_now.exists(f"candor:told:{live.runner}")
    source.go.set()
    await over(live)
    await until(lambda: not redis_now.exists(key_of(place.conversation)))
    assert not redis_now.exists(f"candor:told:{live.runner}")


async def test_it_is_told_for_as_long_as_somebody_follows(
    pair: tuple[LiveReplies, LiveReplies],
    place: Place,
    redis_now: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replica, "FOLLOWED", 1.5)
    source = Told(START, word("It was "))
    live = await begin(pair[0], place, source)
    followed = await pair[1].find(place.conversation)
    assert followed
    runs: Any = pair[0]._others
    asked = []
    await until(lambda: bool(followed.replies))
    for _ in range(3):  # it asks again and again
        asked.append(runs._followed_until[live.runner])
        await until(lambda: runs._followed_until[live.runner] > asked[-1])
    assert 0 < redis_now.pttl(f"candor:told:{live.runner}") <= 1000 * replica.TOLD_FOR
    monkeypatch.setattr(replica, "UNWATCHED", 0.0)
    await until(lambda: runs._followed_until[live.runner] < time.monotonic())
    assert not runs._is_told(live)
    told = redis_now.xlen(f"candor:told:{live.runner}")
    live.replies[0].text += "more"
    live.tell()
    await asyncio.sleep(3 * replica.TOGETHER)
    assert redis_now.xlen(f"candor:told:{live.runner}") == told
    await pair[1].find(place.conversation)
    await until(lambda: redis_now.xlen(f"candor:told:{live.runner}") == told + 1)


async def test_what_the_store_does_not_take_is_told(
    pair: tuple[LiveReplies, LiveReplies], place: Place
) -> None:
    live = await begin(pair[0], place, Told(START, word("It was ")))
    await until(lambda: live.version >= 2)
    live.replies[0].kept = False
    live.tell()
    others: Any = pair[1]._others

    async def known() -> bool:
        return [reply.text for reply in await others.told(live.runner)] == ["It was "]

    await until(known)


async def gone(replies: LiveReplies, place: Place) -> bool:
    return await replies.find(place.conversation) is None


async def test_a_stop_elsewhere_ends_the_reply_and_waits_for_it(
    pair: tuple[LiveReplies, LiveReplies], place: Place
) -> None:
    source = Told(START, word("It was "))
    live = await begin(pair[0], place, source)
    await pair[1].stop(place.conversation)
    assert not live.running
    assert source.closed
    assert [reply.state for reply in await place.kept()] == ["stopped"]


async def test_what_a_dead_replica_left_can_be_stopped(
    pair: tuple[LiveReplies, LiveReplies], place: Place, store: Store
) -> None:
    left = Reply(id=new_id(), turn_id=place.turn_id, run=0, step=0, model={"id": "m", "name": "m"})
    left.state, left.text, left.runner = "streaming", "Half", "dead"
    await store.add_reply(left)
    await pair[0].stop(place.conversation)
    assert [reply.state for reply in await place.kept()] == ["stopped"]


async def test_two_replicas_never_add_at_once(pair: tuple[LiveReplies, LiveReplies]) -> None:
    inside, most = 0, 0

    async def add(replies: LiveReplies) -> None:
        nonlocal inside, most
        async with replies.alone("c"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(add(replies) for replies in (*pair, *pair, *pair)))
    assert most == 1


async def test_what_runs_as_a_replica_ends_is_left_to_the_others(
    redis_url: str, store: Store, place: Place, redis_now: Any
) -> None:
    ending = Replica(Link(redis_url), store)
    ending.start()
    replies = LiveReplies(store, ending)
    live = await begin(replies, place, Told(START, word("It was ")))
    await until(lambda: live.version >= 2)
    ending._read_mail({b"follow": str(live.runner).encode()})
    await until(lambda: bool(redis_now.exists(f"candor:told:{live.runner}")))
    await replies.close()
    assert [(reply.state, reply.text) for reply in await place.kept()] == [("streaming", "It was ")]
    assert not redis_now.exists(key_of(place.conversation))
    assert redis_now.pttl(f"candor:told:{live.runner}") > 0  # nothing stays in Redis for ever


# --- Redis that is not there ----------------------------------------------------------------------


async def test_one_call_waits_for_a_redis_that_is_gone_and_the_others_do_not(
    no_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    link = Link(no_redis)
    for _ in range(100):
        with pytest.raises(Gone):
            await link(lambda redis: redis.ping())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await link.close()


def test_an_address_of_redis_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match="CANDOR_REDIS_URL"):
        Link("http://localhost")


# --- the stream of a turn -------------------------------------------------------------------------


class Turned:
    """Replies of a turn, as a test sets them."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []


def a_reply(text: str = "") -> Reply:
    model = {"id": "m", "name": "m"}
    return wire.row_of(
        dict.fromkeys((*wire.COLUMNS, *wire.GROWING, *wire.SHOWN))
        | {"created_at": "2026-11-23T00:00:00+00:00", "id": new_id(), "kept": True}
        | {"text": text, "model": model, "state": "streaming"}
    )


def test_a_stream_can_be_read_from_each_whole_entry() -> None:
    told, turn = wire.Told(), Turned()
    turn.replies.append(a_reply("\ud83d lone <b>"))
    entries = []
    for n in range(2 * wire.WHOLE_EVERY + 3):
        turn.replies[0].text += f"word {n} "
        if n == 5:
            turn.replies.append(a_reply("second"))
        if n == 7:
            turn.replies[0].state, turn.replies[0].verdict = "done", {"status": "clean"}
        if n == 9:
            turn.replies[1].thoughts = "hm"
        entries.append(told.news(turn))  # type: ignore[arg-type]
    wholes = [n for n, entry in enumerate(entries) if entry and '"whole": true' in entry]
    assert len(wholes) == 3
    for start in wholes:
        heard: list[Reply] = []
        for entry in entries[start:]:
            heard = wire.heard(heard, str(entry).encode())
        assert [wire.whole(reply) | {"created_at": 0} for reply in heard] == [
            wire.whole(reply) | {"created_at": 0} for reply in turn.replies
        ]
    assert told.news(turn) is None  # type: ignore[arg-type]


# --- circuits -------------------------------------------------------------------------------------


async def fail(patience: Patience, times: int = 1) -> None:
    for _ in range(times):
        with suppress(ProviderError):
            async with patience.through("m"):
                raise ProviderError("unavailable", "down")


async def kind(patience: Patience) -> str:
    try:
        async with patience.through("m"):
            return "through"
    except ProviderError as error:
        return error.kind


async def through(patience: Patience) -> bool:
    return await kind(patience) == "through"


async def test_failures_at_one_replica_spare_the_host_at_all(
    redis_url: str, store: Store, redis_now: Any
) -> None:
    link = Link(redis_url)
    first, second = (
        Patience(faults=4, rest=1.5, breakers=Replica(link, store).breakers) for _ in range(2)
    )
    await fail(first, 2)
    await fail(second, 2)
    third = Patience(faults=4, rest=1.5, breakers=Replica(link, store).breakers)
    assert await kind(third) == "resting"
    assert redis_now.pttl("candor:open:m") > 0
    await until(lambda: not redis_now.exists("candor:open:m"))
    await until(lambda: through(first))
    assert not redis_now.exists("candor:failures:m")
    await link.close()


async def test_a_success_asks_redis_once_a_second(
    redis_url: str, store: Store, redis_now: Any
) -> None:
    link = Link(redis_url)
    patience = Patience(breakers=Replica(link, store).breakers)
    assert await kind(patience) == "through"
    before = redis_now.info("commandstats")
    began = time.monotonic()
    for _ in range(50):
        assert await kind(patience) == "through"
    asked = redis_now.info("commandstats").get("cmdstat_pttl", {}).get("calls", 0)
    asked -= before.get("cmdstat_pttl", {}).get("calls", 0)
    assert asked <= 1 + (time.monotonic() - began)
    await link.close()


async def test_circuits_without_redis_are_this_processs_own(no_redis: str, store: Store) -> None:
    link = Link(no_redis)
    patience = Patience(faults=3, breakers=Replica(link, store).breakers)
    await fail(patience, 3)
    assert await kind(patience) == "resting"
    await link.close()
