"""The caller's chat models as the guard asks them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.utils.json import parse_partial_json
from pydantic import Field

T = TypeVar("T")
SILENT: RunnableConfig = {"callbacks": []}  # the models' own runs are no second reply to listeners


class Heard(BaseChatModel):
    """A chat model of the caller's as the guard asks it: silent, and with all it says kept.

    `plain` has it asked by its synchronous side, whose connections outlive an event loop. Where
    calls of tools are the answer (`structured`), the guard reads their words.
    """

    chat: BaseChatModel
    parameters: dict[str, Any]
    plain: bool = False
    structured: bool = False
    chunks: list[AIMessageChunk] = Field(default_factory=list)
    arguments: str = ""
    words: str = ""
    error: Exception | None = None

    @property
    def _llm_type(self) -> str:
        return "candor-heard"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        return self.chat._generate(*args, **kwargs)

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        try:
            chat, given = bound(self.chat, **self.parameters, **kwargs)
            speaking = (
                threaded(chat.stream(input, SILENT, **given))
                if self.plain
                else chat.astream(input, SILENT, **given)
            )
            async with aclosing(speaking) as messages:  # type: ignore[type-var]
                async for message in messages:
                    chunk = as_chunk(message)
                    self.chunks.append(chunk)
                    yield self.read(chunk)
        except Exception as error:
            self.error = error
            raise

    def read(self, chunk: AIMessageChunk) -> AIMessageChunk:
        """A chunk as the guard reads it."""
        if not self.structured:
            return chunk
        self.arguments += "".join(part["args"] or "" for part in chunk.tool_call_chunks)
        words = words_of(self.arguments)
        new = words.removeprefix(self.words) if words.startswith(self.words) else ""
        self.words += new
        return chunk.model_copy(update={"content": chunk.text + new, "tool_call_chunks": []})

    @property
    def whole(self) -> AIMessageChunk:
        """All that it said."""
        return add_ai_message_chunks(*(self.chunks or [AIMessageChunk(content="")]))


def bound(
    chat: BaseChatModel, **parameters: Any
) -> tuple[Runnable[LanguageModelInput, AIMessage], dict[str, Any]]:
    """A chat model and what is asked of it; tools go through its own way of taking them.

    The two are apart since a binding would ask it before those who listen to the chain around us.

    Raises:
        NotImplementedError: it takes no tools.
    """
    tools = parameters.pop("tools", None)
    given = {name: value for name, value in parameters.items() if value is not None}
    if not tools:
        return chat, given
    binding = chat.bind_tools(tools, **given)
    if isinstance(binding, RunnableBinding):
        return binding.bound, {**binding.kwargs}
    return binding, {}


def as_chunk(message: BaseMessage) -> AIMessageChunk:
    """A message as a chunk: chat models that do not stream give whole ones.

    Raises:
        TypeError: it is no chat model's.
    """
    if isinstance(message, AIMessageChunk):
        return message.model_copy(update={"chunk_position": None})
    if not isinstance(message, AIMessage):
        raise TypeError(f"a chat model gave a {type(message).__name__} for a reply")
    calls = [(call["name"], json.dumps(call["args"]), call["id"]) for call in message.tool_calls]
    calls += [(c["name"] or "", c["args"] or "", c["id"]) for c in message.invalid_tool_calls]
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
        name=message.name,
        tool_call_chunks=[
            tool_call_chunk(name=name, args=args, id=id_, index=n)
            for n, (name, args, id_) in enumerate(calls)
        ],
    )


def words_of(arguments: str) -> str:
    """The words in the arguments of a call, as far as they have come."""
    try:
        found = parse_partial_json(arguments)
    except (ValueError, RecursionError):
        return ""
    return "\n".join(strings(found))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


async def threaded(items: Iterator[T]) -> AsyncGenerator[T, None]:
    """The items of an iterator that blocks."""
    try:
        while (item := await asyncio.to_thread(next, items, None)) is not None:
            yield item
    finally:
        if isinstance(items, Generator):
            with suppress(ValueError):  # it waits for its host: then it ends with that
                await asyncio.to_thread(items.close)
