"""A whole reply of a chat model, asked for under bounds: for questions that no reader watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ProviderError
from .types import Message

if TYPE_CHECKING:  # langchain-core takes a second to import
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk


class Said(NamedTuple):
    """What a model said. `thoughts` is its separate channel, None where there was none."""

    text: str
    thoughts: str | None
    finish_reason: str | None


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Give up on what takes longer.

    Raises:
        ProviderError: `timeout`.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ProviderError("timeout", f"no whole reply within {seconds:g} seconds") from error


async def whole_reply(
    chat: BaseChatModel, messages: Sequence[Message], limit: int, **options: Any
) -> Said:
    """All that a model says, of each channel its first `limit` characters.

    Nothing more is read once the text has reached the limit; `finish_reason` is then `length`.
    `options` are the host's own (`temperature`, `response_format`).

    Raises:
        ProviderError: the host failed.
    """
    text, thoughts, finish = "", None, None
    async with aclosing(spoken(chat, messages, **options)) as chunks:
        async for chunk in chunks:
            finish = chunk.response_metadata.get("finish_reason") or finish
            thought = chunk.additional_kwargs.get("reasoning_content")
            if thought is not None:
                thoughts = (thoughts or "") + thought[: limit - len(thoughts or "")]
            text += chunk.text[: limit - len(text)]
            if len(text) >= limit:
                return Said(text, thoughts, "length")
    return Said(text, thoughts, finish)


async def spoken(
    chat: BaseChatModel, messages: Sequence[Message], **options: Any
) -> AsyncGenerator[AIMessageChunk, None]:
    """The chunks of a reply; a chat model that fails in its own way has failed as a host does."""
    told = [(message.role, message.text) for message in messages]
    try:
        async with aclosing(chat.astream(told, **options)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
    except ProviderError:
        raise
    except Exception as error:  # its words may hold a key: they stay in the cause
        raise ProviderError(
            "unavailable", f"the provider failed: {type(error).__name__}"
        ) from error
