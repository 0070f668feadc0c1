"""Who makes models: `data/developers.yaml`, by organisation on the Hub.

Not covered: people who publish under their own name; whoever is not listed is unknown.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from .errors import ConfigError
from .types import Country, Source, Value
from .yaml_file import load as load_yaml
from .yaml_file import locate

FILE = Path(__file__).parent / "data" / "developers.yaml"
HubOrganisation = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Kind = Literal["company", "lab", "public body", "community"]


class Organisation(Value):
    """A developer or a provider: what it calls itself and where its seat is."""

    name: str
    origin: Country


class Developer(Organisation):
    """Who makes models. `legal_name` is set where the legal person has another name.

    `aliases` are further organisations on the Hub; `note` says what `origin` alone would hide.
    """

    legal_name: str | None = None
    aliases: tuple[HubOrganisation, ...] = ()
    kind: Kind
    source: Source
    note: str | None = None


class Developers(Value):
    developers: dict[HubOrganisation, Developer]


@cache
def developers() -> dict[str, Developer]:
    """Every developer by each of its organisations on the Hub, in lower case."""
    return load_developers(FILE)


def developer_of(model: str) -> Developer | None:
    """Who made a model, by the first part of its id; None where that is not known."""
    owner, slash, _ = model.casefold().partition("/")
    return developers().get(owner) if slash else None


def load_developers(path: Path) -> dict[str, Developer]:
    """Read a file of developers; an alias finds the same value as the key.

    Raises:
        ConfigError: the file is wrong, or two developers claim one organisation.
    """
    listed = load_yaml(path, Developers).developers
    found = dict(listed)
    for key, developer in listed.items():
        for n, alias in enumerate(developer.aliases):
            if alias in found:
                line = locate(path, ("developers", key, "aliases", n))
                message = f"organisation {alias!r} is listed twice; keep it in one place"
                raise ConfigError(message, file=path, line=line, key=alias)
            found[alias] = developer
    return found
