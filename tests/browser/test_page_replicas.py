"""The page before two replicas, of which one is killed in the middle of a reply."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import replies
from browsing import PATIENCE, Visit, ask, ended
from databases import apart, emptied
from links import Link, proxy
from playwright.sync_api import expect
from serving import Server


@pytest.fixture(scope="module")
def replicas(
    model_host: replies.Host,
    postgresql: str,
    shared_redis: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Server, Server]]:
    shared = {
        "CANDOR_BASE_URL": model_host.base_url,
        "CANDOR_DATABASE_URL": apart(emptied(postgresql)),
        "CANDOR_REDIS_URL": shared_redis,
    }
    folder = tmp_path_factory.mktemp("replicas")
    first, second = (Server(folder / name, **shared).start() for name in ("first", "second"))
    try:
        yield first.ready(), second.ready()
    finally:
        for one in (first, second):
            one.end(signal.SIGKILL)


@pytest.fixture
def before(replicas: tuple[Server, Server]) -> Iterator[Link]:
    for one in replicas:
        if one.is_gone():  # where this is the second try
            one.start().ready()
    with proxy(*(one.port for one in replicas)) as before:
        yield before


def test_a_reply_goes_on_before_the_readers_eyes_when_its_replica_is_killed(
    visit: Visit, replicas: tuple[Server, Server], before: Link
) -> None:
    window = visit(before)  # type: ignore[arg-type]
    window.may_fail = ("ERR_",)
    page = window.open()
    ask(page, "show many words fault:slow")
    reply = page.locator(".turn").last.locator(".reply")
    expect(reply.locator(".text")).to_contain_text("word40 ")
    page.evaluate("window.candorStays = true")
    shown = reply.locator(".text").inner_text()
    replicas[0].end(signal.SIGKILL)
    expect(reply).to_have_attribute("data-state", "done", timeout=3 * PATIENCE)  # taken over first
    ended(page)
    expect(reply.locator(".text")).to_contain_text(shown[:200])
    assert len(reply.locator(".text").inner_text()) > len(shown)
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".reply")).to_have_count(1)
    expect(page.locator(".standing")).to_be_hidden()
    assert page.evaluate("window.candorStays")  # without a reload
