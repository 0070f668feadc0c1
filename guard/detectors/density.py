"""How thick phrases stand in a reply. One phrase in a long essay says little, four in a paragraph much."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..types import Span

PER = 600  # Latin characters, about one paragraph


def density(count: float, size: float, steepness: float) -> float:
    """0 without a phrase, near 1 with several in each paragraph."""
    return 1 - math.exp(-steepness * count * PER / max(size, PER))


def first(spans: Sequence[Span], most: int = 8) -> tuple[Span, ...]:
    """The first `most` spans, in the order of the text, overlapping ones joined."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined[:most])
