"""`/v1/models`: what is on offer, and what is known of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from guard.catalogue import Catalogue
from guard.types import ModelSpec

from .schema import Model, Models, Offered
from .sharing import api_of
from .wire import answered

CREATED = 1_700_000_000  # clients want a number, and nobody knows one


async def models(request: Request) -> Response:
    """The models on offer."""
    guard, _ = await api_of(request).entered(request)
    return answered(Models(data=[offered(spec, guard.models) for spec in guard.models.models]))


async def model(request: Request) -> Response:
    """One of them."""
    guard, _ = await api_of(request).entered(request)
    spec = guard.models.get(request.path_params["model"])
    return answered(offered(spec, guard.models))


def offered(spec: ModelSpec, models: Catalogue) -> Model:
    """A model as clients list it, with what the guard knows."""
    known = Offered(
        name=spec.name,
        developer=spec.developer,
        origin=spec.origin,
        lineage=spec.base,
        licence=spec.licence,
        context=spec.context,
        reasoning=spec.reasoning,
        images=spec.images,
        default=spec.id == models.default,
    )
    return Model(id=spec.id, created=CREATED, owned_by=spec.developer, guard=known)
