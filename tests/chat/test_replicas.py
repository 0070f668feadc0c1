"""Replicas as an operator runs them: two processes, a real PostgreSQL, Redis and host."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from typing import Any

import databases
import pytest
import replies
from replicated import environment, same_reader, stored
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, page_of, settles
from serving import Server

PACE = 0.1  # seconds between two pieces; a reply takes about three
WHOLE = replies.CANDID["", "en"]


@pytest.fixture(scope="module")
def slow_host() -> Iterator[replies.Host]:
    with replies.running(pace=PACE) as host:
        yield host


@pytest.fixture(scope="module")
def database(postgresql: str) -> str:
    return asyncio.run(databases.emptied(postgresql))


@pytest.fixture(scope="module")
def pair(
    slow_host: replies.Host,
    database: str,
    shared_redis: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("replicas")
    around = environment(slow_host.base_url, database, shared_redis)
    both = Server(folder / "a", **around), Server(folder / "b", **around)
    yield both
    for each in both:
        each.end(signal.SIGKILL)


@pytest.fixture
def replicas(pair: tuple[Server, Server], slow_host: replies.Host) -> tuple[Server, Server]:
    """Two replicas; one that was ended is started again."""
    started = [one.start() for one in pair if one.process is None]
    for one in started:  # all that is imported late is there, so that no word is missed
        with page_of(one.ready().url) as page:
            page.answered("Hello?")
    slow_host.asked.clear()
    return pair


@pytest.fixture
def pages(replicas: tuple[Server, Server]) -> Iterator[tuple[Page, Page]]:
    """One reader, at both."""
    first, second = replicas
    with page_of(first.url) as at_first:
        at_first.state()
        with same_reader(at_first, second.url) as at_second:
            at_second.state()
            yield at_first, at_second


def begun(page: Page, database: str, question: str = SOUP, **more: Any) -> str:
    """A conversation whose reply comes in."""
    id_ = str(page.ask(question, **more)["conversation"])
    assert settles(lambda: any(row.text for row in stored(database, id_)))
    return id_


def words(text: str) -> list[str]:
    return text.split()


def test_a_reply_is_watched_at_another_replica(pages: tuple[Page, Page], database: str) -> None:
    first, second = pages
    id_ = str(first.ask(SOUP)["conversation"])
    assert second.state(id_)["running"]
    told = second.whole(id_)
    assert sum(name == "update" for name, _ in told) > 2  # as they come, not at their end
    name, last = told[-1]
    assert name == "end"
    assert "step by step" in last["html"]
    assert [row.state for row in stored(database, id_)] == ["done"]
    assert not second.state(id_)["running"]


def test_two_replicas_tell_the_same(pages: tuple[Page, Page]) -> None:
    first, second = pages
    id_ = str(first.ask(SOUP)["conversation"])
    heard: dict[str, Any] = {}
    both = [
        threading.Thread(target=lambda p=page, n=name: heard.update({n: p.whole(id_)}))
        for name, page in (("first", first), ("second", second))
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert heard["first"][-1] == heard["second"][-1]


def test_a_stop_at_another_replica_ends_the_reply(
    pages: tuple[Page, Page], database: str, slow_host: replies.Host
) -> None:
    first, second = pages
    id_ = begun(first, database)
    assert second.post(f"/conversations/{id_}/stop").status_code == 200
    (row,) = stored(database, id_)
    assert row.state == "stopped"
    assert 0 < len(row.text) < len(WHOLE)
    assert not first.state(id_)["running"]
    assert slow_host.settles(lambda: slow_host.answering == 0)


def test_a_question_at_another_replica_ends_the_reply_and_follows_it(
    pages: tuple[Page, Page], database: str
) -> None:
    first, second = pages
    id_ = begun(first, database)
    second.answered("And with rice?", id_)
    before, after = stored(database, id_)
    assert (before.state, after.state) == ("stopped", "done")
    assert first.state(id_)["thread"].count('data-turn="') == 2


def test_questions_at_both_at_once_follow_one_another(
    pages: tuple[Page, Page], database: str
) -> None:
    first, second = pages
    id_ = first.answered(SOUP)
    asked = [
        threading.Thread(target=lambda p=page, q=question: p.ask(q, id_))
        for page, question in ((first, "And rice?"), (second, "And beans?"))
    ]
    for one in asked:
        one.start()
    for one in asked:
        one.join()
    assert settles(lambda: not first.state(id_)["running"])
    assert len(stored(database, id_)) == 3
    assert first.state(id_)["thread"].count('data-turn="') == 3


def test_nobody_watches_another_readers_reply(
    pages: tuple[Page, Page], replicas: tuple[Server, Server], database: str
) -> None:
    first, _ = pages
    id_ = begun(first, database)
    with page_of(replicas[1].url) as stranger:
        stranger.state()
        path = f"/candor/conversations/{id_}"
        assert stranger.http.get(f"{path}/events").status_code == 404
        assert stranger.post(f"/conversations/{id_}/stop").status_code == 404
    assert first.whole(id_)[-1][0] == "end"
    assert [row.state for row in stored(database, id_)] == ["done"]


@pytest.mark.parametrize("mode", ["warn", "compare"])
def test_a_killed_replicas_reply_goes_on_in_another(
    pages: tuple[Page, Page], replicas: tuple[Server, Server], database: str, mode: str
) -> None:
    first, second = pages
    question, model = (SOUP, LLAMA) if mode == "warn" else (TIANANMEN, QWEN)
    id_ = begun(first, database, question, mode=mode, model=model)
    replicas[0].end(signal.SIGKILL)
    told = second.whole(id_)  # who comes back before it is taken over waits for that
    assert told[-1][0] == "end"
    rows = stored(database, id_)
    assert "streaming" not in [row.state for row in rows]
    assert rows[0].state == "done"
    assert len({(row.run, row.step) for row in rows}) == len(rows)
    if mode == "warn":
        (row,) = rows
        assert words(row.text)[:20] == words(WHOLE)[:20]
        assert row.text.count("step by step") >= 1
    assert not second.state(id_)["running"]


def test_a_replica_that_goes_down_lets_replies_end(
    pages: tuple[Page, Page], replicas: tuple[Server, Server], database: str
) -> None:
    first, _ = pages
    id_ = begun(first, database)
    replicas[0].end(signal.SIGTERM)
    (row,) = stored(database, id_)
    assert (row.state, row.text) == ("done", WHOLE), replicas[1].log.read_text()
    assert "Traceback" not in replicas[0].log.read_text()
