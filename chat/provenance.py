"""Where each model on offer comes from: what `/models` shows and `/models.json` gives.

Joined from `models.yaml`, the snapshot beside it and the guard's lists of developers, providers and
licences. Not covered: where this deployment reaches a model, which may hold a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Literal

from pydantic import Field

from guard import licences
from guard.audit.record import Measured, Summary
from guard.catalogue import Catalogue
from guard.developers import Developer, developer_of
from guard.licences import Licence
from guard.provenance import Serving, serving
from guard.snapshot import HubModel, Lineage
from guard.types import Country, ModelSpec, Value

Size = Literal["small", "medium", "large", "not stated"]
Permission = Literal["open", "commercial", "conditions", "non-commercial", "not known"]
OpenData = Literal["yes", "not stated"]
MEDIUM, LARGE = 10_000_000_000, 100_000_000_000  # parameters
COMMERCIAL: dict[licences.Allowed, Permission] = {
    "yes": "commercial",
    "with conditions": "conditions",
    "no": "non-commercial",
    "not known": "not known",
}


class Part(Value):
    """Which part a model plays in this deployment.

    `place` counts from 1 along its chain; `jurisdiction` is set where that chain is asked on topics
    of one country alone.
    """

    kind: Literal["default", "fallback", "judge"]
    place: int | None = None
    jurisdiction: Country | None = None


class ModelProvenance(Value):
    """All that is known of one model.

    `spec` is its entry in `models.yaml` with the ancestors that the snapshot adds, without the
    address where it is reached. `origins` are the developer's country, then those of the lineage.
    `hub` is what the snapshot holds, None where it holds nothing. `open_data` is `yes` where the
    card names training data. `permission` sums up the licence. `audit` is what the last audit
    shows of it at its own host.
    """

    spec: ModelSpec
    parts: tuple[Part, ...]
    origins: tuple[Country, ...]
    developer: Developer | None
    hub: HubModel | None
    lineage: Lineage
    licence: Licence | None
    permission: Permission
    size: Size
    open_data: OpenData
    providers: tuple[Serving, ...]
    audit: Measured | None = None


class Provenance(Value):
    """The export. `taken` is the snapshot's day, `exported` the day of the export, `audited` that
    of the audit."""

    form: Literal["candor-provenance-1"] = Field(default="candor-provenance-1")
    exported: date
    taken: date | None
    audited: date | None = None
    warnings: tuple[str, ...]
    models: tuple[ModelProvenance, ...]


def provenance(catalogue: Catalogue, today: date, audit: Summary | None = None) -> Provenance:
    """What is known of every model of the catalogue, in its order."""
    held = catalogue.snapshot
    shown = {one.model: one for one in audit.models if not one.host} if audit else {}
    return Provenance(
        exported=today,
        taken=held.taken,
        warnings=held.warnings,
        audited=audit.begun.date() if audit else None,
        models=tuple(of_model(spec, catalogue, shown.get(spec.id)) for spec in catalogue.models),
    )


def of_model(spec: ModelSpec, catalogue: Catalogue, audit: Measured | None) -> ModelProvenance:
    hub = catalogue.snapshot.get(spec.id)
    licence = licences.of(spec.licence)
    return ModelProvenance(
        spec=spec.model_copy(update={"base_url": None}),
        parts=tuple(parts(spec.id, catalogue)),
        origins=spec.origins,
        developer=developer_of(spec.id),
        hub=hub,
        lineage=catalogue.lineage(spec.id),
        licence=licence,
        permission=permission(licence),
        size=size(hub.parameters if hub else None),
        open_data="yes" if hub and hub.datasets else "not stated",
        providers=tuple(map(serving, hub.offers)) if hub else (),
        audit=audit,
    )


def parts(model: str, catalogue: Catalogue) -> Iterator[Part]:
    settings = catalogue.guard
    if model == catalogue.default:
        yield Part(kind="default")
    if model in settings.fallbacks:
        yield Part(kind="fallback", place=settings.fallbacks.index(model) + 1)
    for country, chain in settings.fallbacks_for.items():
        if model in chain:
            yield Part(kind="fallback", place=chain.index(model) + 1, jurisdiction=country)
    if model in settings.second_opinion.judges:
        yield Part(kind="judge")


def size(parameters: int | None) -> Size:
    if parameters is None:
        return "not stated"
    return "small" if parameters < MEDIUM else "medium" if parameters <= LARGE else "large"


def permission(licence: Licence | None) -> Permission:
    """The licence in a word: open source, else whether it allows commercial use."""
    if licence is None:
        return "not known"
    return "open" if licence.open else COMMERCIAL[licence.commercial]
