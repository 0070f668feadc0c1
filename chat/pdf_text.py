"""Reads the text of a PDF, as a program of its own: a hostile file can eat time and memory.

    python -I pdf_text.py CHARACTERS SECONDS < file.pdf

It writes one JSON object: `text` of about so many characters, of how many `characters`, `pages`,
`pages_read`, `pages_empty`; or a `reason` why there is none (`pdf_locked`, `pdf_broken`,
`pdf_slow`). After so many seconds of computing it ends with what it has. It imports nothing of
ours. Not covered: text that is a picture, and the order of columns and tables.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

MEMORY = 1_000_000_000  # bytes of address space
MOST_PAGES = 2_000


class OutOfTime(BaseException):
    """No exception of the usual kind: the library catches those."""


def bound(seconds: int) -> None:
    """Set what this process may take, where the system knows how (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, 2 * seconds)):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # the system's own is lower, or fixed
            continue
    signal.signal(signal.SIGPROF, out_of_time)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def out_of_time(*_: object) -> None:
    raise OutOfTime


def read(data: bytes, most: int) -> dict[str, Any]:
    """The text of the file's first pages, as many as `most` characters allow."""
    import pypdf

    pages, lengths, texts = 0, list[int](), list[str]()
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"reason": "pdf_locked"}
        pages = len(reader.pages)
        for text in page_texts(reader):
            texts.append(text[: most - sum(lengths)])
            lengths.append(len(text))
            if sum(lengths) >= most:
                break
    except (OutOfTime, MemoryError):
        if not any(texts):
            return {"reason": "pdf_slow"}
    except Exception:  # a broken file fails in every way there is
        if not any(texts):
            return {"reason": "pdf_broken"}
    return {
        "text": "\n\n".join(filter(None, texts)),
        "characters": sum(lengths),
        "pages": pages,
        "pages_read": len(lengths),
        "pages_empty": lengths.count(0),
    }


def page_texts(reader: Any) -> Iterator[str]:
    """The text of each page; of one that cannot be read, none."""
    for number in range(min(len(reader.pages), MOST_PAGES)):
        try:
            yield reader.pages[number].extract_text().strip()
        except MemoryError:
            raise
        except Exception:  # the others may be sound
            yield ""


if __name__ == "__main__":
    characters, seconds = map(int, sys.argv[1:])
    bound(seconds)
    json.dump(read(sys.stdin.buffer.read(), characters), sys.stdout)
