"""The page before two replicas, of which one is killed in the middle of a reply."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
import replies
from browsing import Visit, ask, ended
from playwright.sync_api import expect
from servers import Proxy, own_postgres, own_redis, proxy
from serving import Server

WITHIN = 5_000  # milliseconds in which the page shows the reply coming in again


@pytest.fixture(scope="module")
def replicas(
    model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    with own_postgres() as postgres, own_redis() as redis:
        shared = {
            "CANDOR_BASE_URL": model_host.base_url,
            "CANDOR_DATABASE_URL": postgres.url,
            "CANDOR_REDIS_URL": redis.url,
        }
        folders = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
        both = tuple(Server(folder, **shared).start() for folder in folders)
        for one in both:
            one.ready()
        yield both[0], both[1]
        for one in both:
            one.end(signal.SIGKILL)


@pytest.fixture
def before(replicas: tuple[Server, Server]) -> Iterator[Proxy]:
    with proxy(*(one.port for one in replicas)) as before:
        yield before


def test_a_reply_goes_on_before_the_readers_eyes_when_its_replica_is_killed(
    visit: Visit, replicas: tuple[Server, Server], before: Proxy
) -> None:
    other = visit(replicas[1]).open()  # it has served before
    ask(other, "show many words fault:slow")
    other.get_by_role("button", name="Stop").click()
    ended(other)
    other.close()
    window = visit(before)  # type: ignore[arg-type]
    window.may_fail = ("ERR_",)
    page = window.open()
    ask(page, "show many words fault:slow")
    reply = page.locator(".turn").last.locator(".reply")
    expect(reply.locator(".text")).to_contain_text("word40 ")
    page.evaluate("window.candorStays = true")
    shown = len(reply.locator(".text").inner_text())
    t=time.time()
    replicas[0].end(signal.SIGKILL)
    page.wait_for_function(
        """(shown) => {
            const reply = document.querySelector(".turn:last-child .reply");
            return reply.dataset.state === "streaming"
                && reply.querySelector(".text").innerText.length > shown;
        }""",
        arg=shown + 20,
        timeout=30000,
    )
    print("TOOK", time.time()-t)
    for one in replicas: print(one.log.read_text())
    expect(page.locator(".standing")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".reply")).to_have_count(1)
    assert page.evaluate("window.candorStays")  # without a reload
