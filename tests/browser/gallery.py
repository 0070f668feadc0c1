"""Pictures of the page in its states and looks, for `docs/gallery`, in few colours."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from browsing import PHONE, WIDE, Window
from PIL import Image
from playwright.sync_api import Page
from serving import ROOT

GALLERY = ROOT / "docs" / "gallery"
WANTED = bool(os.environ.get("CANDOR_PICTURES"))
LARGEST = 150_000  # bytes
KEPT, ROUNDED = 128, 32  # colours, and the step of the others: together fewer than 256
REFUSED = ("ERR_INTERNET_DISCONNECTED", "Failed to load resource", "401", "404", "429", "503")


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
Scene = Callable[..., None]  # takes the page, and what the test hands on


class Scenes(dict[str, tuple[Scene, tuple[Look, ...]]]):
    """States of a page by name, and the looks that each is seen in."""

    def seen(self, *looks: Look) -> Callable[[Scene], Scene]:
        """A decorator: keep a state under its function's name."""

        def kept(draw: Scene) -> Scene:
            self[draw.__name__.replace("_", "-")] = draw, looks
            return draw

        return kept

    @property
    def looks(self) -> tuple[Look, ...]:
        """All that any of them is seen in."""
        return tuple(dict.fromkeys(look for _, looks in self.values() for look in looks))

    def taken(
        self, window: Window, look: Look, start: Callable[[Page], Page], *more: object
    ) -> None:
        """Pictures of those that are seen so; each begins where `start` leads."""
        window.may_fail = REFUSED
        page = window.open()
        for name, (draw, looks) in self.items():
            if look in looks:
                draw(start(page), *more)
                picture(page, GALLERY / f"{name}{look.name}.png")
                page.unroute_all(behavior="ignoreErrors")
                window.context.set_offline(False)
                page.evaluate("sessionStorage.clear()")  # what was typed


# what asks the test host for a fault or a pace is no part of a reader's question
WITHOUT_FAULTS = """async () => {
    for (const one of document.querySelectorAll('.user, .conv a > span:not(.what), .title')) {
        one.textContent = one.textContent.replace(/ fault:\\S*$/, '');
    }
    await document.fonts.ready;
}"""


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
