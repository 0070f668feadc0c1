"""What a chat model says, under bounds; and whole replies to questions that no reader watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .errors import ProviderError
from .events import Billed
from .piece import Piece
from .prices import Spent
from .snapshot import Snapshot
from .types import Message, ModelSpec, Options

if TYPE_CHECKING:  # langchain-core takes a second to import
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import (
        AIMessage,
        AIMessageChunk,
        BaseMessage,
        MessageLikeRepresentation,
    )
    from langchain_core.runnables import Runnable

    from .providers.relay import Relay
    from .providers.streamed import StreamedChat

    Speaks: TypeAlias = Runnable[LanguageModelInput, AIMessage] | Relay | StreamedChat
    Chunk: TypeAlias = AIMessageChunk | Piece  # of a reply


MOST = 200_000  # characters that are counted of what is said besides the replies


@dataclass
class Said:
    """What has come of a reply: of each channel at most `limit` characters.

    `thoughts` is the separate channel, None where there was none; `spent` counts the tokens;
    `provider` and `answered_as` are as the host tells.
    """

    limit: int
    spent: Spent = field(default_factory=Spent)
    text: str = ""
    thoughts: str | None = None
    finish_reason: str = ""
    provider: str = ""
    answered_as: str = ""

    def take(self, chunk: AIMessage | Piece) -> tuple[str, str]:
        """Add a chunk, or a whole message; what it brought of the thoughts, and of the text."""
        meta = chunk.response_metadata
        self.finish_reason = meta.get("finish_reason") or self.finish_reason
        self.provider = meta.get("provider") or self.provider
        self.answered_as = meta.get("model_name") or self.answered_as
        self.spent.take(chunk.usage_metadata)
        thought = (chunk.additional_kwargs.get("reasoning_content") or "")[: self.room("thoughts")]
        text = chunk.text[: self.room("text")]
        if "reasoning_content" in chunk.additional_kwargs:
            self.thoughts = (self.thoughts or "") + thought
        self.text += text
        stretches = chunk.words if isinstance(chunk, Piece) else (text,)
        for piece in filter(None, (thought, *stretches)):
            self.spent.read(piece)
        return thought, text

    def room(self, channel: Literal["thoughts", "text"]) -> int:
        return self.limit - len(getattr(self, channel) or "")


class Metered:
    """A chat model that is asked besides the replies, its tokens counted as they come.

    They are counted also where its host fails, or whoever asks waits no longer.

    Args:
        connecting: to the chat model behind a spec.
        spec: which model it is.
        prices: what its tokens cost.
    """

    def __init__(
        self, connecting: Callable[[ModelSpec], BaseChatModel], spec: ModelSpec, prices: Snapshot
    ) -> None:
        self.connecting, self.spec, self.prices = connecting, spec, prices
        self.said = Said(MOST)

    async def astream(
        self, messages: Sequence[MessageLikeRepresentation], **options: Any
    ) -> AsyncGenerator[AIMessageChunk, None]:
        """The chunks of its reply.

        Raises:
            ProviderError: its host failed.
        """
        self.said.spent.ask_again(sum(map(length, messages)))
        chunks: Any = self.connecting(self.spec).astream(messages, **options)
        async with aclosing(chunks):
            async for chunk in chunks:
                self.said.take(chunk)
                yield chunk

    def bill(self, attempt: int) -> Billed:
        """What asking it has taken, for the sake of an attempt's reply."""
        spent = self.said.spent
        dollars = spent.dollars(self.prices.offer(self.spec.id, self.said.provider))
        return Billed(attempt=attempt, model=self.spec, tokens=spent.completion, dollars=dollars)


def length(message: Any) -> int:
    """The characters of a message's text."""
    told = message[1] if isinstance(message, tuple) else message.content
    return len(told) if isinstance(told, str) else 0


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
    chat: BaseChatModel | Metered, messages: Sequence[Message], limit: int, **options: Any
) -> Said:
    """All that a model says, of each channel its first `limit` characters.

    Nothing more is read once the text has reached the limit; `finish_reason` is then `length`.
    `options` are the host's own (`temperature`, `response_format`).

    Raises:
        ProviderError: the host failed.
    """
    said = Said(limit, Spent.asking(messages))
    async with aclosing(spoken(chat, messages, **options)) as chunks:
        async for chunk in chunks:
            said.take(chunk)
            if not said.room("text"):
                said.finish_reason = "length"
                break
    return said


async def spoken(
    chat: Speaks | Metered,
    messages: Sequence[Message | BaseMessage],
    after: Sequence[BaseMessage] = (),
    **options: Any,
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a reply. `after` follow the conversation: tools' calls, and what they gave."""
    with faults_of_the_chat_model():
        asked: LanguageModelInput = [*told(messages), *after]
        async with aclosing(chat.astream(asked, **options)) as chunks:  # type: ignore[arg-type, type-var]
            async for chunk in chunks:
                yield chunk  # type: ignore[misc]  # of a chat model these are chunks of a message


async def in_one_piece(
    chat: BaseChatModel, messages: Sequence[Message], **options: Any
) -> AIMessage:
    """A reply in one piece, which takes a fiftieth of the work of reading its tokens one by one.

    The host is silent until all is said: a long reply may fail with `timeout` or `interrupted`, and
    a very long one with `too_long`, though it could be streamed.
    """
    with faults_of_the_chat_model():
        return await chat.ainvoke(told(messages), **options)


def instructed(messages: Sequence[Message], options: Options) -> Sequence[Message]:
    """The messages below the reader's own system prompt, if there is one."""
    own = options.system.strip()
    return [Message(role="system", text=own), *messages] if own else messages


def told(messages: Sequence[Message | BaseMessage]) -> list[MessageLikeRepresentation]:
    """Messages as langchain takes them: text, or blocks where pictures belong to it.

    Those that are langchain's own stay as they are.
    """
    return [
        (message.role, content(message)) if isinstance(message, Message) else message
        for message in messages
    ]


def content(message: Message) -> str | list[str | dict[str, Any]]:
    if not message.images:
        return message.text
    seen: list[str | dict[str, Any]] = [
        {"type": "image", "base64": image.base64, "mime_type": image.media_type}
        for image in message.images
    ]
    return [*seen, {"type": "text", "text": message.text}]


@contextmanager
def faults_of_the_chat_model() -> Iterator[None]:
    """A chat model that fails in its own way has failed as a host does."""
    try:
        yield
    except ProviderError:
        raise
    except Exception as error:  # its words may hold a key: they stay in the cause
        raise ProviderError(
            "unavailable", f"the provider failed: {type(error).__name__}"
        ) from error
