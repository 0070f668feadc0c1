"""What is kept of a file: by content, whatever its name; hostile ones too."""

from __future__ import annotations

import io

import attachments
import pytest
from PIL import Image

from chat import reading
from chat.reading import FILE_LIMIT, LONGEST, READ_LIMIT, Unreadable, named, read

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'


async def refused(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        await read(data)
    return caught.value.reason


def opened(content: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(content))
    found.load()
    return found


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("# Título\r\n\r\nÄ 中文 ✓\n".encode(), "# Título\n\nÄ 中文 ✓\n"),
        ("\ufeffwith a mark".encode(), "with a mark"),
        ("wide: 天安门".encode("utf-16"), "wide: 天安门"),
        ("wide the other way".encode("utf-16-be").join([b"\xfe\xff", b""]), "wide the other way"),
        (b"\x1b[31mred\x07\x08 log\x7f", "[31mred log"),
        (SVG, SVG.decode()),  # its source, and never a picture
        (b"<html><script>alert(1)</script>", "<html><script>alert(1)</script>"),
    ],
)
async def test_text_is_read_in_its_encoding_and_kept_as_plain_text(data: bytes, text: str) -> None:
    found = await read(data)
    assert (found.kind, found.text, found.characters) == ("text", text, len(text))
    assert (found.media_type, found.content) == ("text/plain; charset=utf-8", text.encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n\t", "empty"),
        ("Größe".encode("latin-1"), "encoding"),
        ("文件".encode("gb18030"), "encoding"),
        ("utf-16 without a mark".encode("utf-16-le"), "kind"),
        (b"\x7fELF\x02\x01\x01\x00", "kind"),
        (b"PK\x03\x04\x14\x00\x00\x00word/document.xml", "kind"),
        (b"\xff\xfe\x00\x00a\x00\x00\x00", "kind"),
        (b"\xff\xfea", "encoding"),
        (b"a" * (FILE_LIMIT + 1), "large"),
    ],
)
async def test_what_is_no_text_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert await refused(data) == reason


async def test_a_long_text_is_cut_where_a_paragraph_ends_and_kept_whole() -> None:
    whole = ("word " * 99 + "word\n\n") * 500
    found = await read(whole.encode())
    assert found.text is not None
    assert READ_LIMIT * 0.8 <= len(found.text) <= READ_LIMIT
    assert whole.startswith(found.text + "\n\n")
    assert found.characters == len(whole)
    assert found.content == whole.encode()


# --- PDF ------------------------------------------------------------------------------------------


async def test_a_pdf_is_read_page_by_page_whatever_its_name() -> None:
    data = attachments.pdf(["Of lentils", "", "and soup"])
    found = await read(b"%!junk before\n" + data)
    assert (found.kind, found.text) == ("pdf", "Of lentils\n\nand soup")
    assert (found.pages, found.pages_read, found.pages_empty) == (3, 3, 1)
    assert found.content.endswith(data)


async def test_of_a_long_pdf_the_first_pages_are_read() -> None:
    page = "\n".join(["lentils " * 80] * 40)
    found = await read(attachments.pdf([page] * 12))
    assert found.pages == 12
    assert found.pages_read is not None
    assert 3 <= found.pages_read <= 5
    assert found.text is not None
    assert found.characters is not None
    assert READ_LIMIT * 0.8 <= len(found.text) <= READ_LIMIT < found.characters


async def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    assert (await read(attachments.pdf(["Open to all"], password=""))).text == "Open to all"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (attachments.pdf(["Secret"], password="mine"), "pdf_locked"),
        (attachments.pdf(["", ""]), "pdf_no_text"),
        (attachments.pdf(["Of lentils"])[:300], "pdf_broken"),
        (b"%PDF-1.7\n<script>alert(1)</script>", "pdf_broken"),
    ],
    ids=["locked", "scanned", "cut off", "no pdf"],
)
async def test_a_pdf_without_text_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert await refused(data) == reason


async def test_a_pdf_that_takes_too_long_is_ended_with_what_was_read() -> None:
    found = await reading.pdf(attachments.endless_pdf("Of lentils"), seconds=2)
    assert (found.text, found.pages, found.pages_read) == ("Of lentils", 2, 1)
    with pytest.raises(Unreadable) as caught:
        await reading.pdf(attachments.endless_pdf(), seconds=1)
    assert caught.value.reason == "pdf_slow"


# --- pictures -------------------------------------------------------------------------------------


async def test_a_photograph_is_upright_small_and_tells_nothing_of_its_place() -> None:
    taken = attachments.photograph((4000, 2000))
    assert b"A camera" in taken
    found = await read(taken)
    seen = opened(found.content)
    assert (found.media_type, seen.format, seen.size) == ("image/jpeg", "JPEG", (784, LONGEST))
    assert not seen.getexif()
    assert not {"exif", "comment", "icc_profile"} & seen.info.keys()
    assert b"A camera" not in found.content
    left, right = (seen.convert("RGB").getpixel((x, 700)) for x in (100, 700))
    assert left[2] > 200 > right[2]  # type: ignore[index]  # what was below is at the left


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
async def test_a_drawing_keeps_its_edges_and_what_shows_through(kind: str) -> None:
    found = await read(attachments.drawing(kind) + b"<script>alert(1)</script>")
    seen = opened(found.content)
    assert (found.kind, found.media_type, seen.size) == ("image", "image/png", (60, 40))
    assert b"script" not in found.content  # it was drawn anew


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (attachments.bomb(30_000), "image_large"),
        (attachments.bomb(7_000), "image_large"),
        (attachments.drawing()[:60], "image_broken"),
        (b"\xff\xd8\xff" + b"<script>alert(1)</script>", "image_broken"),
    ],
    ids=["30,000²", "7,000²", "cut off", "no picture"],
)
async def test_a_bomb_and_a_damaged_picture_are_refused(data: bytes, reason: str) -> None:
    assert await refused(data) == reason


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("notes.md", "notes.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\secret.txt", "secret.txt"),
        ("a\nb\x00\x1b[31m.txt", "a b.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("سوال 🍲.pdf", "سوال 🍲.pdf"),
        ("\ud800.txt", "?.txt"),
        ("", "file"),
        ("///", "file"),
        ("x" * 300 + ".pdf", "x" * 84 + "…" + "x" * 11 + ".pdf"),
    ],
)
def test_a_name_is_shown_without_tricks(raw: str, name: str) -> None:
    assert named(raw) == name
