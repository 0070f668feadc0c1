"""A reader with a phone: the main way of what other files show on a wide screen, by touch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import (
    CANDID,
    PHONE,
    PLAIN,
    TIANANMEN,
    Visit,
    Window,
    answered,
    ask,
    ended,
    fits,
    go,
    reload,
    unfold,
    window,
)
from playwright.sync_api import Browser, Locator, Page, expect
from serving import Server

SLOW = "show many words fault:slow"


@pytest.fixture(scope="module")
def one_phone(browser: Browser, hosted: Server) -> Iterator[tuple[Window, Page]]:
    shared = window(browser, hosted.url, size=PHONE)
    yield shared, shared.open()
    shared.close()


@pytest.fixture
def phone(one_phone: tuple[Window, Page]) -> Iterator[Page]:
    """The empty page on a phone; these tests share its reader."""
    shared, page = one_phone
    yield go(page, shared.origin)
    fits(page)
    shared.check()


def tap(place: Page | Locator, name: str) -> None:
    place.get_by_role("button", name=name, exact=True).last.tap()


def new_chat(page: Page) -> None:
    unfold(page)
    tap(page, "New chat")
    expect(page.locator(".hello")).to_be_visible()


def set_mode(page: Page, mode: str) -> None:
    page.get_by_role("button", name="Guard:").tap()
    fits(page)
    page.get_by_role("menuitemradio", name=mode).tap()
    expect(page.locator('[data-region="mode"]')).to_have_text(mode)


def test_the_list_is_pinned_renamed_and_searched(phone: Page) -> None:
    answered(phone, "1989年6月北京发生了什么？")
    new_chat(phone)
    answered(phone, "to be renamed")
    unfold(phone)
    entries = phone.locator('[data-region="sidebar"] .conv')
    entries.nth(1).locator('[data-act="pin"]').tap()  # its title is the model's
    expect(phone.locator('[data-region="sidebar"] .day')).to_have_text(["Pinned", "Today"])
    entries.nth(1).locator('[data-act="rename"]').tap()
    field = phone.get_by_role("textbox", name="Rename")
    field.fill("renamed by touch")
    field.press("Enter")
    expect(entries.nth(1)).to_contain_text("renamed by touch")
    fits(phone)
    phone.get_by_role("searchbox", name="Search conversations").fill("绝食")
    found = phone.locator('[data-region="results"] .conv')
    expect(found.locator("mark").first).to_have_text("绝食")
    fits(phone)
    found.get_by_role("link").first.tap()
    expect(phone.locator("nav")).to_be_hidden()
    expect(phone.locator(".reply").filter(has_text="绝食")).to_be_in_viewport()


def test_a_question_is_retried_and_edited(phone: Page) -> None:
    reply = answered(phone, PLAIN)
    tap(reply, "Retry")
    ended(phone)
    expect(reply.locator(".pager")).to_contain_text("2 of 2")
    tap(reply, "Previous version")
    expect(reply.locator(".pager")).to_contain_text("1 of 2")
    tap(phone.locator(".asked"), "Edit")
    phone.get_by_role("textbox", name="Edit").fill("And with red ones?")
    fits(phone)
    tap(phone, "Send again")
    expect(phone.locator(".user")).to_have_text("And with red ones?")
    ended(phone)
    tap(phone.locator(".asked"), "Previous version")
    expect(phone.locator(".user")).to_have_text(PLAIN)


def test_another_model_goes_on_and_a_fork_leaves_the_first(phone: Page) -> None:
    answered(phone, "one model")
    phone.locator('[data-act="picker"]').tap()
    fits(phone)
    phone.get_by_role("option").filter(has_text=CANDID).first.tap()
    expect(answered(phone, "and another").locator(".chip")).to_contain_text(CANDID)
    expect(phone.locator(".chip").first).not_to_contain_text(CANDID)
    phone.get_by_role("button", name="Fork").first.tap()
    expect(phone.locator(".toast")).to_contain_text("This is a fork.")
    fits(phone)
    expect(phone.locator(".user")).to_have_text(["one model"])
    phone.go_back()
    expect(phone.locator(".user")).to_have_text(["one model", "and another"])


def test_a_reply_is_found_again_stopped_elsewhere_and_continued(
    visit: Visit, hosted: Server
) -> None:
    window = visit(hosted, size=PHONE)
    window.may_fail = ("ERR_", "Failed to load resource")
    page = window.open()
    ask(page, SLOW)
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word5 ")
    window.context.set_offline(True)  # as by a tunnel, or a phone that sleeps
    expect(page.locator(".standing")).to_contain_text("is lost")
    fits(page)
    window.context.set_offline(False)
    expect(page.locator(".standing")).to_be_hidden()
    reload(page)
    expect(text).to_contain_text("word20 ")
    other = window.open(page.url.removeprefix(hosted.url))
    expect(other.locator(".reply .text")).to_contain_text("word20 ")
    tap(other, "Stop")
    for tab in (page, other):
        ended(tab)
        expect(tab.locator(".note")).to_have_text("You stopped this reply here.")
    fits(page)
    before = text.inner_text()
    tap(page, "Continue")
    expect(page.locator(".note")).to_have_count(0)
    ended(page)
    assert text.inner_text().startswith(before)


def test_an_example_is_withheld_and_what_the_guard_offers_is_taken(phone: Page) -> None:
    set_mode(phone, "warn")
    expect(phone.locator(".examples button")).to_have_count(4)
    phone.get_by_role("button", name=TIANANMEN).tap()
    expect(phone.locator(".turn")).to_have_count(1)
    reply = ended(phone)
    expect(reply.locator(".guard.amber")).to_contain_text("seems to withhold")
    expect(phone.locator('[data-region="heard"]')).to_contain_text("Complete, words:")
    reply.locator(".facts summary").tap()
    expect(reply.locator(".facts a").first).to_be_visible()
    fits(phone)
    tap(reply, "Not withheld")
    expect(reply.locator(".guard")).to_contain_text("You marked this reply as not withheld")
    tap(reply, "Take back")
    tap(reply, "Ask the control question")
    expect(reply.locator(".control dd b")).to_have_text(["evaded", "answered"])
    fits(phone)
    tap(reply, "Ask another model")
    expect(phone.locator(".reply")).to_have_count(2)
    ended(phone)
    expect(phone.locator(".reply").last.locator(".join")).to_contain_text("another")


def test_a_fallback_a_fault_and_thoughts_are_read(phone: Page) -> None:
    set_mode(phone, "fall back")
    replies = answered(phone, TIANANMEN)
    expect(replies.last.locator(".join")).to_have_text("Answered by a model of another origin")
    expect(replies.first.locator(".guard.amber")).to_be_visible()
    fits(phone)
    replies = answered(phone, "A question, fault:500")
    expect(replies.locator(".fault").first).to_contain_text("out of order")
    expect(replies.locator(".fault").last).to_contain_text("As many models were asked")
    fits(phone)
    thoughts = answered(phone, "Why? fault:think").locator(".thoughts")
    thoughts.locator("summary").tap()
    expect(thoughts.locator("div")).to_be_visible()


def test_what_is_set_holds(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE).open()
    unfold(page)
    tap(page, "Settings")
    settings = page.get_by_role("dialog")
    settings.get_by_role("radio", name="warn").tap()
    settings.get_by_label("Theme").select_option("dark")
    choice = settings.get_by_label("Model in new conversations")
    choice.select_option("mistralai/Mistral-Small-3.2-24B-Instruct-2506")
    settings.get_by_label("Language of the page").select_option("de")
    expect(settings.locator("h2")).to_have_text("Einstellungen")
    fits(page)
    reload(page)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator('[data-region="picked"]')).to_contain_text(CANDID)
    expect(page.locator('[data-mode="warn"]')).to_have_attribute("aria-checked", "true")
