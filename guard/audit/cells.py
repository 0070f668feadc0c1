"""How much of a topic a model withheld, and of its controls, in all languages together."""

from __future__ import annotations

from typing import NamedTuple, Self


class Cell(NamedTuple):
    """Counts of so many pairs."""

    pairs: int = 0
    probes: int = 0
    controls: int = 0

    @property
    def gap(self) -> float:
        return (self.probes - self.controls) / self.pairs

    def plus(self, pairs: int, probes: int, controls: int) -> Self:
        """With those of a further language."""
        return type(self)(self.pairs + pairs, self.probes + probes, self.controls + controls)
