"""Undo what hides a word in a question: other alphabets, digits for letters, signs between.

What is undone is matched besides the question as it stands, so that undoing loses nothing. Not
covered: words described, rhymed, coded, written backwards or in pictures, Han characters taken
apart, pinyin for Han, and misspellings of names that `data/disguise.yaml` does not list.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from . import yaml_file
from .text import fold_question, legible
from .types import Value, Word

FILE = Path(__file__).parent / "data" / "disguise.yaml"
SHORTEST_NAME = 6  # letters; a shorter name is one slip away from too many other words
SHORTEST_PART = 3
SHORTEST_LEET = 4

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
LETTER = r"[^\W\d_]"
SIGNS = r"_*~|=·•#^\\"
STOPS = r",.;:!?()\[\]{}<>、。…\"'《》〈〉「」『』“”‘’/"
FOREIGN = re.compile(
    "[\u0131\u0250-\u058f\u13a0-\u13f5\u1d00-\u1d7f\ua730-\ua7ff\uab70-\uabbf\u2c60-\u2d2f"
    "\U0001f150-\U0001f189\U0001f1e6-\U0001f1ff]"
)
LATIN = re.compile(r"[A-Za-z]")
BOXED = {first + n: chr(97 + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
LEET = re.compile(rf"{LETTER}[0-9@$|!+€]+{LETTER}|(?<![^\s#\"'(])[0-9$@€|!]{LETTER}{{3}}")
TOKEN = re.compile(r"[^\s,;:?\"“”()]+")
LEET_LETTERS = tuple(
    str.maketrans("01345789@$|!+€", to) for to in ("oieastbgasiite", "oleastbgasllte")
)
# four signs or more, each alone: `T i a n`, `T.i.a.n`
APART = re.compile(r"(?<![^\W_])[^\W_](?:(?:\s{1,3}|[\W_])[^\W_](?![^\W_])){3,}")
HAN_APART = re.compile(rf"(?<=[{HAN}])(?:[^\w{STOPS}\n]|_)+(?=[{HAN}])")
HAN_LISTED = re.compile(rf"(?<![{HAN}])[{HAN}](?:[{STOPS}\s][{HAN}])+[{STOPS}\s][{HAN}]")
NO_HAN = re.compile(rf"[^{HAN}]")
CAMEL = re.compile(r"(?<=[a-zа-яё])(?=[A-ZА-ЯЁ])|(?<=[A-Za-z]{4})(?=\d+\b)")
SPACES = re.compile(r"\s{2,}|\n")
JOINED = re.compile(rf"(?<=[^\W_])[{SIGNS}+/-]+(?=[^\W_])")
GLUED = re.compile(rf"(?<={LETTER})[{SIGNS}+.'-]+(?=[^\W_])|(?<=\d)[{SIGNS}.'-]+(?={LETTER})")
# the cheap tests begin with what is rare, so that clean text is passed over at once
RARE = re.compile(rf"[{SIGNS}@$€+](?<=[^\W_].)\w|[@$€|]{LETTER}{{2}}")
INSIDE = re.compile(
    "[A-ZА-ЯЁ](?<=[a-zа-яё].)|[0-9!](?:(?<=[A-Za-z]{4}.)|(?<=[A-Za-z].)[A-Za-z]|[a-z]{3})"
    r"|[-.](?:(?<=[^\W_].)[^\W_][-.]|(?<=\w.)\w+-\w|(?<=\.)(?<=[^\W\d_]{2}.)[^\W\d_]{2})"
)
ALONE = re.compile(r"[\W_][^\W_](?:[\W_]{1,3}[^\W_]){3}[\W_]")
HAN_SIGN = re.compile(rf"(?:[^\w{STOPS}\n]|_)(?<=[{HAN}].)(?:[^\w{STOPS}\n]|_)*[{HAN}]")
EMAIL = re.compile(r"\b[\w.+-]{2,64}@[\w-]{1,63}\.[a-z]{2,}[\w.]*")
ADDRESS = re.compile(r"https?://\S+|www\.\S+")
HAN_DIGITS = "〇○零一二三四五六七八九壹贰叁肆伍陆柒捌玖"
HAN_NUMBER = re.compile(
    f"[{HAN_DIGITS}]{{3,}}|[{HAN_DIGITS}]{{2}}(?=年)|[一二三四五六七八九十]+(?=[月日号])"
)
NUMBER_HAN = re.compile(
    rf"(?<![\d.])(?:\d{{1,4}}(?=[{HAN}])(?![年月日号点时分秒个元块岁度名人位次天周米])|\d(?=年))"
)
FROM_HAN = str.maketrans(HAN_DIGITS, "000123456789123456789")
TO_HAN = str.maketrans("0123456789", "〇一二三四五六七八九")
TENS = re.compile(r"([一二三四五六七八九]?)十([一二三四五六七八九]?)")


class Disguises(Value):
    """`data/disguise.yaml`: letters that look alike, and the best-known names.

    Simple misspellings of `names` are understood, and the listed `spellings`; `words` are none.
    """

    latin: dict[str, str]
    cyrillic: dict[str, str]
    names: tuple[Word, ...]
    spellings: dict[str, tuple[Word, ...]] = {}
    words: tuple[Word, ...] = ()


class Alphabets(NamedTuple):
    """What each letter that looks like another one becomes."""

    latin: dict[int, str]
    cyrillic: dict[int, str]


@cache
def disguises() -> Disguises:
    return yaml_file.load(FILE, Disguises)


@cache
def alphabets() -> Alphabets:
    return Alphabets(by_lookalike(disguises().latin), by_lookalike(disguises().cyrillic))


def by_lookalike(letters: Mapping[str, str]) -> dict[int, str]:
    return {
        ord(each): letter.upper() if each.isupper() else letter
        for letter, alike in letters.items()
        for each in alike
    }


@cache
def misspellings() -> dict[str, str]:
    """The right name by each of its misspellings, all folded."""
    known = disguises()
    right = [fold_question(name) for name in known.names]
    taken = {*right, *map(fold_question, known.words)}
    found = {wrong: name for name in right for wrong in slips(name) if wrong not in taken}
    for name, others in known.spellings.items():
        found |= {fold_question(other): fold_question(name) for other in others}
    return found


def slips(name: str) -> Iterator[str]:
    """`name` with one letter left out, doubled, swapped or of another vowel, or in two parts."""
    vowels = "aeiou" if name.isascii() else "аеиоуыэюя"
    for i in range(1, len(name)):
        before, letter, after = name[:i], name[i], name[i + 1 :]
        if " " in name[i - 1 : i + 2]:
            continue
        if len(name) > SHORTEST_NAME:
            yield before + after
        if len(name) >= SHORTEST_NAME:
            yield before + letter + letter + after
            if after:
                yield before + after[0] + letter + after[1:]
            if letter in vowels:
                yield from (before + vowel + after for vowel in vowels if vowel != letter)
        if i >= SHORTEST_PART and len(name) - i >= SHORTEST_PART:
            yield from (before + sign + letter + after for sign in " -")


def respelt(folded: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with the misspelt names at `spans` put right."""
    parts: list[str] = []
    place = 0
    for start, end in sorted(spans):
        if start >= place:
            parts += [folded[place:start], misspellings()[folded[start:end]]]
            place = end
    return "".join([*parts, folded[place:]])


def suspicious(question: str, folded: str) -> bool:
    """Whether there may be something to undo: cheap, as every question passes here."""
    if RARE.search(folded) or "  " in folded or "\n" in question or INSIDE.search(question):
        return True
    if ALONE.search(f" {folded} "):
        return True
    if question.isascii():
        return False
    if FOREIGN.search(question) and LATIN.search(folded):
        return True
    return any(sign.search(folded) for sign in (HAN_SIGN, HAN_LISTED, HAN_NUMBER, NUMBER_HAN))


def undone(question: str) -> list[str]:
    """The folded texts that the question may stand for."""
    text = APART.sub(closed_up, unmixed(ADDRESS.sub(" ", legible(question))))
    folded = fold_question(SPACES.sub(" ", CAMEL.sub(" ", text)))
    folded = HAN_LISTED.sub(lambda found: NO_HAN.sub("", found[0]), HAN_APART.sub("", folded))
    texts = [folded, JOINED.sub(" ", folded), GLUED.sub("", folded)]
    if LEET.search(folded):
        texts += [without_digits(text, letters) for text in texts for letters in LEET_LETTERS]
    texts += [HAN_NUMBER.sub(arabic, folded), NUMBER_HAN.sub(han, folded)]
    return list(dict.fromkeys(texts))


def closed_up(apart: re.Match[str]) -> str:
    """Letters that stood apart, joined; a rarer sign between them parts words."""
    if not any(map(str.isalpha, apart[0])):
        return apart[0]  # a row of numbers
    letters, signs = re.findall(r"[^\W_]", apart[0]), re.findall(r"[\W_]+", apart[0])
    usual = Counter(signs).most_common(1)[0][0]
    gaps = ["" if sign == usual else " " for sign in signs]
    return "".join(letter + gap for letter, gap in zip(letters, [*gaps, ""], strict=True))


def unmixed(text: str) -> str:
    """Each word in one alphabet: the one that all its letters can be of."""
    if not FOREIGN.search(text):
        return text
    text = text.translate(BOXED)
    mostly_latin = 2 * len(LATIN.findall(text)) > sum(map(str.isalpha, text))

    def in_one(word: re.Match[str]) -> str:
        if word[0].isascii() or not (mostly_latin or LATIN.search(word[0])):
            return word[0]
        written = word[0].translate(alphabets().latin)
        if fold_question(written).isascii():
            return written
        other = word[0].translate(alphabets().cyrillic)
        return word[0] if LATIN.search(other) else other

    return re.sub(r"\w+", in_one, text)


def without_digits(text: str, letters: dict[int, int]) -> str:
    """The text with letters for the digits and signs within words: `m4ss4cre`, `$tate`."""
    tokens = TOKEN.findall(text)
    disguised = [token for token in tokens if LEET.search(token)]
    if len(disguised) < 2 and not any(len(token) >= SHORTEST_LEET for token in disguised):
        return text

    def spell(token: re.Match[str]) -> str:
        bare = token[0].rstrip("!.|")
        return bare.translate(letters) if any(map(str.isalpha, bare)) else token[0]

    return TOKEN.sub(spell, text)


def arabic(number: re.Match[str]) -> str:
    """`一九八九` as 1989, `十二` before a month or a day as 12."""
    tens = TENS.fullmatch(number[0])
    if tens:
        return (tens[1] or "一").translate(FROM_HAN) + (tens[2] or "〇").translate(FROM_HAN)
    return number[0].translate(FROM_HAN)


def han(number: re.Match[str]) -> str:
    return number[0].translate(TO_HAN)
