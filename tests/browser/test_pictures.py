"""The pictures of the README and of `docs/gallery`; CANDOR_PICTURES=1 writes them there.

Without it the README's is taken all the same, into a temporary folder. What an operator sets:
`test_pictures_operated.py`.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import pytest
from browsing import PHONE, TIANANMEN, Visit, answered, ask, ended, go, reload, set_mode
from gallery import (
    ARABIC,
    ARABIC_NIGHT,
    DAY,
    NIGHT,
    PHONE_DAY,
    PHONE_NIGHT,
    WANTED,
    Look,
    Scenes,
    picture,
    to,
)
from PIL import Image
from playwright.sync_api import Page, Route, expect
from serving import ROOT, Server

COUNTING = "In how many ways can I count words? Please show markdown."
WAYS = [{"href": "/login/huggingface", "label": "Sign in with Hugging Face"}]
SCENES = Scenes()


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def empty(page: Page) -> None:
    expect(page.locator(".examples button")).to_have_count(4)


@SCENES.seen(ARABIC, ARABIC_NIGHT)
def arabic(page: Page) -> None:
    page.locator("#candor-question").fill(TIANANMEN)
    page.locator(".box [type=submit]").click()
    expect(page.locator(".reply")).to_have_count(2)
    ended(page)
    to(page, ".asked")


@SCENES.seen(DAY, PHONE_NIGHT)
def streaming(page: Page) -> None:
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()


@SCENES.seen(DAY, PHONE_DAY)
def withheld(page: Page) -> None:
    set_mode(page, "warn")
    answered(page, TIANANMEN)
    page.locator(".facts summary").click()
    narrow = page.evaluate("innerWidth") == PHONE[0]
    to(page, ".text mark" if narrow else ".asked")


@SCENES.seen(NIGHT, PHONE_NIGHT)
def fallen_back(page: Page) -> None:
    answered(page, TIANANMEN)
    to(page, ".asked")


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def rendering(page: Page) -> None:
    answered(page, f"{COUNTING} fault:think")
    page.locator(".thoughts summary").click()
    to(page, ".asked")


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def wide(page: Page) -> None:
    answered(page, "Which countries are where? Please show wide tables.")
    to(page, ".asked")


@SCENES.seen(DAY, PHONE_NIGHT)
def faults(page: Page) -> None:
    answered(page, f"{TIANANMEN} fault:disconnect@Llama")
    answered(page, "How do I make lentil soup? fault:429@Qwen")


@SCENES.seen(DAY, PHONE_NIGHT)
def picker(page: Page) -> None:
    page.locator('[data-act="picker"]').click()
    expect(page.get_by_role("dialog", name="Choose a model")).to_be_visible()


@SCENES.seen(NIGHT)
def modes(page: Page) -> None:
    page.get_by_role("button", name="Guard:").click()


@SCENES.seen(PHONE_DAY, PHONE_NIGHT)
def drawer(page: Page) -> None:
    page.get_by_role("button", name="Open conversations").click()


@SCENES.seen(DAY, PHONE_NIGHT)
def tour(page: Page) -> None:
    opened_settings(page, "General")
    page.get_by_role("button", name="Show the tour").click()
    expect(page.locator(".tour")).to_be_visible()


@SCENES.seen(DAY)
def loading(page: Page) -> None:
    """The page's own furniture, before the app has said what stands on it."""
    page.route("**/candor/state?*", lambda _: None)
    page.reload()
    expect(page.locator(".box textarea")).to_be_visible()


@SCENES.seen(DAY, PHONE_DAY)
def stopped(page: Page) -> None:
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    ended(page)
    to(page, ".reply")


@SCENES.seen(NIGHT)
def falling_back(page: Page) -> None:
    ask(page, f"{TIANANMEN} fault:slow@Llama")
    expect(page.locator(".reply")).to_have_count(2)
    expect(page.locator(".reply").last.locator(".text")).to_contain_text("night")
    to(page, ".asked")


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def compared(page: Page) -> None:
    set_mode(page, "compare")
    answered(page, TIANANMEN)
    better = page.get_by_role("group", name="Which answered better?").get_by_role("button").nth(1)
    better.click()
    expect(better).to_have_attribute("aria-pressed", "true")
    to(page, ".comparison" if page.evaluate("innerWidth") == PHONE[0] else ".asked")


@SCENES.seen(DAY, PHONE_NIGHT)
def both_failed(page: Page) -> None:
    answered(page, "How do I make lentil soup? fault:500")


@SCENES.seen(DAY, PHONE_NIGHT)
def offline(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    page.context.set_offline(True)
    page.get_by_label("Your question").fill("And how long do they soak?")
    expect(page.locator(".standing")).to_be_visible()


@SCENES.seen(DAY, PHONE_DAY)
def signed_out(page: Page) -> None:
    def without_a_name(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"reader": names[0], "sign_in": WAYS})

    names = ["Ada", None]
    page.route("**/candor/state?*", without_a_name)
    reload(page)
    names.pop(0)
    refused(page, 404, detail="That conversation is not there any more.")


@SCENES.seen(DAY, PHONE_NIGHT)
def limit_reached(page: Page) -> None:
    refused(page, 429, detail="Ten questions an hour may be asked here.", retry_after=754)


@SCENES.seen(NIGHT, PHONE_DAY)
def app_fault(page: Page) -> None:
    refused(page, 503, detail="the database cannot be written or read now")


def refused(page: Page, status: int, **body: object) -> None:
    """A question to which the app answers so."""
    page.route("**/candor/ask", lambda route: route.fulfill(status=status, json=body))
    page.get_by_label("Your question").fill("How do I make lentil soup?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".standing")).to_be_visible()


@SCENES.seen(DAY, PHONE_NIGHT)
def files(page: Page) -> None:
    shot = Image.linear_gradient("L").resize((640, 420)).convert("RGB")
    held = io.BytesIO()
    shot.save(held, "PNG")
    for name, kind, data in (
        ("minutes.md", "text/markdown", b"# Minutes\n" + b"The lentils were soaked. " * 9000),
        ("harbour.png", "image/png", held.getvalue()),
    ):
        files = {"name": name, "mimeType": kind, "buffer": data}
        page.locator('.box input[type="file"]').set_input_files(files)  # type: ignore[arg-type]
    expect(page.locator(".tray [data-file]")).to_have_count(2)
    page.get_by_label("Your question").fill("What was decided, and what does the picture show?")


@SCENES.seen(DAY, PHONE_NIGHT)
def temporary(page: Page) -> None:
    if page.evaluate("innerWidth") == PHONE[0]:
        drawer(page)
    page.get_by_role("button", name="Temporary chat").click()
    answered(page, "How do I make lentil soup?")


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def settings(page: Page) -> None:
    opened_settings(page, "Models")
    page.get_by_label("System prompt", exact=True).fill("Answer in one sentence.")


@SCENES.seen(DAY, PHONE_NIGHT)
def own_data(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    opened_settings(page, "Your data")
    expect(page.locator(".stored dl")).to_be_visible()


def opened_settings(page: Page, tab: str) -> None:
    if page.evaluate("innerWidth") == PHONE[0]:
        drawer(page)
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_role("tab", name=tab).click()


@SCENES.seen(DAY, NIGHT)
def keys(page: Page) -> None:
    page.keyboard.press("Control+/")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


@SCENES.seen(DAY)
def search(page: Page) -> None:
    answered(page, TIANANMEN)
    page.get_by_role("searchbox", name="Search conversations").fill("opened fire")
    expect(page.locator(".results .conv").first).to_be_visible()


@SCENES.seen(DAY, PHONE_NIGHT)
def share(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("menuitem", name="Share a link").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".shares li")).to_have_count(1)


@SCENES.seen(DAY, PHONE_NIGHT)
def shared(page: Page) -> None:
    answered(page, TIANANMEN)
    page.get_by_role("button", name="Share").click()
    page.get_by_role("menuitem", name="Share a link").click()
    page.get_by_role("button", name="Make a link").click()
    link = page.locator('[data-region="link"]')
    expect(link).to_be_visible()
    page.goto(link.input_value())


@SCENES.seen(DAY, NIGHT, PHONE_DAY)
def models(page: Page) -> None:
    page.goto(page.url.partition("?")[0] + "models")


@pytest.mark.skipif(not WANTED, reason="CANDOR_PICTURES=1 takes them anew")
@pytest.mark.parametrize("look", SCENES.looks, ids=lambda look: look.name or "-day")
def test_gallery(visit: Visit, hosted: Server, look: Look) -> None:
    """Each state as it is seen. That it is as it should be is for the other tests to say."""
    window = visit(hosted, size=look.size, dark=look.dark, language=look.language)
    SCENES.taken(window, look, partial(go, url=hosted.url))


def test_screenshot(visit: Visit, demo: Server, tmp_path: Path) -> None:
    """The demo's first example: question, marked reply, strip, and the successor's beginning."""
    page = visit(demo).open()
    page.locator(".examples button").first.click()
    expect(page.locator(".reply")).to_have_count(2)
    ended(page)
    to(page, ".asked")
    for selector in (".user", "mark", ".guard", ".join >> nth=1", ".chip >> nth=1"):
        expect(page.locator(selector).first).to_be_in_viewport(ratio=1)
    picture(page, (ROOT / "docs" if WANTED else tmp_path) / "screenshot.png")
