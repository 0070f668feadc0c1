"""A host's words with a sign in place of NUL and of half characters, which are no text.

Neither a database nor UTF-8 takes them; some hosts cut a character in two.
"""

from __future__ import annotations

import re
from typing import Any

NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")


def characters(told: Any) -> Any:
    """A value of JSON, of the same length in each of its words."""
    if isinstance(told, str):
        return NO_CHARACTER.sub("\ufffd", told)
    if isinstance(told, dict):
        return type(told)((characters(key), characters(value)) for key, value in told.items())
    return type(told)(map(characters, told)) if isinstance(told, list | tuple) else told
