"""The pictures of the README and of `docs/gallery`; CANDOR_PICTURES=1 writes them there.

Without it they are taken all the same, into a temporary folder, so that they never fall behind.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browsing import PHONE, TIANANMEN, WIDE, Visit, Window, answered, ask, ended, go, set_mode
from PIL import Image
from playwright.sync_api import Page, expect
from serving import ROOT, Server

LARGEST = 150_000  # bytes
KEPT, ROUNDED = 128, 32  # colours, and the step of the others: together fewer than 256
COUNTING = "In how many ways can I count words? Please show markdown."
GALLERY = {  # size, dark: scenes
    (WIDE, False): ("empty", "streaming", "withheld", "picker", "rendering", "faults"),
    (WIDE, True): ("fallen-back", "modes", "rendering"),
    (PHONE, False): ("withheld", "drawer", "rendering"),
    (PHONE, True): ("fallen-back", "picker"),
}


def empty(page: Page) -> None:
    expect(page.locator(".examples button")).to_have_count(4)


def streaming(page: Page) -> None:
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()


def withheld(page: Page) -> None:
    set_mode(page, "warn")
    answered(page, TIANANMEN)
    page.locator(".facts summary").click()
    narrow = page.evaluate("innerWidth") == PHONE[0]
    to(page, ".text mark" if narrow else ".asked")


def fallen_back(page: Page) -> None:
    answered(page, TIANANMEN)
    to(page, ".asked")


def rendering(page: Page) -> None:
    answered(page, f"{COUNTING} fault:think")
    page.locator(".thoughts summary").click()
    to(page, ".asked")


def faults(page: Page) -> None:
    answered(page, f"{TIANANMEN} fault:disconnect@Llama")
    answered(page, "How do I make lentil soup? fault:429@Qwen")


def picker(page: Page) -> None:
    page.locator('[data-act="picker"]').click()
    expect(page.get_by_role("dialog", name="Choose a model")).to_be_visible()


def modes(page: Page) -> None:
    page.get_by_role("button", name="Guard:").click()


def drawer(page: Page) -> None:
    page.get_by_role("button", name="Open conversations").click()


# what asks the test host for a fault or a pace is no part of a reader's question
WITHOUT_FAULTS = """async () => {
    for (const one of document.querySelectorAll('.user, .conv a span')) {
        one.textContent = one.textContent.replace(/ fault:\\S*$/, '');
    }
    await document.fonts.ready;
}"""
SCENES: dict[str, Callable[[Page], None]] = {
    "empty": empty,
    "streaming": streaming,
    "withheld": withheld,
    "fallen-back": fallen_back,
    "rendering": rendering,
    "faults": faults,
    "picker": picker,
    "modes": modes,
    "drawer": drawer,
}


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


def gallery(window: Window, scenes: tuple[str, ...], folder: Path, look: str) -> None:
    page = window.open()
    for name in scenes:
        go(page, window.origin)
        SCENES[name](page)
        picture(page, folder / f"{name}{look}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ROOT / "docs" if os.environ.get("CANDOR_PICTURES") else tmp_path


@pytest.mark.parametrize(("size", "dark"), GALLERY)
def test_gallery(
    visit: Visit, hosted: Server, folder: Path, size: tuple[int, int], dark: bool
) -> None:
    look = ("-phone" if size == PHONE else "") + ("-dark" if dark else "")
    window = visit(hosted, size=size, dark=dark)
    gallery(window, GALLERY[size, dark], folder / "gallery", look)


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
