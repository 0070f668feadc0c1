"""The list of conversations and its search, over a real socket, and how entries are grouped."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import replies
from served import API_KEY, LLAMA, QWEN, SOUP, TIANANMEN, Page, Site, page_of, serving, settles
from sqlalchemy import func, select

from chat import sidebar
from chat.auth import zone_of
from chat.settings import Settings, load
from chat.store import Conversation, Store, new_id, now
from chat.store.tables import Place
from chat.sweep import sweeping
from chat.titles import taken
from chat.view import View
from guard import catalogue
from guard.errors import ConfigError
from guard.pipeline import Guard
from guard.providers import Connection

OWNER = "cookie:" + "a" * 32
COUNT = 2 * sidebar.PAGE + 7


def entries(html: str) -> list[str]:
    return re.findall(r'data-conversation="(\w+)"', html)


def marker(html: str) -> str | None:
    found = re.search(r'class="further" data-after="([^"]+)"', html)
    return found[1] if found else None


@asynccontextmanager
async def opened(site: Site) -> AsyncIterator[Store]:
    store = await Store(site.app.state.settings.database).open()
    yield store
    await store.close()


@pytest.fixture
def crowded(site: Site) -> Iterator[Page]:
    """A reader with many conversations, two of them of one moment, the oldest pinned."""
    moment = now() - timedelta(days=400)
    owner = new_id()

    async def fill() -> None:
        async with opened(site) as store, store.session() as session:
            for n in range(COUNT):
                when = moment + timedelta(minutes=n - n % 2)
                session.add(
                    Conversation(
                        owner=f"cookie:{owner}", title=f"no {n}", model=LLAMA, mode="warn",
                        updated_at=when, pinned=n == 0,
                    )
                )  # fmt: skip

    asyncio.run(fill())
    with page_of(site.url, cookie=f"candor_reader={owner}") as page:
        yield page


# --- pages ------------------------------------------------------------------------------------


def test_the_list_comes_in_pages_that_miss_nothing(crowded: Page, stranger: Page) -> None:
    first = str(crowded.state()["sidebar"])
    pages = [first]
    while after := marker(pages[-1]):
        answer = crowded.http.get("/candor/conversations", params={"after": after})
        pages.append(str(answer.raise_for_status().json()["sidebar"]))
        assert not entries(stranger.http.get(answer.request.url).json()["sidebar"])
    assert [len(entries(page)) for page in pages] == [sidebar.PAGE, sidebar.PAGE, 7]
    titles = re.findall(r'title="no (\d+)"', "".join(pages))
    assert titles[0] == "0"
    assert {*map(int, titles)} == {*range(COUNT)}
    newest_first = [int(title) // 2 for title in titles[1:]]
    assert newest_first == sorted(newest_first, reverse=True)
    places = re.findall(r'data-place="([^"]+)"', "".join(pages))
    assert places == sorted(places, reverse=True)


def test_a_question_is_answered_without_the_list(crowded: Page) -> None:
    answer = crowded.ask(SOUP)
    assert entries(answer["entry"]) == [answer["conversation"]]
    assert 'data-group="today"' in answer["entry"]
    assert len(str(answer)) < 20_000
    end = crowded.whole(answer["conversation"])[-1][1]
    assert entries(end["entry"]) == [answer["conversation"]]
    assert crowded.state(answer["conversation"], listed="true")["sidebar"] is None


@pytest.mark.parametrize(
    "after",
    [
        "",
        "1",
        "1,now,x",
        f"2,2026-01-01T00:00:00.000000+00:00,{'0' * 32}",
        f"1,2026-13-01T00:00:00.000000+00:00,{'0' * 32}",
        f"1,2026-01-01T00:00:00.000000+00:00,{'0' * 32}\n",
        "\x00" * 40,
        "x" * 5000,
    ],
)
def test_a_wrong_place_in_the_list_is_told(page: Page, after: str) -> None:
    answer = page.http.get("/candor/conversations", params={"after": after})
    assert answer.status_code == 422
    assert "after" in answer.json()["detail"]


def test_a_pinned_conversation_stands_first(page: Page) -> None:
    pinned, other = page.answered(SOUP), page.answered(SOUP)
    entry = page.patch(f"/conversations/{pinned}", pinned=True).json()["entry"]
    assert 'data-group="pinned"' in entry
    assert 'aria-pressed="true"' in entry
    assert entries(page.state()["sidebar"]) == [pinned, other]
    page.patch(f"/conversations/{pinned}", pinned=False)
    assert entries(page.state()["sidebar"]) == [other, pinned]


# --- search -----------------------------------------------------------------------------------


def find(page: Page, query: str) -> dict[str, str]:
    answer = page.http.get("/candor/search", params={"q": query})
    return dict(answer.raise_for_status().json())


def test_a_search_finds_replies_and_leads_to_their_turn(page: Page, stranger: Page) -> None:
    id_ = page.answered(SOUP)
    other = page.answered("1989年6月北京发生了什么？", model=LLAMA)
    found = find(page, "go step by st")
    assert entries(found["results"]) == [id_]
    assert "<mark>go step by step</mark>" in re.sub("</mark> <mark>", " ", found["results"])
    thread = page.state(id_)["thread"]
    for kind in ("turn", "reply"):
        (there,) = re.findall(f'data-{kind}="(\\w+)"', thread)
        assert f'data-to-{kind}="{there}"' in found["results"]
    assert entries(find(page, "绝食")["results"]) == [other]
    for nothing in ("", "  ", '"*', "nowhere to be found"):
        assert find(page, nothing)["status"] == "Nothing found."
    assert entries(find(stranger, "step")["results"]) == []
    page.patch(f"/conversations/{id_}", deleted=True)
    assert entries(find(page, "go step by step")["results"]) == []
    page.patch(f"/conversations/{id_}", deleted=False)
    assert entries(find(page, "go step by step")["results"]) == [id_]


def test_what_is_found_is_escaped(page: Page) -> None:
    page.answered('<img src=x onerror="a()"> & <mark>kumquat</mark>')
    results = find(page, "kumquat")["results"]
    assert "<img" not in results
    assert "&lt;mark&gt;<mark>kumquat</mark>&lt;/mark&gt;" in results


def test_a_query_has_an_end(page: Page) -> None:
    assert page.http.get("/candor/search", params={"q": "x" * 201}).status_code == 422
    assert page.http.get("/candor/search").status_code == 422


# --- groups -----------------------------------------------------------------------------------


def view(language: str = "en", zone: str = "UTC") -> View:
    return View(language, catalogue.load(), Connection(), zone=ZoneInfo(zone))


def group(days: float, language: str = "en", **values: bool) -> tuple[str, str]:
    today = datetime(2026, 11, 23, 12, tzinfo=UTC)
    one = Conversation(updated_at=today - timedelta(days=days), **values)
    return sidebar.group_of(one, today.date(), view(language))


@pytest.mark.parametrize(
    ("days", "language", "name"),
    [
        (0, "en", "Today"),
        (-1, "en", "Today"),
        (1, "en", "Yesterday"),
        (2, "en", "Previous 7 days"),
        (7, "en", "Previous 7 days"),
        (8, "en", "Previous 30 days"),
        (30, "en", "Previous 30 days"),
        (60, "en", "September"),
        (60, "fr", "Septembre"),
        (60, "zh-Hans", "九月"),
        (365, "en", "November 2025"),
        (365, "de", "November 2025"),
        (365, "zh-Hant", "2025年11月"),
    ],
)
def test_conversations_are_grouped_by_day_and_month(days: int, language: str, name: str) -> None:
    assert group(days, language).name == name
    assert group(days, language, pinned=True).key == "pinned"


def test_the_day_is_the_readers_own() -> None:
    """One moment before midnight in Auckland, and the moment after."""
    midnight = datetime(2026, 11, 22, 11, tzinfo=UTC)
    for moment, key in ((midnight, "today"), (midnight - timedelta(minutes=1), "yesterday")):
        found = sidebar.group_of(
            Conversation(updated_at=moment),
            datetime(2026, 11, 23, tzinfo=UTC).date(),
            view(zone="Pacific/Auckland"),
        )
        assert found.key == key


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        ("Pacific/Auckland", "Pacific/Auckland"),
        ("", "UTC"),
        ("Mars/Olympus", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("/etc/passwd", "UTC"),
        ("Europe", "UTC"),
        ("a\x00b", "UTC"),
        ("é" * 300, "UTC"),
        ("x" * 5000, "UTC"),
    ],
)
def test_a_wrong_time_zone_is_taken_for_utc(cookie: str, zone: str) -> None:
    assert str(zone_of(cookie)) == zone


def test_the_list_goes_by_the_readers_time_zone(site: Site) -> None:
    """Of two zones twelve hours apart, what is twelve hours old is of today in just one."""
    owner, ago = new_id(), str((now() - timedelta(hours=12)).replace(tzinfo=None))
    groups = []
    for zone in ("Etc%2FGMT", "Etc%2FGMT-12", "no%00where"):
        with page_of(site.url, cookie=f"candor_reader={owner}; candor_zone={zone}") as page:
            if not groups:
                id_ = page.answered(SOUP)
                with sqlite3.connect(site.app.state.settings.data / "candor.sqlite3") as connection:
                    change = "UPDATE conversation SET updated_at = ? WHERE id = ?"
                    connection.execute(change, (ago, id_))
            groups += re.findall(r'data-group="(\w+)"', page.state()["sidebar"])
    assert {*groups[:2]} == {"today", "yesterday"}
    assert groups[2] == groups[0]


def test_places_are_written_and_read() -> None:
    place = Place(True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), new_id())
    assert sidebar.read_place(sidebar.written(place)) == place


# --- the sweep --------------------------------------------------------------------------------


async def count(store: Store) -> int | None:
    async with store.session() as session:
        return await session.scalar(select(func.count(Conversation.id)))


async def test_the_sweep_removes_what_was_deleted_a_day_ago(store: Store) -> None:
    kept, gone = [await store.start(OWNER, "Why?", "a/b", "warn") for _ in range(2)]
    await store.change(OWNER, gone.id, deleted_at=now() - timedelta(hours=25))
    await store.change(OWNER, kept.id, deleted_at=now() - timedelta(hours=23))
    task = asyncio.create_task(sweeping(store, 0.01))
    async with asyncio.timeout(20):
        while await count(store) == 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await store.change(OWNER, kept.id, deleted_at=None)


# --- titles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "said", "title"),
    [
        (SOUP, "**Cooking Lentil Soup**\n", "Cooking Lentil Soup"),
        (SOUP, "<think>hm</think>", None),
        (SOUP, "", None),
        (SOUP, "Lentil soup\nand more", None),
        (SOUP, "lentil " * 11, None),
        (SOUP, "lentilsoup" * 7, None),
        (SOUP, "A nice chat", None),
        (SOUP, "Lentil \x1b[2J\u202esoup", "Lentil soup"),
        (TIANANMEN, "Tiananmen Square in 1989", "Tiananmen Square in 1989"),
        (TIANANMEN, "I cannot discuss Tiananmen Square.", None),
        (TIANANMEN, "A sensitive topic", None),
        ("六四事件是什么？", "《六四事件概述》", "六四事件概述"),
        ("六四事件是什么？", "历史问题", None),
        ("六四事件是什么？", "对不起，我无法讨论六四事件", None),
    ],
)
def test_a_title_is_taken_only_where_it_is_one(question: str, said: str, title: str | None) -> None:
    guard = Guard()
    assert taken(said, question, guard, guard.models.get(QWEN)) == title


@pytest.fixture(scope="module")
def titled(shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app where a model is asked for titles."""
    settings = Settings(
        base_url=shared_host.base_url,
        api_key=API_KEY,
        data=tmp_path_factory.mktemp("titled"),
        title_model=LLAMA,
        timeout=20,
    )
    with serving(settings) as site:
        yield site


def test_a_title_comes_after_the_first_answer(titled: Site, host: replies.Host) -> None:
    with page_of(titled.url) as page:
        id_ = str(page.ask(f"short {SOUP}", model=QWEN)["conversation"])
        data = page.whole(id_)[-1][1]
        assert [asked.model for asked in host.asked] == [QWEN, LLAMA]
        assert replies.CANDID["", "en"][:40] in host.asked[1].question
        # the test host answers at length: that is no title
        assert data["title"] == page.state(id_)["title"] == f"short {SOUP}"
        page.answered("And then?", id_, model=QWEN)
        assert len(host.asked) == 3, "a later answer asks for no title"


def test_a_fault_leaves_the_question_and_a_title_is_taken(
    titled: Site, host: replies.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(replies.SUBJECTS, "lentils", "Title:$")
    monkeypatch.setitem(replies.CANDID, ("lentils", "en"), "Lentil Soup, Step by Step")
    with page_of(titled.url) as page:
        id_ = page.ask(SOUP, model=QWEN)["conversation"]
        data = page.whole(id_)[-1][1]
        assert data["title"] == "Lentil Soup, Step by Step"
        assert "Lentil Soup, Step by Step" in data["entry"]
        assert entries(find(page, "soup step")["results"]) == [id_]
        failing = page.ask(f"{SOUP} fault:500@Llama", model=QWEN)["conversation"]
        assert page.whole(failing)[-1][1]["title"] == f"{SOUP} fault:500@Llama"
        late = page.ask(f"{SOUP} fault:slow@Llama", model=QWEN)["conversation"]
        names = [name for name, _ in page.whole(late)]
        assert names[-2:] == ["end", "titled"]
        slow = page.ask(f"{SOUP} fault:slow@Qwen2.5", model=QWEN)["conversation"]
        page.patch(f"/conversations/{slow}", title="My own")
        page.post(f"/conversations/{slow}/stop")
        assert settles(lambda: not titled.app.state.chat.titles.coming(slow))
        assert page.state(slow)["title"] == "My own"


def test_the_model_for_titles_must_be_on_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().catalogue().titles is None
    monkeypatch.setenv("CANDOR_TITLE_MODEL", LLAMA.lower())
    assert load().catalogue().titles == LLAMA
    monkeypatch.setenv("CANDOR_TITLE_MODEL", "nobody/nothing")
    with pytest.raises(ConfigError, match="CANDOR_TITLE_MODEL"):
        load().catalogue()
