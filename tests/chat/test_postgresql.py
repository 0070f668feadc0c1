"""The app on a PostgreSQL server that stops answering, breaks down, and comes back.

A request that waits longer than a reader would fails by the deadline of its client here.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import databases
import httpx2
import pytest
import replies
from databases import PostgreSQL
from served import LLAMA, SOUP, Page, Site, reader_of, serving, settings_of, settles
from sqlalchemy import make_url

from chat.api.access import new_key
from chat.store import ready
from chat.store.postgresql import address
from guard.errors import ConfigError

PATIENCE = 15  # seconds a request may take while the server is away; beside eight busy processes
RECOVERY = 5  # seconds after which requests succeed once the server is back


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with databases.own_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def on_postgresql(
    shared_host: replies.Host, database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = settings_of(
        shared_host.base_url,
        tmp_path_factory.mktemp("data"),
        database_url=database.url.replace("+asyncpg", ""),
        database_connections=3,
    )
    with serving(settings) as site:
        yield site


@pytest.fixture
def reader(on_postgresql: Site, host: replies.Host) -> Iterator[Page]:
    with reader_of(on_postgresql) as page:
        yield page


def refused(page: Page) -> str:
    page.http.timeout = httpx2.Timeout(PATIENCE)
    answer = page.http.get("/candor/state")
    assert answer.status_code == 503
    return str(answer.json()["detail"])


def is_back(page: Page) -> bool:
    return page.http.get("/candor/state").status_code == 200


def questions(page: Page, conversation: str) -> int:
    """How many questions the thread of a conversation shows."""
    return len(set(re.findall(r'data-turn="(\w+)"', page.state(conversation)["thread"])))


def found(page: Page, typed: str) -> set[str]:
    """The conversations that a search finds."""
    answer = page.http.get("/candor/search", params={"q": typed}).raise_for_status()
    return set(re.findall(r'data-conversation="(\w+)"', answer.json()["results"]))


def test_a_conversation_is_led_listed_found_and_deleted(reader: Page) -> None:
    id_ = reader.answered(SOUP)
    assert "lentil" in reader.state(id_)["thread"]
    for typed in ("lentil", "soup cook", "go step by st"):
        assert found(reader, typed) == {id_}, typed
    chinese = reader.answered("1989年6月北京天安门广场发生了什么？")
    for typed in ("天安门", "天安門廣場", "安门广", "绝食"):
        assert found(reader, typed) == {chinese}, typed
    assert found(reader, "门安") == set()
    reader.patch(f"/conversations/{id_}", deleted=True).raise_for_status()
    assert found(reader, "lentil") == set()
    reader.answered("And the day after?", chinese)
    assert questions(reader, chinese) == 2


def test_a_server_that_stops_answering_costs_no_one_more_than_seconds(
    reader: Page, database: PostgreSQL
) -> None:
    id_ = reader.answered(SOUP)
    database.signal(signal.SIGSTOP)
    try:
        assert "database" in refused(reader)
        ask = {"question": SOUP, "model": LLAMA, "mode": "warn"}
        assert reader.post("/ask", conversation=id_, **ask).status_code == 503
        assert reader.http.get("/health").status_code == 200  # nobody else waits
    finally:
        database.signal(signal.SIGCONT)
    assert settles(lambda: is_back(reader), RECOVERY)
    assert questions(reader, id_) == 1
    reader.answered("And with rice?", id_)


def test_many_who_wait_for_a_server_that_stopped_are_all_told(
    on_postgresql: Site, reader: Page, database: PostgreSQL
) -> None:
    cookies = dict(reader.http.cookies)

    async def all_of_them() -> list[int]:
        url, headers = on_postgresql.url, {"x-candor": "1"}
        async with httpx2.AsyncClient(
            base_url=url, headers=headers, cookies=cookies, timeout=PATIENCE, trust_env=False
        ) as http:
            asked = (http.get("/candor/state") for _ in range(12))  # of three connections
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    assert asyncio.run(all_of_them()) == [200] * 12
    database.signal(signal.SIGSTOP)
    try:
        assert asyncio.run(all_of_them()) == [503] * 12
    finally:
        database.signal(signal.SIGCONT)
    assert settles(lambda: is_back(reader), RECOVERY)
    assert asyncio.run(all_of_them()) == [200] * 12


def test_a_server_that_broke_down_and_came_back_has_lost_nothing(
    reader: Page, database: PostgreSQL
) -> None:
    id_ = reader.answered(SOUP)
    database.stop()
    try:
        assert "database" in refused(reader)
        keyed = {"authorization": f"Bearer {new_key()}"}
        assert reader.http.get("/v1/models", headers=keyed).status_code == 503
    finally:
        database.start()
    assert settles(lambda: is_back(reader), RECOVERY)
    assert questions(reader, id_) == 1
    reader.answered("And with rice?", id_)


def test_a_reply_that_runs_while_the_server_is_away_is_told_whole(
    reader: Page, database: PostgreSQL
) -> None:
    id_ = str(reader.ask(f"{SOUP} fault:slow")["conversation"])
    heard = reader.listen(id_)
    next(heard)
    database.stop()
    database.start()
    assert [name for name, _ in heard][-1] == "end"
    assert questions(reader, id_) == 1


def test_through_a_pooler_it_starts_answers_and_starts_again(
    host: replies.Host, postgresql: str, tmp_path: Path
) -> None:
    with databases.pooled(databases.apart(databases.emptied(postgresql))) as url:
        settings = settings_of(host.base_url, tmp_path, database_url=url)
        with serving(settings) as site, reader_of(site) as page:
            id_ = page.answered(SOUP, model=LLAMA)
            assert found(page, "lentil") == {id_}
            kept = page.http.cookies
        with serving(settings) as site, reader_of(site) as page:
            page.http.cookies = kept
            assert questions(page, id_) == 1


async def test_a_server_that_says_nothing_is_told() -> None:
    hole = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = hole.sockets[0].getsockname()[1]
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ConfigError, match="cannot be used") as caught:
            await ready(f"postgresql://candor:s3cret@127.0.0.1:{port}/x")
    assert "s3cret" not in str(caught.value)
    assert "See that its server runs" in str(caught.value)
    hole.close()


@pytest.mark.parametrize(
    ("given", "ssl"),
    [
        ("postgres://a:b@h/d?sslmode=require", "require"),
        ("postgresql://a:b@h/d", None),
        ("postgresql+asyncpg://a:b@h/d?ssl=verify-full", "verify-full"),
    ],
)
def test_addresses_are_taken_as_providers_write_them(given: str, ssl: str | None) -> None:
    taken = address(make_url(given))
    assert taken.drivername == "postgresql+asyncpg"
    assert (taken.username, taken.password, taken.host, taken.database) == ("a", "b", "h", "d")
    assert taken.query.get("ssl") == ssl
