"""The page of the models: its filters, its address, its look by day and night and on a phone."""

from __future__ import annotations

import re

import pytest
from browsing import ALL_OPENED, PHONE, WIDER, Visit, answered, beside, go
from playwright.sync_api import Locator, Page, expect
from serving import Server

SHIPPED = 27


def count(page: Page) -> Locator:
    return page.locator('[data-region="count"]')


def cards(page: Page) -> Locator:
    return page.locator("article:visible")


def test_a_bar_filters_by_origin(visit: Visit, demo: Server) -> None:
    page = beside(visit(demo))
    expect(cards(page)).to_have_count(SHIPPED)
    expect(count(page)).to_have_text(str(SHIPPED))
    china = page.get_by_role("button", name="China")
    china.click()
    expect(china).to_have_attribute("aria-pressed", "true")
    expect(cards(page)).to_have_count(11)
    expect(count(page)).to_have_text(f"11 of {SHIPPED}")
    assert page.url.endswith("/models?origin=CN")
    page.get_by_role("button", name="Switzerland").click()
    expect(cards(page)).to_have_count(12)
    china.click()
    expect(cards(page)).to_have_count(1)
    expect(cards(page)).to_contain_text("Apertus")


def test_filters_meet_and_say_how_many_would_fit(visit: Visit, demo: Server) -> None:
    page = beside(visit(demo))
    page.get_by_label("Made from a model of another country").check()
    expect(cards(page)).to_have_count(5)
    expect(page.get_by_role("button", name="China").locator("[data-count]")).to_have_text("1")
    expect(page.locator("label", has_text="No other country").locator(".n")).to_have_text("22")
    page.get_by_label("Commercial use with conditions").check()
    expect(cards(page)).to_have_count(1)
    expect(cards(page)).to_contain_text("SEA-LION")
    page.get_by_role("search").get_by_role("button", name="Clear filters").click()
    expect(cards(page)).to_have_count(SHIPPED)
    assert page.url.endswith("/models")


def test_words_are_searched_for(visit: Visit, demo: Server) -> None:
    page = beside(visit(demo))
    box = page.get_by_role("searchbox")
    box.fill("deepseek france")
    expect(page.get_by_text("No model fits.")).to_be_visible()
    expect(cards(page)).to_have_count(0)
    expect(count(page)).to_have_text(f"0 of {SHIPPED}")
    box.fill("DeepSeek llama")
    expect(cards(page)).to_have_count(1)
    expect(page.get_by_text("No model fits.")).to_be_hidden()
    box.fill("nobody has this")
    page.locator(".none").get_by_role("button", name="Clear filters").click()
    expect(cards(page)).to_have_count(SHIPPED)
    expect(box).to_have_value("")


def test_an_address_keeps_the_choice(visit: Visit, demo: Server) -> None:
    window = visit(demo)
    page = beside(window, "/models?origin=US&origin=CN&size=large&licence=open&q=r1")
    for box in ("Large, over 100 billion", "Open source (OSI)"):
        expect(page.get_by_label(box)).to_be_checked()
    expect(page.get_by_role("searchbox")).to_have_value("r1")
    names = page.locator("article:visible h3").all_inner_texts()
    assert [name.split()[0] for name in names] == [
        "DeepSeek-R1",
        "DeepSeek-R1-0528",
        "R1",
        "MAI-DS-R1",
    ]
    address = page.url
    page.reload()
    expect(cards(page)).to_have_count(4)
    assert page.url == address


def test_what_an_address_asks_for_and_nobody_offers_is_passed_over(
    visit: Visit, demo: Server
) -> None:
    page = beside(visit(demo), "/models?origin=XX&size=<script>&licence=&q=%20#%")
    expect(cards(page)).to_have_count(SHIPPED)


def test_a_link_to_a_card_shows_it_whatever_the_filters(visit: Visit, demo: Server) -> None:
    window = visit(demo)
    page = beside(window, "/models?origin=CH#deepseek-ai/DeepSeek-R1")
    card = page.locator('[id="deepseek-ai/DeepSeek-R1"]')
    expect(card).to_be_in_viewport()
    expect(card).to_be_focused()
    page.get_by_role("searchbox").fill("r1 1776")
    expect(cards(page)).to_have_count(1)
    cards(page).get_by_role("link", name="DeepSeek-R1", exact=True).click()
    expect(card).to_be_in_viewport()
    assert page.url.endswith("/models#deepseek-ai/DeepSeek-R1")


def test_the_keyboard_is_enough(visit: Visit, demo: Server) -> None:
    page = beside(visit(demo))
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the models")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.get_by_role("button", name="France").focus()
    page.keyboard.press("Space")
    expect(cards(page)).to_have_count(1)
    page.locator(".heading").get_by_role("button", name="Clear filters").focus()
    page.keyboard.press("Enter")
    expect(cards(page)).to_have_count(SHIPPED)
    assert page.evaluate("document.activeElement !== document.body")
    box = page.get_by_label("No commercial use")
    box.focus()
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    expect(count(page)).to_have_attribute("role", "status")


def test_without_a_script_all_models_are_there(visit: Visit, demo: Server) -> None:
    context = visit(demo).context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo.url}/models")
    expect(page.locator("article:visible")).to_have_count(SHIPPED)
    expect(page.locator("form")).to_be_hidden()
    expect(page.get_by_role("button", disabled=False)).to_have_count(0)
    context.close()


def test_the_readers_theme_holds_on_both_pages(visit: Visit, demo: Server) -> None:
    window = visit(demo)
    page = beside(window)
    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Light or dark").click()
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 21, 19)"
    go(page, demo.url)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{demo.url}/models")
    expect(root).to_have_attribute("data-theme", "dark")


def test_the_chat_leads_there_and_back(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    page.locator('[data-act="picker"]').click()
    page.get_by_role("link", name="All about these models").press("Enter")
    expect(page.get_by_role("heading", name="Models and origins")).to_be_visible()
    page.get_by_role("link", name="Back to the chat").click()
    answered(page, "Who leads where?")
    page.locator(".chip b a").last.click()
    expect(page.locator(":target h3")).to_be_in_viewport()
    page.locator(":target").get_by_role("link", name="Ask this model").click()
    expect(page.locator('[data-region="picked"]')).to_contain_text("Qwen2.5-72B")


@pytest.mark.parametrize(
    ("size", "language"),
    [
        (PHONE, "zh-CN"),
        ((320, 640), "de-DE"),
        ((900, 700), "de-DE"),
    ],
    ids=str,
)
def test_nothing_is_wider_than_the_screen(
    visit: Visit, odd: Server, size: tuple[int, int], language: str
) -> None:
    page = beside(visit(odd, size=size, language=language))
    page.evaluate(ALL_OPENED)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDER) == []


def test_a_phone_folds_the_filters(visit: Visit, demo: Server) -> None:
    page = beside(visit(demo, size=PHONE))
    box = page.get_by_role("searchbox")
    expect(box).to_be_hidden()
    page.get_by_text("Filter", exact=True).click()
    expect(box).to_be_visible()
    page.get_by_label("No commercial use").check()
    expect(page.locator("summary").first).to_have_text(re.compile(r"Filter · 2 of 27"))
    page.locator("summary").first.click()
    expect(box).to_be_hidden()
    expect(cards(page)).to_have_count(2)


def test_hostile_words_do_nothing(visit: Visit, odd: Server) -> None:
    page = beside(visit(odd))
    page.evaluate(ALL_OPENED)
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)
    expect(page.get_by_role("heading", name="Merged <b>70B</b> & Co")).to_be_visible()


def test_dots_stand_beside_their_models(visit: Visit, odd: Server) -> None:
    """A merge of four: four lines, one broken, five dots."""
    page = beside(visit(odd))
    graph = page.locator(".graph", has_text="Lost-70B")
    expect(graph.locator("path")).to_have_count(4)
    expect(graph.locator("path.broken")).to_have_count(1)
    expect(graph.locator("circle")).to_have_count(5)
    dots, boxes = graph.locator("circle").all(), graph.locator(".node").all()
    for dot, box in zip(dots, boxes, strict=True):
        spot, node = dot.bounding_box(), box.bounding_box()
        assert spot is not None
        assert node is not None
        middle = spot["y"] + spot["height"] / 2
        assert abs(middle - (node["y"] + node["height"] / 2)) < 2, "the drawing and its rows part"
