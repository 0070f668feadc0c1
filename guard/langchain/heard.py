"""The caller's chat models as the guard asks them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import cached_property
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
GROWN = 1.1
SILENT: RunnableConfig = {"callbacks": []}  # the models' own runs are no second reply to listeners


@dataclass
class Words:
    """The words in the arguments of calls, as these come: values alone, each on a line."""

    arguments: str = ""
    read: int = 0
    words: str = ""

    def take(self, piece: str) -> str:
        """What is new; each reading is of all, so only what has grown by a tenth is read."""
        self.arguments += piece
        if len(self.arguments) <= GROWN * self.read:
            return ""
        self.read = len(self.arguments)
        found = values(self.arguments)
        return self.beyond(found) if found.startswith(self.words) else ""  # half an escape

    def rest(self) -> str:
        """What is new at the end; all of it where a key that came twice has changed the rest."""
        found = values(self.arguments)
        return self.beyond(found) if found.startswith(self.words) else f"\n{found}"

    def beyond(self, found: str) -> str:
        new, self.words = found.removeprefix(self.words), found
        return new


def values(arguments: str) -> str:
    """The words of an object of JSON, as far as it has come."""
    try:
        return "\n".join(strings(parse_partial_json(arguments)))
    except (ValueError, RecursionError):
        return ""


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
    words: Words = Field(default_factory=Words)
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
            if rest := self.words.rest():
                yield AIMessageChunk(content=rest)
        except Exception as error:
            self.error = error
            raise

    def read(self, chunk: AIMessageChunk) -> AIMessageChunk:
        """A chunk as the guard reads it."""
        if not self.structured:
            return chunk
        new = self.words.take("".join(part["args"] or "" for part in chunk.tool_call_chunks))
        return chunk.model_copy(update={"content": chunk.text + new, "tool_call_chunks": []})

    @cached_property
    def whole(self) -> AIMessageChunk:
        """All that it said, once it has."""
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
