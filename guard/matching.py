"""Which topic a question is about, in any of the packs' languages.

Not covered: questions that neither name a topic nor use two of its words, and languages that no
pack has words in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from . import disguise, ordinary, topics, yaml_file
from .errors import ConfigError
from .phrases import PhraseIndex, alternatives, kept_index, uncollected
from .text import fold_question
from .topics import Pack
from .types import Country, Span, TopicMatch, Value, WordsByLanguage

NAMED, EUPHEMISM, TOGETHER, STATE, ORDINARY = 1.0, 0.95, 0.85, 0.6, 0.5
FOLLOW_UP = 80  # characters; a shorter question may live on the topic of the one before it
SHORTEST_JOINED = 7  # letters of words that are also found written as one
DATA = Path(__file__).parent / "data"
STATES, KEPT = DATA / "states.yaml", ".kept-words.json"
ANY = ""  # in place of a topic: a word that is the same for all
COVERS = frozenset({"innocent", "everyday", "light", "ordinary"})


class Meaning(NamedTuple):
    """What a word does for a topic: `kind`, and for `together` which set and group it fills.

    Sets are numbered over all packs.
    """

    topic: str
    kind: str
    set_: int = 0
    group: int = 0


MISSPELT = Meaning(ANY, "misspelt")
SERIOUS, CRITICAL = Meaning(ANY, "serious"), Meaning(ANY, "critical")


class Sense:
    """All that one word means, and what of it is asked for with each question, worked out once."""

    __slots__ = ("covers", "groups", "meanings", "misspelt", "serious", "topics")

    def __init__(self, meanings: tuple[Meaning, ...]) -> None:
        together = [m for m in meanings if m.kind == "together"]
        self.meanings = meanings
        self.topics = frozenset(m.topic for m in meanings if m.kind != "together")
        self.groups = tuple((m.set_, 1 << m.group, m.topic) for m in together)
        self.covers = any(m.kind in COVERS for m in meanings)
        self.serious, self.misspelt = SERIOUS in meanings, MISSPELT in meanings


Found = tuple[Span, Sense]


class Index(NamedTuple):
    """All packs' words, and for each `together` set a bit for each of its groups.

    `senses` are those met so far, by identity of the tuples of `words`: hashing one takes too long.
    """

    words: PhraseIndex[Meaning]
    full: tuple[int, ...]
    senses: dict[int, Sense]

    def sense_of(self, meanings: tuple[Meaning, ...]) -> Sense:
        known = self.senses.get(id(meanings))
        if known is None:
            known = self.senses[id(meanings)] = Sense(meanings)
        return known


class Evidence:
    """What a question holds of one pack's words, or of the words for `ANY` topic."""

    def __init__(self) -> None:
        self.words: dict[str, set[str]] = {}
        self.groups: dict[int, dict[int, int]] = {}  # by set and group, the longest word

    def add(self, meaning: Meaning, word: str) -> None:
        if meaning.kind == "together":
            groups = self.groups.setdefault(meaning.set_, {})
            groups[meaning.group] = max(groups.get(meaning.group, 0), len(word))
        else:
            self.words.setdefault(meaning.kind, set()).add(word)

    def rate(self, full: Sequence[int], general: Evidence) -> tuple[float, int, bool]:
        """Score, weight (how many characters of words speak for it) and whether it is ordinary."""
        score, weight = 0.0, 0
        for kind, value in (("term", NAMED), ("euphemism", EUPHEMISM)):
            found = self.words.get(kind, set())
            score = max(score, value if found else 0.0)
            weight += sum(map(len, found))
        complete = [
            sum(g.values()) for s, g in self.groups.items() if len(g) == full[s].bit_count()
        ]
        if complete:
            score, weight = max(score, TOGETHER), weight + max(complete)
        if not score:
            return self.rate_state(general)
        if self.is_ordinary(general, named=score > TOGETHER):
            return ORDINARY, weight, True
        return score, weight, False

    def rate_state(self, general: Evidence) -> tuple[float, int, bool]:
        """A state beside a critical word, as far as nothing makes the question an everyday one."""
        names = self.words.get("state", set())
        meant = general.words.keys() & {"serious", "critical"}
        if not names or not meant or general.words.keys() & {"everyday", "light"}:
            return 0.0, 0, False
        return STATE, sum(map(len, names)), False

    def is_ordinary(self, general: Evidence, *, named: bool) -> bool:
        """Whether an everyday intent outweighs what was found; a serious word outweighs it."""
        if "serious" in general.words:
            return False
        lightly = "light" in general.words or "ordinary" in self.words
        return "everyday" in general.words or (lightly and not named)


def pack_words(pack: Pack, first_set: int) -> Iterator[tuple[str, Meaning]]:
    """All words of a pack, those of several words also written as one; sets count on."""
    names = {language: (name,) for language, name in pack.names.items()}
    kinds = (("term", pack.terms), ("term", names), ("euphemism", pack.euphemisms))
    for kind, field in kinds:
        meaning = Meaning(pack.id, kind)
        for word in chain.from_iterable(field.values()):
            yield from ((each, meaning) for each in spellings(word))
    ordinary_word = Meaning(pack.id, "ordinary")
    yield from ((word, ordinary_word) for words in pack.ordinary.values() for word in words)
    sets = chain.from_iterable(pack.together.values())
    for s, groups in enumerate(sets, start=first_set):
        for g, group in enumerate(groups):
            meaning = Meaning(pack.id, "together", s, g)
            for word in group:
                yield from ((each, meaning) for each in spellings(word))


def spellings(phrase: str) -> list[str]:
    """A phrase and, as hashtags have it, its words as one: `Free Tibet` and `FreeTibet`."""
    if " " not in phrase and "-" not in phrase:
        return [phrase]
    ones = (each.replace(" ", "").replace("-", "") for each in alternatives(phrase))
    return [phrase, *(one for one in ones if len(one) >= SHORTEST_JOINED)]


@cache
def index() -> Index:
    packs = topics.load().values()
    sets = [len(groups) for pack in packs for sets in pack.together.values() for groups in sets]
    files = sorted((*topics.files(), *ordinary.FOLDER.glob("*.yaml"), disguise.FILE, STATES))
    words = kept_index(DATA, files, build, Meaning, KEPT)
    return Index(words, tuple((1 << size) - 1 for size in sets), {})


def build() -> PhraseIndex[Meaning]:
    """The index from its files."""
    words: list[tuple[str, Meaning]] = []
    first_set = 0
    with uncollected():
        for pack in topics.load().values():
            words += pack_words(pack, first_set)
            first_set += sum(map(len, pack.together.values()))
        for each in ordinary.load():
            words += [(word, Meaning(ANY, kind)) for word, kind in each.words()]
        words += [(word, MISSPELT) for word in disguise.misspellings()]
        words += state_words(states())
        return PhraseIndex(words, fold_question)


class State(Value):
    """A state: its names, and the topic that stands for its conduct in general."""

    topic: str
    names: WordsByLanguage


class States(Value):
    """`data/states.yaml`."""

    critical: WordsByLanguage
    states: dict[Country, State]


@cache
def states() -> States:
    return read_states(STATES)


def read_states(file: Path) -> States:
    """The states in a file.

    Raises:
        ConfigError: the file is wrong, or names a topic that there is not.
    """
    found = yaml_file.load(file, States)
    for code, state in found.states.items():
        if state.topic not in topics.load():
            raise ConfigError(f"there is no topic {state.topic!r}", file=file, key=code)
    return found


def state_words(found: States) -> Iterator[tuple[str, Meaning]]:
    yield from ((word, CRITICAL) for words in found.critical.values() for word in words)
    for state in found.states.values():
        meaning = Meaning(state.topic, "state")
        yield from ((word, meaning) for words in state.names.values() for word in words)


def found_in(folded: str) -> list[Found]:
    """The words in a folded text; a longer ordinary phrase hides those that it shares letters with.

    It hides none where a serious word stands beside it.
    """
    known = index()
    found = [(span, known.sense_of(meanings)) for span, meanings in known.words.spans(folded)]
    covered: dict[int, int] = {}  # the longest ordinary phrase over each place
    for span, sense in found:
        if sense.covers:
            for place in range(*span):
                covered[place] = max(covered.get(place, 0), span.end - span.start)
    if not covered:
        return found
    seen = [
        (span, sense)
        for span, sense in found
        if sense.covers
        or max(covered.get(place, 0) for place in range(*span)) <= span.end - span.start
    ]
    return found if any(sense.serious for _, sense in seen) else seen


def readings(question: str) -> Iterator[tuple[str, list[Found]]]:
    """The question as it stands and, where it seems disguised, as it may be meant."""
    if "@" in question:
        question = disguise.EMAIL.sub(" ", question)
    folded = fold_question(question)
    texts = [folded]
    if disguise.suspicious(question, folded):
        texts += [text for text in disguise.undone(question) if text != folded]
    for text in texts:
        found = found_in(text)
        yield text, found
        wrong = [span for span, sense in found if sense.misspelt]
        if wrong:
            right = disguise.respelt(text, wrong)
            yield right, found_in(right)


def gather(texts: Iterable[tuple[str, list[Found]]]) -> dict[str, Evidence]:
    """The evidence for each topic that is named or whose words stand together, and for `ANY`."""
    read = list(texts)
    near = {ANY, *named(sense for _, found in read for _, sense in found)}
    evidence = {topic: Evidence() for topic in near}
    for text, found in read:
        for span, sense in found:
            for meaning in sense.meanings:
                if meaning.topic in near:
                    evidence[meaning.topic].add(meaning, text[span.start : span.end])
    return evidence


def named(found: Iterable[Sense]) -> Iterator[str]:
    """The topics that a word names, or the words of one whole set; most share but a word or two."""
    full = index().full
    filled: dict[int, int] = {}
    for sense in found:
        yield from sense.topics
        for set_, group, topic in sense.groups:
            groups = filled[set_] = filled.get(set_, 0) | group
            if groups == full[set_]:
                yield topic


def matches(question: str) -> list[TopicMatch]:
    """All topics that the question touches, the likeliest first."""
    evidence = gather(readings(question))
    general, full = evidence.pop(ANY), index().full
    rated = [(found.rate(full, general), topic) for topic, found in evidence.items()]
    rated = [entry for entry in rated if entry[0][0] > 0]
    rated.sort(key=lambda entry: (-entry[0][0], -entry[0][1], entry[1]))
    packs = topics.load()
    return [
        TopicMatch(topic=t, jurisdiction=packs[t].jurisdiction, score=score, ordinary=ordinary)
        for (score, _, ordinary), t in rated
    ]


def match(question: str, before: str = "") -> TopicMatch | None:
    """The topic of a question; a short one may take it from the question `before` it."""
    found = matches(question)
    if not found and before and len(question) <= FOLLOW_UP:
        found = matches(f"{before}\n{question}")
    return found[0] if found else None
