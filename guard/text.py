"""Scripts, normal forms, thinking blocks, quotations and sentence ends.

Folding is for matching only and keeps every character's place, so that a hit in the folded text is
a span of the original. It does not transliterate between scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .types import Span

Script = Literal["Latin", "Han", "Kana", "Hangul", "Cyrillic", "Arabic", "Hebrew", "Indic", "Thai"]

CODES = 0x10000  # folding covers the basic plane; characters above it stay as they are
APOSTROPHES = "’‘ʼ＇`´′"
KEYBOARDS = {"ي": "ی", "ك": "ک"}  # Arabic and Persian keyboards write the same letters apart
QUOTES = "“”„«»‟＂"
DASHES = "‐‑‒–—−"
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
THINKING = re.compile(r"\s*<think>(.*?)(?:</think>|\Z)\s*", re.DOTALL)
# possessive, and never begun within a run of stops: linear on any text
SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s)|[。！？…؟।]++[”’」』）]*+|\n")
WHITE = str.maketrans("\t\n\v\f\r", "     ")
QUOTED = re.compile(
    r"„[^“”\n]{2,400}[“”]|“[^”\n]{2,400}”|「[^」\n]{2,400}」|『[^』\n]{2,400}』|«[^»\n]{2,400}»"
    r"|(?<!\w)\"[^\"\n]{2,400}\"(?!\w)|(?<!\w)”[^”\n]{2,400}”(?!\w)"
)
BLOCK_QUOTE = re.compile(r"^>.*$", re.MULTILINE)
RANGES: dict[Script, tuple[tuple[int, int], ...]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    "Kana": ((0x3040, 0x30FF),),
    "Hangul": ((0xAC00, 0xD7AF), (0x1100, 0x11FF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F)),
    "Hebrew": ((0x590, 0x5FF),),
    "Indic": ((0x900, 0xDFF),),
    "Thai": ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
}
SCRIPTS: tuple[Script, ...] = tuple(RANGES)
ENGLISH = frozenset(
    "the of and to in is was were are that for it as with by on from this which not be has had "
    "have or an at but their they its he his she her i you we there who what would than".split()
)
LANGUAGE_SCRIPTS: dict[str, Script] = {
    "zh": "Han",
    "ja": "Kana",
    **dict.fromkeys(("ru", "uk", "be", "bg", "sr"), "Cyrillic"),
    **dict.fromkeys(("ar", "fa", "ur"), "Arabic"),
    **{"ko": "Hangul", "he": "Hebrew", "hi": "Indic", "th": "Thai", "my": "Thai"},
}
UNSPACED: frozenset[Script] = frozenset({"Han", "Kana", "Thai"})


class Thinking(NamedTuple):
    """A reply's thinking block. `start` is where the answer begins in the whole text."""

    reasoning: str | None
    answer: str
    start: int


@cache
def fold_table() -> npt.NDArray[np.uint32]:
    """One folded code for each code of the basic plane: lower case, no accent, plain quotes."""
    table = np.arange(CODES, dtype=np.uint32)
    for code in (*map(ord, "\t\n\v\f\r"), *range(0x80, CODES)):
        table[code] = ord(folded_character(chr(code)))
    for code in range(ord("A"), ord("Z") + 1):
        table[code] = code + 32
    return table


def folded_character(character: str) -> str:
    """The one character that `character` is matched as."""
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    for family, plain in ((APOSTROPHES, "'"), (QUOTES, '"'), (DASHES, "-")):
        if character in family:
            return plain
    if character.isspace():
        return " "
    if character in KEYBOARDS:
        return KEYBOARDS[character]
    if "\uac00" <= character <= "\ud7a3":
        return character  # Hangul syllables decompose into letters, not into letter and accent
    base = unicodedata.normalize("NFKD", character)
    bare = "".join(c for c in base if not unicodedata.combining(c)) or base
    lowered = (bare if len(bare) == 1 else character).lower()
    return lowered if len(lowered) == 1 else character


def fold(text: str) -> str:
    """`text` for matching, of the same length: `Café’s` becomes `cafe's`."""
    if text.isascii():
        return text.lower().translate(WHITE)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    table = fold_table()
    folded = np.where(codes < CODES, table[np.minimum(codes, CODES - 1)], codes)
    return folded.astype("<u4").tobytes().decode("utf-32-le", "replace")


def fold_question(text: str) -> str:
    """Like `fold`, without invisible characters and compatibility forms; places are not kept."""
    return fold(unicodedata.normalize("NFKC", INVISIBLE.sub("", text)))


@cache
def script_of(character: str) -> Script | None:
    """The script of one character, None for signs and digits."""
    code = ord(character)
    for script, ranges in RANGES.items():
        if any(low <= code <= high for low, high in ranges):
            return script
    return None


@cache
def joins_word(character: str) -> bool:
    """Whether a word of a spaced script goes on with this character."""
    return character.isalnum() and script_of(character) not in UNSPACED


@cache
def script_table() -> npt.NDArray[np.uint8]:
    table = np.full(CODES, len(SCRIPTS), dtype=np.uint8)
    for index, script in enumerate(SCRIPTS):
        for low, high in RANGES[script]:
            table[low : high + 1] = index
    return table


def main_script(text: str, limit: int = 4000) -> Script | None:
    """The script most of the first `limit` characters are in, None where there is no letter.

    A Han or Kana character counts as two Latin ones, as it holds about as much of a word.
    """
    codes = np.frombuffer(text[:limit].encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if codes.size == 0:
        return None
    indexes = script_table()[np.minimum(codes, CODES - 1)]
    counts = np.bincount(indexes, minlength=len(SCRIPTS) + 1)[: len(SCRIPTS)]
    weights = np.array([2 if script in UNSPACED else 1 for script in SCRIPTS])
    weighted = counts * weights
    if not weighted.any():
        return None
    script = SCRIPTS[int(weighted.argmax())]
    kana = counts[SCRIPTS.index("Kana")]
    return "Kana" if script == "Han" and kana * 5 > counts[SCRIPTS.index("Han")] else script


def is_english(text: str, limit: int = 4000) -> bool:
    """Whether a Latin text is English, by how many of its words are English function words."""
    words = re.findall(r"[a-z']+", text[:limit].lower())
    return len(words) >= 5 and sum(map(ENGLISH.__contains__, words)) >= len(words) * 0.15


def split_thinking(text: str) -> Thinking:
    """Part a leading `<think>…</think>` from the answer; an unclosed one is all thinking."""
    match = THINKING.match(text) if "<think>" in text[:200] else None
    if match is None:
        return Thinking(None, text, 0)
    return Thinking(match.group(1).strip(), text[match.end() :], match.end())


def sentence_ends(text: str, start: int = 0) -> Iterator[int]:
    """The offsets just behind each sentence end at or after `start`."""
    for match in SENTENCE_END.finditer(text, start):
        yield match.end()


def quotations(text: str) -> list[Span]:
    """The parts that quote somebody else: quotation marks and Markdown block quotes."""
    found = [Span(*m.span()) for pattern in (QUOTED, BLOCK_QUOTE) for m in pattern.finditer(text)]
    return sorted(found)
