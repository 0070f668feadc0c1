"""The page's own words, by language: `data/texts/<language>.yaml`, each with the same keys."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, create_model

from guard import yaml_file
from guard.explain import locale_of, nearest_language

FOLDER = Path(__file__).parent / "data" / "texts"
FALLBACK = "en"
RANGE = re.compile(r"\s*([\w-]{1,35}|\*)\s*(?:;\s*[qQ]\s*=\s*([01](?:\.\d{0,9})?)\s*)?", re.ASCII)
TAG = re.compile(r"(?ai)([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?(?:-.*)?")


class Named(NamedTuple):
    """A language by its own name: `de`, Deutsch."""

    tag: str
    name: str


@cache
def languages() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def schema() -> type[BaseModel]:
    """English names every text; each other language must have the same, and no more."""
    keys = yaml_file.read(FOLDER / "en.yaml")
    fields = {str(key): (str, ...) for key in keys}
    config = ConfigDict(frozen=True, extra="forbid")
    return create_model("Texts", __config__=config, **fields)  # type: ignore[call-overload, no-any-return]


@cache
def texts(language: str) -> BaseModel:
    """The texts of the nearest language there is; English where none is near."""
    return yaml_file.load(FOLDER / f"{nearest_language(language, languages())}.yaml", schema())


@cache
def named() -> tuple[Named, ...]:
    """The languages of the page by their own names, in the order of these."""
    names = [Named(tag, locale_of(tag).get_display_name() or tag) for tag in languages()]
    upper = (Named(tag, name[:1].upper() + name[1:]) for tag, name in names)
    return tuple(sorted(upper, key=lambda one: one.name))


def accepted(header: str) -> str:
    """The language of the page that an Accept-Language header likes best, the first of equals."""
    ranges = [match.groups() for match in map(RANGE.fullmatch, header.split(",")) if match]
    for tag, quality in sorted(ranges, key=lambda one: -float(one[1] or 1)):
        if float(quality or 1) > 0 and (language := spoken(tag)):
            return language
    return FALLBACK


def spoken(tag: str) -> str | None:
    """The language of the page that a tag asks for, however it is written: `zh-tw` is `zh-Hant`."""
    if tag == "*":
        return FALLBACK
    if not (parts := TAG.fullmatch(tag)):
        return None
    main, script, territory = (part or "" for part in parts.groups())
    written = [main.lower(), script.title(), territory.upper()]
    near = nearest_language("-".join(filter(None, written)), languages())
    return near if near.partition("-")[0] == main.lower() else None
