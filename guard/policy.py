"""From a verdict to an action, and from a model to those that may answer in its place. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .provenance import independent
from .types import Action, Mode, ModelSpec, Verdict

NEED_SUCCESSORS: frozenset[Mode] = frozenset({"fall back", "compare"})


def decide(verdict: Verdict, mode: Mode) -> Action:
    """What to do about a verdict.

    Only a reply that withholds on a taboo of its model's own origins is handed on; one that
    withholds elsewhere is a timid reply, and the reader is told. Where two models answer side by
    side the other's reply is there already.
    """
    if mode == "off" or verdict.status != "withheld":
        return "pass"
    return "fall back" if mode == "fall back" and verdict.aligned else "warn"


def hands_on(verdict: Verdict | None, mode: Mode, *, first: bool) -> bool:
    """Whether another model is to answer: for the first, as decided; for a fallback that withholds
    as well, whyever."""
    if verdict is None or mode != "fall back":
        return False
    return decide(verdict, mode) == "fall back" or (not first and verdict.status == "withheld")


def successors(
    model: ModelSpec, fallbacks: Iterable[ModelSpec], jurisdiction: str | None
) -> tuple[ModelSpec, ...]:
    """The fallbacks of another origin and lineage, without a stake in the topic, in their order."""
    return tuple(spec for spec in fallbacks if independent(spec, model, jurisdiction))
