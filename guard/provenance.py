"""Who made a model, where, and who serves it.

A topic is aligned with a model when it is a taboo of the model's own origin or of its lineage's.
Topics of `EU` are those of the Union and its members. Not covered: who owns a developer (a note
may say), and what became of it since its source was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

from . import snapshot
from .developers import Developer, Organisation, developers
from .model_names import named, same_model
from .snapshot import Offer, Snapshot
from .types import Country, ModelSpec, Value
from .yaml_file import load as load_yaml

DATA = Path(__file__).parent / "data"
EU_MEMBERS = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
CHINESE = frozenset({"HK", "MO"})  # its law, the one on national security too, holds there


class Provider(Organisation):
    """Who serves models. `domains` are where it is reached without a router."""

    domains: tuple[str, ...] = ()


class Providers(Value):
    providers: dict[str, Provider]


class Served(Value):
    """Who gave a reply. `model` is set where the host answered as another model than was asked."""

    provider: str
    origin: Country | None = None
    model: str | None = None


class Serving(Value):
    """Who serves a model: `name` and `origin` (its seat) where the provider is known to us."""

    offer: Offer
    name: str | None = None
    origin: Country | None = None


@cache
def providers() -> dict[str, Provider]:
    return load_yaml(DATA / "providers.yaml", Providers).providers


class Offering(Protocol):
    """What lists models on offer and knows of their ancestors, as the catalogue does."""

    @property
    def by_id(self) -> Mapping[str, ModelSpec]: ...

    @property
    def snapshot(self) -> Snapshot: ...


@lru_cache(maxsize=1024)
def provider_of(host: str) -> Provider | None:
    """A provider by the name that a router gives it, or by the name of its server."""
    folded = host.casefold()
    parts = folded.split(".")
    domains = {".".join(parts[n:]) for n in range(len(parts))}
    by_domain = (known for known in providers().values() if domains & set(known.domains))
    return providers().get(folded) or next(by_domain, None)


def serving(offer: Offer) -> Serving:
    known = provider_of(offer.provider)
    name, origin = (known.name, known.origin) if known else (None, None)
    return Serving(offer=offer, name=name, origin=origin)


def origins(model: str, catalogue: Offering | None = None) -> tuple[str, ...]:
    """A model's own origin, then its lineage's; empty where nothing is known.

    A model is found by its id, by its name alone (`DeepSeek-R1`) or as a host writes it
    (`deepseek/deepseek-r1:free`), in the catalogue, then in the snapshot; else its developer is
    known at most. The first is empty where only its lineage is known.
    """
    held = catalogue.snapshot if catalogue else snapshot.load()
    listed = catalogue.by_id if catalogue else dict[str, ModelSpec]()
    found = {
        listed[id_].origins if id_ in listed else lineage_origins(id_, held)
        for id_ in meant(model, {*listed, *held.models})
    }
    if len(found) == 1:
        return found.pop()
    developer = maker(model)
    return (developer.origin,) if developer else ()


def meant(model: str, known: Collection[str]) -> list[str]:
    """The known ids that a name may stand for; only those that match it best."""
    same = [id_ for id_ in known if may_be(id_, model) and same_model(id_, model, known)]
    exact = [id_ for id_ in same if named(id_)[:3] == named(model)[:3]]
    return exact or same


def may_be(id_: str, model: str) -> bool:
    """Whether the owners allow it: none is named, the same one, or another name of the same."""
    owner = owner_of(model)
    same_maker = maker(model) is not None and maker(model) == maker(id_)
    return not owner or owner == owner_of(id_) or same_maker


def owner_of(model: str) -> str:
    """Who is named before a model's name; nobody where that is only a host."""
    owner = model.casefold().rpartition("/")[0].rpartition("/")[2]
    host = owner == "models" or (owner in providers() and owner not in developers())
    return "" if host else owner


def maker(model: str) -> Developer | None:
    """The developer of a model by what stands before its name: an organisation, or its name."""
    owner = owner_of(model)
    return developers().get(owner) or developers_by_name().get(owner)


@cache
def developers_by_name() -> dict[str, Developer]:
    return {developer.name.casefold(): developer for developer in developers().values()}


def lineage_origins(model: str, held: Snapshot) -> tuple[str, ...]:
    """A model's own origin, empty where it is not known, then the others of its lineage."""
    lineage = held.lineage(model)
    own = lineage.nodes[0].origin
    others = tuple(origin for origin in lineage.origins if origin != own)
    return (own or "", *others) if own or others else ()


def is_of(country: str, jurisdiction: str) -> bool:
    """Whether a topic of `jurisdiction` is one of `country`'s own."""
    of_the_union = jurisdiction == "EU" and country in EU_MEMBERS
    return under(country) == jurisdiction or of_the_union


def aligned(model_origins: Iterable[str], jurisdiction: str | None) -> bool | None:
    """Whether the topic is a taboo of one of the origins; None where that is not known."""
    known = tuple(model_origins)
    if not known or jurisdiction is None:
        return None
    if any(is_of(country, jurisdiction) for country in known):
        return True
    return None if "" in known else False


def independent(candidate: ModelSpec, of: ModelSpec, jurisdiction: str | None) -> bool:
    """Whether `candidate` may answer for `of`: another origin, another lineage, no stake."""
    shares = family(candidate) & family(of)
    same_country = set(map(under, candidate.origins)) & set(map(under, of.origins))
    stake = aligned(candidate.origins, jurisdiction)
    return not (shares or same_country or stake)


def family(model: ModelSpec) -> set[str]:
    """A model and all it was made from."""
    return {model.id.casefold(), *(parent.id.casefold() for parent in model.base)}


def under(country: str) -> str:
    """Whose law holds in a country: China's in Hong Kong and Macau."""
    return "CN" if country in CHINESE else country


def served_by(
    provider: str, asked: str, answered: str | None, held: Snapshot | None = None
) -> Served:
    """Who served a reply, from the host's name and the model id it answered with.

    Ids under which the snapshot lists a model at a provider are that model's.
    """
    known = provider_of(provider)
    return Served(
        provider=known.name if known else provider,
        origin=known.origin if known else None,
        model=answered if answered and not is_asked(asked, answered, held) else None,
    )


def is_asked(asked: str, answered: str, held: Snapshot | None) -> bool:
    held = snapshot.load() if held is None else held
    model = held.get(asked)
    listed = {offer.model.casefold() for offer in model.offers} if model else set[str]()
    return answered.casefold() in listed or same_model(asked, answered, held.models)
