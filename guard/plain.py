"""Foreign words made fit for a terminal: they can neither move its cursor nor turn its lines."""

from __future__ import annotations

import re

ESCAPE = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,512}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS
    r"|\x1b[ -/]*[0-OQ-WYZ`-~]"
)
BIDI = "\u202a-\u202e\u2066-\u2069"  # turns the order of what follows on its line
REMOVED = re.compile(rf"{ESCAPE}|[\x00-\x08\x0b-\x1f\x7f-\x9f{BIDI}]")
UNFINISHED = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,512}\x1b?\Z"
    r"|\x1b[ -/]*\Z"
)
QUOTE = 90  # characters of foreign words that are repeated within ours


def plain(words: str) -> str:
    """`words` without escape sequences, control characters and half characters."""
    cleaned = REMOVED.sub("", words.replace("\u2028", "\n").replace("\u2029", "\n"))
    return cleaned.encode("utf-8", "replace").decode()


def unfinished(words: str) -> int:
    """Where an escape sequence begins whose end may yet come; the length where none does."""
    pending = UNFINISHED.search(words)
    return pending.start() if pending else len(words)


def one_line(words: str, most: int = QUOTE) -> str:
    """`words` to be quoted within a sentence."""
    flat = plain(" ".join(words.split()))
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def flag(country: str) -> str:
    """The flag of a country by its ISO 3166 code."""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in country)
