"""A learned score: how likely a reply withholds, from the wording and build of question and reply.

The score is no detector of its own: it knows no topic and no model, and the verdict weighs it among
the signals. It is made of numbers alone (`guard/data/learned.npz`, written by `guard.train`); no
sentence of the training data is kept. What it does not do: check facts, tell broken language from
evasion, or read beyond `WINDOW` characters.

Three kinds of features meet in one vector:

- counts that any text has: length, lists, numbers, names, words of the question kept, scripts;
- counts of general words by family (`guard/data/learned.yaml`): apology, praise, criticism …;
- fitted ones: linear scores over hashed words and pairs (hashing after Weinberger et al. 2009), of
  the whole reply, its head and its quarters.

Two judges read the vector: a logistic regression, and a forest of oblivious trees (as in CatBoost,
Prokhorenkova et al. 2018) whose leaves are looked up all at once. The mean of their log odds is
calibrated (Platt 1999). A growing reply has judges of its own, trained on beginnings.

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
Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint32]
Table = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]

WEIGHTS = Path(__file__).parent / "data" / "learned.npz"
BITS = 18  # of a hash: 262,144 places
STEM = 5  # letters of a word that count
HAN_UNITS = 2.5
HEAD, MIDDLE, TAIL = 1600, 700, 700  # characters looked at
WINDOW = HEAD + MIDDLE + TAIL
QUESTION = 600
STEPS = (150.0, 300.0, 800.0)  # units; where the beginning of a reply ends, three readings
END = 250.0  # units of the end
QUARTERS = 4
CLIP = 4.0  # standard deviations

# Word characters run from LETTER to DIGIT, so that one comparison tells them.
OTHER, LETTER, ACCENTED, FOREIGN, CAPITAL, DIGIT, HAN, STOP, BLANK, SYMBOL = range(10)
UNKNOWN_CODE = 0xFFFF
NEWLINE = ord("\n")
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
    """For each code of the basic plane: its lower case and its class."""

    lower: Codes
    kind: Table


class Tokens(NamedTuple):
    """A text cut into words. `codes`, `lower`, `kinds` run over characters, the others over words.

    `grams` are places of groups of one to four neighbouring words; group `i` starts at word `i`.
    """

    codes: Codes
    lower: Codes
    kinds: Table
    start: Indices
    length: Indices
    grams: list[Ints]

    def after(self, character: int) -> Tokens:
        """The tokens that start at `character` or later, counted anew."""
        first = int(np.searchsorted(self.start, character))
        return Tokens(
            self.codes[character:],
            self.lower[character:],
            self.kinds[character:],
            self.start[first:] - character,
            self.length[first:],
            [size[first:] for size in self.grams],
        )

    def before(self, character: int) -> Tokens:
        """The tokens, and groups of tokens, that end before `character`."""
        first = int(np.searchsorted(self.start, character))
        return Tokens(
            self.codes[:character],
            self.lower[:character],
            self.kinds[:character],
            self.start[:first],
            self.length[:first],
            [size[: max(first - more, 0)] for more, size in enumerate(self.grams)],
        )


class Families(NamedTuple):
    """Which family a hashed word or group of words belongs to, 0 for none."""

    reply: Table
    question: Table


class Encoded(NamedTuple):
    """One exchange as numbers: `dense` features, and hashes for the fitted ones.

    `grams` are places of words, then of pairs of words, `at` the word each starts with, `head` the
    number of words in the first `STEPS[1]` units, `words` that of all.
    """

    dense: Floats
    grams: Ints
    at: Ints
    head: int
    words: int


@cache
def alphabet() -> Alphabet:
    """The tables that classify characters."""
    lower = np.arange(0x10000, dtype=np.uint32)
    kind = np.zeros(0x10000, np.uint8)
    kind[0x2C00:0xFF00] = SYMBOL
    for code in range(0x10000):
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
    for characters, name in (("'’", LETTER), (".!?。！？…", STOP), (" \t\r\u3000\xa0", BLANK)):
        kind[[ord(character) for character in characters]] = name
    lower[ord("’")] = ord("'")
    kind[UNKNOWN_CODE] = OTHER
    return Alphabet(lower, kind)


def tokenize(text: str) -> Tokens:
    """Cut `text` into words: runs of letters and digits, and single Han or Kana characters."""
    table = alphabet()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = np.minimum(codes, np.uint32(UNKNOWN_CODE))
    lower, kinds = table.lower[codes], table.kind[codes]
    word = np.zeros(len(codes) + 2, np.bool_)
    inside = word[1:-1]
    np.less(kinds - np.uint8(LETTER), DIGIT, out=inside)  # OTHER wraps around to 255
    han = kinds == HAN
    start = np.flatnonzero((inside & ~word[:-2]) | han)
    length = np.flatnonzero((inside & ~word[2:]) | han) + 1 - start
    return Tokens(codes, lower, kinds, start, length, word_grams(stems(lower, start, length)))


def starts(grams: list[Ints]) -> Ints:
    """For each group of words, size after size, the word it starts with."""
    return np.concatenate([np.arange(len(size), dtype=np.int32) for size in grams])


def stems(lower: Codes, start: Indices, length: Indices) -> Hashes:
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
    sizes, hashed = [stem], stem
    for size in range(1, longest):
        hashed = hashed[:-1] * STEP + stem[size:]
        sizes.append(hashed + np.uint64(size))
    mixed = places(np.concatenate(sizes))
    ends = np.cumsum([len(size) for size in sizes]).tolist()
    return [mixed[end - len(size) : end] for size, end in zip(sizes, ends, strict=True)]


def compile_families(words: dict[str, dict[str, str]]) -> Families:
    """Tables from the word lists by family and language; `_` joins a group of up to four."""
    tables = Families(np.zeros(1 << BITS, np.uint8), np.zeros(1 << BITS, np.uint8))
    for names, table in ((FAMILIES, tables.reply), (ASKED, tables.question)):
        for number, name in enumerate(names, start=1):
            for entries in words[name].values():
                for entry in entries.split():
                    grams = tokenize(entry.replace("_", " ")).grams
                    place = next(size[0] for size in reversed(grams) if len(size))
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
    asked_text = question[:QUESTION] + "\n"
    both = tokenize(
        asked_text + seen
    )  # at once: most of the time goes into the number of array calls
    asked, told = both.before(len(asked_text)), both.after(len(asked_text))
    scale = len(answer) / max(len(seen), 1)
    first = told.kinds[told.start]
    words, han = len(first), np.count_nonzero(first == HAN)
    units = np.cumsum(1.0 + (HAN_UNITS - 1.0) * (told.kinds == HAN))
    total = float(units[-1]) if len(units) else 0.0
    cuts = np.searchsorted(units[told.start], (*STEPS, total - END))
    weight = words - 0.4 * han + 5.0
    dense = np.concatenate(
        (
            question_features(asked, families),
            build_features(seen, told, units, scale, weight),
            script_features(asked, told, first),
            word_features(told, cuts, weight, families.reply),
            variety_features(told),
            kept_features(asked, told, cuts, weight, families.reply),
        )
    )
    grams = told.grams[:2]
    return Encoded(dense, np.concatenate(grams), starts(grams), int(cuts[1]), words)


def question_features(asked: Tokens, families: Families) -> Floats:
    """What kind of text is asked for, and how long the question is."""
    hits = families.question[np.concatenate(asked.grams)]
    kinds = np.bincount(hits, minlength=len(ASKED) + 1)[1:] > 0
    han = np.count_nonzero(asked.kinds == HAN)
    return np.array([*kinds, len(asked.start) - 0.6 * han], np.float64)


def build_features(seen: str, told: Tokens, units: Floats, scale: float, weight: float) -> Floats:
    """Length, layout, sentences, numbers, names and marks; rates are a hundred words."""
    size, total = max(len(seen), 1), float(units[-1]) if len(units) else 0.0
    marks = np.bincount(np.minimum(told.codes, 127), minlength=128).tolist()
    lines = np.flatnonzero(told.codes[:-1] == NEWLINE)
    begin = np.bincount(np.minimum(told.codes[lines + 1], 127), minlength=128).tolist()
    stops = float(np.count_nonzero(told.kinds == STOP))
    first = min(
        (at for mark in (". ", "。", "\n") if (at := seen.find(mark)) >= 0), default=len(seen)
    )
    number = told.kinds[told.start] == DIGIT
    numbers = np.count_nonzero(number)
    capital = told.kinds[told.start] == CAPITAL
    inner = told.codes[np.maximum(told.start - 1, 0)] == ord(" ")
    rate = 100.0 / weight
    end = seen[-60:]
    return np.array(
        [
            np.log1p(total * scale),
            total,
            100.0 * marks[NEWLINE] / size,
            scale * begin[NEWLINE],
            scale * marks[ord("*")],
            scale * begin[ord("#")],
            scale * (begin[ord("-")] + begin[ord("*")] + begin[ord(" ")]),
            scale * sum(begin[ord("1") : ord("9") + 1]),
            seen[:1] in ("#", "*"),
            np.log1p(units[first - 1] if first else 0.0),
            np.log1p(stops * scale),
            total / (stops + 1.0),
            "?" in end or "？" in end,
            end[-1:] in tuple('.!?。！？"”*)'),
            end[-1:] in (":", "："),
            ":" in seen[:300] or "：" in seen[:120],
            numbers * rate,
            np.count_nonzero(number & (told.length == 4)) * rate,
            np.log1p(numbers * scale),
            np.count_nonzero(capital & inner) * rate,
            100.0 * np.count_nonzero(told.kinds == CAPITAL) / max(total, 1.0),
            (marks[ord('"')] + seen.count("“") + seen.count("《")) * rate,
            (marks[ord("(")] + seen.count("（")) * rate,
            marks[ord("%")] * rate,
        ],
        np.float64,
    )


def script_features(asked: Tokens, told: Tokens, first: Table) -> Floats:
    """Scripts and languages of question and reply, and how they mix."""
    words, size = max(len(first), 1), max(len(told.codes), 1)
    is_han = first == HAN
    han = np.count_nonzero(is_han) / words
    asked_kinds = np.bincount(asked.kinds, minlength=SYMBOL + 1).tolist()
    asked_han = asked_kinds[HAN] / max(len(asked.start), 1)
    kinds = np.bincount(told.kinds, minlength=SYMBOL + 1).tolist()
    plain = words - np.count_nonzero(is_han)
    long = np.bincount(np.minimum(told.length, 15), minlength=16)
    return np.array(
        [
            han,
            asked_han,
            han - asked_han,
            asked_kinds[ACCENTED] > 0 and not asked_han,
            100.0 * np.count_nonzero(is_han[1:] != is_han[:-1]) / words,
            long[2:].sum() / words,
            min(han, 1.0 - han),
            100.0 * (kinds[ACCENTED] + kinds[FOREIGN]) / size,
            100.0 * kinds[FOREIGN] / size,
            100.0 * kinds[SYMBOL] / size,
            np.count_nonzero(told.codes == UNKNOWN_CODE),
            (told.length.sum() - han * words) / max(plain, 1),
            100.0 * long[15] / words,
        ],
        np.float64,
    )


def word_features(told: Tokens, cuts: Indices, weight: float, table: Table) -> Floats:
    """Words by family: in all, in the beginnings, at the end, and how the families compare."""
    grams, at, words = np.concatenate(told.grams), starts(told.grams), len(told.start)
    family = table[grams]
    hit = np.flatnonzero(family)
    family, at, hits = family[hit].astype(np.int64), at[hit].astype(np.int64), grams[hit]
    size = len(FAMILIES) + 1
    part = np.searchsorted(cuts[:3], at, side="right")
    early = np.bincount(part * size + family, minlength=4 * size).reshape(4, size).cumsum(axis=0)
    late = np.bincount(family[at >= cuts[3]], minlength=size)
    everything = early[3]
    quarter = at * QUARTERS // max(words, 1)
    quarters = np.bincount(quarter * size + family, minlength=QUARTERS * size).reshape(
        QUARTERS, size
    )
    critical = (quarters[:, CRITIC] * (100.0 * QUARTERS / weight)).tolist()
    praising = ((quarters[:, PRAISE] + quarters[:, ASSERT]) * (100.0 * QUARTERS / weight)).tolist()
    spoken = [everything[name] * (100.0 / weight) for name in FUNCTION_WORDS]
    return np.concatenate(
        (
            everything[1:] * (100.0 / weight),
            early[:3, 1:-3].ravel(),
            late[1:-3],
            [
                leaning(everything),
                leaning(early[2]),
                min(critical),
                critical[0],
                critical[-1],
                min(praising),
                max(praising),
                praising[-1],
                sum(spoken),
                spoken[0] / (sum(spoken) + 1.0),
                len(different(hits[family == CRITIC])),
                len(different(hits[family == EVIDENCE])),
            ],
        )
    )


def leaning(counts: npt.NDArray[np.int64]) -> float:
    """Log ratio of praise and assertion to criticism."""
    return float(np.log((counts[PRAISE] + counts[ASSERT] + 1.0) / (counts[CRITIC] + 1.0)))


def different(places: Ints) -> Ints:
    """The different values among `places`, in order."""
    ordered = np.sort(places)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def variety_features(told: Tokens) -> Floats:
    """How rich the wording is, and how much of it repeats."""
    words, triples = len(told.start), told.grams[2]
    distinct = len(different(told.grams[0]))
    repeated = 1.0 - len(different(triples)) / max(len(triples), 1)
    return np.array([distinct / max(words, 1) ** 0.8, np.log1p(distinct), repeated], np.float64)


def kept_features(
    asked: Tokens, told: Tokens, cuts: Indices, weight: float, table: Table
) -> Floats:
    """How many words of the question (pairs, in Han) the reply takes up, in all and by part."""
    if np.count_nonzero(asked.kinds == HAN) > 0.3 * len(asked.start):
        wanted, given = different(asked.grams[1]), told.grams[1]
    else:
        content = asked.grams[0][asked.length > 3]
        family = table[content]
        wanted = different(content[(family < FUNCTION_WORDS[0]) | (family > FUNCTION_WORDS[-1])])
        given = told.grams[0]
    if not len(wanted) or not len(given):
        return np.zeros(6)
    nearest = np.minimum(np.searchsorted(wanted, given), len(wanted) - 1)
    at = np.flatnonzero(wanted[nearest] == given)
    which = nearest[at]
    first, last = np.full(len(wanted), len(given)), np.full(len(wanted), -1)
    first[which[::-1]], last[which] = at[::-1], at  # of equal indices, the last assignment stays
    parts = [np.count_nonzero(first < cut) for cut in (len(given), *cuts[:3])]
    late = np.count_nonzero((last >= cuts[3]) & (last >= 0))
    return np.append(np.array([*parts, late]) / len(wanted), 100.0 * len(at) / weight)


def linear(weights: Halves, places: Ints) -> float:
    """Sum of the weights of the different places, over the root of how many there are."""
    once = different(places)
    return float(weights[once].sum(dtype=np.float64) / np.sqrt(max(len(once), 1)))


@dataclass(frozen=True)
class Fitted:
    """Weights by place: `body` for all of the reply, `head` for its first `STEPS[1]` units."""

    body: Halves
    head: Halves

    def features(self, encoded: Encoded) -> Floats:
        """Linear scores of the whole, the head, and the first, lowest, highest and last quarter."""
        words = max(encoded.words, 1)
        quarter = np.minimum(encoded.at * QUARTERS // words, QUARTERS - 1)
        sums = np.bincount(quarter, self.body[encoded.grams].astype(np.float64), minlength=QUARTERS)
        parts = sums / np.sqrt(np.maximum(np.bincount(quarter, minlength=QUARTERS), 1))
        whole = linear(self.body, encoded.grams)
        head = linear(self.head, encoded.grams[encoded.at < encoded.head])
        return np.array([whole, head, parts[0], parts.min(), parts.max(), parts[-1]])


@dataclass(frozen=True)
class Forest:
    """Oblivious trees: all nodes of a level share one question, `value[feature] > threshold`.

    `feature` and `threshold` have shape (trees, depth), `leaf` (trees, 2**depth); `base` is the log
    odds before the first tree.
    """

    feature: Ints
    threshold: npt.NDArray[np.float32]
    leaf: npt.NDArray[np.float32]
    base: float

    def margins(self, values: Values) -> Floats:
        """Log odds, one a row of `values`, which has shape (rows, features)."""
        trees, depth = self.feature.shape
        bits = values[:, self.feature.ravel()] > self.threshold.ravel()
        index = bits.reshape(len(values), trees, depth) @ (1 << np.arange(depth))
        sums: Floats = self.leaf[np.arange(trees), index].sum(axis=1, dtype=np.float64)
        return self.base + sums


@dataclass(frozen=True)
class Line:
    """Logistic regression on features in standard deviations from their mean, cut at `CLIP`."""

    mean: Floats
    scale: Floats
    weight: Floats
    base: float

    def standard(self, values: Values) -> Floats:
        """`values` as the regression reads them, same shape."""
        return np.clip((values - self.mean) / self.scale, -CLIP, CLIP)

    def margins(self, values: Values) -> Floats:
        """Log odds, one a row of `values`, which has shape (rows, features)."""
        return self.base + self.standard(values) @ self.weight


@dataclass(frozen=True)
class Judge:
    """Forest and line together, calibrated by `slope` and `offset`."""

    forest: Forest
    line: Line
    slope: float = 1.0
    offset: float = 0.0

    def margins(self, values: Values) -> Floats:
        """Mean log odds of the two before calibration, one a row."""
        return 0.5 * (self.forest.margins(values) + self.line.margins(values))

    def probability(self, values: Values) -> float:
        """Calibrated probability for one row."""
        margin = float(self.margins(values[np.newaxis])[0])
        return float(1.0 / (1.0 + np.exp(-np.clip(self.slope * margin + self.offset, -30.0, 30.0))))


@dataclass(frozen=True)
class Learned:
    """Everything that scoring needs."""

    families: Families
    fitted: Fitted
    whole: Judge
    growing: Judge

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
    judges = []
    for name in ("whole", "growing"):
        forest_base, line_base, slope, offset = data[f"{name}_numbers"].tolist()
        forest = Forest(
            data[f"{name}_feature"].astype(np.int32),
            data[f"{name}_threshold"],
            data[f"{name}_leaf"],
            forest_base,
        )
        mean, scale, weight = data[f"{name}_line"]
        line = Line(mean, scale, weight, line_base)
        judges.append(Judge(forest, line, slope, offset))
    return Learned(
        Families(data["families_reply"], data["families_question"]),
        Fitted(data["body"], data["head"]),
        *judges,
    )


@cache
def shipped() -> Learned:
    """The shipped weights, read once, on first use."""
    return load()


def score(question: str, reply: str, *, complete: bool = True) -> float:
    """Probability from 0 to 1 that `reply` withholds what `question` asks, whatever the topic.

    Set `complete=False` while the reply is still growing: the score then says how likely the
    finished reply is going to withhold, judged by its beginning.
    """
    return shipped().score(question, reply, complete=complete)
