"""Limits on the page's routes and the API, over a real socket; what replies are charged."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
import replies
from pydantic import SecretStr
from scraping import scraped
from served import (
    LLAMA,
    QWEN,
    SOUP,
    TIANANMEN,
    V1_KEY,
    Page,
    Site,
    page_of,
    serving,
    settings_of,
    settles,
)

from chat import limiting
from chat.counting import Counting
from chat.limiting import Admission, Limiter, Meter, Reached, Subject
from chat.limits import Bound, Limits, parsed
from guard import catalogue
from guard.events import Billed, Delta, Done, Event, Started
from guard.provenance import Served
from guard.snapshot import HubModel, Offer, Snapshot
from guard.types import Message

MODEL = catalogue.load().get(LLAMA)
SLOW = "show many words fault:slow"


@contextmanager
def limited(host: replies.Host, folder: Path, **values: Any) -> Iterator[Site]:
    """The app in front of the host, with limits."""
    keys = SecretStr(f"open,{V1_KEY}")
    with serving(settings_of(host.base_url, folder, api_keys=keys, **values)) as site:
        yield site


def asks(page: Page, question: str = SOUP, **changes: Any) -> httpx2.Response:
    body = {"question": question, "model": LLAMA, "mode": "warn"} | changes
    return page.post("/ask", **body)


@pytest.fixture(scope="module")
def of_readers(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    limits = "3/minute, 2 streams, 500 characters, 4 requests/minute"
    with limited(shared_host, tmp_path_factory.mktemp("readers"), limits=limits) as site:
        yield site


@pytest.fixture
def page(of_readers: Site) -> Iterator[Page]:
    with page_of(of_readers.url) as page:
        page.state()
        yield page


def test_more_messages_than_a_minute_may_have(page: Page) -> None:
    id_ = page.answered(SOUP)
    turn = asks(page, conversation=id_).json()["turn"]
    page.whole(id_)
    assert page.post(f"/conversations/{id_}/turns/{turn}/retry").status_code == 200
    page.whole(id_)
    for refused in (
        asks(page, conversation=id_),
        page.post(f"/conversations/{id_}/turns/{turn}/retry"),
        page.post(f"/conversations/{id_}/turns/{turn}/edit", question="Why?"),
    ):
        assert refused.status_code == 429
        wait = refused.json()["retry_after"]
        assert 0 < wait <= 60
        assert refused.headers["retry-after"] == str(wait)
        assert refused.json()["whose"] == "reader"
        told = "The limit for messages is reached: 3 a minute for each person."
        assert refused.json()["detail"] == told
    assert page.state(id_)["thread"].count("data-turn=") == 2  # nothing was stored


def test_another_reader_is_not_held_up(page: Page, of_readers: Site) -> None:
    for _ in range(3):
        page.answered(SOUP)
    assert asks(page).status_code == 429
    with page_of(of_readers.url) as other:
        assert asks(other).status_code == 200
        assert settles(lambda: of_readers.running() == 0)


def test_a_wrong_question_is_not_counted(page: Page) -> None:
    for _ in range(5):
        assert asks(page, "  ").status_code == 422
        assert asks(page, model="no/such").status_code == 422
        assert asks(page, conversation="0" * 32).status_code in (404, 429)
    with page_of(str(page.http.base_url)) as other:
        for _ in range(5):
            assert asks(other, "  ").status_code == 422
        assert asks(other).status_code == 200


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The question is too long: it has 501 characters, and 500 are taken here."),
        ("de", "Die Frage ist zu lang: Sie hat 501 Zeichen, angenommen werden hier 500."),
    ],
)
def test_a_question_that_is_too_long(of_readers: Site, language: str, told: str) -> None:
    with page_of(of_readers.url, **{"accept-language": language}) as page:
        refused = asks(page, "x" * 501)
        assert refused.status_code == 413
        assert refused.json()["detail"] == told
        assert asks(page, "x" * 500).status_code == 200


def test_replies_at_the_same_time(page: Page, of_readers: Site) -> None:
    first, second = (asks(page, SLOW).json()["conversation"] for _ in range(2))
    refused = asks(page, SLOW)
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers
    assert "2 for each person. The next question is taken when one has" in refused.json()["detail"]
    page.post(f"/conversations/{first}/stop")
    assert asks(page, SLOW, conversation=second).status_code == 200  # it ends the one before
    for id_ in (first, second):
        page.post(f"/conversations/{id_}/stop")
    assert settles(lambda: not of_readers.app.state.limiter.counting.held)


def test_uploads_shares_and_searches_are_counted_together(page: Page) -> None:
    id_ = page.answered(SOUP)
    assert page.http.post("/candor/files?name=a.txt", content=b"words").status_code == 200
    assert page.http.get("/candor/search?q=soup").status_code == 200
    assert page.post(f"/conversations/{id_}/shares", thoughts=False).status_code == 200
    assert page.http.get("/candor/export").status_code == 200
    for refused in (
        page.http.post("/candor/files?name=a.txt", content=b"words"),
        page.http.get("/candor/search?q=soup"),
        page.http.post("/candor/import", content=b"[]"),
    ):
        assert refused.status_code == 429
        assert "uploads, imports, shared links, searches" in refused.json()["detail"]
        assert refused.headers["retry-after"]
    assert page.state(id_)["conversation"] == id_


def test_an_address_is_counted_whoever_reads(shared_host: replies.Host, tmp_path: Path) -> None:
    limits = {"limits": "none", "limits_address": "2/day, 3 requests/minute"}
    with limited(shared_host, tmp_path, **limits) as site:
        for _ in range(2):
            with page_of(site.url) as page:
                page.answered(SOUP)
        with page_of(site.url, cookie="candor_zone=Asia%2FTokyo") as page:
            refused = asks(page)
        assert refused.status_code == 429
        assert "2 a day for each network address. It begins anew at" in refused.json()["detail"]
        asked = {"model": LLAMA, "messages": [{"role": "user", "content": SOUP}]}
        with httpx2.Client(base_url=site.url, trust_env=False) as http:
            by_nobody = http.post("/v1/chat/completions", json=asked)
            assert by_nobody.status_code == 429
            assert by_nobody.json()["error"]["type"] == "rate_limit_error"
            assert "for each network address" in by_nobody.json()["error"]["message"]
            keyed = {"authorization": f"Bearer {V1_KEY}"}
            assert http.post("/v1/chat/completions", json=asked, headers=keyed).status_code == 200
            seen = [http.get("/v1/models").status_code for _ in range(4)]
            assert seen == [200, 200, 429, 429]
            assert http.post("/mcp", json={}).status_code == 429
            assert http.get("/v1/models", headers=keyed).status_code == 200


def test_the_address_is_what_a_trusted_proxy_says_and_no_other(
    shared_host: replies.Host, tmp_path: Path
) -> None:
    """The test speaks from 127.0.0.1, which uvicorn trusts; what lies behind that is not."""
    limits = {"limits": "none", "limits_address": "1/day"}
    with limited(shared_host, tmp_path, **limits) as site:

        def asked_from(told: str) -> int:
            with page_of(site.url, **{"x-forwarded-for": told}) as page:
                return asks(page).status_code

        assert asked_from("192.0.2.1") == 200
        assert asked_from("192.0.2.2") == 200
        assert asked_from("192.0.2.9, 192.0.2.1") == 429  # the first is the visitor's own claim
        assert asked_from("2001:db8:0:1::1") == 200
        assert asked_from("2001:db8:0:1:ffff::1") == 429
        assert settles(lambda: site.running() == 0)


def test_tokens_are_charged_at_the_end_stopped_or_not(
    shared_host: replies.Host, tmp_path: Path
) -> None:
    with limited(shared_host, tmp_path, limits="10 tokens/day") as site:
        with page_of(site.url) as page:
            page.answered(SOUP)
            refused = asks(page)
            assert refused.status_code == 429
            assert "tokens that models write is reached: 10 a day" in refused.json()["detail"]
        with page_of(site.url) as page:
            id_ = asks(page, SLOW).json()["conversation"]
            assert settles(lambda: shared_host.asked[-1].fault == "slow")
            assert settles(lambda: shared_host.asked[-1].sent > 20)
            page.post(f"/conversations/{id_}/stop")
            assert settles(lambda: asks(page).status_code == 429)


def test_open_calls_are_charged_too(shared_host: replies.Host, tmp_path: Path) -> None:
    limits = {"limits": "none", "limits_address": "10 tokens/day, 1 streams"}
    asked = {"model": QWEN, "messages": [{"role": "user", "content": SOUP}]}
    with (
        limited(shared_host, tmp_path, **limits) as site,
        httpx2.Client(base_url=site.url, trust_env=False) as http,
    ):
        streamed = http.post("/v1/chat/completions", json=asked | {"stream": True})
        assert streamed.text.endswith("data: [DONE]\n\n")
        refused = http.post("/v1/chat/completions", json=asked)
        assert refused.status_code == 429
        assert refused.headers["retry-after"]


def used(site: Site) -> int:
    """Tokens that have been charged."""
    counts = site.app.state.limiter.counting.alone.windows.storage.storage
    return sum(int(count) for key, count in counts.items() if "tokens" in key)


def besides(site: Site, model: str) -> float:
    """Tokens of a model that was asked besides the replies, by the metrics."""
    return scraped(site.url).sum("candor_tokens_total", model=model, part="besides")


def test_a_title_and_a_control_question_are_charged(
    shared_host: replies.Host, tmp_path: Path
) -> None:
    limits = {"limits": "100000 tokens/day", "title_model": LLAMA}
    with limited(shared_host, tmp_path, **limits) as site, page_of(site.url) as page:
        id_ = str(page.ask(TIANANMEN, model=QWEN)["conversation"])
        page.whole(id_)
        assert settles(lambda: not site.app.state.chat.titles.coming(id_))
        first = used(site)
        page.answered(TIANANMEN, id_, model=QWEN)
        second = used(site) - first
        assert 0 < second < first, "the title was asked for after the first reply alone"
        title = besides(site, LLAMA)
        assert title > 0
        assert first == second + title, "what is charged is in the metrics"
        before = used(site)
        (reply, _) = re.findall(r'data-reply="(\w+)"', page.state(id_)["thread"])
        path = f"/conversations/{id_}/replies/{reply}/control"
        page.post(path).raise_for_status()
        assert used(site) == before + besides(site, QWEN) > before
        before = used(site)
        with shared_host.failing("500"):
            assert page.post(path).status_code == 502
        assert used(site) == before


# --- charges --------------------------------------------------------------------------------------


def snapshot() -> Snapshot:
    offers = tuple(
        Offer(provider=name, model=name, input_price=price, output_price=price)
        for name, price in (("cheap", 1.0), ("dear", 9.0))
    )
    return Snapshot(models={LLAMA: HubModel(id=LLAMA, offers=offers)})


def done(tokens: int, dollars: float | None) -> Done:
    served = Served(provider="cheap")
    return Done(
        attempt=0, finish_reason="stop", served=served, seconds=1, tokens=tokens, dollars=dollars
    )


def test_a_reply_costs_what_its_end_tells() -> None:
    meter = Meter([Message(role="user", text="Why?")], snapshot(), lambda _: True)
    for event in (Started(attempt=0, model=MODEL), Delta(attempt=0, text="So."), done(300, 0.25)):
        meter.take(event)
    assert meter.total() == (300, 0.25)


def test_a_stopped_reply_costs_what_came_by_the_dearest_provider() -> None:
    meter = Meter([Message(role="user", text="x" * 4_000)], snapshot(), lambda _: True)
    meter.take(Started(attempt=0, model=MODEL))
    for _ in range(1000):
        meter.take(Delta(attempt=0, text="word "))
    assert meter.total() == (1000, pytest.approx(2000 * 9 / 1_000_000))


def test_who_pays_themselves_spends_no_money_of_the_operator() -> None:
    meter = Meter([], snapshot(), lambda _: False)
    meter.take(Started(attempt=0, model=MODEL))
    meter.take(done(300, 0.25))
    assert meter.total() == (300, 0)


def test_a_judge_s_opinion_is_charged_by_its_own_price() -> None:
    for pays, dollars in ((True, 0.5), (False, 0)):
        meter = Meter([], snapshot(), lambda _, pays=pays: pays)  # type: ignore[misc]
        meter.take(Started(attempt=0, model=MODEL))
        meter.take(Billed(attempt=0, model=catalogue.load().get(QWEN), tokens=40, dollars=0.25))
        meter.take(done(300, 0.25))
        assert meter.total() == (340, dollars)


async def test_a_place_is_free_where_what_it_was_for_failed_before_it_began() -> None:
    subjects = [Subject("reader", "reader/a", parsed("1 streams"))]
    limiter = Limiter(Counting(), Limits)

    async def source() -> AsyncGenerator[Event, None]:
        yield Started(attempt=0, model=MODEL)

    begins, fails = (Admission(limiter, subjects, lambda _: True) for _ in range(2))
    await begins.enter(MODEL)
    events = begins.metered(source, [], Snapshot())()
    await begins.leave()
    with pytest.raises(Reached, match="streams"):
        await fails.enter(MODEL)
    assert [event async for event in events]
    await fails.enter(MODEL)
    fails.metered(source, [], Snapshot())
    await fails.leave(failed=True)
    assert not limiter.counting.held


async def test_money_that_is_spent_holds_until_its_day_is_over() -> None:
    subjects = [Subject("reader", "reader/a", parsed("1 dollars/day, 1 streams"))]
    limiter = Limiter(Counting(), Limits)

    async def source() -> AsyncGenerator[Event, None]:
        yield Started(attempt=0, model=MODEL)
        yield done(10, 1.5)

    own = Admission(limiter, subjects, lambda _: False)
    theirs = Admission(limiter, subjects, lambda _: True)
    for _ in range(2):
        await own.enter(MODEL)
        assert [event async for event in own.metered(source, [], Snapshot())()]
    await theirs.enter(MODEL)
    assert [event async for event in theirs.metered(source, [], Snapshot())()]
    with pytest.raises(Reached) as raised:
        await theirs.enter(MODEL)
    assert "cost is reached: $1.00 a day" in raised.value.told("en", UTC)
    await own.enter(MODEL)


async def test_a_place_is_free_where_the_reply_never_began() -> None:
    subjects = [
        Subject("reader", "reader/a", parsed("1 streams")),
        Subject("address", "address/a", parsed("1 streams, 2/day")),
    ]
    limiter = Limiter(Counting(), Limits)
    for _ in range(2):
        admission = Admission(limiter, subjects, lambda _: True)
        await admission.enter(MODEL)
        await admission.leave()
    refused = Admission(limiter, subjects, lambda _: True)
    with pytest.raises(Reached, match="messages"):
        await refused.enter(MODEL)
    await refused.leave()
    assert not limiter.counting.held


# --- what is told ---------------------------------------------------------------------------------


@pytest.fixture
def morning(monkeypatch: pytest.MonkeyPatch) -> datetime:
    fixed = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    monkeypatch.setattr(limiting, "now", lambda: fixed)
    return fixed


@pytest.mark.parametrize(
    ("language", "zone", "hours", "told"),
    [
        ("en", "UTC", 5, "reached: 500 a day for each person. It begins anew at 1:00\u202fPM."),
        ("en", "America/New_York", 5, "It begins anew at 8:00\u202fAM."),
        ("en", "Asia/Tokyo", 9, "It begins anew at 11/24/26, 2:00\u202fAM."),
        ("de", "Europe/Berlin", 5, "500 pro Tag für jede Person. Neu gezählt wird ab 14:00."),
        ("zh-Hans", "UTC", 5, "已达到消息数上限：每人每天 500 条。将于 13:00 重新计算。"),
        ("en", "UTC", 0.5, "for each person."),
    ],
)
def test_when_it_goes_on_is_told_in_the_readers_time(
    morning: datetime, language: str, zone: str, hours: float, told: str
) -> None:
    error = Reached(Bound(most=500, per="day"), "reader", timedelta(hours=hours).total_seconds())
    assert error.told(language, ZoneInfo(zone)).endswith(told)


def test_no_time_is_longer_than_it_is() -> None:
    assert Reached(Bound(most=1, per="day"), "reader", 0.2).headers == {"retry-after": "1"}
    assert Reached(Bound(most=1, per="day"), "reader", 59.1).headers == {"retry-after": "60"}
