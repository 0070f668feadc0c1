"""The pictures of the README and of `docs/gallery`; CANDOR_PICTURES=1 writes them there.

Without it the README's is taken all the same, into a temporary folder.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from browsing import (
    PHONE,
    TIANANMEN,
    WIDE,
    Visit,
    Window,
    answered,
    ask,
    ended,
    go,
    reload,
    set_mode,
)
from PIL import Image
from playwright.sync_api import Page, Route, expect
from serving import ROOT, Server

LARGEST = 150_000  # bytes
KEPT, ROUNDED = 128, 32  # colours, and the step of the others: together fewer than 256
COUNTING = "In how many ways can I count words? Please show markdown."
WANTED = bool(os.environ.get("CANDOR_PICTURES"))
WAYS = [{"href": "/login/huggingface", "label": "Sign in with Hugging Face"}]
REFUSED = ("ERR_INTERNET_DISCONNECTED", "Failed to load resource")


class Look(NamedTuple):
    """How the page is looked at."""

    size: tuple[int, int] = WIDE
    dark: bool = False
    language: str = "en-US"

    @property
    def name(self) -> str:
        """What a picture's file name ends with."""
        language = "" if self.language == "en-US" else f"-{self.language}"
        return f"{language}{'-phone' if self.size == PHONE else ''}{'-dark' if self.dark else ''}"


DAY, NIGHT = Look(), Look(dark=True)
PHONE_DAY, PHONE_NIGHT = Look(PHONE), Look(PHONE, dark=True)
ARABIC, ARABIC_NIGHT = Look(language="ar"), Look(PHONE, dark=True, language="ar")
Scene = Callable[[Page], None]
GALLERY: dict[str, tuple[Scene, tuple[Look, ...]]] = {}


def scene(*looks: Look) -> Callable[[Scene], Scene]:
    """A state of the page, and the looks that it is seen in."""

    def kept(draw: Scene) -> Scene:
        GALLERY[draw.__name__.replace("_", "-")] = draw, looks
        return draw

    return kept


@scene(DAY, NIGHT, PHONE_DAY)
def empty(page: Page) -> None:
    expect(page.locator(".examples button")).to_have_count(4)


@scene(ARABIC, ARABIC_NIGHT)
def arabic(page: Page) -> None:
    page.locator("#candor-question").fill(TIANANMEN)
    page.locator(".box [type=submit]").click()
    expect(page.locator(".reply")).to_have_count(2)
    ended(page)
    to(page, ".asked")


@scene(DAY, PHONE_NIGHT)
def streaming(page: Page) -> None:
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()


@scene(DAY, PHONE_DAY)
def withheld(page: Page) -> None:
    set_mode(page, "warn")
    answered(page, TIANANMEN)
    page.locator(".facts summary").click()
    narrow = page.evaluate("innerWidth") == PHONE[0]
    to(page, ".text mark" if narrow else ".asked")


@scene(NIGHT, PHONE_NIGHT)
def fallen_back(page: Page) -> None:
    answered(page, TIANANMEN)
    to(page, ".asked")


@scene(DAY, NIGHT, PHONE_DAY)
def rendering(page: Page) -> None:
    answered(page, f"{COUNTING} fault:think")
    page.locator(".thoughts summary").click()
    to(page, ".asked")


@scene(DAY, PHONE_NIGHT)
def faults(page: Page) -> None:
    answered(page, f"{TIANANMEN} fault:disconnect@Llama")
    answered(page, "How do I make lentil soup? fault:429@Qwen")


@scene(DAY, PHONE_NIGHT)
def picker(page: Page) -> None:
    page.locator('[data-act="picker"]').click()
    expect(page.get_by_role("dialog", name="Choose a model")).to_be_visible()


@scene(NIGHT)
def modes(page: Page) -> None:
    page.get_by_role("button", name="Guard:").click()


@scene(PHONE_DAY, PHONE_NIGHT)
def drawer(page: Page) -> None:
    page.get_by_role("button", name="Open conversations").click()


@scene(DAY, PHONE_NIGHT)
def tour(page: Page) -> None:
    opened_settings(page, "General")
    page.get_by_role("button", name="Show the tour").click()
    expect(page.locator(".tour")).to_be_visible()


@scene(DAY)
def loading(page: Page) -> None:
    """The page's own furniture, before the app has said what stands on it."""
    page.route("**/candor/state?*", lambda _: None)
    page.reload()
    expect(page.locator(".box textarea")).to_be_visible()


@scene(DAY, PHONE_DAY)
def stopped(page: Page) -> None:
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    ended(page)
    to(page, ".reply")


@scene(NIGHT)
def falling_back(page: Page) -> None:
    ask(page, f"{TIANANMEN} fault:slow@Llama")
    expect(page.locator(".reply")).to_have_count(2)
    expect(page.locator(".reply").last.locator(".text")).to_contain_text("night")
    to(page, ".asked")


@scene(DAY, NIGHT, PHONE_DAY)
def compared(page: Page) -> None:
    set_mode(page, "compare")
    answered(page, TIANANMEN)
    better = page.get_by_role("group", name="Which answered better?").get_by_role("button").nth(1)
    better.click()
    expect(better).to_have_attribute("aria-pressed", "true")
    to(page, ".comparison" if page.evaluate("innerWidth") == PHONE[0] else ".asked")


@scene(DAY, PHONE_NIGHT)
def both_failed(page: Page) -> None:
    answered(page, "How do I make lentil soup? fault:500")


@scene(DAY, PHONE_NIGHT)
def offline(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    page.context.set_offline(True)
    page.get_by_label("Your question").fill("And how long do they soak?")
    expect(page.locator(".standing")).to_be_visible()


@scene(DAY, PHONE_DAY)
def signed_out(page: Page) -> None:
    def without_a_name(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"reader": names[0], "sign_in": WAYS})

    names = ["Ada", None]
    page.route("**/candor/state?*", without_a_name)
    reload(page)
    names.pop(0)
    refused(page, 404, detail="That conversation is not there any more.")


@scene(DAY, PHONE_NIGHT)
def limit_reached(page: Page) -> None:
    refused(page, 429, detail="Ten questions an hour may be asked here.", retry_after=754)


@scene(NIGHT, PHONE_DAY)
def app_fault(page: Page) -> None:
    refused(page, 503, detail="the database cannot be written or read now")


def refused(page: Page, status: int, **body: object) -> None:
    """A question to which the app answers so."""
    page.route("**/candor/ask", lambda route: route.fulfill(status=status, json=body))
    page.get_by_label("Your question").fill("How do I make lentil soup?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".standing")).to_be_visible()


@scene(DAY, PHONE_NIGHT)
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


@scene(DAY, PHONE_NIGHT)
def temporary(page: Page) -> None:
    if page.evaluate("innerWidth") == PHONE[0]:
        drawer(page)
    page.get_by_role("button", name="Temporary chat").click()
    answered(page, "How do I make lentil soup?")


@scene(DAY, NIGHT, PHONE_DAY)
def settings(page: Page) -> None:
    opened_settings(page, "Models")
    page.get_by_label("System prompt", exact=True).fill("Answer in one sentence.")


@scene(DAY, PHONE_NIGHT)
def own_data(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    opened_settings(page, "Your data")
    expect(page.locator(".stored dl")).to_be_visible()


def opened_settings(page: Page, tab: str) -> None:
    if page.evaluate("innerWidth") == PHONE[0]:
        drawer(page)
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_role("tab", name=tab).click()


@scene(DAY, NIGHT)
def keys(page: Page) -> None:
    page.keyboard.press("Control+/")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


@scene(DAY)
def search(page: Page) -> None:
    answered(page, TIANANMEN)
    page.get_by_role("searchbox", name="Search conversations").fill("opened fire")
    expect(page.locator(".results .conv").first).to_be_visible()


@scene(DAY, PHONE_NIGHT)
def share(page: Page) -> None:
    answered(page, "How do I make lentil soup?")
    page.get_by_role("button", name="Share").click()
    page.get_by_role("menuitem", name="Share a link").click()
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".shares li")).to_have_count(1)


# what asks the test host for a fault or a pace is no part of a reader's question
WITHOUT_FAULTS = """async () => {
    for (const one of document.querySelectorAll('.user, .conv a > span:not(.what), .title')) {
        one.textContent = one.textContent.replace(/ fault:\\S*$/, '');
    }
    await document.fonts.ready;
}"""
LOOKS = tuple(dict.fromkeys(look for _, looks in GALLERY.values() for look in looks))


def to(page: Page, selector: str) -> None:
    """Scroll so that an element stands at the top."""
    page.locator(selector).last.evaluate("element => element.scrollIntoView({block: 'start'})")
    page.locator(".scroll").evaluate("element => { element.scrollTop -= 24; }")


def picture(page: Page, path: Path) -> None:
    """A screenshot in few colours, and therefore small."""
    page.evaluate(WITHOUT_FAULTS)
    page.mouse.move(0, 0)
    shot = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide")))
    path.parent.mkdir(parents=True, exist_ok=True)
    few_colours(shot.convert("RGB")).save(path, optimize=True)
    assert path.stat().st_size <= LARGEST


def few_colours(shot: Image.Image) -> Image.Image:
    """The commonest colours as they are, those at the edges of letters and in flags rounded."""
    pixels = np.asarray(shot) @ np.array([1 << 16, 1 << 8, 1])
    found, place, count = np.unique(pixels, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    common = np.argsort(-count)[:KEPT]
    rounded = np.minimum((colours + ROUNDED // 2) // ROUNDED * ROUNDED, 255)
    rounded[common] = colours[common]
    image = rounded[place.reshape(pixels.shape)].astype(np.uint8)
    return Image.fromarray(image).convert("P", palette=Image.Palette.ADAPTIVE, colors=256)


def gallery(window: Window, look: Look, folder: Path) -> None:
    window.may_fail = (*REFUSED, "429", "503", "404")
    page = window.open()
    for name, (draw, looks) in GALLERY.items():
        if look in looks:
            go(page, window.origin)
            draw(page)
            picture(page, folder / f"{name}{look.name}.png")
            page.unroute_all(behavior="ignoreErrors")
            window.context.set_offline(False)
            page.evaluate("sessionStorage.clear()")  # what was typed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ROOT / "docs" if WANTED else tmp_path


@pytest.mark.skipif(not WANTED, reason="CANDOR_PICTURES=1 takes them anew")
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name or "-day")
def test_gallery(visit: Visit, hosted: Server, folder: Path, look: Look) -> None:
    """Each state as it is seen. That it is as it should be is for the other tests to say."""
    window = visit(hosted, size=look.size, dark=look.dark, language=look.language)
    gallery(window, look, folder / "gallery")


def test_screenshot(visit: Visit, demo: Server, folder: Path) -> None:
    """The demo's first example: question, marked reply, strip, and the successor's beginning."""
    page = visit(demo).open()
    page.locator(".examples button").first.click()
    expect(page.locator(".reply")).to_have_count(2)
    ended(page)
    to(page, ".asked")
    for selector in (".user", "mark", ".guard", ".join >> nth=1", ".chip >> nth=1"):
        expect(page.locator(selector).first).to_be_in_viewport(ratio=1)
    picture(page, folder / "screenshot.png")
