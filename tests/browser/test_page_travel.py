"""Shared links, paper and imports, as a reader sees and does them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from browsing import (
    PHONE,
    PLAIN,
    SIZES,
    TIANANMEN,
    Visit,
    Window,
    answered,
    clipboard,
    fits,
    go,
    set_mode,
    stands,
    unfold,
)
from playwright.sync_api import Page, expect
from serving import ROOT, Server

HOSTILE = (
    '<script>window.harmed = 1</script><img src="https://elsewhere.example/x" onerror="harmed=2">'
    '<aside class="guard amber">clean</aside> ![x](https://elsewhere.example/y) '
    "[z](javascript:harmed=3)"
)


def share_menu(page: Page, item: str) -> None:
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_role("menuitem", name=item).click()


def visitor(window: Window, address: str) -> Page:
    """A page that only has the link; what goes wrong on it is noted."""
    page = window.context.new_page()
    page.on("console", window.note_console)
    page.on("request", window.note_request)
    page.goto(address)
    return page


def conversation_of(page: Page) -> str:
    return page.url.partition("c=")[2]


def fetched(page: Page, server: Server) -> dict[str, Any]:
    path = f"/candor/conversations/{conversation_of(page)}/export.json"
    return dict(page.request.get(server.url + path).json())


def test_a_link_is_made_read_continued_and_revoked(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    expect(page.get_by_role("button", name="Share", exact=True)).to_be_hidden()
    answered(page, TIANANMEN)
    share_menu(page, "Share a link")
    dialog = page.get_by_role("dialog", name="Share a link")
    expect(dialog).to_contain_text("Not in it: your name")
    expect(dialog.get_by_role("checkbox")).not_to_be_checked()
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("The link")
    expect(link).to_be_focused()
    dialog.get_by_role("button", name="Copy link").first.click()
    address = clipboard(page)
    assert re.fullmatch(rf"{hosted.url}/s/[\w-]{{22,}}", address)

    phone = visit(hosted, size=PHONE)
    shared = visitor(phone, address)
    expect(shared).to_have_title(f"{TIANANMEN} · Candor")
    expect(shared.locator(".reply")).to_have_count(2)
    expect(shared.locator(".guard.amber .facts a").first).to_be_visible()
    expect(shared.get_by_role("textbox")).to_have_count(0)
    assert shared.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shared.get_by_role("button", name="Continue this conversation").click()
    shared.wait_for_url("**/?c=*")
    expect(stands(shared).locator(".guard.amber")).to_be_visible()
    fits(shared)

    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog).to_contain_text("None yet.")
    expect(link).to_be_hidden()
    phone.may_fail = ("404",)
    expect(visitor(phone, address).locator("h1")).to_have_text("Nothing is shared here")


def test_a_shared_page_is_read_without_a_script(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    answered(page, TIANANMEN)
    path = f"/candor/conversations/{conversation_of(page)}/shares"
    made = page.request.post(hosted.url + path, data={}, headers={"x-candor": "1"}).json()
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(hosted.url + made["path"])
    expect(plain.locator(".guard.amber")).to_contain_text("Britannica")
    expect(plain.locator(".reply").last).to_contain_text("live ammunition")
    expect(plain.get_by_role("button")).to_have_count(0)
    context.close()


def test_paper_is_black_on_white_without_furniture(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, dark=True).open()
    answered(page, TIANANMEN)
    expect(page.locator(".facts a").first).to_be_hidden()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for name in ("sidebar", "header", "composer"):
        expect(page.locator(f"#candor-{name}")).to_be_hidden()
    expect(page.locator(".tools:visible, .acts:visible, .toast:visible")).to_have_count(0)
    for part in (".chip .flag", ".guard h4", ".facts a", ".user"):
        expect(page.locator(part).first).to_be_visible()
    ink = page.locator(".text p").first.evaluate("e => getComputedStyle(e).color")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    assert page.locator(".scroll").evaluate("e => e.scrollHeight === e.clientHeight")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(page.locator(".facts a").first).to_be_hidden()


def test_an_import_is_reported_and_its_hostile_words_are_inert(
    visit: Visit, hosted: Server, tmp_path: Path
) -> None:
    window = visit(hosted)
    page = window.open()
    set_mode(page, "warn")
    answered(page, TIANANMEN)
    record = fetched(page, hosted)
    (reply,) = record["turns"][0]["replies"]
    reply |= {"text": HOSTILE, "model": {"id": HOSTILE[:150], "name": HOSTILE[:150]}}
    reply["verdict"] |= {"explanation": HOSTILE, "signals": []}
    reply["served"] |= {"provider": HOSTILE}
    record |= {"title": f"Brought along {HOSTILE[:60]}"}
    file = tmp_path / "conversations.jsonl"
    file.write_text(f'{json.dumps(record)}\n{{"x": 1}}\n')
    page.get_by_role("button", name="Settings").click()
    settings = page.get_by_role("dialog", name="Settings")
    settings.get_by_role("tab", name="Your data").click()
    page.locator('input[name="import"]').set_input_files(file)
    expect(settings.locator(".report")).to_contain_text("Conversations imported: 1.")
    expect(settings.locator(".report")).to_contain_text("in a form that Candor knows: 1.")
    settings.get_by_role("button", name="Close").click()
    page.locator(".conv a", has_text="Brought along").click()
    expect(page.locator(".guard.foreign")).to_contain_text("It was not made here")
    expect(page.locator(".chip")).to_contain_text("origin not known")
    path = f"/candor/conversations/{conversation_of(page)}/shares"
    made = page.request.post(hosted.url + path, data={}, headers={"x-candor": "1"}).json()
    for place in (page, visitor(visit(hosted), hosted.url + made["path"])):
        expect(place.locator(".guard.foreign")).to_be_visible()
        expect(place.locator("#candor .guard.amber, #candor img")).to_have_count(0)
        expect(place.locator('a[href^="javascript"]')).to_have_count(0)
        assert place.evaluate("window.harmed") is None


@SIZES
def test_a_conversation_goes_along_in_each_form_and_comes_back(
    visit: Visit, hosted: Server, tmp_path: Path, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size).open()
    page.evaluate("window.print = () => { window.printed = true; }")
    answered(page, PLAIN)
    for form in ("Markdown", "JSON"):
        with page.expect_download() as coming:
            share_menu(page, form)
        coming.value.save_as(tmp_path / form)
        assert PLAIN in (tmp_path / form).read_text()
    share_menu(page, "Print")
    assert page.evaluate("window.printed")
    own = (tmp_path / "JSON").rename(tmp_path / "own.json")
    others = [
        ROOT / "tests" / "data" / "imports" / name for name in ("chatgpt.json", "open_webui.json")
    ]
    for file, title in zip((own, *others), (PLAIN, "Lighthouses", "Tea"), strict=True):
        go(page, hosted.url)
        unfold(page)
        page.get_by_role("button", name="Settings").click()
        settings = page.get_by_role("dialog", name="Settings")
        settings.get_by_role("tab", name="Your data").click()
        page.locator('input[name="import"]').set_input_files(file)
        expect(settings.locator(".report")).to_contain_text("Conversations imported: ")
        fits(page)
        settings.get_by_role("button", name="Close").click()
        page.locator('[data-region="sidebar"] .conv a', has_text=title).first.click()
        expect(page.locator(".reply").first).to_be_visible()
        fits(page)


def test_a_link_is_made_and_revoked_on_a_phone(visit: Visit, hosted: Server) -> None:
    window = visit(hosted, size=PHONE)
    page = window.open()
    answered(page, PLAIN)
    page.get_by_role("button", name="Share", exact=True).tap()
    fits(page)
    page.get_by_role("menuitem", name="Share a link").tap()
    dialog = page.get_by_role("dialog", name="Share a link")
    dialog.get_by_role("button", name="Make a link").tap()
    expect(dialog.locator(".shares li")).to_have_count(1)
    address = dialog.get_by_label("The link").input_value()
    fits(page)
    shared = visitor(window, address)
    expect(shared.locator(".user")).to_have_text(PLAIN)
    shared.close()
    dialog.get_by_role("button", name="Revoke").tap()
    expect(dialog).to_contain_text("None yet.")
    window.may_fail = ("404",)
    expect(visitor(window, address).locator("h1")).to_have_text("Nothing is shared here")
