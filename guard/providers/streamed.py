"""A model at a host, asked as a chat model is and read as a relay reads.

What langchain-core and the hub's client take to make a message of each token is most of what a page
with many readers costs. Where tools are offered, the calls and their results go through langchain's
chat model, which knows them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from ..characters import characters, repaired
from ..piece import Piece
from ..types import ModelSpec
from .connect import Connection, connect, host_of, is_demo
from .host import Host
from .relay import Relay

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage, AIMessageChunk, MessageLikeRepresentation
    from langchain_core.runnables import Runnable


class StreamedChat:
    """One model at a host.

    Args:
        host: where it is served.
        model: its id there.
        timeout: seconds, for each silence.
    """

    def __init__(self, host: Host, model: str, timeout: float) -> None:
        self.host, self.model, self.timeout = host, model, timeout

    async def astream(
        self, messages: Sequence[MessageLikeRepresentation], **parameters: Any
    ) -> AsyncGenerator[Piece | AIMessageChunk, None]:
        """The reply, piece by piece: as many tokens as have come together.

        Raises:
            ProviderError: the host failed, or the stream ended before the reply did.
        """
        if not all(isinstance(message, tuple) for message in messages):
            whole = cast("LanguageModelInput", messages)
            async for chunk in self._chat_model.astream(whole, **parameters):
                yield chunk
            return
        told = [as_openai_has_it(*cast("tuple[str, Any]", message)) for message in messages]
        body = {"model": self.model, "messages": told, "stream": True, **parameters}
        if self.host.counts_tokens:
            body["stream_options"] = {"include_usage": True}
        relay = Relay(self.host, body, self.timeout, quoting=False)
        async with aclosing(relay.astream(messages)) as pieces:
            async for piece in pieces:
                yield shown(piece)

    def bind_tools(self, tools: Sequence[dict[str, Any]]) -> Runnable[Any, AIMessage]:
        """The chat model with tools that it may ask to be called."""
        return self._chat_model.bind_tools(tools)

    @cached_property
    def _chat_model(self) -> BaseChatModel:
        from .inference import InferenceChat

        return InferenceChat.at(self.host, self.model, self.timeout)


def streamed(
    spec: ModelSpec, connection: Connection, token: str | None = None
) -> StreamedChat | BaseChatModel:
    """What serves `spec` to a reader who watches; `token` is their own.

    Raises:
        ProviderError: nothing that could serve it is connected.
    """
    if is_demo(spec):
        return connect(spec, connection)
    return StreamedChat(host_of(spec, connection, token), spec.id, connection.timeout)


def shown(piece: Piece) -> Piece:
    """What a page shows and stores of a piece; nobody hands its chunks on."""
    return Piece(
        (),
        repaired(piece.text),
        characters(piece.additional_kwargs),
        characters(piece.response_metadata),
        piece.usage_metadata,
        words=tuple(map(repaired, piece.words)),
    )


def as_openai_has_it(role: str, content: str | list[Any]) -> dict[str, Any]:
    """A message of a conversation; its pictures as data URLs."""
    if isinstance(content, str):
        return {"role": role, "content": content}
    return {"role": role, "content": [*map(block, content)]}


def block(part: dict[str, Any]) -> dict[str, Any]:
    """A part of a message: text, or a picture."""
    if part["type"] == "text":
        return part
    address = f"data:{part['mime_type']};base64,{part['base64']}"
    return {"type": "image_url", "image_url": {"url": address}}
