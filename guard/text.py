"""Scripts, normal forms, thinking blocks, quotations and sentence ends.

Folding is for matching only and keeps every character's place, so that a hit in the folded text is
a span of the original. It does not transliterate between scripts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from .types import Span

Script = Literal["Latin", "Han", "Kana", "Hangul", "Cyrillic", "Arabic", "Hebrew", "Indic", "Thai"]

CODES = 0x10000  # of the basic plane; characters above it are folded to themselves
ALL_CODES = 0x110000
APOSTROPHES = "’‘ʼ＇`´′"
KEYBOARDS = {"ي": "ی", "ك": "ک"}  # Arabic and Persian keyboards write the same letters apart
QUOTES = "“”„«»‟＂"
DASHES = "‐‑‒–—−"
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]"
)
OPENED, CLOSED = "<think>", "</think>"
# possessive, and never begun within a run of stops: linear on any text
SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s)|[。！？…؟।]++[”’」』）]*+|\n")
# what a question is read without: unseen characters, tags, and marks that are laid over letters
UNREAD = re.compile(
    INVISIBLE.pattern[:-1]
    + "\u115f\u1160\u180b-\u180d\u2065-\u206f\u2800\u3164\uffa0\U000e0000-\U000e01ef"
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0640\u064b-\u065f\u0670\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
STROKED = dict(zip("łøđħŧıɨƀ", "lodhtiib", strict=True))  # letters whose stroke is no mark
WHITE = str.maketrans("\t\n\v\f\r", "     ")
QUOTED = re.compile(
    r"„[^“”\n]{2,400}[“”]|“[^”\n]{2,400}”|「[^」\n]{2,400}」|『[^』\n]{2,400}』|«[^»\n]{2,400}»"
    r"|(?<!\w)\"[^\"\n]{2,400}\"(?!\w)|(?<!\w)”[^”\n]{2,400}”(?!\w)"
)
QUOTING = '"“”„«「『>'  # without any of these nothing is quoted
ASCII_LETTER = re.compile("[A-Za-z]")
SENTENCE_SIGNS = ".!?。！？؟।\n"
CLAUSE_SIGNS = SENTENCE_SIGNS + ",;:，；：、،؛—–"
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
    """The folded code of each code: lower case, no accent, plain quotes."""
    table = np.arange(ALL_CODES, dtype=np.uint32)
    for code in (*map(ord, "\t\n\v\f\r"), *varied_codes()):
        table[code] = ord(folded_character(chr(code)))
    table[0xD800:0xE000] = ord("\ufffd")  # halves of surrogate pairs
    for code in range(ord("A"), ord("Z") + 1):
        table[code] = code + 32
    return table


def varied_codes() -> Iterator[int]:
    """The codes of the basic plane beyond ASCII that may have a case, an accent or another form.

    Han, Hangul syllables and what is left to private use have none, and are many.
    """
    for first, last in ((0x80, 0x3400), (0xA000, 0xAC00), (0xD7A4, 0xD800), (0xF900, CODES)):
        yield from range(first, last)


def folded_character(character: str) -> str:
    """The one character that `character` is matched as."""
    for family, plain in ((APOSTROPHES, "'"), (QUOTES, '"'), (DASHES, "-")):
        if character in family:
            return plain
    if character.isspace():
        return " "
    if character in KEYBOARDS:
        return KEYBOARDS[character]
    base = unicodedata.normalize("NFKD", character)
    bare = "".join(c for c in base if not unicodedata.combining(c)) or base
    lowered = (bare if len(bare) == 1 else character).lower()
    return lowered if len(lowered) == 1 else character


def fold(text: str, folding: Callable[[], npt.NDArray[np.uint32]] = fold_table) -> str:
    """`text` for matching, of the same length: `Café’s` becomes `cafe's`."""
    if text.isascii():
        return text.lower().translate(WHITE)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return folding().take(codes.astype(np.intp)).tobytes().decode("utf-32-le", "replace")


@cache
def question_table() -> npt.NDArray[np.uint32]:
    """Like `fold_table`, with simplified characters for traditional ones and plain digits."""
    table = fold_table().copy()
    for code in varied_codes():
        digit = unicodedata.digit(chr(code), None)
        if digit is not None:
            table[code] = ord(str(digit))
    for letter, plain in STROKED.items():
        table[[ord(letter), ord(letter.upper())]] = ord(plain)
    simplified = simplified_han()
    changed = np.isin(table, list(simplified))
    table[changed] = [simplified[int(code)] for code in table[changed]]
    return table


def simplified_han() -> dict[int, int]:
    """The simplified form of each traditional character, one by one."""
    import opencc

    han = "".join(map(chr, (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))))
    plain = opencc.OpenCC("t2s").convert("\n".join(han)).split("\n")
    return {ord(a): ord(b) for a, b in zip(han, plain, strict=True) if a != b}


def legible(text: str) -> str:
    """`text` without compatibility forms and without what is not read: `Ｔ̶i\u200bb` is `Tib`."""
    if text.isascii():
        return text
    return UNREAD.sub("", unicodedata.normalize("NFKC", text))


def fold_question(text: str) -> str:
    """Like `fold` for what is `legible`, in simplified characters; places are not kept."""
    return fold(legible(text), question_table)


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


def main_script(text: str, limit: int = 2000) -> Script | None:
    """The script most of the first `limit` characters are in, None where there is no letter.

    A Han or Kana character counts as two Latin ones, as it holds about as much of a word.
    """
    head = text[:limit]
    if head.isascii():
        return "Latin" if ASCII_LETTER.search(head) else None
    codes = np.frombuffer(head.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    indexes = script_table()[np.minimum(codes, CODES - 1)]
    counts = np.bincount(indexes, minlength=len(SCRIPTS) + 1)[: len(SCRIPTS)]
    weights = np.array([2 if script in UNSPACED else 1 for script in SCRIPTS])
    weighted = counts * weights
    if not weighted.any():
        return None
    script = SCRIPTS[int(weighted.argmax())]
    kana = counts[SCRIPTS.index("Kana")]
    return "Kana" if script == "Han" and kana * 5 > counts[SCRIPTS.index("Han")] else script


def is_english(text: str, limit: int = 400) -> bool:
    """Whether a Latin text is English, by how many of its words are English function words."""
    words = re.findall(r"[a-z']+", text[:limit].lower())
    return len(words) >= 5 and sum(map(ENGLISH.__contains__, words)) >= len(words) * 0.15


def split_thinking(text: str) -> Thinking:
    """Part a leading `<think>…</think>` from the answer; an unclosed one is all thinking."""
    opened = text.find(OPENED, 0, 200)
    if opened < 0 or text[:opened].strip():
        return Thinking(None, text, 0)
    inside = opened + len(OPENED)
    closed = text.find(CLOSED, inside)
    if closed < 0:
        return Thinking(text[inside:].strip(), "", len(text))
    after = text[closed + len(CLOSED) :]
    answer = after.lstrip()
    return Thinking(text[inside:closed].strip(), answer, len(text) - len(answer))


def sentence_ends(text: str, start: int = 0) -> Iterator[int]:
    """The offsets just behind each sentence end at or after `start`."""
    for match in SENTENCE_END.finditer(text, start):
        yield match.end()


def sentence_around(text: str, span: Span, reach: int = 300, signs: str = SENTENCE_SIGNS) -> Span:
    """The sentence or table row that `span` stands in, at most `reach` characters either way.

    With `CLAUSE_SIGNS` as `signs`: the clause.
    """
    left, right = max(span.start - reach, 0), span.end + reach
    start = max(text.rfind(sign, left, span.start) for sign in signs) + 1
    ends = [at for sign in signs if (at := text.find(sign, span.end, right)) >= 0]
    return Span(max(start, left), min(ends, default=min(right, len(text))))


def quotations(text: str) -> list[Span]:
    """The parts that quote somebody else: quotation marks and Markdown block quotes."""
    if not any(sign in text for sign in QUOTING):
        return []
    found = [Span(*m.span()) for pattern in (QUOTED, BLOCK_QUOTE) for m in pattern.finditer(text)]
    return sorted(found)
