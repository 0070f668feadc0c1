"""The page's own words, by language: `data/texts/<language>.yaml`, each with the same keys."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, create_model

from guard import yaml_file
from guard.explain import nearest_language

FOLDER = Path(__file__).parent / "data" / "texts"


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


def accepted(header: str) -> str:
    """The first language of an Accept-Language header that the page speaks."""
    for part in header.split(","):
        tag = part.partition(";")[0].strip()
        if tag.partition("-")[0] in {known.partition("-")[0] for known in languages()}:
            return nearest_language(tag, languages())
    return "en"
