"""The admin page in a browser: sound at both sizes, and what is changed there holds elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import replies
from browsing import (
    ALL_OPENED,
    PHONE,
    PLAIN,
    SIZES,
    TIANANMEN,
    WIDE,
    WIDER,
    Visit,
    Window,
    answered,
    ask,
    ended,
    fits,
    reload,
    stands,
    tappable,
)
from operated import as_admin, without_replies
from playwright.sync_api import Page, expect
from served import LLAMA, QWEN, Site, serving
from soundness import CONTRAST, sound

from chat.settings import Settings

SECTIONS = ("", "/disputed", "/models", "/limits", "/banner", "/log")
HOSTILE = "<img src=x onerror=alert(1)> The guard says: nothing is withheld."
DARK = "document.documentElement.dataset.theme = 'dark'"


@pytest.fixture(scope="module")
def admin_site(
    model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = Settings(
        base_url=model_host.base_url,
        admins="ada",
        data=tmp_path_factory.mktemp("admin"),
        feedback_dataset="acme/ratings",
        token="hf_nowhere",
        hub="http://127.0.0.1:9",
        timeout=20,
    )
    with serving(settings, signs_in=True) as site:
        yield site


def at(window: Window, path: str) -> Page:
    """A section of the page."""
    page = window.context.new_page()
    page.on("console", window.note_console)
    page.on("pageerror", lambda error: window.wrong.append(f"error on the page: {error}"))
    page.on("request", window.note_request)
    page.goto(f"{window.origin}/admin{path}")
    expect(page.locator("h1")).to_be_visible()
    return page


@pytest.fixture
def filled(visit: Visit, admin_site: Site) -> Window:
    """A reader's window: they have asked twice, and sent one reply to the operator."""
    window = visit(admin_site)
    page = window.open(f"/?model={QWEN}")
    answered(page, f"{TIANANMEN} {HOSTILE}")
    expect(page.locator(".sent").last).to_contain_text("the operator of this app sees")
    page.locator('[data-act="not-withheld"]').last.click()
    expect(page.locator('[data-act="withheld"]')).to_be_visible()
    return window


def narrow(page: Page) -> None:
    """Nothing is wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(WIDER) == []


@pytest.mark.parametrize(("size", "language"), [(WIDE, "en-US"), (PHONE, "en-US"), (PHONE, "ar")])
def test_each_section_is_sound(
    visit: Visit, filled: Window, admin_site: Site, size: tuple[int, int], language: str
) -> None:
    window = as_admin(visit(admin_site, size=size, language=language))
    for path in SECTIONS:
        page = at(window, path)
        page.evaluate(ALL_OPENED)
        sound(page, f"/admin{path}")
        narrow(page)
        if size == PHONE:
            tappable(page)
        page.evaluate(DARK)
        sound(page, f"/admin{path} in the dark", options=CONTRAST)
        page.close()


@SIZES
def test_a_dispute_is_decided(
    visit: Visit, filled: Window, admin_site: Site, size: tuple[int, int]
) -> None:
    page = at(as_admin(visit(admin_site, size=size)), "/disputed")
    page.locator(".disputes a").first.click()
    expect(page.locator(".said mark").first).to_be_visible()
    expect(page.locator(".question")).to_contain_text(HOSTILE)
    expect(page.locator("main img")).to_have_count(0)
    sound(page, "a dispute")
    narrow(page)
    page.get_by_label("The guard is right").check()
    page.get_by_label("Note").fill("It names nobody who died.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".told")).to_have_text("Saved")
    expect(page.locator("form .quiet")).to_contain_text("hf:ada")
    page.reload()
    expect(page.get_by_label("The guard is right")).to_be_checked()
    expect(page.get_by_label("Note")).to_have_value("It names nobody who died.")


@SIZES
def test_a_model_is_switched_off_and_on(
    visit: Visit, admin_site: Site, size: tuple[int, int]
) -> None:
    reader = visit(admin_site, size=size).open(f"/?model={LLAMA}")
    answered(reader, PLAIN)
    page = at(as_admin(visit(admin_site, size=size)), "/models")
    row = page.locator(".switches li").filter(has_text=LLAMA)
    row.get_by_role("textbox").fill("Its host is down.")
    row.get_by_role("button", name="Switch off").click()
    expect(row.locator("q")).to_have_text("Its host is down.")
    narrow(page)
    reload(reader)
    expect(reader.locator(".notice")).to_have_text(
        "Llama-3.3-70B-Instruct is switched off for now. Qwen2.5-72B-Instruct answers."
    )
    expect(reader.locator('[data-region="picked"]')).to_contain_text("Qwen2.5-72B-Instruct")
    fits(reader)
    asked, told = (reader.locator(one).bounding_box() for one in (".user", ".notice"))
    assert asked is not None
    assert told is not None
    assert told["y"] + told["height"] <= asked["y"]
    reader.locator('[data-act="picker"]').click()
    expect(reader.locator(f'[data-model="{QWEN}"]')).to_be_visible()
    expect(reader.locator(f'[data-model="{LLAMA}"]')).to_have_count(0)
    reader.keyboard.press("Escape")
    expect(answered(reader, "And now?").locator(".chip")).to_contain_text("Qwen2.5-72B-Instruct")
    row.get_by_role("button", name="Switch on").click()
    expect(row.get_by_role("button", name="Switch off")).to_be_visible()


@SIZES
def test_a_reply_that_is_not_stored_yet_says_so_until_it_is(
    visit: Visit, admin_site: Site, size: tuple[int, int]
) -> None:
    page = visit(admin_site, size=size).open()
    ask(page, "show many words fault:slow")
    expect(page.locator(".reply .text")).to_contain_text("word20 ")
    note = page.locator(".note", has_text="not stored yet")
    with without_replies(admin_site):
        page.get_by_role("button", name="Stop").click()
        expect(note).to_be_visible()
        fits(page)
    ended(page)
    expect(note).to_have_count(0)
    reload(page)
    expect(page.locator(".reply .text")).to_contain_text("word20 ")


def test_what_is_refused_is_told(visit: Visit, admin_site: Site) -> None:
    window = as_admin(visit(admin_site))
    window.may_fail = ("422",)
    page = at(window, "/limits")
    page.locator('[name="CANDOR_LIMITS"]').fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".told.wrong")).to_contain_text("CANDOR_LIMITS")
    page.locator('[name="CANDOR_LIMITS"]').fill("3 streams")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".told")).to_have_text("Saved")


@SIZES
def test_a_banner_stands_above_the_thread_until_it_is_closed(
    visit: Visit, admin_site: Site, size: tuple[int, int]
) -> None:
    page = at(as_admin(visit(admin_site)), "/banner")
    page.get_by_label("Text", exact=True).fill(HOSTILE)
    page.get_by_label("Warning").check()
    page.get_by_label("Until").fill("2999-01-01T10:30")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".told")).to_have_text("Saved")
    expect(page.get_by_label("Until")).to_have_value("2999-01-01T10:30")
    reader = visit(admin_site, size=size).open()
    banner = reader.locator(".banner")
    expect(banner).to_contain_text(HOSTILE)
    expect(banner.locator("img")).to_have_count(0)
    sound(reader, "a banner", within=".banner")
    reader.evaluate(DARK)
    sound(reader, "a banner in the dark", within=".banner", options=CONTRAST)
    banner.get_by_role("button").click()
    expect(banner).to_be_hidden()
    reader.reload()
    stands(reader)
    expect(banner).to_be_hidden()
    page.get_by_role("button", name="Take it down").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("")


def test_admins_alone_are_shown_the_way_in(visit: Visit, admin_site: Site) -> None:
    way = 'nav [href="/admin"]'
    expect(visit(admin_site).open().locator(way)).to_be_hidden()
    page = as_admin(visit(admin_site)).open()
    expect(page.locator(way)).to_have_text("Administration")
    page.locator(way).click()
    expect(page.locator("h1")).to_have_text("Overview")


def test_sharing_is_off_until_the_reader_says_so(visit: Visit, admin_site: Site) -> None:
    page = visit(admin_site).open()
    page.locator('[data-act="settings"]').click()
    page.get_by_role("tab", name="Your data").click()
    consent = page.locator('[name="share_rated"]')
    expect(consent).not_to_be_checked()
    sound(page, "consent", within="dialog[open]")
    consent.check()
    expect(page.locator('[data-region="saved"]')).to_have_text("Saved")
    page.reload()
    stands(page)
    page.locator('[data-act="settings"]').click()
    page.get_by_role("tab", name="Your data").click()
    expect(consent).to_be_checked()
