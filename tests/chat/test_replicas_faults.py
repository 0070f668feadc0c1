"""Bad days of replicas: PostgreSQL killed or frozen, Redis gone, in the middle of a reply."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import replies
from databases import PostgreSQL, Redis, own_postgresql, own_redis
from replicated import environment, same_reader, stored
from served import LLAMA, SOUP, Page, page_of, settles
from serving import Server

from chat.store import ready

WHOLE = replies.CANDID["", "en"]


@pytest.fixture(scope="module")
def slow_host() -> Iterator[replies.Host]:
    with replies.running(pace=0.1) as host:
        yield host


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    with own_postgresql() as server:
        asyncio.run(ready(server.url))
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with own_redis() as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    slow_host: replies.Host,
    postgres: PostgreSQL,
    redis: Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("replicas")
    around = environment(slow_host.base_url, postgres.url, redis.url)
    started = [Server(folder / name, **around).start() for name in ("a", "b")]
    try:
        yield [one.ready() for one in started]
    finally:
        for one in started:
            one.end(signal.SIGKILL)


@pytest.fixture
def pages(replicas: list[Server]) -> Iterator[tuple[Page, Page]]:
    """One reader, at both."""
    with page_of(replicas[0].url) as first:
        first.state()
        with same_reader(first, replicas[1].url) as second:
            second.state()
            yield first, second


class Watching:
    """A page that listens in a thread, and again where the connection breaks or is refused."""

    def __init__(self, page: Page, conversation: str) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._listen, args=(page, conversation))
        self._thread.start()

    def _listen(self, page: Page, conversation: str) -> None:
        end = time.monotonic() + 40
        while time.monotonic() < end and not (self.heard and self.heard[-1][0] == "end"):
            try:
                self.heard += page.listen(conversation)
            except httpx2.HTTPError:
                time.sleep(0.5)

    def to_the_end(self) -> list[tuple[str, dict[str, Any]]]:
        self._thread.join(40)
        assert not self._thread.is_alive(), self.heard[-3:]
        return self.heard


def begun(page: Page, database: str) -> str:
    id_ = str(page.ask(SOUP)["conversation"])
    assert settles(lambda: any(row.text for row in stored(database, id_)))
    return id_


def whole(database: str, id_: str) -> bool:
    return [(row.state, row.text) for row in stored(database, id_)] == [("done", WHOLE)]


def test_a_reply_outlives_redis_and_is_followed_again(
    pages: tuple[Page, Page], postgres: PostgreSQL, redis: Redis
) -> None:
    first, second = pages
    id_ = begun(first, postgres.url)
    here, there = Watching(first, id_), Watching(second, id_)
    assert settles(lambda: there.heard)
    redis.stop()
    time.sleep(1.5)
    redis.start()
    for watching in (here, there):
        name, last = watching.to_the_end()[-1]
        assert name == "end"
        assert "step by step" in last["html"]
    assert whole(postgres.url, id_)


def test_without_redis_each_goes_on_by_itself(
    pages: tuple[Page, Page], postgres: PostgreSQL, redis: Redis
) -> None:
    first, second = pages
    redis.stop()
    try:
        id_ = str(first.ask(SOUP)["conversation"])
        assert second.state(id_)["running"]  # by the store
        assert second.whole(id_)[-1][0] == "end"
        assert whole(postgres.url, id_)
        again = begun(first, postgres.url)
        assert second.post(f"/conversations/{again}/stop").status_code == 200
        assert [row.state for row in stored(postgres.url, again)] == ["stopped"]
    finally:
        redis.start()


def test_a_reply_that_ends_while_the_database_is_gone_is_stored_when_it_is_back(
    pages: tuple[Page, Page], postgres: PostgreSQL
) -> None:
    first, _ = pages
    id_ = begun(first, postgres.url)
    watching = Watching(first, id_)
    postgres.stop()
    turn = "ab" * 16
    assert first.post("/ask", question="x", model="m", mode="warn").status_code == 422
    refused = first.post("/ask", question=SOUP, model=LLAMA, mode="warn", turn=turn)
    assert refused.status_code == 503
    assert settles(lambda: any(name == "end" for name, _ in watching.heard))
    assert watching.heard[-1][1]["turn"] is None  # it is shown, and not kept
    postgres.start()
    name, last = watching.to_the_end()[-1]
    assert (name, bool(last["turn"])) == ("end", True)
    assert whole(postgres.url, id_)
    once = first.ask(SOUP, turn=turn)
    twice = first.ask(SOUP, turn=turn)
    assert (once["turn"], once["conversation"]) == (turn, twice["conversation"])
    assert first.whole(once["conversation"])[-1][0] == "end"
    assert whole(postgres.url, once["conversation"])


def test_a_reply_outlives_a_database_that_hangs(
    pages: tuple[Page, Page], postgres: PostgreSQL
) -> None:
    first, _ = pages
    id_ = begun(first, postgres.url)
    watching = Watching(first, id_)
    postgres.signal(signal.SIGSTOP)
    try:
        time.sleep(6)
    finally:
        postgres.signal(signal.SIGCONT)
    assert watching.to_the_end()[-1][1]["turn"]
    assert whole(postgres.url, id_)
