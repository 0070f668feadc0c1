"""Who made a model, where, and who serves it.

A topic is aligned with a model when it is a taboo of the model's own origin or of its lineage's.
Topics of `EU` are those of the Union and its members. Not covered: who owns a developer (a note
may say), and what became of it since its source was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from .developers import Organisation, developers
from .types import Country, ModelSpec, Value
from .yaml_file import load as load_yaml

DATA = Path(__file__).parent / "data"
EU_MEMBERS = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)


class Providers(Value):
    providers: dict[str, Organisation]


class Served(Value):
    """Who gave a reply. `model` is set where the host answered as another model than was asked."""

    provider: str
    origin: Country | None = None
    model: str | None = None


@cache
def providers() -> dict[str, Organisation]:
    return load_yaml(DATA / "providers.yaml", Providers).providers


class Offering(Protocol):
    """What lists models on offer, as the catalogue does."""

    @property
    def models(self) -> Sequence[ModelSpec]: ...


def origins(model: str, catalogue: Offering | None = None) -> tuple[str, ...]:
    """A model's own origin, then its lineage's; empty where nothing is known.

    A model of the catalogue is known by its id, or by its name alone where the developer is the
    same company (`perplexity/r1-1776` is `perplexity-ai/r1-1776`); others by their developer.
    """
    prefix, _, name = model.casefold().partition("/")
    developer = developers().get(prefix)
    for spec in catalogue.models if catalogue else ():
        owner, _, listed = spec.id.casefold().partition("/")
        same = owner == prefix or (developer and developers().get(owner) == developer)
        if listed == name.partition(":")[0] and same:
            return spec.origins
    same_name = {d.name: d for d in developers().values()}
    developer = developer or same_name.get(prefix)
    return (developer.origin,) if developer else ()


def is_of(country: str, jurisdiction: str) -> bool:
    """Whether a topic of `jurisdiction` is one of `country`'s own."""
    return country == jurisdiction or (jurisdiction == "EU" and country in EU_MEMBERS)


def aligned(model_origins: Iterable[str], jurisdiction: str | None) -> bool | None:
    """Whether the topic is a taboo of one of the origins; None where either side is unknown."""
    known = tuple(model_origins)
    if not known or jurisdiction is None:
        return None
    return any(is_of(country, jurisdiction) for country in known)


def independent(candidate: ModelSpec, of: ModelSpec, jurisdiction: str | None) -> bool:
    """Whether `candidate` may answer for `of`: another origin, another lineage, no stake."""
    lineage = {of.id, *(parent.id for parent in of.base)}
    shares = lineage & {candidate.id, *(parent.id for parent in candidate.base)}
    same_country = set(candidate.origins) & set(of.origins)
    stake = aligned(candidate.origins, jurisdiction)
    return not (shares or same_country or stake)


def served_by(provider: str, asked: str, answered: str | None) -> Served:
    """Who served a reply, from the host's name and the model id it answered with."""
    known = providers().get(provider.casefold())
    substituted = answered if answered and not same_model(asked, answered) else None
    return Served(
        provider=known.name if known else provider,
        origin=known.origin if known else None,
        model=substituted,
    )


def same_model(asked: str, answered: str) -> bool:
    """Hosts write ids with other prefixes, suffixes and cases: `org/Name:fastest` is `name`."""
    short = [id_.casefold().rpartition("/")[2].partition(":")[0] for id_ in (asked, answered)]
    return short[0] in short[1] or short[1] in short[0]
