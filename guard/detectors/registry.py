"""The detectors by name, in the order they were registered."""

from __future__ import annotations

from collections.abc import Callable

from ..exchange import Exchange
from ..types import Signal

Detector = Callable[[Exchange], Signal]
DETECTORS: dict[str, Detector] = {}


def detector(function: Detector) -> Detector:
    """Register `function` under its module's name."""
    name = function.__module__.rpartition(".")[2]
    if name in DETECTORS:
        raise ValueError(f"a detector {name!r} is registered already")
    DETECTORS[name] = function
    return function
