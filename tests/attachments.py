"""Files as readers attach them: made here, sound ones and hostile ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import pypdf
from PIL import Image
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

GPS = {1: "N", 2: (31.0, 14.0, 0.0), 3: "E", 4: (121.0, 28.0, 0.0)}  # a place in Shanghai
ORIENTATION, MAKE, GPS_INFO, RIGHT_TURN = 0x0112, 0x010F, 0x8825, 6


def pdf(pages: Sequence[str], password: str | None = None) -> bytes:
    """A PDF of plain pages; an empty text is a page without any, as of a scan."""
    writer = pypdf.PdfWriter()
    font = writer._add_object(
        DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
    )
    for text in pages:
        page = writer.add_blank_page(width=612, height=792)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        lines = "".join(f"({line}) Tj T*\n" for line in text.splitlines())
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 14 TL 72 720 Td\n{lines}ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(content)
    if password is not None:
        writer.encrypt(password, algorithm="RC4-128")
    return written(writer)


def written(writer: pypdf.PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def endless_pdf(*before: str) -> bytes:
    """A PDF whose last page takes a machine minutes to read."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([*before, "x"])))
    content = DecodedStreamObject()
    content.set_data(b"BT /F1 12 Tf 72 720 Td " + b"(x) Tj 1 0 Td " * 3_000_000 + b"ET")
    writer.pages[-1][NameObject("/Contents")] = writer._add_object(content.flate_encode())
    return written(writer)


def photograph(size: tuple[int, int] = (400, 200)) -> bytes:
    """A JPEG that lies on its side and tells where and with what it was taken: red above blue."""
    drawn = Image.new("RGB", size, "red")
    drawn.paste("blue", (0, size[1] // 2, size[0], size[1]))
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE], exif[GPS_INFO] = RIGHT_TURN, "A camera", GPS
    out = io.BytesIO()
    drawn.save(out, "JPEG", exif=exif, comment=b"taken at home")
    return out.getvalue()


def drawing(kind: str = "PNG", size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", size, (0, 128, 0, 128)).save(out, kind)
    return out.getvalue()


def bomb(side: int) -> bytes:
    """A small PNG that unpacks to a picture of `side` by `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side + 1) * 200), 9)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


def chunk(kind: bytes, data: bytes) -> bytes:
    sum_ = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + sum_
