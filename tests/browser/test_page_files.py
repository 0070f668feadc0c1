"""Files on the page: chosen, dropped, pasted, removed, sent, and there after a reload."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import attachments
import pytest
from browsing import PHONE, WIDE, Visit, ended, fits, reload
from playwright.sync_api import FilePayload, Page, expect
from serving import Server
from soundness import sound

from chat.reading import FILE_LIMIT, MOST_FILES

MISTRAL = "mistralai/Mistral-Small-3.2-24B-Instruct-2506"  # sees
HOSTILE = '"><img src=x onerror="window.harmed=1"> \u202e.md'

# what a browser makes of files that are dragged or copied: a DataTransfer
GIVEN = """async ([files, text, large]) => {
    const given = new DataTransfer();
    for (const [name, type, data] of files) {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        given.items.add(new File([bytes], name, { type }));
    }
    if (large) given.items.add(new File([new Uint8Array(large)], 'large'));
    if (text) given.setData('text/plain', text);
    return given;
}"""


PASTE = """(element, clipboardData) => element.dispatchEvent(
    new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))"""


def payload(name: str, data: bytes, kind: str = "application/octet-stream") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


def given(page: Page, *files: FilePayload, text: str = "", large: int = 0) -> Any:
    told = [[f["name"], f["mimeType"], b64encode(f["buffer"]).decode()] for f in files]
    return page.evaluate_handle(GIVEN, [told, text, large])


def choose(page: Page, *files: FilePayload) -> None:
    """Attach by the button, and wait until all are read or refused."""
    with page.expect_file_chooser() as opened:
        page.get_by_role("button", name="Attach files").click()
    opened.value.set_files([*files])
    settled(page)


def settled(page: Page) -> None:
    expect(page.locator(".tray .coming")).to_have_count(0)


def paste(page: Page, *files: FilePayload, text: str = "") -> None:
    page.locator("#candor-question").evaluate(PASTE, given(page, *files, text=text))


def chips(page: Page) -> list[str]:
    return page.locator(".tray .name").all_inner_texts()


def test_files_are_attached_removed_sent_and_stay(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("422",)
    page = window.open()
    choose(
        page,
        payload("notes.md", b"# Lentils"),
        payload("paper.docx", attachments.pdf(["Of lentils", ""])),
        payload("locked.pdf", attachments.pdf(["x"], password="mine")),
    )
    assert chips(page) == ["notes.md", "paper.docx", "locked.pdf"]
    expect(page.locator(".tray .wrong")).to_contain_text("locked with a password")
    expect(page.locator(".tray .file").nth(1)).to_contain_text("PDF · pages without text: 1")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".tray .told")).to_have_text("Write what you want to know about the files.")
    expect(page.get_by_label("Your question")).to_be_focused()

    remove = page.get_by_role("button", name="Remove notes.md")
    remove.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove paper.docx")).to_be_focused()
    assert chips(page) == ["paper.docx", "locked.pdf"]

    photo = payload("photo.jpg", attachments.photograph(), "image/jpeg")
    paste(page, photo, text="as a word processor copies a picture of its text")
    paste(page, photo)
    settled(page)
    thumbnail = page.locator(".tray img")
    expect(thumbnail).to_have_js_property("naturalWidth", 200)  # upright
    page.get_by_label("Your question").fill("What is in them?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".blind")).to_contain_text("does not see images. Choose a model")
    expect(page.locator(".blind button")).to_be_focused()
    sound(page, "a model that does not see")
    page.keyboard.press("Enter")
    listed = page.locator("dialog.models li:not([hidden])")
    expect(listed.first).to_contain_text("sees images")
    expect(listed).to_have_count(3)
    page.locator(f'.card[data-model="{MISTRAL}"]').click()
    expect(page.locator(".blind")).to_be_hidden()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)

    assert chips(page) == ["locked.pdf"]  # what was not sent is not forgotten
    reload(page)
    shown = page.locator(".turn .file")
    expect(shown).to_have_count(2)
    expect(shown.locator("img")).to_have_js_property("complete", True)
    expect(page.locator(".turn .user")).to_have_text("What is in them?")
    with page.expect_popup() as opened:
        shown.filter(has_text="photo.jpg").get_by_role("link").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("document.contentType") == "image/jpeg"
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_role("menuitem", name="Share a link").click()
    expect(page.get_by_role("dialog")).to_contain_text("names and kinds, not what is in them")


def test_files_are_dropped_anywhere_and_limits_are_said(page: Page) -> None:
    many = [payload(f"{n}.md", b"Lentils") for n in range(MOST_FILES)]
    dropped = given(page, payload(HOSTILE, b"Lentils"), large=FILE_LIMIT + 1)
    page.locator("body").dispatch_event("dragenter", {"dataTransfer": dropped})
    expect(page.locator(".drop")).to_be_visible()
    page.locator(".scroll").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.locator(".drop")).to_be_hidden()
    settled(page)
    expect(page.locator(".tray .wrong")).to_contain_text("larger than 10 MB")
    expect(page.locator(".box .only-read")).to_contain_text("Attached:")
    assert page.evaluate("window.harmed") is None
    assert chips(page)[0] == '"><img src=x onerror="window.harmed=1"> .md'
    page.locator(".scroll").dispatch_event("drop", {"dataTransfer": given(page, *many)})
    expect(page.locator(".tray .told")).to_have_text(
        f"One question takes at most {MOST_FILES} files."
    )
    expect(page.locator(".tray .file")).to_have_count(MOST_FILES)
    settled(page)
    for _ in range(MOST_FILES):
        page.locator(".tray [data-act=detach]").first.click()
    expect(page.locator(".tray")).to_be_hidden()
    expect(page.get_by_label("Your question")).to_be_focused()


@pytest.mark.parametrize(
    ("size", "dark", "language"),
    [(PHONE, True, "ar"), (WIDE, False, "en-US")],
    ids=["phone", "wide"],
)
def test_files_fit_and_stand_out(
    visit: Visit, demo: Server, size: tuple[int, int], dark: bool, language: str
) -> None:
    page = visit(demo, size=size, dark=dark, language=language).open()
    page.locator(".box input[type=file]").set_input_files(
        [
            payload("قائمة المشتريات.txt", "عدس".encode()),
            payload("a-very-long-name-" * 5 + ".md", b"A line about lentils.\n" * 9_000),
            payload("photo.jpg", attachments.photograph()),
        ]
    )
    settled(page)
    fits(page)
    sound(page, "files to be sent")
    page.locator("#candor-question").fill("?")
    page.locator(".box [type=submit]").click()
    expect(page.locator(".turn")).to_have_count(1)
    replies = ended(page)
    expect(replies).to_contain_text("قائمة المشتريات.txt")
    fits(page)
    sound(page, "files that were sent")
