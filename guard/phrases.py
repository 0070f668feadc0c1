"""Find many phrases in one pass: an Aho–Corasick automaton over folded text.

A phrase is written as in a dictionary. `(a|b)` gives alternatives, a trailing `*` any ending.
Whole words are found in scripts that put spaces between them, substrings in those that do not.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import ahocorasick

from .errors import ConfigError
from .text import fold, joins_word
from .types import Span

T = TypeVar("T")
GROUP = re.compile(r"\(([^()]*)\)")


class Hit(NamedTuple, Generic[T]):
    """One phrase found: where, and what it stands for."""

    span: Span
    meaning: T


class PhraseIndex(Generic[T]):
    """Phrases, each with what it means, ready to be found.

    Args:
        phrases: pairs of a phrase and its meaning; a phrase may have several meanings.
    """

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        written = [(each, meaning) for phrase, meaning in phrases for each in alternatives(phrase)]
        entries: dict[str, list[tuple[bool, T]]] = {}
        for word, (each, meaning) in zip(fold_all(w for w, _ in written), written, strict=True):
            if bare := word.rstrip("*").strip():
                entries.setdefault(bare, []).append((each.endswith("*"), meaning))
        self._automaton = ahocorasick.Automaton()
        for word, meanings in entries.items():
            borders = joins_word(word[0]), joins_word(word[-1])
            self._automaton.add_word(word, (len(word), borders, tuple(meanings)))
        if entries:
            self._automaton.make_automaton()
        self._empty = not entries

    def find(self, folded: str, start: int = 0, end: int | None = None) -> Iterator[Hit[T]]:
        """All phrases in text that `text.fold` has folded, by where they end."""
        if self._empty:
            return
        stop = len(folded) if end is None else min(end, len(folded))
        for last, (length, (front, back), meanings) in self._automaton.iter(folded, start, stop):
            first = last - length + 1
            if front and first > 0 and joins_word(folded[first - 1]):
                continue
            goes_on = back and last + 1 < len(folded) and joins_word(folded[last + 1])
            for open_ended, meaning in meanings:
                if open_ended or not goes_on:
                    yield Hit(Span(first, last + 1), meaning)


def fold_all(words: Iterable[str]) -> list[str]:
    """Each word folded, in one go: folding has a price for each call."""
    joined = "\x00".join(words)
    return fold(joined).split("\x00") if joined else []


def alternatives(phrase: str) -> list[str]:
    """`i (can|will) not (say|tell)` as four phrases; an empty alternative drops its word."""
    if "(" not in phrase and ")" not in phrase:
        return [phrase]
    parts = GROUP.split(phrase)
    if any(sign in part for part in parts[::2] for sign in "()"):
        raise ConfigError(f"phrase {phrase!r} has a bracket without its partner")
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    return [re.sub(r"\s+", " ", "".join(choice)).strip() for choice in itertools.product(*choices)]
