"""The tour of a first visit: three steps beside what they are about, in nobody's way."""

from __future__ import annotations

import pytest
from browsing import PHONE, PLAIN, WIDE, Visit, answered, reload
from playwright.sync_api import Locator, Page, expect
from serving import Server

STEPS = [
    ("Every model has an origin", ".pick"),
    ("The guard reads along", ".mode"),
    ("Told below the reply", ".examples button"),
]


def card(page: Page) -> Locator:
    return page.locator(".tour")


@pytest.mark.parametrize(
    ("size", "language"), [(WIDE, "en"), (PHONE, "en"), (PHONE, "ar")], ids=["wide", "phone", "ar"]
)
def test_three_steps_stand_beside_what_they_are_about(
    visit: Visit, hosted: Server, size: tuple[int, int], language: str
) -> None:
    page = visit(hosted, size=size, language=language, tour=True).open()
    for number, (title, selector) in enumerate(STEPS, 1):
        expect(card(page)).to_contain_text(str(number))
        if language == "en":
            expect(page.get_by_role("dialog", name=title)).to_be_visible()
        expect(card(page)).to_be_in_viewport(ratio=1)
        pointed = page.locator(f".pointed{selector}" if " " not in selector else ".pointed")
        mine, theirs = card(page).bounding_box(), pointed.bounding_box()
        assert mine is not None
        assert theirs is not None
        assert (
            mine["y"] >= theirs["y"] + theirs["height"] or mine["y"] + mine["height"] <= theirs["y"]
        )
        asked = page.locator("#candor-question").bounding_box()
        assert asked is not None
        assert mine["y"] + mine["height"] <= asked["y"], "it leaves the question free"
        page.locator('[data-act="tour-next"]').click()
    expect(card(page)).to_be_hidden()
    expect(page.locator(".pointed")).to_have_count(0)
    reload(page)
    expect(card(page)).to_be_hidden()


def test_it_is_in_nobodys_way(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, tour=True).open()
    box = page.get_by_label("Your question")
    expect(card(page)).to_be_visible()
    expect(box).to_be_focused()
    expect(page.locator('[data-region="heard"]')).to_contain_text("Every model has an origin.")
    answered(page, PLAIN)
    expect(card(page)).to_be_hidden()
    address = page.url
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    expect(card(page)).to_be_hidden()
    page.evaluate("localStorage.removeItem('candor-toured')")
    page.goto(address)  # an address of a conversation
    expect(page.locator(".user")).to_have_text(PLAIN)
    expect(card(page)).to_be_hidden()


def test_it_can_be_skipped_and_seen_again(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, tour=True).open()
    page.keyboard.press("Escape")
    expect(card(page)).to_be_hidden()
    answered(page, PLAIN)
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Show the tour").click()
    expect(page.locator(".hello")).to_be_visible()
    next_step = card(page).get_by_role("button", name="Next")
    expect(next_step).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="The guard reads along")).to_be_visible()
    expect(next_step).to_be_focused()
    card(page).get_by_role("button", name="Skip").press("Enter")
    expect(card(page)).to_be_hidden()
    expect(page.get_by_label("Your question")).to_be_focused()


def test_a_window_that_is_too_low_has_none(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=(700, 420), tour=True).open()
    expect(page.locator(".hello")).to_be_visible()
    expect(card(page)).to_be_hidden()
