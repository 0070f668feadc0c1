"""Counts in this process and in a real Redis server, which also goes away and comes back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
import redis
from databases import own_redis
from served import free_port

from chat import counting
from chat.counting import LEASE, Counting, Place
from chat.limits import Bound

THREE = Bound(most=3, counts="messages", per="day")
DOLLARS = Bound(most=0.5, counts="dollars", per="day")
ANNA, BEN = "reader/anna", "reader/ben"


@pytest.fixture(params=["memory", "redis"])
def address(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest.fixture
async def counts(address: str | None) -> AsyncIterator[Counting]:
    opened = Counting(address)
    yield opened
    await opened.close()


async def test_as_many_as_there_may_be_and_no_more(counts: Counting) -> None:
    assert [await counts.hit(ANNA, THREE) for _ in range(4)] == [True, True, True, False]
    assert await counts.hit(BEN, THREE)
    assert not await counts.left(ANNA, THREE)
    assert await counts.left(BEN, THREE)


async def test_when_it_goes_on(counts: Counting) -> None:
    await counts.hit(ANNA, THREE)
    assert 86_390 < await counts.wait(ANNA, THREE) <= 86_401


async def test_money_is_counted_in_parts_of_a_cent(counts: Counting) -> None:
    await counts.hit(ANNA, DOLLARS, 0.4999)
    assert await counts.left(ANNA, DOLLARS)
    await counts.hit(ANNA, DOLLARS, 0.0001)
    assert not await counts.left(ANNA, DOLLARS)


async def test_a_reply_may_cost_more_than_is_left(counts: Counting) -> None:
    await counts.hit(ANNA, DOLLARS, 7.25)
    assert not await counts.left(ANNA, DOLLARS)


async def test_places_are_held_and_given_back(counts: Counting) -> None:
    first, second, third = (Place(ANNA, group, group) for group in "abc")
    assert await counts.take(first, 2)
    assert await counts.take(second, 2)
    assert not await counts.take(third, 2)
    assert await counts.take(Place(BEN, "c", "c"), 2)
    await counts.free(first)
    await counts.free(first)
    assert await counts.take(third, 2)


async def test_who_follows_in_a_conversation_waits_for_no_place(counts: Counting) -> None:
    before, after = Place(ANNA, "talk", "1"), Place(ANNA, "talk", "2")
    assert await counts.take(before, 1)
    assert await counts.take(after, 1)
    await counts.free(before)  # ends only now, and takes nothing from the other
    assert not await counts.take(Place(ANNA, "other", "3"), 1)
    await counts.free(after)
    assert await counts.take(Place(ANNA, "other", "3"), 1)


async def test_replicas_share_what_is_counted(redis_url: str) -> None:
    one, other = Counting(redis_url), Counting(redis_url)
    try:
        assert await one.hit(ANNA, THREE, 3)
        assert not await other.left(ANNA, THREE)
        assert await one.take(Place(ANNA, "a", "a"), 1)
        assert not await other.take(Place(ANNA, "b", "b"), 1)
    finally:
        await one.close()
        await other.close()


async def test_a_killed_replica_frees_its_places(redis_url: str) -> None:
    """As its lease says; here the moment of each place is put back by as much."""
    killed, other = Counting(redis_url), Counting(redis_url)
    place = Place(ANNA, "a", "a")
    try:
        await killed.take(place, 1)
        assert not await other.take(Place(ANNA, "b", "b"), 1)
        with redis.Redis.from_url(redis_url) as client:
            assert 0 < client.ttl(place.key) <= LEASE
            client.zincrby(place.key, -LEASE - 1, place.member)
        assert await other.take(Place(ANNA, "b", "b"), 1)
    finally:
        await killed.close()
        await other.close()


async def test_a_place_is_renewed_while_its_reply_runs(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, place = Counting(redis_url), Place(ANNA, "a", "a")
    with redis.Redis.from_url(redis_url) as client:
        await counts.take(place, 1)
        client.zadd(place.key, {place.member: 5})
        shared = counts.shared
        assert shared is not None
        await shared.renew([place])
        assert float(client.zscore(place.key, place.member) or 0) > 5
    assert counts.renewing is not None
    await counts.close()
    assert counts.renewing.done()


async def test_without_redis_it_goes_on_here_and_then_there_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(counting, "REST", 0.0)
    place = Place(ANNA, "a", "a")
    caplog.set_level(logging.INFO, "chat.counting")
    with own_redis() as server:
        counts = Counting(server.url)
        assert await counts.take(place, 1)
        assert await counts.hit(ANNA, THREE, 3)
        server.stop()
        try:
            assert [await counts.hit(ANNA, THREE) for _ in range(4)] == [True, True, True, False]
            await counts.free(place)
            assert await counts.take(Place(ANNA, "b", "b"), 1)
            assert not await counts.take(place, 1)
            assert caplog.text.count("limits are counted here until it is back") == 1
            server.start()
            assert await counts.hit(ANNA, THREE)
            assert await counts.take(place, 1)
            await counts.free(Place(ANNA, "b", "b"))
            assert caplog.text.count("Redis is back") == 1
            server.stop()
        finally:
            await counts.close()
    assert counts.alone is not None
    assert not counts.alone.places


async def test_a_redis_that_never_was_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    counts = Counting(f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert [await counts.hit(ANNA, THREE) for _ in range(4)] == [True, True, True, False]
    assert "secret" not in caplog.text
    await counts.close()
