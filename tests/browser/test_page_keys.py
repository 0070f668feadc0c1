"""What can be done by keys alone, on several layouts, and the sheet that lists it."""

from __future__ import annotations

from browsing import PHONE, PLAIN, Visit, answered, ask, clipboard, ended
from playwright.sync_api import Page, expect
from serving import Server

SEND = """event => (document.activeElement ?? document.body)
    .dispatchEvent(new KeyboardEvent('keydown', event))"""
ON_A_MAC = "Object.defineProperty(navigator, 'userAgentData', {value: {platform: 'macOS'}})"


def press(page: Page, key: str, code: str, **more: bool | int) -> bool:
    """A key as a keyboard of another layout, or an input method, sends it; whether it was used."""
    event = {"key": key, "code": code, "bubbles": True, "cancelable": True, **more}
    return not page.evaluate(SEND, event)


def test_all_that_the_sheet_lists_can_be_done(page: Page) -> None:
    box = page.get_by_label("Your question")
    ask(page, "show many words fault:slow")
    expect(page.locator(".text")).to_contain_text("word3")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()  # Escape stops nothing
    page.keyboard.press("Control+.")
    replies = ended(page)
    expect(page.locator(".note")).to_have_text("You stopped this reply here.")
    expect(box).to_be_focused()
    first = str(replies.get_attribute("data-reply"))
    page.keyboard.press("Control+Shift+Enter")
    expect(replies).not_to_have_attribute("data-reply", first)
    page.keyboard.press("Control+.")
    ended(page)
    answered(page, PLAIN)
    page.keyboard.press("Control+Shift+C")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "test host" in clipboard(page)
    page.keyboard.press("Control+K")
    find = page.get_by_role("searchbox", name="Search conversations")
    expect(find).to_be_focused()
    page.keyboard.press("Shift+Escape")
    expect(box).to_be_focused()
    page.keyboard.press("Control+Shift+G")
    expect(page.get_by_role("menuitemradio", name="fall back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".box .mode")).to_be_focused()
    for keys, name in (("Control+Shift+M", "Choose a model"), ("Control+,", "Settings")):
        page.keyboard.press(keys)
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        page.keyboard.press("Control+Shift+O")  # not behind a dialog
        expect(page.locator(".turn")).to_have_count(2)
        page.keyboard.press("Escape")
        expect(page.locator(".box .mode")).to_be_focused()
    page.keyboard.press("Control+Shift+O")
    expect(page.locator(".hello")).to_be_visible()
    expect(box).to_be_focused()


def test_the_sheet_is_there_by_mouse_and_by_two_keys(page: Page) -> None:
    sheet = page.get_by_role("dialog", name="Keyboard")
    opener = page.get_by_role("button", name="Keyboard")
    opener.click()
    expect(sheet.locator("dt")).to_have_count(13)
    expect(sheet.locator("div").filter(has_text="New chat")).to_contain_text("Ctrl⇧O")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.keyboard.press("Control+/")
    expect(sheet).to_be_visible()
    page.keyboard.press("Control+/")
    expect(sheet).to_be_hidden()
    box = page.get_by_label("Your question")
    box.focus()
    page.keyboard.type("why?")
    expect(box).to_have_value("why?")
    box.fill("")
    expect(sheet).to_be_hidden()
    opener.focus()
    page.keyboard.type("?")
    expect(sheet).to_be_visible()
    page.keyboard.press("Control+K")  # what one has just read about works at once
    expect(sheet).to_be_hidden()
    expect(page.get_by_role("searchbox", name="Search conversations")).to_be_focused()
    opener.click()
    sheet.get_by_label("alone opens this").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.type("?")
    expect(sheet).to_be_hidden()
    opener.click()
    sheet.get_by_label("alone opens this").check()


def test_other_layouts_and_input_methods(page: Page) -> None:
    dialog = page.locator("dialog[open]")
    used = {"ctrlKey": True, "shiftKey": True}
    for key in ("Ь", "ة", "m", "M"):  # Russian, Arabic, Latin
        assert press(page, key, "KeyM", **used)
        expect(dialog).to_have_accessible_name("Choose a model")
        page.keyboard.press("Escape")
    assert press(page, "m", "Semicolon", **used), "AZERTY has it elsewhere"
    page.keyboard.press("Escape")
    for key, code in (("/", "Digit7"), ("ظ", "Slash"), ("、", "Slash")):
        assert press(page, key, code, ctrlKey=True, shiftKey=key == "/")
        expect(dialog).to_have_accessible_name("Keyboard")
        page.keyboard.press("Escape")
    unused = [
        press(page, "-", "Slash", ctrlKey=True),  # what makes a German's page smaller
        press(page, "m", "KeyM", **used, isComposing=True),
        press(page, "m", "KeyM", **used, keyCode=229),
        press(page, "m", "KeyM", **used, altKey=True),  # AltGr writes
        press(page, "m", "KeyM", **used, repeat=True),
        press(page, "m", "KeyM", ctrlKey=True),
        press(page, "m", "KeyM", **used, metaKey=True),
    ]
    assert not any(unused)
    expect(dialog).to_have_count(0)


def test_on_a_mac_they_are_shown_and_pressed_as_there(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.context.add_init_script(ON_A_MAC)
    page = window.open()
    expect(page.locator(".new kbd")).to_have_text("⌘ ⇧ O")
    expect(page.locator(".new")).to_have_attribute("aria-keyshortcuts", "Meta+Shift+O")
    page.keyboard.press("Control+K")  # which cuts a line there
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("Meta+K")
    expect(page.get_by_role("searchbox", name="Search conversations")).to_be_focused()


def test_a_phone_is_not_told_of_keys(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE).open()
    page.get_by_role("button", name="Open conversations").click()
    expect(page.get_by_role("button", name="Settings")).to_be_visible()
    expect(page.get_by_role("button", name="Keyboard")).to_be_hidden()
