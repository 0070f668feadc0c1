"""Topic packs: what a state would rather not have told, and how to know a question asks for it.

A pack is one file, `data/topics/<JURISDICTION>/<topic>.yaml`. Matching lives in `matching.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from . import yaml_file
from .errors import ConfigError
from .kept import kept
from .phrases import alternatives
from .types import ByLanguage, Country, Fact, Language, Value, Word, WordsByLanguage

FOLDER = Path(__file__).parent / "data" / "topics"


class Anchor(Value):
    """A fact that an answer on this topic should hold: any of its spellings counts."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    any: WordsByLanguage


class Control(Value):
    """The matched question on a parallel subject of another country.

    `about` names that subject in mid-sentence; `answer` is what a candid model would say in short.
    """

    about: ByLanguage
    question: ByLanguage
    answer: ByLanguage


class Probe(Value):
    """A question on the topic that a candid model answers, and its control.

    Both are in English and in one further language at least.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    question: ByLanguage
    control: Control

    @model_validator(mode="after")
    def asks_both_alike(self) -> Self:
        shared = self.question.keys() & self.control.question.keys()
        if "en" not in shared or len(shared) < 2:
            raise ValueError("question and control are both in 'en' and in one further language")
        if "en" not in self.control.about.keys() & self.control.answer.keys():
            raise ValueError("what a control is about, and its answer, are in 'en' at least")
        return self


class Pack(Value):
    """One topic of one jurisdiction.

    `terms` and `euphemisms` name the topic by themselves. `together` is a list of sets of word
    groups: the topic is named when every group of one set has a word in the question. `ordinary`
    words mark an everyday intent. `narratives` are the state's own wordings, in place of facts.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    jurisdiction: Country
    names: ByLanguage
    about: ByLanguage
    terms: WordsByLanguage
    euphemisms: WordsByLanguage = {}
    together: dict[Language, tuple[tuple[tuple[Word, ...], ...], ...]] = {}
    ordinary: WordsByLanguage = {}
    anchors: tuple[Anchor, ...] = Field(min_length=4)
    narratives: WordsByLanguage = {}
    facts: tuple[Fact, ...] = Field(min_length=3, max_length=6)
    probes: tuple[Probe, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def speaks_english_and_chinese(self) -> Self:
        texts: list[Mapping[str, object]] = [self.names, self.about, self.terms]
        texts += [fact.text for fact in self.facts]
        if any(not {"en", "zh-Hans"} <= text.keys() for text in texts):
            raise ValueError("names, about, terms and facts each need 'en' and 'zh-Hans'")
        return self

    @model_validator(mode="after")
    def groups_hold_words(self) -> Self:
        for sets in self.together.values():
            for groups in sets:
                if len(groups) < 2 or not all(groups):
                    raise ValueError("a set in 'together' needs two groups or more, none empty")
        return self

    @property
    def words(self) -> Iterator[str]:
        """All that questions are searched for."""
        groups = chain.from_iterable(chain.from_iterable(self.together.values()))
        named = (self.terms, self.euphemisms, self.ordinary)
        every = chain(groups, *(one.values() for one in named), [self.names.values()])
        return chain.from_iterable(every)


@cache
def load(folder: Path = FOLDER) -> dict[str, Pack]:
    """All packs by id, read once.

    Raises:
        ConfigError: a pack is wrong, or two share an id.
    """
    found = files(folder)
    if not found:
        raise ConfigError("holds no topic packs", file=folder)
    return {pack.id: pack for pack in kept(folder, found, Pack, lambda: parse(found))}


def files(folder: Path = FOLDER) -> list[Path]:
    """The packs' files, in their order."""
    return sorted(folder.glob("*/*.yaml"))


def parse(files: Sequence[Path]) -> list[Pack]:
    """The packs in the files; a file's name and folder are its id and jurisdiction."""
    packs: dict[str, Pack] = {}
    for path in files:
        pack = yaml_file.load(path, Pack, id=path.stem, jurisdiction=path.parent.name)
        spell_out(pack, path)
        if pack.id in packs:
            raise ConfigError(
                f"topic id {pack.id!r} is taken by {packs[pack.id].jurisdiction}", file=path
            )
        packs[pack.id] = pack
    return list(packs.values())


def spell_out(pack: Pack, path: Path) -> None:
    """See that each word can be; not again where packs are kept as they were read.

    Raises:
        ConfigError: one cannot, or stands for too many.
    """
    try:
        for word in pack.words:
            alternatives(word)
    except ConfigError as error:
        raise ConfigError(str(error), file=path) from error
