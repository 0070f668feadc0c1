"""The settings as a reader finds them: at both sizes, by keyboard, saved at once, and all gone."""

from __future__ import annotations

from browsing import (
    PHONE,
    PLAIN,
    SIZES,
    TIANANMEN,
    Visit,
    answered,
    fits,
    reload,
    stands,
)
from playwright.sync_api import Locator, Page, Route, expect
from serving import Server

PROMPT = "Speak as a <b>librarian</b> would."
OUT_OF_RANGE = "Not saved: from 0.01 to 1 please."


def opened(page: Page, tab: str) -> Locator:
    """The settings at one of their tabs."""
    if page.evaluate("innerWidth") == PHONE[0]:
        page.get_by_role("button", name="Open conversations").click()
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    expect(dialog.get_by_role("tab", name="General")).to_have_attribute("aria-selected", "true")
    dialog.get_by_role("tab", name=tab).click()
    expect(dialog.get_by_role("tabpanel", name=tab)).to_be_visible()
    return dialog


def saved(dialog: Locator) -> None:
    expect(dialog.locator(".saved")).to_have_text("Saved")


def holding(page: Page, path: str) -> list[Route]:
    """Requests that wait until the test lets them through."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(path, hold)
    return held


def within(page: Page, dialog: Locator) -> None:
    """Nothing sticks out of the dialog, and the dialog not out of the screen."""
    fits(page)
    box = dialog.bounding_box()
    assert box is not None
    width, height = page.evaluate("[innerWidth, innerHeight]")
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height
    panel = dialog.locator(".panel:visible")
    assert panel.evaluate("element => element.scrollWidth <= element.clientWidth")


@SIZES
def test_a_system_prompt_is_set_marked_and_told_beside_the_guards_words(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size, dark=size == PHONE).open()
    mark = page.get_by_role("img", name="Your system prompt is in force")
    dialog = opened(page, "Models")
    heights = dialog.bounding_box()
    within(page, dialog)
    expect(dialog.get_by_label("Settings for")).to_have_value("Qwen/Qwen2.5-72B-Instruct")
    dialog.get_by_label("System prompt").fill(PROMPT)
    dialog.get_by_label("Temperature").fill("0.25")
    dialog.get_by_label("Temperature").blur()
    saved(dialog)
    dialog.get_by_label("Top-p").fill("7")
    dialog.get_by_label("Top-p").blur()
    expect(dialog.get_by_role("status").last).to_have_text(OUT_OF_RANGE)
    expect(dialog.get_by_label("Top-p")).to_have_attribute("aria-invalid", "true")
    within(page, dialog)
    dialog.get_by_role("tab", name="Your data").click()
    within(page, dialog)
    assert dialog.bounding_box() == heights, "no tab moves the others"
    dialog.get_by_role("button", name="Close").click()
    if size == PHONE:
        page.keyboard.press("Escape")
    expect(mark).to_be_visible()
    replies = answered(page, TIANANMEN)
    expect(replies.first.locator(".chip")).to_contain_text(
        "your settings: system prompt · temperature 0.25"
    )
    expect(replies.first.locator(".guard")).to_contain_text("A system prompt of yours was in force")
    expect(replies.last.locator(".shaped")).to_have_count(0)
    fits(page)
    dialog = opened(page, "Models")
    expect(dialog.get_by_label("System prompt")).to_have_value(PROMPT)
    expect(dialog.get_by_label("Top-p")).to_have_value("")
    dialog.get_by_role("button", name="Clear these settings").click()
    saved(dialog)
    expect(dialog.get_by_label("System prompt")).to_have_value("")
    expect(mark).to_have_count(0)


def test_what_is_out_of_range_is_told_until_it_is_mended(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    dialog = opened(page, "Models")
    held = holding(page, "**/candor/settings/model")
    dialog.get_by_label("Temperature").fill("0.25")
    dialog.get_by_label("Top-p").fill("7")
    dialog.get_by_label("Top-p").blur()
    expect(dialog.locator(".saved.wrong")).to_have_text(OUT_OF_RANGE)
    held.pop().continue_()
    expect(dialog.get_by_role("button", name="Clear these settings")).to_be_visible()
    expect(dialog.locator(".saved.wrong")).to_have_text(OUT_OF_RANGE)
    page.unroute("**/candor/settings/model")
    dialog.get_by_label("Top-p").fill("0.5")
    dialog.get_by_label("Top-p").blur()
    saved(dialog)


def test_nothing_can_be_typed_that_loading_would_write_over(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    held = holding(page, "**/candor/settings")
    dialog = opened(page, "Models")
    expect(dialog.get_by_label("System prompt")).to_be_disabled()
    held.pop().continue_()
    expect(dialog.get_by_label("System prompt")).to_be_enabled()


def test_a_default_model_sticks_and_the_address_leads(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    page = window.open("/?model=google/gemma-3-27b-it")
    picked = page.locator('[data-region="picked"]')
    page.locator('[data-act="picker"]').click()
    picker = page.get_by_role("dialog", name="Choose a model")
    picker.get_by_role("button", name="Make").click()
    expect(picker.get_by_role("status")).to_contain_text("Gemma-3-27B-it")
    expect(picker.get_by_role("status")).to_contain_text("is your default.")
    expect(picker.locator(".card", has_text="your default")).to_have_count(1)
    page.keyboard.press("Escape")
    page.goto(hosted.url)
    stands(page)
    expect(picked).to_contain_text("Gemma-3-27B-it")
    dialog = opened(page, "General")
    choice = dialog.get_by_label("Model in new conversations")
    expect(choice).to_have_value("google/gemma-3-27b-it")
    choice.select_option("mistralai/Mistral-Small-3.2-24B-Instruct-2506")
    saved(dialog)
    expect(picked).to_contain_text("Mistral-Small-3.2-24B")
    dialog.get_by_role("button", name="Close").click()
    answered(page, PLAIN)
    page.locator('[data-act="picker"]').click()
    page.get_by_role("option").filter(has_text="Command A").click()
    page.get_by_role("button", name="New chat").click()
    expect(picked).to_contain_text("Mistral-Small-3.2-24B")
    page.goto(f"{hosted.url}/?model=google/gemma-3-27b-it")
    expect(picked).to_contain_text("Gemma-3-27B-it")


def test_tabs_go_by_keys_and_an_error_stands_in_the_dialog(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("Failed to load resource",)
    page = window.open()
    dialog = opened(page, "General")
    tabs = dialog.get_by_role("tab")
    tabs.first.focus()
    for key, at in (("ArrowRight", 1), ("End", 2), ("ArrowRight", 0), ("ArrowLeft", 2)):
        page.keyboard.press(key)
        expect(tabs.nth(at)).to_be_focused()
        expect(tabs.nth(at)).to_have_attribute("aria-selected", "true")
        expect(dialog.locator(".panel:visible")).to_have_count(1)
    page.keyboard.press("Home")
    page.route("**/candor/preferences", lambda route: route.abort())
    dialog.get_by_label("Theme").select_option("dark")
    expect(dialog.locator(".saved.wrong")).to_contain_text("The connection to the app is lost")
    expect(page.locator(".toast")).to_be_hidden()


@SIZES
def test_what_is_stored_is_shown_and_all_of_it_is_deleted(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    window = visit(hosted, size=size, language="en-US")
    page = window.open()
    answered(page, PLAIN)
    first = page.url
    dialog = opened(page, "General")
    dialog.get_by_label("Theme").select_option("dark")
    saved(dialog)
    dialog.get_by_label("Language of the page").select_option("en")
    saved(dialog)
    dialog.get_by_role("tab", name="Your data").click()
    figures = dialog.locator(".stored dd")
    expect(figures.nth(0)).to_have_text("1")
    expect(figures.nth(1)).to_have_text("2")
    expect(figures.nth(6)).to_have_text("2")
    ask = dialog.get_by_role("button", name="Delete all my data…")
    ask.press("Enter")
    sure = dialog.get_by_role("group", name="Delete all my data")
    expect(sure).to_contain_text("Nothing brings it back.")
    cancel, final = (
        sure.get_by_role("button", name="Cancel"),
        sure.get_by_role("button", name="Delete everything for good"),
    )
    expect(cancel).to_be_focused()
    expect(sure.get_by_role("link", name="Download all")).to_be_visible()
    expect(final).to_be_in_viewport()
    within(page, dialog)
    page.keyboard.press("Enter")
    expect(sure).to_be_hidden()
    expect(ask).to_be_focused()
    page.keyboard.press("Enter")
    final.click()
    expect(page.locator(".examples button").first).to_be_visible()
    stands(page)
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.locator(".conv").count() == 0
    page.goto(first)
    stands(page)
    expect(page.locator(".notice")).to_contain_text("not there any more")
    reload(page)


def test_the_theme_follows_the_reader_and_the_button(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    page = window.open()
    html = page.locator("html")
    with page.expect_response("**/candor/preferences"):
        page.get_by_role("button", name="Light or dark").click()
    expect(html).to_have_attribute("data-theme", "dark")
    page.evaluate("localStorage.clear()")  # as on another device
    reload(page)
    expect(html).to_have_attribute("data-theme", "dark")
    page.goto(f"{hosted.url}/models")
    page.locator('#about [data-act="theme"]').click()
    page.goto(hosted.url)
    stands(page)
    page.evaluate("localStorage.clear()")
    reload(page)
    expect(html).to_have_attribute("data-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(html).to_have_attribute("data-theme", "light")
    opened(page, "General").get_by_label("Theme").select_option("system")
    expect(html).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-theme", "light")
