"""Models for tests: what every entry needs, made up."""

from __future__ import annotations

from guard.types import BaseModelRef, ModelSpec


def spec(
    id_: str, origin: str = "CN", *bases: tuple[str, str], name: str | None = None
) -> ModelSpec:
    """A model of that id and origin, made from `bases`: pairs of an id and an origin."""
    return ModelSpec(
        id=id_,
        name=name or id_,
        developer="Test",
        origin=origin,
        licence="MIT",
        base=tuple(BaseModelRef(id=parent, origin=of) for parent, of in bases),
        context=4096,
        card="https://example.org",
    )
