"""Every page and its main states are sound, by day and night."""

from __future__ import annotations

from browsing import ALL_OPENED, PHONE, SIZES, TIANANMEN, Visit, beside
from playwright.sync_api import Page, expect
from serving import Server
from soundness import CONTRAST, sound

DARK = "document.documentElement.dataset.theme = 'dark'"
LIGHT = "document.documentElement.dataset.theme = 'light'"


def put(page: Page, question: str) -> None:
    """Ask in a page of any language, and wait for the end."""
    turns = page.locator(".turn").count()
    page.locator("#candor-question").fill(question)
    page.locator(".box [type=submit]").click()
    expect(page.locator(".turn")).to_have_count(turns + 1)
    expect(page.locator(".box [type=submit]")).to_be_visible()
    page.evaluate(ALL_OPENED)


def test_axe_finds_nothing_on_the_page(visit: Visit, hosted: Server) -> None:
    window = visit(hosted, tour=True)
    window.may_fail = ("404",)
    page = window.open()
    expect(page.locator(".tour")).to_be_visible()
    sound(page, "first visit")
    page.keyboard.press("Escape")
    for question in (TIANANMEN, "show markdown", "A question, fault:500", "Why? fault:think"):
        put(page, question)
    sound(page, "withheld, fallback, Markdown, fault, thoughts")
    page.locator('[data-act="theme"]').click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    sound(page, "the same in the dark", options=CONTRAST)
    page.locator('[data-act="theme"]').click()
    page.locator('[data-act="modes"]').click()
    sound(page, "modes", within=".box")
    page.locator('[data-mode="compare"]').click()
    put(page, TIANANMEN)
    sound(page, "compare", within=".turn:last-child")
    for name, opening in (("picker", "Control+Shift+M"), ("settings", "Control+,"), ("keys", "?")):
        page.locator(".scroll").focus()
        page.keyboard.press(opening)
        expect(page.locator("dialog[open]")).to_be_visible()
        sound(page, name, within="dialog[open]")
        page.keyboard.press("Escape")
    page.locator('[data-region="find"]').fill("tiananmen")
    expect(page.locator('[data-region="results"] .conv')).not_to_have_count(0)
    page.locator(".travels").click()
    for part in ("nav", "header"):
        sound(page, "search, ways out", within=part)
    page.locator('[data-act="share"]').click()
    page.locator('[data-act="make-link"]').click()
    expect(page.locator('[data-region="link"]')).to_be_visible()
    sound(page, "share", within="dialog[open]")
    for path in (page.locator('[data-region="link"]').input_value(), f"{hosted.url}/s/{'0' * 32}"):
        page.goto(path)
        sound(page, path)


def test_axe_finds_nothing_in_arabic_on_a_dark_phone(visit: Visit, hosted: Server) -> None:
    window = visit(hosted, size=PHONE, dark=True, language="ar", tour=True)
    window.may_fail = ("429",)
    page = window.open()
    expect(page.locator(".tour")).to_be_visible()
    sound(page, "first visit")
    page.keyboard.press("Escape")
    put(page, TIANANMEN)
    put(page, "show arabic")
    held = {"detail": "Enough for now.", "retry_after": 90}
    page.route("**/candor/ask", lambda route: route.fulfill(status=429, json=held))
    page.locator("#candor-question").fill("One more")
    page.locator(".box [type=submit]").click()
    expect(page.locator(".standing")).to_contain_text("Enough for now.")
    sound(page, "withheld, fallback, limit")
    page.locator("header .menu").click()
    sound(page, "drawer", within="nav")
    page.locator('[data-act="settings"]').click()
    sound(page, "settings", within="dialog[open]")


@SIZES
def test_axe_finds_nothing_on_the_pages_beside(
    visit: Visit, odd: Server, size: tuple[int, int]
) -> None:
    window = visit(odd, size=size)
    page = beside(window, "/models?origin=CN#Qwen/Qwen2.5-72B-Instruct")
    page.evaluate(ALL_OPENED)
    for state in ("models, some of them", "all models"):
        sound(page, state)
        page.evaluate(DARK)
        sound(page, f"{state}, in the dark", options=CONTRAST)
        page.evaluate(LIGHT)
        page.get_by_role("button", name="China").click()
    page.goto(f"{odd.url}/audit")
    page.evaluate(ALL_OPENED)
    sound(page, "audit")
    page.locator(".heat a").first.click()
    expect(page.locator("dialog.pair")).to_be_visible()
    sound(page, "an example of the audit", within="dialog.pair")
    page.evaluate(DARK)
    sound(page, "an example in the dark", within="dialog.pair", options=CONTRAST)
    page.keyboard.press("Escape")
    sound(page, "audit in the dark", options=CONTRAST)
