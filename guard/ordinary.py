"""What makes a question with a topic's words an everyday one, and what makes it serious again.

One file a language, for the topics of every country alike. Not covered: an everyday intent in
words that no file lists, and irony.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from . import yaml_file
from .errors import ConfigError
from .types import Language, Value, Word

FOLDER = Path(__file__).parent / "data" / "ordinary"
Kind = Literal["innocent", "everyday", "light", "serious"]


class Everyday(Value):
    """`data/ordinary/<language>.yaml`.

    `phrases` hold a topic's word and mean something else: what lies within them is not looked at.
    `everyday` words, by theme, outweigh even a topic's name, `light` ones only words that name a
    topic together. A `serious` word outweighs them all.
    """

    language: Language
    phrases: tuple[Word, ...] = ()
    everyday: dict[str, tuple[Word, ...]] = Field(min_length=1)
    light: tuple[Word, ...] = ()
    serious: dict[str, tuple[Word, ...]] = Field(min_length=1)

    def words(self) -> Iterator[tuple[Word, Kind]]:
        for theme in self.everyday.values():
            yield from ((word, "everyday") for word in theme)
        yield from ((word, "innocent") for word in self.phrases)
        yield from ((word, "light") for word in self.light)
        for theme in self.serious.values():
            yield from ((word, "serious") for word in theme)


@cache
def load(folder: Path = FOLDER) -> tuple[Everyday, ...]:
    """All languages' words, read once.

    Raises:
        ConfigError: the folder holds no file, or one is wrong.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError("holds no everyday words", file=folder)
    return tuple(yaml_file.load(path, Everyday, language=path.stem) for path in files)
