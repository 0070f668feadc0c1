"""A reader at the page: windows that note what goes wrong, and what one does there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
)

WIDE = (1440, 900)
PHONE = (390, 844)
SIZES = pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
PATIENCE = 30_000  # milliseconds
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",
]

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
PLAIN = "How do I make lentil soup?"
CANDID = "Mistral"  # part of the name of a model that answers

ALL_OPENED = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
WIDER = """() => [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
    .filter((one) => !one.closest('.wide, .graph, .skip, .only-read'))
    .map((one) => one.outerHTML.slice(0, 120))"""

FINGER = 40  # CSS pixels
SMALL = """finger => [...document.querySelectorAll(
        'button, summary, select, textarea, label:has(input), nav a, form a, [role=menuitem], '
        + 'input:not(label input, [type=file])')]
    .filter((one) => one.checkVisibility({visibilityProperty: true, contentVisibilityAuto: true}))
    .map((one) => [one.getBoundingClientRect(), one.outerHTML.slice(0, 90)])
    .filter(([box]) => Math.min(box.width, box.height) + 0.5 < finger)
    .map(([box, html]) => `${Math.round(box.width)} x ${Math.round(box.height)} ${html}`)"""

expect.set_options(timeout=PATIENCE)


def chromium(playwright: Playwright) -> Browser:
    """The machine's own Chromium or Chrome, else Playwright's.

    The headless shell first: it draws no window around a page, which costs more than most pages do.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return playwright.chromium.launch(executable_path=found, args=FLAGS)


@dataclass
class Window:
    """A reader's browser: its own cookies, one page, and a list of what must not happen."""

    context: BrowserContext
    origin: str
    wrong: list[str] = field(default_factory=list)
    may_fail: tuple[str, ...] = ()

    def open(self, path: str = "/") -> Page:
        """A page at `path`, once the script has put the state in."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", self.note_console)
        page.on("pageerror", lambda error: self.wrong.append(f"error on the page: {error}"))
        page.on("request", self.note_request)
        return go(page, self.origin + path)

    def note_console(self, message: ConsoleMessage) -> None:
        wanted = any(words in message.text for words in self.may_fail)
        if message.type in {"error", "warning"} and not wanted:
            self.wrong.append(f"{message.type} in the console: {message.text}")

    def note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if (
            parts.scheme not in {"data", "blob"}
            and f"{parts.scheme}://{parts.netloc}" != self.origin
        ):
            self.wrong.append(f"request to elsewhere: {request.url}")

    def close(self) -> None:
        """Close it; fails where something went wrong in the meantime."""
        self.context.close()
        self.check()

    def check(self) -> None:
        assert self.wrong == []


Visit = Callable[..., Window]  # the fixture `visit` of conftest.py


def window(
    browser: Browser,
    origin: str,
    *,
    size: tuple[int, int] = WIDE,
    dark: bool = False,
    language: str = "en-US",
    tour: bool = False,
) -> Window:
    """A new reader's window; `tour` for one who has not seen the tour yet."""
    options: dict[str, Any] = {"is_mobile": True, "has_touch": True} if size == PHONE else {}
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale=language,
        permissions=["clipboard-read", "clipboard-write"],
        reduced_motion="reduce",
        **options,
    )
    if not tour:
        context.add_init_script("localStorage.setItem('candor-toured', '1')")
    return Window(context, origin)


def go(page: Page, url: str) -> Page:
    """Go to an address and wait until the page stands."""
    page.goto(url, wait_until="commit")
    return stands(page)


def stands(page: Page) -> Page:
    """The script has asked for the state and shown it."""
    expect(page.locator('[data-region="mode"]')).not_to_have_text("…")
    return page


def reload(page: Page) -> Page:
    page.reload(wait_until="commit")
    return stands(page)


def unfold(page: Page) -> None:
    """Show what stands beside the thread, which on a phone is in a drawer."""
    if page.evaluate("innerWidth") == PHONE[0]:
        page.locator("header .menu").click()
    expect(page.locator("#candor-sidebar nav")).to_be_visible()


def ask(page: Page, question: str) -> None:
    """Type a question and send it; returns as soon as its turn stands in the thread."""
    turns = page.locator(".turn").count()
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".turn")).to_have_count(turns + 1)


def answered(page: Page, question: str) -> Locator:
    """Ask, wait for the end, and return the replies of that turn."""
    ask(page, question)
    return ended(page)


def ended(page: Page) -> Locator:
    """Wait until nothing streams; the replies of the last turn."""
    expect(page.locator(".box [type=submit]")).to_be_visible()
    expect(page.locator('[data-state="streaming"]')).to_have_count(0)
    return page.locator(".turn").last.locator(".reply")


def set_mode(page: Page, mode: str) -> None:
    page.get_by_role("button", name="Guard:").click()
    page.get_by_role("menuitemradio", name=mode).click()
    expect(page.locator('[data-region="mode"]')).to_have_text(mode)


def pick(page: Page, model: str) -> None:
    """Choose a model by typing part of its name."""
    page.locator('[data-act="picker"]').click()
    page.keyboard.type(model)
    page.keyboard.press("Enter")
    expect(page.locator('[data-region="picked"]')).to_contain_text(model)


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def fits(page: Page) -> None:
    """Nothing is wider than the screen, and nothing that shows sticks out of it."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    column = page.locator(".scroll")
    assert column.evaluate("element => element.scrollWidth <= element.clientWidth")
    assert page.locator("#candor").evaluate("element => element.scrollWidth <= innerWidth")


def tappable(page: Page) -> None:
    """What one taps is as large as a finger; links within text are as their line is."""
    small = page.evaluate(SMALL, FINGER)
    assert not small, f"too small to be tapped: {small}"


def beside(window: Window, path: str = "/models") -> Page:
    """A page beside the chat, once its script has come to the filters."""
    page = window.context.new_page()
    page.on("console", window.note_console)
    page.on("pageerror", lambda error: window.wrong.append(f"error on the page: {error}"))
    page.on("request", window.note_request)
    page.goto(window.origin + path)
    expect(page.locator(".filter")).to_be_visible()
    return page
