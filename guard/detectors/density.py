"""What a phrase weighs by the length around it: much in a paragraph, little in an essay."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..types import Span

PER = 600  # Latin characters, about one paragraph


def density(count: float, size: float, steepness: float) -> float:
    """0 without a phrase, near 1 with several in each paragraph."""
    return 1 - math.exp(-steepness * count * PER / max(size, PER))


def fading(size: float, full: float, faint: float, least: float) -> float:
    """1 up to the length `full`, then falling evenly to `least` at the length `faint`."""
    if size <= full:
        return 1.0
    return max(least, 1 - (1 - least) * (size - full) / (faint - full))


def first(spans: Sequence[Span], most: int = 8) -> tuple[Span, ...]:
    """The first `most` spans, in the order of the text, overlapping ones joined."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined[:most])
