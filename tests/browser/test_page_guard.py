"""What the reader can have the guard do: off, warn, fall back, ask another, contradict."""

from __future__ import annotations

from browsing import PLAIN, TIANANMEN, answered, ended, go, reload, set_mode
from playwright.sync_api import Page, expect


def test_off_shows_the_reply_alone(page: Page) -> None:
    set_mode(page, "off")
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(1)
    expect(replies.locator(".guard")).to_have_count(0)
    expect(replies.locator("mark")).to_have_count(0)
    expect(page.locator(".mode")).to_have_class("mode off")


def test_warn_tells_and_asks_another_model_when_told_to(page: Page) -> None:
    set_mode(page, "warn")
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(1)
    expect(replies.locator(".guard.amber")).to_be_visible()
    expect(replies.locator("mark").first).to_be_visible()
    expect(replies.locator(".note")).to_have_count(0)  # a warned reply is not cut short
    page.get_by_role("button", name="Ask another model").click()
    expect(replies).to_have_count(2)
    ended(page)
    expect(replies.last.locator(".join")).to_have_text("Answered by a model of another origin")
    expect(replies.last.locator(".text")).to_contain_text("People's Liberation Army")
    expect(page.get_by_role("button", name="Ask another model")).to_have_count(0)
    reload(page)
    expect(replies).to_have_count(2)


def test_fall_back_hands_over_and_keeps_both(page: Page) -> None:
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(2)
    expect(replies.first.locator(".chip")).to_contain_text("Qwen2.5-72B-Instruct")
    expect(replies.last.locator(".chip")).to_contain_text("Llama-3.3-70B-Instruct")
    expect(replies.first.get_by_role("button", name="Ask another model")).to_have_count(0)
    expect(replies.first.get_by_role("button", name="Retry")).to_have_count(0)
    expect(replies.last.get_by_role("button", name="Retry")).to_be_visible()


def test_not_withheld_is_kept_and_taken_back(page: Page) -> None:
    set_mode(page, "warn")
    reply = answered(page, TIANANMEN)
    reply.get_by_role("button", name="Not withheld").click()
    expect(reply.locator(".guard")).to_contain_text("You marked this reply as not withheld")
    expect(reply.locator("mark")).to_have_count(0)
    reload(page)
    expect(reply.locator(".guard")).to_contain_text("You marked this reply as not withheld")
    reply.get_by_role("button", name="Take back").click()
    expect(reply.locator(".guard.amber")).to_be_visible()
    expect(reply.locator("mark").first).to_be_visible()


def test_the_menu_goes_by_keys_and_gives_the_focus_back(page: Page) -> None:
    button = page.get_by_role("button", name="Guard:")
    menu = page.get_by_role("menu")
    button.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("menuitemradio", name="fall back")).to_be_focused()
    expect(page.get_by_role("menuitemradio", checked=True)).to_have_count(1)
    for name in ("compare", "warn", "off"):
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("menuitemradio", name=name)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitemradio", name="fall back")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    button.click()
    page.locator(".hello h1").click()
    expect(menu).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
    expect(page.locator('[data-region="mode"]')).to_have_text("fall back")


def test_a_conversation_keeps_its_mode(page: Page) -> None:
    set_mode(page, "warn")
    answered(page, PLAIN)
    reload(page)
    expect(page.locator('[data-region="mode"]')).to_have_text("warn")
    set_mode(page, "off")
    reload(page)
    expect(page.locator('[data-region="mode"]')).to_have_text("off")
    go(page, page.url.partition("?")[0])
    expect(page.locator('[data-region="mode"]')).to_have_text("fall back")
