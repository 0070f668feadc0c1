"""Two models side by side, the reply that goes on, settings, and evidence that is asked for."""

from __future__ import annotations

import pytest
from browsing import PHONE, PLAIN, TIANANMEN, Visit, answered, fits, go, reload, set_mode
from playwright.sync_api import Locator, Page, expect
from serving import Server


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found is not None
    return dict(found)


def test_compare_puts_two_models_side_by_side(page: Page) -> None:
    set_mode(page, "compare")
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(2)
    first, second = box(replies.first), box(replies.last)
    assert abs(first["y"] - second["y"]) < 2
    assert first["x"] + first["width"] <= second["x"]
    assert abs(first["width"] - second["width"]) < 2
    expect(replies.first.locator(".guard.amber")).to_be_visible()
    expect(replies.last.locator(".guard")).to_have_count(0)
    fits(page)
    reload(page)
    expect(replies).to_have_count(2)
    assert abs(box(replies.first)["y"] - box(replies.last)["y"]) < 2


def test_a_comparison_stacks_on_a_phone(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE).open()
    set_mode(page, "compare")
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(2)
    first, second = box(replies.first), box(replies.last)
    assert first["y"] + first["height"] <= second["y"]
    expect(replies.last.locator(".join")).to_have_text("Beside it, a model of another origin")
    fits(page)


def test_a_plain_question_is_compared_as_well(page: Page) -> None:
    set_mode(page, "compare")
    replies = answered(page, PLAIN)
    expect(replies).to_have_count(2)
    expect(replies.locator(".guard")).to_have_count(0)
    expect(page.locator(".comparison")).to_have_count(0)
    expect(page.get_by_role("group", name="Which answered better?")).to_be_visible()


@pytest.mark.parametrize("mode", ["fall back", "compare"])
def test_the_reader_chooses_the_reply_to_go_on_with(page: Page, mode: str) -> None:
    set_mode(page, mode)
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(2)
    expect(replies.last.locator(".goes-on")).to_be_visible()
    expect(replies.first.locator(".goes-on")).to_have_count(0)
    replies.first.get_by_role("button", name="Go on with this reply").click()
    expect(replies.first.locator(".goes-on")).to_be_visible()
    expect(replies.last.locator(".goes-on")).to_have_count(0)
    reload(page)
    expect(replies.first.locator(".goes-on")).to_be_visible()


def test_the_settings_hold_the_mode_of_new_conversations(page: Page) -> None:
    url = page.url.partition("?")[0]
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    expect(dialog.get_by_role("radio", checked=True)).to_have_value("fall back")
    dialog.get_by_role("radio", name="warn").check()
    expect(page.locator('[data-region="mode"]')).to_have_text("warn")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    go(page, url)
    expect(page.locator('[data-region="mode"]')).to_have_text("warn")
    expect(page.locator('dialog.settings input[value="warn"]')).to_be_checked()
    page.get_by_role("button", name="Settings").click()
    dialog.get_by_role("radio", name="fall back").check()
    expect(page.locator('[data-region="mode"]')).to_have_text("fall back")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_one_click_shows_both_conducts_beside_each_other(page: Page) -> None:
    set_mode(page, "warn")
    reply = answered(page, TIANANMEN)
    button = reply.get_by_role("button", name="Ask the control question")
    button.click()
    control = reply.locator(".control")
    expect(control.locator("dt")).to_have_count(2)
    expect(control.locator("dd b")).to_have_text(["evaded", "answered"])
    expect(reply.locator(".guard > p").first).to_contain_text(
        "Asked about the Kent State shootings"
    )
    control.locator("summary").click()
    expect(control.locator("blockquote")).to_contain_text("Ohio National Guard")
    expect(button).to_have_count(0)
    here, there = control.locator("dl > div").all()
    assert abs(box(here)["y"] - box(there)["y"]) < 2
    reload(page)
    expect(reply.locator(".control dt")).to_have_count(2)
