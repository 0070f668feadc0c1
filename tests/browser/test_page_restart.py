"""The app is killed in the middle of a reply, and started again."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from browsing import PLAIN, Visit, answered, ask, ended
from playwright.sync_api import expect
from serving import Server


@pytest.fixture
def fragile(hosted: Server) -> Iterator[Server]:
    """The connected app; it runs again when the test is over, however that went."""
    yield hosted
    if hosted.process is None:
        hosted.start().ready()


def test_a_killed_app_keeps_the_question_and_what_had_come(visit: Visit, fragile: Server) -> None:
    window = visit(fragile)
    window.may_fail = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_")
    page = window.open()
    answered(page, PLAIN)
    ask(page, "show many words fault:slow")
    reply = page.locator(".turn").last.locator(".reply")
    expect(reply.locator(".text")).to_contain_text("word40 ")
    fragile.end(signal.SIGKILL)
    expect(page.locator(".standing")).to_contain_text("The connection to the app is lost")
    expect(reply.locator(".text")).to_contain_text("word40 ")
    fragile.start().ready()
    # the open page finds back by itself
    expect(reply.locator(".note")).to_contain_text("This reply was interrupted")
    expect(reply).to_have_attribute("data-state", "interrupted")
    expect(reply.locator(".text")).to_contain_text("word1 ")
    address = page.url
    page.close()
    page = window.open(address.removeprefix(fragile.url))
    expect(page.locator(".user")).to_have_text([PLAIN, "show many words fault:slow"])
    expect(page.locator(".reply .text").first).to_contain_text("test host")
    expect(page.locator(".note")).to_contain_text("This reply was interrupted")
    page.get_by_role("button", name="Retry").last.click()
    expect(page.locator(".turn").last.locator(".text")).to_contain_text("word1 ")
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(page.locator(".turn").last.locator(".pager").last).to_contain_text("2 of 2")
    answered(page, "and on it goes")
