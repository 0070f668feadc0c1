"""A learned score: how likely a reply withholds, from the wording and build of question and reply.

The score is no detector of its own: it knows no topic and no model, and the verdict weighs it among the
signals. It is made of numbers alone (`guard/data/learned.npz`, written by `guard.train`); no sentence
of the training data is kept. What it does not do: check facts, or read beyond `WINDOW` characters.

Three kinds of features meet in one vector:

- counts that any text has: length, lists, numbers, names, words of the question kept, scripts mixed;
- counts of general words by family (`guard/data/learned.yaml`): apology, hedge, praise, criticism …;
- fitted ones: linear scores over hashed word n-grams (Joachims 1998; hashing after Weinberger et al. 2009),
  and how many letter 4-grams are unknown, which tells broken language.

The vector goes through a forest of oblivious trees (as in CatBoost, Prokhorenkova et al. 2018), whose
leaves are looked up all at once, and a logistic calibration (Platt 1999). A growing reply has its own
forest, trained on beginnings.

Words in Latin, Cyrillic or similar script are taken by their first five letters, so that inflected
forms meet; each Han or Kana character is a word. Lengths are in *units*: one a character, and
`HAN_UNITS` a Han or Kana character, about what each would take in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint32]
Table = npt.NDArray[np.uint8]

WEIGHTS = Path(__file__).parents[1] / "data" / "learned.npz"
BITS = 18  # of a hash: 262,144 places
STEM = 5  # letters of a word that count
HAN_UNITS = 2.5
HEAD, MIDDLE, TAIL = 1600, 700, 700  # characters looked at
WINDOW = HEAD + MIDDLE + TAIL
QUESTION = 600
STEPS = (150.0, 300.0, 800.0)  # units; where the beginning of a reply ends, three readings
END = 250.0  # units of the end
QUARTERS = 4

OTHER, LETTER, DIGIT, HAN, NEWLINE, STOP, BLANK = range(7)
UNKNOWN_CODE = 0xFFFF
PRIME, SPREAD_1, SPREAD_2, STEP = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
    np.uint64(0xD6E8FEB86659FD93),
)
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
PRAISE, ASSERT, CRITIC, EVIDENCE = (
    FAMILIES.index(name) + 1 for name in ("praise", "assert", "critic", "evidence")
)
FUNCTION_WORDS = tuple(FAMILIES.index(name) + 1 for name in ("fn_en", "fn_fi", "fn_other"))


class Alphabet(NamedTuple):
    """For each code of the basic plane: its lower case, its class, whether it is a capital."""

    lower: Codes
    kind: Table
    capital: Bools


class Tokens(NamedTuple):
    """A text cut into words. `codes`, `kinds`, `units` run over characters, the others over words."""

    codes: Codes
    lower: Codes
    kinds: Table
    units: Floats
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    stem: Hashes
    han: Bools
    digit: Bools


class Families(NamedTuple):
    """Which family a hashed word or group of words belongs to, 0 for none."""

    reply: Table
    question: Table


class Encoded(NamedTuple):
    """One exchange as numbers: `dense` features, and hashes for the fitted ones.

    `grams` are places of word n-grams, `at` the word each starts with, `head` the words of the first
    `STEPS[1]` units, `words` all of them; `letters` are places of letter 4-grams.
    """

    dense: Floats
    grams: Ints
    at: Ints
    head: int
    words: int
    letters: Ints


@cache
def alphabet() -> Alphabet:
    """The tables that classify characters."""
    lower = np.arange(0x10000, dtype=np.uint32)
    kind = np.zeros(0x10000, np.uint8)
    capital = np.zeros(0x10000, np.bool_)
    for code in range(0x10000):
        character = chr(code)
        if character.isdecimal():
            kind[code], lower[code] = DIGIT, ord("0")
        elif character.isalpha():
            small = character.lower()
            lower[code] = ord(small) if len(small) == 1 else code
            kind[code], capital[code] = LETTER, character.isupper()
    for first, last in ((0x3400, 0x9FFF), (0x3040, 0x30FF), (0xF900, 0xFAFF)):
        kind[first : last + 1] = HAN
    kind[0x300:0x370] = LETTER  # combining accents
    for characters, name in (("'’", LETTER), (".!?。！？…", STOP), (" \t\r\u3000\xa0", BLANK), ("\n", NEWLINE)):
        kind[[ord(character) for character in characters]] = name
    lower[ord("’")] = ord("'")
    kind[UNKNOWN_CODE] = OTHER
    return Alphabet(lower, kind, capital)


def tokenize(text: str) -> Tokens:
    """Cut `text` into words; no word crosses a change between Han, letters and digits' surroundings."""
    table = alphabet()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes, np.uint32(UNKNOWN_CODE))
    lower, kinds = table.lower[codes], table.kind[codes]
    word = np.zeros(len(codes) + 2, np.bool_)
    word[1:-1] = (kinds == LETTER) | (kinds == DIGIT)
    han = kinds == HAN
    start = np.flatnonzero((word[1:-1] & ~word[:-2]) | han)
    length = np.flatnonzero((word[1:-1] & ~word[2:]) | han) + 1 - start
    first = kinds[start]
    return Tokens(
        codes,
        lower,
        kinds,
        np.cumsum(np.where(han, HAN_UNITS, 1.0)),
        start,
        length,
        stems(lower, start, length),
        first == HAN,
        first == DIGIT,
    )


def stems(lower: Codes, start: npt.NDArray[np.int64], length: npt.NDArray[np.int64]) -> Hashes:
    """One hash a word, of its first `STEM` letters."""
    padded = np.zeros(len(lower) + STEM, np.uint64)
    padded[: len(lower)] = lower
    hashed = np.zeros(len(start), np.uint64)
    for place in range(STEM):
        hashed = hashed * PRIME + padded[start + place] * (length > place)
    return hashed * SPREAD_1


def places(hashed: Hashes) -> Ints:
    """Mix each hash and keep `BITS` bits (the finaliser of splitmix64, Steele et al. 2014)."""
    mixed = (hashed ^ (hashed >> np.uint64(31))) * SPREAD_1
    mixed = (mixed ^ (mixed >> np.uint64(29))) * SPREAD_2
    return (mixed >> np.uint64(64 - BITS)).astype(np.int32)


def word_grams(stem: Hashes, longest: int = 4) -> list[Ints]:
    """Places of groups of one to `longest` neighbouring words; group `i` starts at word `i`."""
    grams, hashed = [places(stem)], stem
    for size in range(1, longest):
        hashed = hashed[:-1] * STEP + stem[size:]
        grams.append(places(hashed + np.uint64(size)))
    return grams


def letter_grams(tokens: Tokens) -> Ints:
    """Places of four neighbouring letters or blanks; broken language holds many unseen ones."""
    soft = (tokens.kinds == LETTER) | (tokens.kinds == BLANK)
    if len(soft) < 4:
        return np.zeros(0, np.int32)
    inside = soft[:-3] & soft[1:-2] & soft[2:-1] & soft[3:]
    lower = tokens.lower.astype(np.uint64)
    hashed = lower[:-3]
    for place in range(1, 4):
        hashed = hashed * PRIME + lower[place : len(lower) - 3 + place]
    return places(hashed[inside])


def compile_families(words: dict[str, dict[str, str]]) -> Families:
    """Tables from the word lists by family and language; `_` joins the words of a group."""
    tables = Families(np.zeros(1 << BITS, np.uint8), np.zeros(1 << BITS, np.uint8))
    for names, table in ((FAMILIES, tables.reply), (ASKED, tables.question)):
        for number, name in enumerate(names, start=1):
            for entries in words[name].values():
                for entry in entries.split():
                    stem = tokenize(entry.replace("_", " ")).stem[:4]
                    place = word_grams(stem, len(stem))[-1][0]
                    table[place] = table[place] or number
    return tables


def answer_of(reply: str) -> str:
    """The reply without its thinking block; nothing where the block is still open."""
    before, closed, after = reply.rpartition("</think>")
    if closed:
        return after.strip()
    stripped = before.strip() or after.strip()
    return "" if stripped.startswith("<think>") else stripped


def window(answer: str) -> str:
    """At most `WINDOW` characters: the beginning, the middle and the end."""
    if len(answer) <= WINDOW:
        return answer
    middle = len(answer) // 2 - MIDDLE // 2
    return "\n".join((answer[:HEAD], answer[middle : middle + MIDDLE], answer[-TAIL:]))


def encode(question: str, reply: str, families: Families) -> Encoded:
    """Everything about one exchange that needs no fitting."""
    answer = answer_of(reply)
    seen = window(answer)
    scale = len(answer) / max(len(seen), 1)
    asked, told = tokenize(question[:QUESTION]), tokenize(seen)
    words = len(told.start)
    at_units = told.units[told.start]
    total = float(told.units[-1]) if len(told.units) else 0.0
    cuts = np.searchsorted(at_units, (*STEPS, total - END))
    by_size = word_grams(told.stem)
    grams = np.concatenate(by_size)
    at = np.concatenate([np.arange(len(size), dtype=np.int32) for size in by_size])
    weight = float(words - 0.4 * np.count_nonzero(told.han)) + 5.0
    asked_grams = word_grams(asked.stem)
    letters = letter_grams(told)
    dense = np.concatenate(
        (
            question_features(asked, asked_grams, families),
            build_features(seen, told, total, scale, weight),
            script_features(asked, told, families),
            word_features(grams, at, cuts, words, weight, families.reply),
            variety_features(told, by_size),
            kept_features(asked, asked_grams, by_size, cuts, weight, families.reply),
        )
    )
    return Encoded(dense, grams, at, int(cuts[1]), words, letters)


def question_features(asked: Tokens, grams: list[Ints], families: Families) -> Floats:
    """What kind of text is asked for, and how long the question is."""
    hits = families.question[np.concatenate(grams)]
    kinds = np.bincount(hits, minlength=len(ASKED) + 1)[1:] > 0
    return np.array([*kinds, len(asked.start) - 0.6 * np.count_nonzero(asked.han)], np.float64)


def build_features(seen: str, told: Tokens, total: float, scale: float, weight: float) -> Floats:
    """Length, layout, sentences, numbers, names and marks; rates are a hundred words."""
    size = max(len(seen), 1)
    stops = float(np.count_nonzero(told.kinds == STOP))
    first = min((at for mark in (". ", "。", "\n", "! ", "？") if (at := seen.find(mark)) >= 0), default=len(seen))
    year = told.digit & (told.length == 4)
    after_blank = told.codes[np.maximum(told.start - 1, 0)] == ord(" ")
    capital = alphabet().capital[told.codes]
    rate = 100.0 / weight
    return np.array(
        [
            np.log1p(total * scale),
            total,
            100.0 * seen.count("\n") / size,
            scale * seen.count("\n\n"),
            scale * seen.count("**"),
            scale * seen.count("\n#"),
            scale * (seen.count("\n- ") + seen.count("\n* ") + seen.count("\n   - ") + seen.count("\n•")),
            sum(seen.count(f"\n{number}.") for number in range(1, 7)),
            seen[:1] in ("#", "*"),
            np.log1p(float(told.units[first - 1]) if first else 0.0),
            np.log1p(stops * scale),
            total / (stops + 1.0),
            "?" in seen[-60:] or "？" in seen[-60:],
            seen[-1:] in tuple('.!?。！？"”*)'),
            seen[-1:] in (":", "："),
            ":" in seen[:300] or "：" in seen[:120],
            np.count_nonzero(told.digit) * rate,
            np.count_nonzero(year) * rate,
            np.log1p(np.count_nonzero(told.digit) * scale),
            np.count_nonzero(capital[told.start] & after_blank) * rate,
            100.0 * np.count_nonzero(capital) / max(total, 1.0),
            sum(seen.count(mark) for mark in '"“”「《') * rate,
            (seen.count("(") + seen.count("（")) * rate,
            seen.count("%") * rate,
        ],
        np.float64,
    )


def script_features(asked: Tokens, told: Tokens, families: Families) -> Floats:
    """Scripts and languages of question and reply, and how they mix."""
    words = max(len(told.start), 1)
    han = np.count_nonzero(told.han) / words
    asked_han = np.count_nonzero(asked.han) / max(len(asked.start), 1)
    letter = told.kinds == LETTER
    size = max(len(told.codes), 1)
    latin = ~told.han & ~told.digit & (told.length > 1)
    plain = told.length[~told.han]
    odd = np.count_nonzero((told.codes > 0x2BFF) & (told.codes < 0xFF00) & (told.kinds == OTHER))
    umlauts = np.count_nonzero(np.isin(asked.lower, (0xE4, 0xF6)))
    return np.array(
        [
            han,
            asked_han,
            han - asked_han,
            umlauts > 0 and asked_han == 0,
            100.0 * np.count_nonzero(told.han[1:] != told.han[:-1]) / words,
            np.count_nonzero(latin) / words,
            min(han, 1.0 - han),
            100.0 * np.count_nonzero(letter & (told.codes > 0x7F)) / size,
            100.0 * np.count_nonzero(letter & (told.codes > 0x17F) & (told.codes != ord("’"))) / size,
            100.0 * odd / size,
            float(np.count_nonzero(told.codes == UNKNOWN_CODE)),
            float(plain.mean()) if len(plain) else 0.0,
            100.0 * np.count_nonzero(told.length > 14) / words,
        ],
        np.float64,
    )


def word_features(
    grams: Ints, at: Ints, cuts: npt.NDArray[np.int64], words: int, weight: float, table: Table
) -> Floats:
    """Words by family: in all, in the beginnings, at the end, and how the families compare."""
    family = table[grams]
    hit = np.flatnonzero(family)
    family, at, hits = family[hit].astype(np.int64), at[hit], grams[hit]
    size = len(FAMILIES) + 1
    part = np.searchsorted(cuts[:3], at, side="right")
    early = np.bincount(part * size + family, minlength=4 * size).reshape(4, size).cumsum(axis=0)
    late = np.bincount(family[at >= cuts[3]], minlength=size)
    everything = early[3]
    quarter = np.minimum(at.astype(np.int64) * QUARTERS // max(words, 1), QUARTERS - 1)
    quarters = np.bincount(quarter * size + family, minlength=QUARTERS * size).reshape(QUARTERS, size)
    critical = quarters[:, CRITIC] * (100.0 * QUARTERS / weight)
    praising = (quarters[:, PRAISE] + quarters[:, ASSERT]) * (100.0 * QUARTERS / weight)
    spoken = everything[list(FUNCTION_WORDS)] * (100.0 / weight)
    return np.concatenate(
        (
            everything[1:] * (100.0 / weight),
            early[:3, 1:-3].ravel().astype(np.float64),
            late[1:-3].astype(np.float64),
            [
                leaning(everything),
                leaning(early[2]),
                critical.min(),
                critical[0],
                critical[-1],
                praising.min(),
                praising.max(),
                praising[-1],
                spoken.sum(),
                spoken[0] / (spoken.sum() + 1.0),
                distinct(hits[family == CRITIC]),
                distinct(hits[family == EVIDENCE]),
            ],
        )
    )


def leaning(counts: npt.NDArray[np.int64]) -> float:
    """Log ratio of praise and assertion to criticism."""
    return float(np.log((counts[PRAISE] + counts[ASSERT] + 1.0) / (counts[CRITIC] + 1.0)))


def distinct(values: npt.NDArray[Any]) -> int:
    """How many different values there are."""
    if not len(values):
        return 0
    ordered = np.sort(values)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1


def variety_features(told: Tokens, grams: list[Ints]) -> Floats:
    """How rich the wording is, and how much of it repeats."""
    words = len(told.start)
    different = distinct(grams[0])
    triples = grams[2] if words > 2 else grams[0]
    repeated = 1.0 - distinct(triples) / max(len(triples), 1) if words else 0.0
    return np.array([different / max(words, 1) ** 0.8, np.log1p(different), repeated], np.float64)


def kept_features(
    asked: Tokens,
    asked_grams: list[Ints],
    grams: list[Ints],
    cuts: npt.NDArray[np.int64],
    weight: float,
    table: Table,
) -> Floats:
    """How many words of the question (pairs, in Han) the reply takes up, in all and by part."""
    han = np.count_nonzero(asked.han) > 0.3 * len(asked.start)
    if han:
        wanted, given = np.unique(asked_grams[1]), grams[1]
    else:
        content = asked_grams[0][asked.length > 3]
        wanted = np.unique(content[~np.isin(table[content], FUNCTION_WORDS)])
        given = grams[0]
    if not len(wanted) or not len(given):
        return np.zeros(6)
    nearest = np.minimum(np.searchsorted(wanted, given), len(wanted) - 1)
    at = np.flatnonzero(wanted[nearest] == given)
    which = nearest[at]

    def share(chosen: Bools) -> float:
        return np.count_nonzero(np.bincount(which[chosen], minlength=1)) / len(wanted)

    parts = [share(at < cut) for cut in (len(given), *cuts[:3])]
    return np.array([*parts, share(at >= cuts[3]), 100.0 * len(at) / weight], np.float64)


@dataclass(frozen=True)
class Fitted:
    """What is learned beneath the forest: weights by place of a word n-gram, known letter groups.

    `body` and `head` are linear models over all of the reply and over its first `STEPS[1]` units;
    `known` counts the models (at most 255) whose replies hold a letter 4-gram.
    """

    body: npt.NDArray[np.float32]
    head: npt.NDArray[np.float32]
    known: Table

    def features(self, encoded: Encoded) -> Floats:
        """Linear scores of the whole, the head, the end and the quarters; shares of rare letters."""
        words = max(encoded.words, 1)
        weights = self.body[encoded.grams].astype(np.float64)
        quarter = np.minimum(encoded.at.astype(np.int64) * QUARTERS // words, QUARTERS - 1)
        sums = np.bincount(quarter, weights, minlength=QUARTERS)
        counts = np.bincount(quarter, minlength=QUARTERS)
        parts = sums / np.sqrt(np.maximum(counts, 1))
        early = encoded.grams[encoded.at < encoded.head]
        models = self.known[encoded.letters]
        letters = max(len(models), 1)
        return np.array(
            [
                sums.sum() / np.sqrt(max(len(weights), 1)),
                self.head[early].sum(dtype=np.float64) / np.sqrt(max(len(early), 1)),
                parts[0],
                parts.min(),
                parts.max(),
                parts[-1],
                100.0 * np.count_nonzero(models == 0) / letters,
                100.0 * np.count_nonzero(models < 3) / letters,
                float(np.minimum(models, 12).sum()) / letters,
            ],
            np.float64,
        )


@dataclass(frozen=True)
class Forest:
    """Oblivious trees: all nodes of a level share one question, `value[feature] > threshold`.

    `feature` and `threshold` have shape (trees, depth), `leaf` (trees, 2**depth); `base` is the log odds
    before the first tree, `slope` and `offset` the calibration.
    """

    feature: Ints
    threshold: npt.NDArray[np.float32]
    leaf: npt.NDArray[np.float32]
    base: float
    slope: float
    offset: float

    def margins(self, values: npt.NDArray[np.float32]) -> Floats:
        """Log odds before calibration, one a row of `values`, which has shape (rows, features)."""
        trees, depth = self.feature.shape
        bits = values[:, self.feature.ravel()] > self.threshold.ravel()
        index = bits.reshape(len(values), trees, depth) @ (1 << np.arange(depth))
        return self.base + self.leaf[np.arange(trees), index].sum(axis=1, dtype=np.float64)

    def probability(self, values: npt.NDArray[np.float32]) -> float:
        """Calibrated probability for one row."""
        margin = float(self.margins(values[np.newaxis])[0])
        return float(1.0 / (1.0 + np.exp(-np.clip(self.slope * margin + self.offset, -30.0, 30.0))))


@dataclass(frozen=True)
class Learned:
    """Everything that scoring needs."""

    families: Families
    fitted: Fitted
    whole: Forest
    growing: Forest

    def score(self, question: str, reply: str, *, complete: bool = True) -> float:
        """Probability from 0 to 1 that `reply` withholds, or, if not `complete`, is going to."""
        encoded = encode(question, reply, self.families)
        values = np.concatenate((encoded.dense, self.fitted.features(encoded))).astype(np.float32)
        return (self.whole if complete else self.growing).probability(values)


def load(path: Path = WEIGHTS) -> Learned:
    """Read the weights; `load()` without a path reads the shipped ones anew."""
    with np.load(path, allow_pickle=False) as data:
        return unpack({name: data[name] for name in data.files})


def unpack(data: dict[str, npt.NDArray[Any]]) -> Learned:
    """The opposite of `guard.train.pack`."""
    forests = [
        Forest(
            data[f"{name}_feature"].astype(np.int32),
            data[f"{name}_threshold"],
            data[f"{name}_leaf"],
            *(float(number) for number in data[f"{name}_numbers"]),
        )
        for name in ("whole", "growing")
    ]
    return Learned(
        Families(data["families_reply"], data["families_question"]),
        Fitted(data["body"].astype(np.float32), data["head"].astype(np.float32), data["known"]),
        forests[0],
        forests[1],
    )


@cache
def shipped() -> Learned:
    """The shipped weights, read once, on first use."""
    return load()


def score(question: str, reply: str, *, complete: bool = True) -> float:
    """Probability from 0 to 1 that `reply` withholds what `question` asks, whatever the topic.

    Set `complete=False` while the reply is still growing: the score then says how likely the finished
    reply is going to withhold, judged by its beginning.
    """
    return shipped().score(question, reply, complete=complete)
