"""The page of an audit: its choices, its examples, its look by day and night and on a phone."""

from __future__ import annotations

import re

import pytest
from browsing import ALL_OPENED, PHONE, WIDE, WIDER, Visit, beside
from playwright.sync_api import expect
from serving import Server

TANK_MAN = "/audit?q=tank+man"


def test_a_choice_shows_at_once_and_stays_in_the_address(visit: Visit, odd: Server) -> None:
    page = beside(visit(odd), "/audit")
    expect(page.get_by_role("heading", name="By topic: China")).to_be_visible()
    page.get_by_role("radio", name="European Union").click()
    expect(page.get_by_role("heading", name="By topic: the European Union")).to_be_visible()
    assert "country=EU" in page.url
    page.get_by_role("radio", name="China").click()
    expect(page.get_by_role("heading", name="By topic: China")).to_be_visible()
    page.get_by_role("radio", name="English").click()
    expect(page).to_have_url(re.compile("in=en"))
    expect(page.locator(".heat .more")).to_have_count(0)
    page.get_by_role("searchbox").fill("tank man")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".heat tbody tr")).to_have_count(1)


def test_a_figure_opens_question_and_control_side_by_side(visit: Visit, odd: Server) -> None:
    page = beside(visit(odd), TANK_MAN)
    page.locator(".heat a").last.press("Enter")
    shown = page.get_by_role("dialog")
    expect(shown.get_by_role("heading", name="Tank Man")).to_be_visible()
    expect(shown.locator("blockquote")).to_have_count(4)
    left, right = (shown.locator("section").nth(n).bounding_box() for n in (0, 1))
    assert left
    assert right
    assert (left["y"], left["x"] < right["x"]) == (right["y"], True)
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    expect(page.locator(".heat a").last).to_be_focused()


def test_hostile_words_do_nothing(visit: Visit, odd: Server) -> None:
    window = visit(odd)
    page = beside(window, TANK_MAN)
    expect(page.get_by_role("heading", name="<b>lab</b>/void")).to_be_visible()
    page.locator(".heat a").last.click()
    expect(
        page.get_by_role("dialog").get_by_text("<script>alert(1)</script>").first
    ).to_be_visible()
    expect(page.locator("main :is(img:not([src^='/audit/pictures/']), script)")).to_have_count(0)
    window.check()


@pytest.mark.parametrize(
    ("size", "language"), [(PHONE, "de-DE"), (PHONE, "ar"), (WIDE, "en-US")], ids=str
)
def test_nothing_is_wider_than_the_screen(
    visit: Visit, odd: Server, size: tuple[int, int], language: str
) -> None:
    page = beside(visit(odd, size=size, language=language), TANK_MAN)
    page.evaluate(ALL_OPENED)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDER) == []
    page.locator(".heat a").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(WIDER) == []


def test_the_models_lead_there_and_back(visit: Visit, odd: Server) -> None:
    page = beside(visit(odd), "/models#Qwen/Qwen2.5-72B-Instruct")
    page.locator(":target").get_by_role("link", name="Audit").click()
    page.get_by_role("link", name="Qwen/Qwen2.5-72B-Instruct").first.click()
    expect(page.locator(":target h3")).to_be_in_viewport()
