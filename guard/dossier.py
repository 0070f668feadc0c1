"""What is known of one model, by whatever name it is asked for, and what is not; without a network.

Joined from `models.yaml`, the snapshot beside it and the lists of developers, providers and
licences. Not covered: whether a card tells the truth, and what became of a model since the snapshot
was taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from typing import Literal

from . import explain, licences, provenance
from .catalogue import Catalogue
from .developers import Developer
from .licences import Terms
from .model_names import LONGEST
from .plain import one_line
from .provenance import Serving
from .snapshot import Day, Descent, Gating, HubModel, Lineage
from .types import Country, ModelSpec, Value

Aspect = Literal["developer", "origin", "lineage", "licence", "training data", "providers"]
CLOSE = 0.85  # of two ids; below it the next release of the same family would pass


class LicenceTerms(Terms):
    """What a licence allows; `condition` is the one to know."""

    condition: str


class Ancestor(Value):
    """A model that another was made from, `steps` away. `origin` is its developer's country."""

    id: str
    steps: int
    developer: str | None
    origin: Country | None


class Dossier(Value):
    """What is known of a model. What is not is None or empty, and named in `not_known`.

    `id` is the id it goes by, None where no model of that name is known; `may_be` are then those
    that the name may stand for. `on_offer`: this deployment lists it. `made_by` and `context`
    (tokens) are as `models.yaml` says. `origins` are the developer's country, then those of the
    lineage, whose taboos the guard all checks; `""` stands first where only the lineage is known.
    `ancestors` are nearest first. `stated_licence` is as the card or `models.yaml` writes it.
    `taken` is the day of the snapshot, on which all else rests.
    """

    asked: str
    id: str | None = None
    on_offer: bool = False
    name: str | None = None
    made_by: str | None = None
    developer: Developer | None = None
    origins: tuple[str, ...] = ()
    ancestors: tuple[Ancestor, ...] = ()
    steps: tuple[Descent, ...] = ()
    stated_licence: str | None = None
    licence: LicenceTerms | None = None
    gated: Gating | None = None
    created: Day | None = None
    parameters: int | None = None
    context: int | None = None
    datasets: tuple[str, ...] = ()
    card: str | None = None
    providers: tuple[Serving, ...] = ()
    taken: date | None = None
    not_known: tuple[Aspect, ...] = ()
    may_be: tuple[str, ...] = ()


def dossier(model: str, catalogue: Catalogue) -> Dossier:
    """All that is known of a model.

    Args:
        model: its id, its name alone (`DeepSeek-R1`), or as a host writes it.
        catalogue: the models on offer, with the snapshot beside them.
    """
    found = identified(model, catalogue)
    if len(found) == 1:
        held = of_known(model, found[0], catalogue)
    else:
        held = Dossier(
            asked=one_line(model, LONGEST),
            developer=provenance.maker(model),
            origins=provenance.origins(model, catalogue),
            may_be=tuple(sorted(found or misspelt(model, catalogue), key=str.casefold)),
        )
    taken = catalogue.snapshot.taken
    return held.model_copy(update={"taken": taken, "not_known": tuple(gaps(held))})


def known_ids(catalogue: Catalogue) -> dict[str, str]:
    """The ids of all models that are on offer or in the snapshot, by the same in lower case."""
    return {id_.casefold(): id_ for id_ in (*catalogue.snapshot.models, *catalogue.by_id)}


def misspelt(model: str, catalogue: Catalogue) -> list[str]:
    """The ids that a name is close to, letter by letter."""
    known = known_ids(catalogue)
    return [known[key] for key in get_close_matches(model.casefold(), known, cutoff=CLOSE)]


def identified(model: str, catalogue: Catalogue) -> list[str]:
    """The ids that a name stands for; more than one where it does not say which."""
    known = known_ids(catalogue)
    current = catalogue.snapshot.id_of(model).casefold()
    exact = known.get(model.casefold()) or known.get(current)
    return [exact] if exact else provenance.meant(model, known.values())


def of_known(asked: str, id_: str, catalogue: Catalogue) -> Dossier:
    """What is known of a model that is on offer or in the snapshot."""
    spec, hub = catalogue.by_id.get(id_), catalogue.snapshot.get(id_)
    lineage = catalogue.lineage(id_) if spec else catalogue.snapshot.lineage(id_)
    stated = (spec.licence if spec else None) or licence_of(hub)
    return Dossier(
        asked=one_line(asked, LONGEST),
        id=id_,
        on_offer=spec is not None,
        name=spec.name if spec else None,
        made_by=spec.developer if spec else None,
        developer=provenance.maker(id_),
        origins=provenance.origins(id_, catalogue),
        ancestors=tuple(ancestors(lineage)),
        steps=lineage.steps,
        stated_licence=stated,
        licence=terms(stated),
        gated=hub.gated if hub else None,
        created=hub.created if hub else None,
        parameters=hub.parameters if hub else None,
        context=spec.context if spec else None,
        datasets=hub.datasets if hub else (),
        card=card(id_, spec, hub),
        providers=tuple(map(provenance.serving, hub.offers)) if hub else (),
    )


def licence_of(hub: HubModel | None) -> str | None:
    """As the card has it: `license: other` says less than its name."""
    return (hub.licence_name or hub.licence) if hub else None


def ancestors(lineage: Lineage) -> Iterator[Ancestor]:
    for node in lineage.ancestors:
        yield Ancestor(**node.model_dump(exclude={"state"}))


def terms(stated: str | None) -> LicenceTerms | None:
    """What a licence allows, in English."""
    licence = licences.of(stated)
    if licence is None:
        return None
    condition = licence.condition[explain.FALLBACK]
    return LicenceTerms(**licence.model_dump(exclude={"condition"}), condition=condition)


def card(id_: str, spec: ModelSpec | None, hub: HubModel | None) -> str | None:
    """The address of the model's card; none where the Hub shows no such model."""
    if spec:
        return spec.card
    return f"https://huggingface.co/{id_}" if hub and not hub.missing else None


def gaps(held: Dossier) -> Iterator[Aspect]:
    """What is not known of a model."""
    found: dict[Aspect, object] = {
        "developer": held.developer or held.made_by,
        "origin": held.origins and held.origins[0],
        "lineage": held.ancestors,
        "licence": held.stated_licence,
        "training data": held.datasets,
        "providers": held.providers,
    }
    return (aspect for aspect, known in found.items() if not known)
