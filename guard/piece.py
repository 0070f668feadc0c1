"""A piece of a reply that is handed on as it came, with what the guard reads of it.

It has the attributes of langchain-core's `AIMessageChunk` that are read of one (`asking.Said`), so
that a reply goes the same way whoever asks for it; making those took most of a token's time.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Piece(NamedTuple):
    """Some chunks of OpenAI's protocol that came together.

    `calls`: they hold calls of tools. `usage_metadata` counts tokens as langchain-core names them.
    `words` are the stretches of the text, one of each chunk.
    """

    chunks: tuple[dict[str, Any], ...]
    text: str = ""
    additional_kwargs: dict[str, str] = {}
    response_metadata: dict[str, str] = {}
    usage_metadata: Any = None
    calls: bool = False
    words: tuple[str, ...] = ()
