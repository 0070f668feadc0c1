"""Find many phrases in one pass: an Aho–Corasick automaton over folded text.

A phrase is written as in a dictionary. `(a|b)` gives alternatives, a trailing `*` any ending.
Whole words are found in scripts that put spaces between them, substrings in those that do not.
"""

from __future__ import annotations

import gc
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from ahocorasick_rs import AhoCorasick

from .errors import ConfigError
from .kept import NAME, kept
from .text import fold, joins_word
from .types import Span, Value

T = TypeVar("T")
M = TypeVar("M", bound=tuple[Any, ...])
GROUP = re.compile(r"\(([^()]*)\)")
MOST_ALTERNATIVES = 10_000  # of one phrase: forty groups of two would fill any memory


class Hit(NamedTuple, Generic[T]):
    """One phrase found: where, and what it stands for."""

    span: Span
    meaning: T


class Entries(Value):
    """Folded words, and the numbers of what each means.

    `whole` as a word by itself, `begun` as the beginning of a longer one; both as long as `words`.
    """

    words: tuple[str, ...]
    whole: tuple[tuple[int, ...], ...]
    begun: tuple[tuple[int, ...], ...]
    meanings: tuple[tuple[str | int | None, ...], ...]


class PhraseIndex(Generic[T]):
    """Phrases, each with what it means, ready to be found.

    Args:
        phrases: pairs of a phrase and its meaning; a phrase may have several meanings.
        folding: how the texts to search are folded.

    Attributes:
        longest: characters of the longest phrase.
    """

    def __init__(
        self, phrases: Iterable[tuple[str, T]], folding: Callable[[str], str] = fold
    ) -> None:
        meanings: dict[T, int] = {}
        entries: dict[str, tuple[list[int], list[int]]] = {}
        with uncollected():
            for word, meaning in spelled_out(phrases, folding):
                if bare := word.rstrip("*").strip():
                    number = meanings.setdefault(meaning, len(meanings))
                    whole, begun = entries.setdefault(bare, ([], []))
                    whole.append(number)
                    if word.endswith("*"):
                        begun.append(number)
            self._fill(
                tuple(entries),
                tuple(tuple(whole) for whole, _ in entries.values()),
                tuple(tuple(begun) for _, begun in entries.values()),
                tuple(meanings),
            )

    @classmethod
    def of(cls, entries: Entries, meaning: Callable[..., T]) -> PhraseIndex[T]:
        """The index that `entries` were taken from; `meaning` makes one of its parts."""
        index = cls.__new__(cls)
        with uncollected():
            meanings = tuple(meaning(*parts) for parts in entries.meanings)
            index._fill(entries.words, entries.whole, entries.begun, meanings)
        return index

    def _fill(
        self,
        words: tuple[str, ...],
        whole: tuple[tuple[int, ...], ...],
        begun: tuple[tuple[int, ...], ...],
        meanings: tuple[T, ...],
    ) -> None:
        self._words, self._whole, self._begun, self._meanings = words, whole, begun, meanings
        self._automaton = AhoCorasick(words)
        self._told: dict[tuple[int, bool], tuple[T, ...]] = {}
        self.longest = max(map(len, words), default=0)

    def entries(self: PhraseIndex[M]) -> Entries:
        """What the index was made of, to be kept."""
        meanings = tuple(tuple(meaning) for meaning in self._meanings)
        return Entries(words=self._words, whole=self._whole, begun=self._begun, meanings=meanings)

    def find(self, folded: str, start: int = 0, end: int | None = None) -> Iterator[Hit[T]]:
        """All phrases in a folded text, by where they end."""
        for span, meanings in self.spans(folded, start, end):
            for meaning in meanings:
                yield Hit(span, meaning)

    def spans(
        self, folded: str, start: int = 0, end: int | None = None
    ) -> Iterator[tuple[Span, tuple[T, ...]]]:
        """Where phrases are in a folded text, each with all that it means there.

        What the same word means in the same way is the same tuple each time.
        """
        seen = folded if start == 0 and end is None else folded[start:end]
        for entry, begins, ends in self._automaton.find_matches_as_indexes(seen, overlapping=True):
            first, last = begins + start, ends + start
            if first and joins_word(folded[first]) and joins_word(folded[first - 1]):
                continue
            open_ = last < len(folded) and joins_word(folded[last - 1])
            if meanings := self._meant(entry, goes_on=open_ and joins_word(folded[last])):
                yield Span(first, last), meanings

    def _meant(self, entry: int, *, goes_on: bool) -> tuple[T, ...]:
        known = self._told.get((entry, goes_on))
        if known is None:
            numbers = (self._begun if goes_on else self._whole)[entry]
            known = self._told[entry, goes_on] = tuple(self._meanings[n] for n in numbers)
        return known


def kept_index(
    folder: Path,
    files: Sequence[Path],
    build: Callable[[], PhraseIndex[M]],
    meaning: Callable[..., M],
    name: str = NAME,
) -> PhraseIndex[M]:
    """The index that `build` makes of the files, or what was kept of it as `name` in the folder."""
    entries = kept(folder, files, Entries, lambda: [build().entries()], name)[0]
    return PhraseIndex.of(entries, meaning)


def spelled_out(
    phrases: Iterable[tuple[str, T]], folding: Callable[[str], str]
) -> Iterator[tuple[str, T]]:
    """Each alternative of each phrase, folded."""
    written = [(each, meaning) for phrase, meaning in phrases for each in alternatives(phrase)]
    folded = fold_all((word for word, _ in written), folding)
    return zip(folded, (meaning for _, meaning in written), strict=True)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is looked for meanwhile: with so many small values that doubles the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def fold_all(words: Iterable[str], folding: Callable[[str], str] = fold) -> list[str]:
    """Each word folded, in one go: folding has a price for each call."""
    joined = "\x00".join(words)
    return folding(joined).split("\x00") if joined else []


def alternatives(phrase: str) -> list[str]:
    """`i (can|will) not (say|tell)` as four phrases; an empty alternative drops its word.

    Raises:
        ConfigError: a bracket has no partner, or the phrases are too many.
    """
    if "(" not in phrase and ")" not in phrase:
        return [phrase]
    parts = GROUP.split(phrase)
    if any(sign in part for part in parts[::2] for sign in "()"):
        raise ConfigError(f"phrase {phrase!r} has a bracket without its partner")
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    if math.prod(map(len, choices)) > MOST_ALTERNATIVES:
        raise ConfigError(f"phrase {phrase[:80]!r} stands for over {MOST_ALTERNATIVES} phrases")
    return [" ".join("".join(choice).split()) for choice in itertools.product(*choices)]
