"""What the licences of models allow: `data/licences.yaml`, a few words of each, no legal advice.

Not covered: terms that a developer adds on a card, and the law of the reader's country.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from . import yaml_file
from .errors import ConfigError, nearest
from .types import ByLanguage, Value

FILE = Path(__file__).parent / "data" / "licences.yaml"
Allowed = Literal["yes", "no", "with conditions", "not known"]
EMPTY = re.compile(r"\b(?:the|community|licen[cs]e|agreement|version|terms of use)\b|^licen[cs]e:")


class Terms(Value):
    """What a licence says. `url` is the address of its text, None where there is no one text.

    `commercial` is use for money, `changes` is changing the model and passing it on; `naming` says
    whether the maker or the licence must be named then. `open`: the Open Source Initiative has
    approved it. `aliases` are other ids that cards and catalogues use.
    """

    name: str = Field(min_length=2)
    url: str | None = Field(default=None, pattern=r"^https://\S+$")
    commercial: Allowed
    changes: Allowed
    naming: bool
    open: bool = False
    aliases: tuple[str, ...] = ()


class Stated(Terms):
    """As the file has it: `condition` keys one of its sentences."""

    condition: str


class Licence(Terms):
    """A licence with its `condition`: the one to know, a sentence, by language."""

    condition: ByLanguage


class Licences(Value):
    conditions: dict[str, ByLanguage]
    licences: dict[str, Stated]


def of(licence: str | None) -> Licence | None:
    """The licence of that id or name, however it is written: `Llama 3.3`, `apache-2.0`."""
    return by_name().get(plain_name(licence)) if licence else None


def plain_name(licence: str) -> str:
    """What is left of a name without case, punctuation and the words that all of them share."""
    return re.sub(
        r"[^a-z0-9.]", "", EMPTY.sub("", re.sub(r"[-_\s]+", " ", licence[:200].casefold()))
    )


@cache
def by_name() -> dict[str, Licence]:
    """Every licence by each of its plain names."""
    found: dict[str, Licence] = {}
    for key, licence in load().items():
        for name in (key, licence.name, *licence.aliases):
            if found.setdefault(plain_name(name), licence) is not licence:
                raise ConfigError(f"two licences are called {name!r}", file=FILE, key=key)
    return found


def load(path: Path = FILE) -> dict[str, Licence]:
    """Every licence by its id.

    Raises:
        ConfigError: the file is wrong; names line and key.
    """
    held = yaml_file.load(path, Licences)
    found = {}
    for key, stated in held.licences.items():
        if stated.condition not in held.conditions:
            hint = nearest(stated.condition, held.conditions)
            raise ConfigError(
                f"no condition {stated.condition!r} is listed.{hint}",
                file=path,
                line=yaml_file.locate(path, ("licences", key, "condition")),
                key="condition",
            )
        terms = stated.model_dump(exclude={"condition"})
        found[key] = Licence(**terms, condition=held.conditions[stated.condition])
    return found
