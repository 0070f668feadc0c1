"""From a verdict to an action, and from a model to those that may answer in its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .provenance import independent
from .types import Action, Mode, ModelSpec, Verdict


def decide(verdict: Verdict, mode: Mode) -> Action:
    """What to do about a verdict.

    Only a reply that withholds on a taboo of its model's own origins is handed on; one that
    withholds elsewhere is a timid reply, and the reader is told.
    """
    if mode == "off" or verdict.status != "withheld":
        return "pass"
    return "fall back" if mode == "fall back" and verdict.aligned else "warn"


def successors(
    model: ModelSpec, fallbacks: Iterable[ModelSpec], jurisdiction: str | None
) -> tuple[ModelSpec, ...]:
    """The fallbacks of another origin and lineage, without a stake in the topic, in their order."""
    return tuple(spec for spec in fallbacks if independent(spec, model, jurisdiction))
