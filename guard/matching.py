"""Which topic a question is about, in any of the packs' languages.

Not covered: questions that neither name a topic nor use two of its words, and languages that no
pack has words in.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from . import topics
from .phrases import PhraseIndex
from .text import fold_question
from .types import TopicMatch

NAMED, EUPHEMISM, TOGETHER, ORDINARY = 1.0, 0.95, 0.85, 0.5
FOLLOW_UP = 80  # characters; a shorter question may live on the topic of the one before it


class Meaning(NamedTuple):
    """What a word of a pack does: `kind`, and for `together` which set and group it fills."""

    topic: str
    kind: str
    set_: int = 0
    group: int = 0


class Evidence:
    """What a question holds of one pack's words."""

    def __init__(self) -> None:
        self.words: dict[str, set[str]] = {}
        self.groups: dict[int, dict[int, int]] = {}

    def add(self, meaning: Meaning, word: str) -> None:
        if meaning.kind == "together":
            groups = self.groups.setdefault(meaning.set_, {})
            groups[meaning.group] = max(groups.get(meaning.group, 0), len(word))
        else:
            self.words.setdefault(meaning.kind, set()).add(word)

    def rate(self, sizes: tuple[int, ...]) -> tuple[float, int, bool]:
        """Score, weight (how many characters of words speak for it) and whether it is ordinary."""
        score, weight = 0.0, 0
        for kind, value in (("term", NAMED), ("euphemism", EUPHEMISM)):
            found = self.words.get(kind, set())
            score = max(score, value if found else 0.0)
            weight += sum(map(len, found))
        complete = [sum(g.values()) for s, g in self.groups.items() if len(g) == sizes[s]]
        if complete:
            score, weight = max(score, TOGETHER), weight + max(complete)
        ordinary = score == TOGETHER and "ordinary" in self.words
        return (ORDINARY if ordinary else score), weight, ordinary


@cache
def index() -> tuple[PhraseIndex[Meaning], dict[str, tuple[int, ...]]]:
    """All packs' words, and the number of groups of each pack's `together` sets."""
    words: list[tuple[str, Meaning]] = []
    sizes: dict[str, tuple[int, ...]] = {}
    for pack in topics.load().values():
        for kind, field in (
            ("term", pack.terms),
            ("term", {language: (name,) for language, name in pack.names.items()}),
            ("euphemism", pack.euphemisms),
            ("ordinary", pack.ordinary),
        ):
            words += [(w, Meaning(pack.id, kind)) for ws in field.values() for w in ws]
        sets = [groups for by_language in pack.together.values() for groups in by_language]
        sizes[pack.id] = tuple(map(len, sets))
        for s, groups in enumerate(sets):
            for g, group in enumerate(groups):
                words += [(word, Meaning(pack.id, "together", s, g)) for word in group]
    return PhraseIndex(words), sizes


def matches(question: str) -> list[TopicMatch]:
    """All topics that the question touches, the likeliest first."""
    phrases, sizes = index()
    folded = fold_question(question)
    evidence: dict[str, Evidence] = {}
    for hit in phrases.find(folded):
        found = evidence.setdefault(hit.meaning.topic, Evidence())
        found.add(hit.meaning, folded[hit.span.start : hit.span.end])
    rated = [(e.rate(sizes[topic]), topic) for topic, e in evidence.items()]
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
