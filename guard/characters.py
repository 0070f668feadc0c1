"""Foreign words with a sign in place of NUL and of half characters, which are no text.

Neither a database nor UTF-8 takes them; some hosts cut a character in two. What is lost is
replaced, so that places stay.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

T = TypeVar("T")
NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")


def repaired(given: T) -> T:
    """Words of the same length; what is no text comes back as it is."""
    return NO_CHARACTER.sub("\ufffd", given) if isinstance(given, str) else given  # type: ignore[return-value]


def characters(told: Any) -> Any:
    """A value of JSON, each of its words `repaired`."""
    if isinstance(told, dict):
        return type(told)((characters(key), characters(value)) for key, value in told.items())
    if isinstance(told, list):
        return [*map(characters, told)]
    return repaired(told)
