"""A learned score: how likely a reply withholds, from the wording and build of question and reply.

The score is no detector of its own: it knows no topic and no model, and the verdict weighs it among
the signals. It is made of numbers alone (`guard/data/learned.npz`, written by `guard.train`); no
sentence of the training data is kept. What it does not do: check facts, tell broken language from
evasion, or read beyond `WINDOW` characters.

One logistic regression reads two kinds of features:

- groups of one to four neighbouring words, hashed (Weinberger et al. 2009), of the whole reply and
  of its head, each over the root of their number;
- counts that any text has: length, layout, numbers, names, scripts, words of the question kept, and
  general words by family (`guard/data/learned.yaml`): apology, praise, criticism …

A growing reply has a judge of its own, trained on beginnings. As the score is a sum over words,
each word's share in it is known (`Learned.shares`).

Words in Latin, Cyrillic or similar script are taken by their first five letters, so that inflected
forms meet; each Han or Kana character is a word. Lengths are in *units*: one a character, and
`HAN_UNITS` a Han or Kana character, about what each would take in English.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .text import varied_codes

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Hashes = npt.NDArray[np.uint64]
Kinds = npt.NDArray[np.intp]
Table = npt.NDArray[np.uint8]

WEIGHTS = Path(__file__).parent / "data" / "learned.npz"
BITS = 17  # of a hash: 131,072 places
STEM = 5  # letters of a word that count
LONGEST = 4  # words of a group
HAN_UNITS = 2.5
HEAD, MIDDLE, TAIL = 1600, 700, 700  # characters looked at
WINDOW = HEAD + MIDDLE + TAIL
QUESTION = 600
BEGINNING, END = 300.0, 250.0  # units
CLIP = 4.0  # standard deviations
LONG_WORD = 15  # letters

# Word characters run from LETTER to DIGIT, so that one comparison tells them.
OTHER, LETTER, ACCENTED, FOREIGN, CAPITAL, DIGIT, HAN = range(7)
STOP, BLANK, SYMBOL, NEWLINE, STAR, HASH, DASH, QUOTE, BRACKET, PERCENT = range(7, 17)
SIGNS = {
    **dict.fromkeys(".!?。！？…", STOP),
    **dict.fromkeys(" \t\r\u3000\xa0", BLANK),
    **dict.fromkeys("-•–", DASH),
    **dict.fromkeys('"“«《「', QUOTE),
    **dict.fromkeys("(（", BRACKET),
    **{"\n": NEWLINE, "*": STAR, "#": HASH, "%": PERCENT, "'": LETTER, "’": LETTER},
}
KINDS = PERCENT + 1
KIND_BITS = 24  # an entry of `alphabet` is a lower-case code, and its class above that
PRIME, SPREAD, STEP = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0xD6E8FEB86659FD93
POWERS = np.array([pow(PRIME, n, 1 << 64) for n in reversed(range(STEM))], np.uint64)
LETTERS = np.arange(STEM)
FAMILIES = (
    "sorry",
    "cannot",
    "selfai",
    "intent",
    "hedge",
    "redirect",
    "praise",
    "assert",
    "critic",
    "evidence",
    "we",
    "i",
    "gov",
    "contrast",
    "creative",
    "fn_en",
    "fn_fi",
    "fn_other",
)
ASKED = ("ask_create", "ask_list", "ask_against")
PRAISE, ASSERT, CRITIC = (FAMILIES.index(name) + 1 for name in ("praise", "assert", "critic"))
FUNCTION_WORDS = FAMILIES.index("fn_en") + 1  # this family and all behind it
ENDINGS = frozenset('.!?。！？"”*)')


class Words(NamedTuple):
    """A text cut into words. `kinds` runs over characters, the others over words.

    `first` is the class of a word's first character. `groups` has shape (`LONGEST`, words): row `s`
    holds the places of the groups of `s` + 1 words that begin at each word, 0 where there is none.
    """

    kinds: Kinds
    start: Indices
    length: Indices
    first: Kinds
    groups: Indices


class Families(NamedTuple):
    """Which family a hashed word or group of words belongs to, 0 for none."""

    reply: Table
    question: Table


class Encoded(NamedTuple):
    """One exchange as numbers.

    `counts` are features that any text has. `places` are the reply's `Words.groups`. `head` is how
    many words the beginning has. `start` is where each word begins in the text that was read.
    """

    counts: Floats
    places: Indices
    head: int
    start: Indices


@cache
def alphabet() -> Kinds:
    """For each code point its lower case, and its class in the bits above."""
    lower = np.arange(0x110000, dtype=np.intp)
    kind = np.zeros(0x110000, np.intp)
    kind[0x2C00:0xFF00] = SYMBOL
    kind[0xAC00:0xD7A4] = FOREIGN
    for code in (*range(0x80), *varied_codes()):
        character = chr(code)
        if character.isdecimal():
            kind[code], lower[code] = DIGIT, ord("0")
        elif character.isalpha():
            small = character.lower()
            lower[code] = ord(small) if len(small) == 1 else code
            kind[code] = LETTER if code < 0x80 else ACCENTED if code < 0x180 else FOREIGN
            if code < 0x530 and character.isupper():
                kind[code] = CAPITAL
    for first, last in ((0x3400, 0x9FFF), (0x3040, 0x30FF), (0xF900, 0xFAFF)):
        kind[first : last + 1] = HAN
    kind[0x300:0x370] = ACCENTED  # combining accents
    kind[[ord(sign) for sign in SIGNS]] = list(SIGNS.values())
    lower[ord("’")] = ord("'")
    return lower | (kind << KIND_BITS)


def tokenize(text: str) -> Words:
    """Cut `text` into words: runs of letters and digits, and single Han or Kana characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    known = alphabet().take(codes.astype(np.intp))
    kinds = known >> KIND_BITS
    start, length = runs(kinds)
    stem = stems(known & ((1 << KIND_BITS) - 1), start, length)
    return Words(kinds, start, length, kinds.take(start), groups(stem))


def runs(kinds: Kinds) -> tuple[Indices, Indices]:
    """Where the words begin, and how long they are."""
    inside = np.zeros(len(kinds) + 2, np.bool_)
    np.less((kinds - LETTER).view(np.uintp), DIGIT, out=inside[1:-1])  # OTHER wraps around
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    start, length = edges[0::2], edges[1::2] - edges[0::2]
    han = np.flatnonzero(kinds == HAN)
    if not len(han):
        return start, length
    both = np.concatenate((start, han))
    order = both.argsort(kind="stable")
    return both[order], np.concatenate((length, np.ones(len(han), np.intp)))[order]


def stems(lower: Kinds, start: Indices, length: Indices) -> Hashes:
    """One hash a word, of its first `STEM` letters."""
    padded = np.concatenate((lower, LETTERS))
    letters = padded.take(start[:, np.newaxis] + LETTERS)
    letters *= length[:, np.newaxis] > LETTERS
    hashed: Hashes = letters.view(np.uint64) @ POWERS
    return hashed


def groups(stem: Hashes) -> Indices:
    """Places of groups of one to `LONGEST` neighbouring words, as `Words.groups` has them.

    A place is the upper `BITS` bits of a hash times an odd constant (Knuth's multiplicative hash).
    """
    hashed = np.zeros((LONGEST, len(stem)), np.uint64)
    hashed[0] = group = stem
    for more in range(1, min(LONGEST, len(stem))):
        group = group[:-1] * np.uint64(STEP) + stem[more:]
        hashed[more, :-more] = group
    hashed *= np.uint64(SPREAD)
    hashed >>= np.uint64(64 - BITS)
    return hashed.view(np.intp)


def compile_families(words: dict[str, dict[str, str]]) -> Families:
    """Tables from the word lists by family and language; `_` joins a group of up to four."""
    tables = Families(np.zeros(1 << BITS, np.uint8), np.zeros(1 << BITS, np.uint8))
    for names, table in ((FAMILIES, tables.reply), (ASKED, tables.question)):
        for number, name in enumerate(names, start=1):
            for entries in words[name].values():
                for entry in entries.split():
                    found = tokenize(entry.replace("_", " ")).groups
                    place = found[min(found.shape[1], LONGEST) - 1, 0]
                    table[place] = table[place] or number
    return tables


def window(answer: str) -> str:
    """At most `WINDOW` characters: the beginning, the middle and the end."""
    if len(answer) <= WINDOW:
        return answer
    middle = len(answer) // 2 - MIDDLE // 2
    return "\n".join((answer[:HEAD], answer[middle : middle + MIDDLE], answer[-TAIL:]))


def encode(question: str, answer: str, families: Families) -> Encoded:
    """Everything about one exchange that needs no fitting."""
    seen, asked_text = window(answer), question[:QUESTION] + "\n"
    both = tokenize(asked_text + seen)  # at once: the time goes into the number of array calls
    asked, told = part(both, len(asked_text))
    han = np.cumsum(told.first == HAN)
    total = len(seen) + (HAN_UNITS - 1.0) * (int(han[-1]) if len(han) else 0)
    units = told.start + (HAN_UNITS - 1.0) * han
    head, late = units.searchsorted((BEGINNING, total - END)).tolist()
    counts = (
        *question_counts(asked, families),
        *layout_counts(seen, told, total, len(answer) / max(len(seen), 1)),
        *script_counts(asked, told),
        *family_counts(told, head, families),
        *kept_counts(asked, told, head, late, families),
    )
    return Encoded(np.array(counts), told.groups, head, told.start)


def part(words: Words, at: int) -> tuple[Words, Words]:
    """The words before the character `at`, without groups that reach beyond it, and the rest."""
    first = int(words.start.searchsorted(at))
    before = words.groups[:, :first].copy()
    for more in range(1, LONGEST):
        before[more, max(first - more, 0) :] = 0
    return (
        Words(
            words.kinds[:at], words.start[:first], words.length[:first], words.first[:first], before
        ),
        Words(
            words.kinds[at:],
            words.start[first:] - at,
            words.length[first:],
            words.first[first:],
            words.groups[:, first:],
        ),
    )


def weight_of(words: Words) -> float:
    """The number of words, a Han character as 0.6 of one; never 0, so that it can divide."""
    return len(words.start) - 0.4 * int(np.count_nonzero(words.first == HAN)) + 5.0


def question_counts(asked: Words, families: Families) -> list[float]:
    """What kind of text is asked for, and how long the question is."""
    found = families.question.take(asked.groups).ravel()
    kinds = np.bincount(found, minlength=len(ASKED) + 1)[1:] > 0
    return [*kinds.tolist(), weight_of(asked)]


def layout_counts(seen: str, told: Words, total: float, scale: float) -> list[float]:
    """Length, layout, sentences, numbers, capitals, marks and scripts; rates by hundred words."""
    rate, share = 100.0 / weight_of(told), 100.0 / max(len(seen), 1)
    every = np.bincount(told.kinds, minlength=KINDS).tolist()
    begun = np.bincount(line_starts(told.kinds), minlength=KINDS).tolist()
    words = np.bincount(told.first, minlength=KINDS).tolist()
    years = int(np.count_nonzero((told.first == DIGIT) & (told.length == 4)))
    ends = (at for sign in (". ", "。", "\n") if (at := seen.find(sign)) >= 0)
    end = seen[-60:].rstrip()
    return [
        math.log1p(total * scale),
        total,
        share * every[NEWLINE],
        scale * every[STAR],
        scale * begun[HASH],
        scale * (begun[DASH] + begun[STAR] + begun[BLANK]),
        scale * begun[DIGIT],
        seen[:1] in ("#", "*"),
        math.log1p(min(ends, default=len(seen))),
        math.log1p(every[STOP] * scale),
        total / (every[STOP] + 1.0),
        "?" in end or "？" in end,
        end[-1:] in ENDINGS,
        end[-1:] in (":", "："),
        ":" in seen[:300] or "：" in seen[:120],
        words[DIGIT] * rate,
        years * rate,
        math.log1p(words[DIGIT] * scale),
        words[CAPITAL] * rate,
        every[QUOTE] * rate,
        every[BRACKET] * rate,
        every[PERCENT] * rate,
        share * (every[ACCENTED] + every[FOREIGN]),
        share * every[FOREIGN],
        share * every[SYMBOL],
    ]


def line_starts(kinds: Kinds) -> Kinds:
    """The classes of the characters that lines but the first begin with."""
    return kinds.take(np.flatnonzero(kinds[:-1] == NEWLINE) + 1)


def script_counts(asked: Words, told: Words) -> list[float]:
    """How much of question and reply is Han, how they mix, and how long the other words are."""
    words = max(len(told.start), 1)
    is_han = told.first == HAN
    han_words = int(np.count_nonzero(is_han))
    han, letters = han_words / words, int(told.length.sum()) - han_words
    asked_han = int(np.count_nonzero(asked.first == HAN)) / max(len(asked.start), 1)
    mixes = int(np.count_nonzero(is_han[1:] != is_han[:-1])) if han else 0
    return [
        han,
        asked_han,
        han - asked_han,
        100.0 * mixes / words,
        min(han, 1.0 - han),
        letters / max(words - han_words, 1),
        100.0 * int(np.count_nonzero(told.length >= LONG_WORD)) / words,
    ]


def family_counts(told: Words, head: int, families: Families) -> list[float]:
    """Words by family, in all (by hundred words) and in the beginning, and how they lean."""
    found = families.reply.take(told.groups)
    size = len(FAMILIES) + 1
    every = np.bincount(found.ravel(), minlength=size)
    early = np.bincount(found[:, :head].ravel(), minlength=size)
    rates = every[1:] * (100.0 / weight_of(told))
    return [
        *rates.tolist(),
        *early[1:FUNCTION_WORDS].tolist(),
        leaning(every),
        leaning(early),
        float(rates[FUNCTION_WORDS - 1 :].sum()),
    ]


def leaning(counts: npt.NDArray[np.int64]) -> float:
    """Log ratio of praise and assertion to criticism."""
    return math.log((counts[PRAISE] + counts[ASSERT] + 1.0) / (counts[CRITIC] + 1.0))


def kept_counts(asked: Words, told: Words, head: int, late: int, families: Families) -> list[float]:
    """How many words of the question (pairs, in Han) the reply takes up: in all, early and late.

    Then how often.
    """
    pairs = 2 * int(np.count_nonzero(asked.first == HAN)) > len(asked.first)
    content = asked.groups[1] if pairs else asked.groups[0][asked.length > 3]
    wanted = content[families.reply.take(content) < FUNCTION_WORDS]
    if not len(wanted):
        return [0.0] * 4
    which, at = np.nonzero(wanted[:, np.newaxis] == told.groups[1 if pairs else 0])
    kept = (which, which[at < head], which[at >= late])
    taken_up = [len(set(each.tolist())) / len(wanted) for each in kept]
    return [*taken_up, 100.0 * len(at) / weight_of(told)]


@dataclass(frozen=True)
class Judge:
    """A logistic regression. `body` and `head` are weights by place, 0 at place 0.

    `mean`, `scale` and `weight` are of the counts, which are read in standard deviations from their
    mean, cut at `CLIP`. `base` is the log odds of a text that has nothing of all that.
    """

    body: Weights
    head: Weights
    mean: Floats
    scale: Floats
    weight: Floats
    base: float

    def margin(self, encoded: Encoded) -> float:
        """Log odds."""
        counted = float(standard(encoded.counts, self.mean, self.scale) @ self.weight)
        early = encoded.places[:, : encoded.head]
        spelled = mean_of(self.body.take(encoded.places)) + mean_of(self.head.take(early))
        return self.base + counted + spelled

    def probability(self, encoded: Encoded) -> float:
        """The logistic function of the log odds."""
        return 1.0 / (1.0 + math.exp(-min(max(self.margin(encoded), -30.0), 30.0)))


def standard(counts: Floats, mean: Floats, scale: Floats) -> Floats:
    """Counts as the regression reads them; any shape whose last axis is the features."""
    return np.minimum(np.maximum((counts - mean) / scale, -CLIP), CLIP)


def mean_of(weights: Weights) -> float:
    """The sum of weights over the root of their number."""
    return float(weights.sum()) / math.sqrt(max(weights.size, 1))


@dataclass(frozen=True)
class Learned:
    """Everything that scoring needs."""

    families: Families
    whole: Judge
    growing: Judge

    def score(self, question: str, answer: str, *, complete: bool = True) -> float:
        """Probability from 0 to 1 that `answer` withholds what `question` asks, whatever the topic.

        `answer` is a reply without its thinking. Where it is not `complete`, how likely the
        finished one is going to withhold, judged by its beginning.
        """
        encoded = encode(question, answer, self.families)
        return (self.whole if complete else self.growing).probability(encoded)

    def shares(self, question: str, answer: str) -> tuple[Indices, Weights]:
        """Where each word of `answer` begins, and what it adds to the log odds that it withholds.

        Only the first `HEAD` characters of a long answer are looked at.
        """
        encoded = encode(question, answer[:HEAD], self.families)
        early = encoded.places[:, : encoded.head]
        adds = self.whole.body.take(encoded.places).sum(axis=0)
        adds[: encoded.head] += self.whole.head.take(early).sum(axis=0)
        return encoded.start, adds


def load(path: Path = WEIGHTS) -> Learned:
    """Read the weights; `load()` without a path reads the shipped ones anew."""
    with np.load(path, allow_pickle=False) as data:
        return unpack({name: data[name] for name in data.files})


def unpack(data: dict[str, npt.NDArray[Any]]) -> Learned:
    """The opposite of `guard.train.pack`."""
    judges = []
    for name in ("whole", "growing"):
        body, head = (data[f"{name}_{part}"].astype(np.float32) for part in ("body", "head"))
        mean, scale, weight = data[f"{name}_counts"]
        judges.append(Judge(body, head, mean, scale, weight, *data[f"{name}_base"].tolist()))
    return Learned(Families(data["families_reply"], data["families_question"]), *judges)


@cache
def shipped() -> Learned:
    """The shipped weights, read once, on first use."""
    return load()
