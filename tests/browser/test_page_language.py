"""From right to left, and in the language and the light that the reader chooses."""

from __future__ import annotations

import pytest
from browsing import PHONE, SIZES, TIANANMEN, Visit, ended, fits, go, reload, unfold
from playwright.sync_api import Page, expect
from serving import Server

from chat import texts

OUTSIDE = """() => [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && !one.closest(".wide, .graph, .only-read, .skip"))
    .filter((one) => { const box = one.getBoundingClientRect();
        return box.width && (box.left < -1 || box.right > innerWidth + 1); })
    .map((one) => one.outerHTML.slice(0, 100))"""


def put(page: Page, question: str) -> None:
    """Ask in a page of any language, and wait for the end."""
    turns = page.locator(".turn").count()
    page.locator("#candor-question").fill(question)
    page.locator(".box [type=submit]").click()
    expect(page.locator(".turn")).to_have_count(turns + 1)
    ended(page)


def way(page: Page, selector: str) -> str:
    found = page.locator(selector).last.evaluate("element => getComputedStyle(element).direction")
    return str(found)


def right_of(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


@SIZES
def test_arabic_from_right_to_left(visit: Visit, hosted: Server, size: tuple[int, int]) -> None:
    page = visit(hosted, size=size, dark=size == PHONE, language="ar").open()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    if size == PHONE:
        page.locator("header .menu").click()
    assert right_of(page, "#candor-sidebar") == size[0]
    page.keyboard.press("Escape")
    fits(page)
    put(page, TIANANMEN)
    page.locator(".facts summary").first.click()
    assert (way(page, ".guard"), way(page, ".facts li"), way(page, ".text")) == (
        "rtl",
        "ltr",
        "ltr",
    )
    fits(page)
    put(page, "show arabic")
    assert way(page, ".text") == "rtl"
    assert way(page, ".text pre") == way(page, ".text math") == "ltr"
    assert page.evaluate(OUTSIDE) == []
    for opened in ('[data-act="picker"]', '[data-act="modes"]'):
        page.locator(opened).click()
        fits(page)
        assert page.evaluate(OUTSIDE) == []
        page.keyboard.press("Escape")
    page.goto(f"{hosted.url}/models")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(OUTSIDE) == []
    dot, row = right_of(page, ".graph svg"), right_of(page, ".graph ol")
    assert dot > row, "a lineage's line stands at the side where reading begins"


def test_a_reply_runs_its_own_way_in_an_english_page(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    put(page, "show arabic")
    assert (way(page, ".text"), way(page, ".text pre"), way(page, ".chip")) == ("rtl", "ltr", "ltr")


def test_the_chosen_language_is_kept(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    page.get_by_role("button", name="Settings").click()
    choice = page.get_by_label("Language of the page")
    names = "As the browser says,Deutsch,English,Español,Français,العربية,中文 (简体),中文 (繁體)"
    expect(choice.locator("option")).to_have_text(names.split(","))
    choice.select_option("ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("dialog.settings h2")).to_have_text("الإعدادات")
    reload(page)
    expect(page.locator(".box [type=submit]")).to_have_text("إرسال")
    expect(page.locator("#candor-language")).to_have_value("ar")
    page.goto(f"{hosted.url}/models")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    go(page, hosted.url)
    page.locator('[data-act="settings"]').click()
    page.locator("#candor-language").select_option("")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("html")).to_have_attribute("dir", "ltr")


@pytest.mark.parametrize("language", texts.languages())
@SIZES
def test_each_language_fits(
    visit: Visit, hosted: Server, size: tuple[int, int], language: str
) -> None:
    page = visit(hosted, size=size, language=language).open()
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator(".hello h1")).to_have_text(texts.texts(language).hello)
    fits(page)
    unfold(page)
    page.locator('[data-act="settings"]').click()
    page.locator("#candor-tab-data").click()
    fits(page)
    assert page.evaluate(OUTSIDE) == []
