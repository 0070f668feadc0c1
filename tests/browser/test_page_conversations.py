"""The list of conversations, the address, and who sees what."""

from __future__ import annotations

import re

from browsing import PLAIN, Visit, answered, ask, ended, go, reload, stands
from playwright.sync_api import Locator, Page, expect
from serving import Server


def item(page: Page, title: str) -> Locator:
    return page.locator(".conv").filter(has_text=title)


def test_new_chat_by_button_and_by_keys(page: Page) -> None:
    answered(page, PLAIN)
    expect(page).to_have_url(re.compile(r"\?c=[0-9a-f]{32}$"))
    expect(page).to_have_title(f"{PLAIN} · Candor")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    expect(page).not_to_have_url(re.compile("c="))
    expect(page).to_have_title("Candor")
    expect(page.get_by_label("Your question")).to_be_focused()
    answered(page, "another question")
    page.keyboard.press("Control+Shift+O")
    expect(page.locator(".hello")).to_be_visible()


def test_another_conversation_opens_and_the_browser_goes_back_and_forward(page: Page) -> None:
    answered(page, "alpha question")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    answered(page, "beta question")
    item(page, "alpha question").get_by_role("link").click()
    question = page.locator(".user")
    expect(question).to_have_text("alpha question")
    expect(item(page, "alpha question").get_by_role("link")).to_have_attribute(
        "aria-current", "page"
    )
    page.go_back()
    expect(question).to_have_text("beta question")
    page.go_back()
    expect(page.locator(".hello")).to_be_visible()
    page.go_forward()
    expect(question).to_have_text("beta question")


def test_rename_by_enter_and_not_by_escape(page: Page) -> None:
    answered(page, "a title to change")
    row = item(page, "a title to change")
    row.hover()
    row.get_by_role("button", name="Rename").click()
    field = page.get_by_role("textbox", name="Rename")
    expect(field).to_be_focused()
    field.fill("not kept")
    field.press("Escape")
    expect(row).to_be_visible()
    expect(row.get_by_role("link")).to_be_focused()
    row.get_by_role("button", name="Rename").click()
    field.fill("Kept <b>title</b>")
    field.press("Enter")
    expect(item(page, "Kept <b>title</b>").get_by_role("link")).to_be_focused()
    expect(page).to_have_title("Kept <b>title</b> · Candor")
    reload(page)
    expect(item(page, "Kept <b>title</b>")).to_be_visible()


def test_delete_can_be_undone(page: Page) -> None:
    answered(page, "gone and back")
    row = item(page, "gone and back")
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(page.locator(".hello")).to_be_visible()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("Conversation deleted.")
    toast.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    expect(page.locator(".user")).to_have_text("gone and back")
    address = page.url
    row.hover()
    row.get_by_role("button", name="Delete").click()
    expect(page.locator(".hello")).to_be_visible()
    go(page, address)
    expect(page.locator(".notice")).to_have_text("That conversation is not there any more.")
    expect(row).to_have_count(0)


def test_a_reload_finds_a_reply_going_on(page: Page) -> None:
    ask(page, "show many words fault:slow")
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word5 ")
    reload(page)
    expect(text).to_contain_text("word5 ")
    so_far = len(text.inner_text())
    page.wait_for_function(
        "length => document.querySelector('.reply .text').innerText.length > length + 20",
        arg=so_far,
    )
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(page.locator(".reply")).to_have_count(1)


def test_a_reply_goes_on_while_the_reader_is_elsewhere(page: Page) -> None:
    ask(page, "show many words fault:slow and leave")
    expect(page.locator(".reply .text")).to_contain_text("word1 ")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    answered(page, "meanwhile")
    item(page, "and leave").get_by_role("link").click()
    expect(page.locator(".reply .text")).to_contain_text("word20 ")
    page.get_by_role("button", name="Stop").click()
    ended(page)


def test_another_reader_sees_none_of_it(page: Page, visit: Visit, hosted: Server) -> None:
    answered(page, "my own affair")
    other = visit(hosted).open("/" + page.url.partition("/?")[2].join(["?", ""]))
    expect(other.locator(".notice")).to_have_text("That conversation is not there any more.")
    expect(other.locator(".conv")).to_have_count(0)
    expect(other.get_by_text("my own affair")).to_have_count(0)


def test_light_or_dark_is_remembered(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, dark=True).open()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    stands(reload(page))
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
