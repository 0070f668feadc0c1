"""A file's bytes -> what of it can be kept and told: its kind, its text, a small clean picture.

Kinds are found by content; neither a name nor what a browser says is believed. A file may be
hostile: a PDF is read in a process of its own, a picture is decoded only if it is not too large,
and drawn anew without what it says of place and camera. Not covered: pictures within a PDF, all but
the first picture of an animation, and encodings other than UTF-8, or UTF-16 with its mark.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from guard.fitting import beginning
from guard.plain import one_line
from guard.types import Value

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

# The limits of what may be attached; docs/files.md tells them.
FILE_LIMIT = 10_000_000  # bytes of a file
MOST_FILES = 8  # with one question
READ_LIMIT = 100_000  # characters of a file that are kept for models
MOST_PIXELS = 40_000_000  # of a picture, before it is made small
LONGEST = 1568  # pixels of a picture's longer side, as it is kept
PDF_SECONDS = 10  # of computing for the text of a PDF
PDF_PATIENCE = 6  # times that, by the clock, for a machine that is busy
NAME_LENGTH = 100
LARGE_PNG = 1_000_000  # bytes; a larger picture is kept as JPEG
QUALITY = 88  # of a JPEG

Kind = Literal["text", "pdf", "image"]
PDF_READER = Path(__file__).with_name("pdf_text.py")
NEEDED = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # by a Python to start, and no secrets
PDF_HEAD = 1024  # bytes among which a PDF's mark stands
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Unreadable(ValueError):
    """A file that cannot be read; `reason` names the sentence that says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reading(Value):
    """What a file holds. `characters` is the length of its text, of a PDF that of `pages_read`.

    `content`, of `media_type`, is the copy to keep; `text` the beginning that models are told.
    """

    kind: Kind
    media_type: str
    content: bytes
    text: str | None = None
    characters: int | None = None
    pages: int | None = None
    pages_read: int | None = None
    pages_empty: int | None = None


async def read(data: bytes) -> Reading:
    """What is in a file.

    Raises:
        Unreadable: nothing that can be told; the texts `files_not_…` say why.
    """
    if not data:
        raise Unreadable("empty")
    if len(data) > FILE_LIMIT:
        raise Unreadable("large")
    if data.startswith(PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return await asyncio.to_thread(picture, data)
    if b"%PDF-" in data[:PDF_HEAD]:
        return await pdf(data)
    return await asyncio.to_thread(plain_text, data)


# --- text -----------------------------------------------------------------------------------------


def plain_text(data: bytes) -> Reading:
    """A file of text, in whatever language people or machines write."""
    whole = tame(decoded(data))
    if not whole.strip():
        raise Unreadable("empty")
    return Reading(
        kind="text",
        media_type="text/plain; charset=utf-8",
        content=whole.encode(),
        text=beginning(whole, READ_LIMIT),
        characters=len(whole),
    )


def decoded(data: bytes) -> str:
    wide = data.startswith(UTF16)
    if b"\x00" in data and not wide:
        raise Unreadable("kind")
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("encoding") from error
    if "\x00" in text:
        raise Unreadable("kind")
    return text


def tame(text: str) -> str:
    """Text without what a database or a model cannot take, its lines ended in one way."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return CONTROLS.sub("", lines.encode("utf-8", "replace").decode())


# --- PDF ------------------------------------------------------------------------------------------


async def pdf(data: bytes, seconds: int = PDF_SECONDS) -> Reading:
    """The text of a PDF's first pages, read by `pdf_text.py`, which sees nothing of our secrets."""
    command = (sys.executable, "-I", str(PDF_READER), str(READ_LIMIT + 1), str(seconds))
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    plain = {name: value for name, value in os.environ.items() if name in NEEDED}
    reader = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=nowhere, env=plain
    )
    try:
        async with asyncio.timeout(PDF_PATIENCE * seconds):
            said, _ = await reader.communicate(data)
    except TimeoutError as error:
        raise Unreadable("pdf_slow") from error
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    if reader.returncode != 0:
        log.warning("a PDF was not read: the reader ended with %s", reader.returncode)
        raise Unreadable("pdf_slow" if (reader.returncode or 0) < 0 else "pdf_broken")
    found = json.loads(said)
    if reason := found.pop("reason", ""):
        raise Unreadable(reason)
    text = beginning(tame(found.pop("text")), READ_LIMIT)
    if not text.strip():
        raise Unreadable("pdf_no_text")
    return Reading(kind="pdf", media_type="application/pdf", content=data, text=text, **found)


# --- pictures -------------------------------------------------------------------------------------


def picture(data: bytes) -> Reading:
    """A picture, drawn anew: upright, small, and without anything but its pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "GIF", "WEBP")) as found:
            fits = found.width * found.height <= MOST_PIXELS
            content = encoded(small(found), photograph=found.format == "JPEG") if fits else b""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable("image_large") from error
    except Exception as error:  # decoders fail in every way there is
        raise Unreadable("image_broken") from error
    if not content:
        raise Unreadable("image_large")
    media_type = "image/png" if content.startswith(PICTURES[0]) else "image/jpeg"
    return Reading(kind="image", media_type=media_type, content=content)


def small(found: Image) -> Image:
    """The picture as it is to be seen, in RGB or RGBA, no longer than `LONGEST`."""
    from PIL import ImageOps

    found.draft("RGB", (2 * LONGEST, 2 * LONGEST))  # a JPEG need not be decoded in full
    drawn = found.convert("RGBA" if found.has_transparency_data else "RGB")
    drawn.thumbnail((LONGEST, LONGEST))
    upright = ImageOps.exif_transpose(drawn)
    upright.info = {}
    return upright


def encoded(drawn: Image, *, photograph: bool) -> bytes:
    """A drawing keeps its edges as PNG, unless that is large; what is seen through turns white."""
    from PIL import Image

    out = io.BytesIO()
    if not photograph:
        drawn.save(out, "PNG")
        if out.tell() <= LARGE_PNG:
            return out.getvalue()
        out = io.BytesIO()
    if drawn.mode == "RGBA":
        drawn = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    drawn.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


# --- names ----------------------------------------------------------------------------------------


def named(raw: str) -> str:
    """A file's name as it can be shown: no folders, no signs that cannot be seen, not too long."""
    name = one_line(re.split(r"[\\/]", raw)[-1], len(raw) + 1).strip() or "file"
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 16]}…{name[-15:]}"
