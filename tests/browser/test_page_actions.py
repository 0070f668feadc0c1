"""Other things to do with a reply, and chats that are not stored, as a reader does them."""

from __future__ import annotations

import re

import replies
from browsing import PHONE, PLAIN, SIZES, Visit, answered, ask, ended, fits, reload
from playwright.sync_api import Page, expect
from serving import Server

SLOW = "show many words fault:slow"
PICKER = "Answer this question with"


def begins_anew(page: Page) -> None:
    expect(page.locator(".hello")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)


@SIZES
def test_another_model_answers_an_earlier_question(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size).open()
    answered(page, PLAIN)
    answered(page, "And then?")
    own = page.locator('[data-region="picked"]').inner_text()
    page.get_by_role("button", name="Answer with…").first.click()
    dialog = page.get_by_role("dialog", name=PICKER)
    expect(dialog.get_by_role("heading", name=PICKER)).to_be_visible()
    fits(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Answer with…").first).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("Apertus")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(1)
    reply = ended(page)
    expect(reply.locator(".chip")).to_contain_text("Apertus")
    expect(reply.locator(".pager")).to_contain_text("2 of 2")
    assert page.locator('[data-region="picked"]').inner_text() == own
    fits(page)
    reload(page)
    assert page.locator('[data-region="picked"]').inner_text() == own
    reply.get_by_role("button", name="Previous version").click()
    expect(page.locator(".user")).to_have_text([PLAIN, "And then?"])
    page.locator('[data-act="picker"]').click()  # the picker is itself again
    expect(page.get_by_role("dialog", name="Choose a model")).to_be_visible()
    expect(page.get_by_role("heading", name=PICKER)).to_have_count(0)


def test_a_stopped_reply_goes_on_below_what_has_come(page: Page, model_host: replies.Host) -> None:
    ask(page, f"{SLOW} fault:slow")
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word12 ")
    page.get_by_role("button", name="Stop").click()
    reply = ended(page)
    id_ = reply.get_attribute("data-reply")
    before = text.inner_text()
    go_on = reply.get_by_role("button", name="Continue")
    with model_host.failing("slow"):
        go_on.click()
        expect(text).to_contain_text("Here is a short answer")
        assert text.inner_text().startswith(before)
        reload(page)  # and it goes on
        expect(text).to_contain_text("In the end, check the result.")
    ended(page)
    expect(reply).to_have_attribute("data-reply", str(id_))
    expect(reply).to_have_count(1)
    assert text.inner_text().startswith(before)
    expect(page.locator(".note")).to_have_count(0)
    expect(go_on).to_have_count(0)


def test_a_fork_opens_at_once_and_leaves_the_first(page: Page) -> None:
    answered(page, "the first of two")
    answered(page, "the second of two")
    first = page.url
    page.get_by_role("button", name="Fork").first.click()
    expect(page.locator(".toast")).to_contain_text("This is a fork.")
    expect(page.locator(".user")).to_have_text(["the first of two"])
    expect(page).to_have_title("Fork: the first of two · Candor")
    assert page.url != first
    expect(page.locator(".conv.on a")).to_have_text("Fork: the first of two")
    page.go_back()
    expect(page.locator(".user")).to_have_text(["the first of two", "the second of two"])


def test_a_temporary_chat_tells_what_it_is_and_goes(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("404",)
    page = window.open("/?temporary=1")
    told = page.locator(".passing")
    toggle = page.get_by_role("button", name="Temporary chat")
    expect(told).to_contain_text("This chat is not stored.")
    expect(toggle).to_have_attribute("aria-pressed", "true")
    toggle.click()
    expect(told).to_be_hidden()
    expect(page).not_to_have_url(re.compile("temporary"))
    toggle.click()
    expect(told).to_be_visible()
    answered(page, "between us")
    expect(page).to_have_url(re.compile(r"\?c=[0-9a-f]{32}&temporary=1$"))
    expect(page).to_have_title("Temporary chat · Candor")
    expect(page.locator(".conv")).to_have_count(0)
    expect(page.get_by_role("button", name="Share", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Retry").click()
    expect(ended(page).locator(".pager")).to_contain_text("2 of 2")
    reload(page)
    expect(page.locator(".user")).to_have_text(["between us"])
    expect(told).to_be_visible()
    address = page.url
    page.get_by_role("button", name="New chat").click()
    begins_anew(page)
    expect(told).to_be_hidden()
    page.goto(address)
    expect(page.locator(".notice")).to_have_text("That temporary chat is gone.")
    expect(told).to_be_visible()  # as the address says
    answered(page, "worth keeping")
    told.get_by_role("button", name="Keep this chat").click()
    expect(told).to_be_hidden()
    expect(page.locator(".conv.on a")).to_have_text("worth keeping")
    expect(page).to_have_url(re.compile(r"\?c=[0-9a-f]{32}$"))
    reload(page)
    expect(page.locator(".user")).to_have_text(["worth keeping"])


def test_a_temporary_chat_fits_a_phone_from_right_to_left(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE, language="ar").open("/?temporary=1")
    page.locator("#candor-question").fill(PLAIN)
    page.locator(".box [type=submit]").click()
    expect(page.locator('[data-act="keep"]')).to_be_visible()
    ended(page)
    expect(page.locator('[data-act="answer-with"]')).to_be_visible()
    fits(page)
    page.locator("header .menu").click()
    expect(page.locator('nav [data-act="temporary"]')).to_be_in_viewport(ratio=1)
    fits(page)


def test_another_tab_finds_the_running_reply_and_stops_it(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    page = window.open()
    ask(page, SLOW)
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word5 ")
    other = window.open(page.url.removeprefix(hosted.url))
    expect(other.locator(".reply .text")).to_contain_text("word20 ")
    page.close()  # and it runs on
    third = window.open(other.url.removeprefix(hosted.url))
    expect(third.locator(".reply .text")).to_contain_text("word40 ")
    third.get_by_role("button", name="Stop").click()
    for tab in (third, other):
        ended(tab)
        expect(tab.locator(".note")).to_have_text("You stopped this reply here.")
    assert other.locator(".text").inner_text() == third.locator(".text").inner_text()
