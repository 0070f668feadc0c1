"""When a growing reply is looked at: once it has grown by a share, and another sentence has ended.

The one rule for the reply that streams (`Schedule`) and for one that is replayed (`check_points`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .text import SENTENCE_END, sentence_ends

FIRST_CHECK = 36  # characters; shorter beginnings say nothing in any script
GROWTH = 1.4  # a growing reply is looked at again when it is this much longer
AT_ONCE = re.compile(r"[。！？…؟।\n]")  # whatever follows; a full stop needs a space
TAIL = ".!?…\"'”’)]*_"  # what a sentence end may consist of before its space has come


@dataclass
class Schedule:
    """When a reply that grows is due to be looked at again.

    `checked` is the length at the last look. No sentence end begins between it and `searched`, so
    that a reply without any is not searched from there again with each word.
    """

    checked: int = 0
    searched: int = 0

    def due(self, reply: str) -> bool:
        """Whether the reply has a new sentence end and has grown enough to look at again."""
        if len(reply) < least(self.checked):
            return False
        start = max(self.checked, self.searched)
        if next(sentence_ends(reply, start), None) is not None:
            return True
        self.searched = max(start, len(reply.rstrip(TAIL)))
        return False

    def looked(self, length: int) -> None:
        """Note that the reply was looked at when it was that long."""
        self.checked = length


def least(checked: int) -> int:
    """The length below which a reply that was last looked at when `checked` long is let be."""
    return max(FIRST_CHECK, math.ceil(checked * GROWTH))


def check_points(reply: str) -> Iterator[int]:
    """The lengths at which `reply` is looked at, were it to stream character by character."""
    checked = 0
    while (seen := first_end(reply, checked)) is not None:
        checked = max(seen, least(checked))
        if checked > len(reply):
            return
        yield checked


def first_end(reply: str, start: int) -> int | None:
    """How much of the reply has come when its first sentence end from `start` on can be seen."""
    match = SENTENCE_END.search(reply, start)
    if match is None:
        return None
    certain = AT_ONCE.search(reply, match.start(), match.end())
    return certain.end() if certain else match.end() + 1
