"""What is known of a model by its name alone: its entry in `models.yaml`, or at most its origin."""

from __future__ import annotations

from pydantic import Field

from . import provenance
from .catalogue import Catalogue, with_lineage
from .types import ModelSpec


class Unlisted(ModelSpec):
    """A model without an entry: what nobody knows is empty. `origin` is a country or empty."""

    id: str = Field(min_length=1, max_length=200)
    developer: str = ""
    origin: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    licence: str = ""
    context: int = 0
    images: bool = True  # whether it sees is for whoever connects it to know
    card: str = ""


def spec_of(model: str, catalogue: Catalogue) -> ModelSpec:
    """The model behind an id, a name or what a host calls it, with its lineage.

    Raises:
        ValueError: the name is empty or longer than 200 characters.
    """
    known = provenance.meant(model, {*catalogue.by_id, *catalogue.snapshot.models})
    id_ = known[0] if len(known) == 1 else model
    if id_ in catalogue.by_id:
        return catalogue.by_id[id_]
    developer = provenance.maker(id_)
    origins = provenance.origins(model, catalogue)
    unlisted = Unlisted(
        id=id_,
        name=id_.rpartition("/")[2] or id_,
        developer=developer.name if developer else "",
        origin=origins[0] if origins else "",
    )
    return with_lineage(unlisted, catalogue.snapshot) if known else unlisted
