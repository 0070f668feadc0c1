"""With a keyboard, a screen reader, a phone."""

from __future__ import annotations

from browsing import (
    PHONE,
    TIANANMEN,
    Visit,
    answered,
    ask,
    beside,
    ended,
    fits,
    go,
    set_mode,
    tappable,
    unfold,
)
from playwright.sync_api import Page, expect
from serving import Server


def test_the_thread_is_busy_until_the_end(page: Page) -> None:
    thread = page.locator('[data-region="thread"]')
    expect(thread).to_have_attribute("aria-busy", "false")
    ask(page, "show many words fault:slow")
    expect(thread).to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(thread).to_have_attribute("aria-busy", "false")


def test_the_first_tab_leads_to_the_question(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    skip = page.get_by_role("link", name="Skip to the question")
    skip.focus()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your question")).to_be_focused()


def test_enter_makes_a_line_on_a_phone(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE).open()
    box = page.get_by_label("Your question")
    box.press_sequentially("one")
    box.press("Enter")
    box.press_sequentially("two")
    expect(box).to_have_value("one\ntwo")
    expect(page.locator(".turn")).to_have_count(0)


def test_a_phone_has_a_drawer(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE).open()
    answered(page, "on the phone")
    menu = page.get_by_role("button", name="Open conversations")
    drawer = page.get_by_role("navigation", name="Conversations")
    expect(drawer).to_be_hidden()
    menu.click()
    expect(drawer).to_be_visible()
    expect(drawer.get_by_role("button", name="Close")).to_be_focused()
    expect(drawer.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    expect(drawer.get_by_role("button", name="Rename")).to_be_in_viewport(ratio=1)
    fits(page)
    drawer.get_by_role("button", name="Close").click()
    expect(drawer).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    menu.click()
    page.mouse.click(380, 100)  # beside it
    expect(drawer).to_be_hidden()
    menu.click()
    page.get_by_role("button", name="Send", exact=True).click(position={"x": 50, "y": 8})
    expect(drawer).to_be_hidden()  # and what stands below it is not pressed
    menu.click()
    drawer.get_by_role("button", name="New chat").click()
    expect(drawer).to_be_hidden()
    expect(page.locator(".hello")).to_be_visible()
    menu.click()
    drawer.get_by_role("link", name="on the phone").click()
    expect(drawer).to_be_hidden()
    expect(page.locator(".user")).to_have_text("on the phone")


def test_every_screen_fits_a_phone(visit: Visit, demo: Server) -> None:
    page = visit(demo, size=PHONE).open()
    fits(page)
    page.locator('[data-act="picker"]').click()
    fits(page)
    box = page.get_by_role("dialog", name="Choose a model").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert box["y"] + box["height"] <= PHONE[1]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Connect real models").click()
    fits(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Guard:").click()
    fits(page)
    page.keyboard.press("Escape")
    page.locator(".examples button").first.click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    page.locator(".facts summary").first.click()
    fits(page)
    go(page, f"{demo.url}/?model=nobody/A-very-long-name-of-a-model-that-is-not-here-Instruct-FP8")
    expect(page.locator(".notice")).to_contain_text("There is no model")
    fits(page)
    header = page.locator("header")
    assert header.evaluate("element => element.scrollHeight <= element.clientHeight + 1")


def test_what_is_tapped_is_as_large_as_a_finger(visit: Visit, hosted: Server, odd: Server) -> None:
    window = visit(hosted, size=PHONE)
    page = window.open()
    tappable(page)
    answered(page, "Why? fault:think")
    set_mode(page, "compare")
    answered(page, TIANANMEN)
    answered(page, "A question, fault:500")
    tappable(page)
    unfold(page)
    tappable(page)
    page.get_by_role("button", name="Settings").click()
    for tab in ("General", "Models", "Your data"):
        page.get_by_role("tab", name=tab).click()
        tappable(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    for opened in ('[data-act="modes"]', '[data-act="picker"]', ".travels"):
        page.locator(opened).click()
        tappable(page)
        if opened != ".travels":
            page.keyboard.press("Escape")
    page.get_by_role("menuitem", name="Share a link").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".shares li")).to_have_count(1)
    tappable(page)
    page.goto(page.locator('[data-region="link"]').input_value())
    tappable(page)
    other = visit(odd, size=PHONE)
    for path in ("/models", "/audit"):
        seen = beside(other, path)
        seen.locator(".filter summary").click()
        tappable(seen)
