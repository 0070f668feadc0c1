"""The guard around LangChain's chat models, and as a step of a chain.

    from guard.langchain import GuardedChatModel, check

A reply goes the one way that all replies go (`pipeline.Run`); here the chat models are the caller's
own, and what they are told and say beside words (tools, pictures, usage) passes as it is. Needs
langchain-core alone. Not covered: several choices in one reply, and the mode `compare`.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, NamedTuple, Self, TypeVar
from uuid import UUID, uuid4

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    convert_to_messages,
    message_chunk_to_message,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableLambda
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.json import parse_partial_json
from langchain_core.utils.utils import LC_ID_PREFIX
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from . import catalogue as catalogue_file
from . import explain, provenance
from .attempt import Attempt, Query
from .catalogue import Catalogue, GuardSettings, Limits, joined
from .errors import InputError
from .events import Delta, Event, FellBack, Judged, Thought
from .patience import Patience
from .pipeline import Guard, Run
from .providers.plainly import iterate
from .telling import Telling
from .types import Image, Message, ModelSpec, Verdict
from .unlisted import spec_of

T = TypeVar("T")
GuardMode = Literal["off", "warn", "fall back"]
GUARD = "guard"  # the key of `response_metadata`
VERDICT, FELL_BACK = "guard_verdict", "guard_fell_back"  # callback events
PROVIDER = "model_provider"  # by which langchain reads the blocks of each single chunk
SILENT: RunnableConfig = {"callbacks": []}  # the models' own runs are no second reply to listeners
LIMITS = Limits(models=10, seconds=3600)  # the caller's models have bounds of their own
BLOCKS = 1000  # indices of content blocks and calls that one attempt has to itself
WANTED = (
    'check wants {"question": …, "reply": …}, or messages: one of them a human\'s, the last one '
    "a model's"
)
ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "human": "user",
    "ai": "assistant",
}


class Announcement(NamedTuple):
    """A callback event."""

    name: str
    data: dict[str, Any]


class Caller(NamedTuple):
    """Who listens to a run."""

    manager: CallbackManager | AsyncCallbackManager
    run: UUID


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


@dataclass
class Course:
    """One question on its way, and what of the models' chunks is passed on when.

    Of a reply the first `hold` characters are held back until more have come, or its verdict is
    final: what is held of a reply that is handed on is not passed on. Calls of tools come once no
    other model answers instead. `sent` counts the chunks that were passed on, by attempt.
    """

    run: Run
    first: ModelSpec
    telling: Telling
    heard: list[Heard]
    hold: float
    sent: dict[int, int] = field(default_factory=dict)

    async def pieces(self) -> AsyncGenerator[AIMessageChunk | Announcement, None]:
        """The chunks and callback events in their order; the last chunk holds the report.

        Raises:
            Exception: as the model raised it that no other has answered for.
        """
        async with aclosing(self.run.events(self.first)) as events:
            async for event in events:
                self.telling.take(event)
                for piece in self.told(event):
                    yield piece
        answering = self.answering()
        for chunk in self.passed_on(answering.number, calls=True):
            yield chunk
        yield AIMessageChunk(
            content="", response_metadata=self.metadata(answering), chunk_position="last"
        )

    def told(self, event: Event) -> Iterator[AIMessageChunk | Announcement]:
        match event:
            case Delta() | Thought():
                said = self.run.attempts[event.attempt].said.text
                if not self.hold or len(said) > self.hold:
                    yield from self.passed_on(event.attempt)
            case Judged(final=True):
                data = event.model_dump(mode="json", include={"attempt", "action", "verdict"})
                model = self.run.attempts[event.attempt].model.id
                yield Announcement(VERDICT, {**data, "model": model})
            case FellBack():
                yield Announcement(
                    FELL_BACK, {"attempt": event.attempt, "to": event.to.id, "cause": event.cause}
                )

    def passed_on(self, attempt: int, *, calls: bool = False) -> Iterator[AIMessageChunk]:
        """The chunks of an attempt that were not yet, apart from what an earlier one has said.

        Those from the first call of a tool on come with `calls` only.
        """
        sent = self.sent.get(attempt, 0)
        due = self.heard[attempt].chunks[sent:]
        due = due if calls else [*takewhile(lambda chunk: not chunk.tool_call_chunks, due)]
        if due and not sent and any(self.sent.get(earlier) for earlier in range(attempt)):
            yield AIMessageChunk(content=self.separation(attempt))
        for chunk in due:
            yield beside(chunk, attempt)
        self.sent[attempt] = sent + len(due)

    def separation(self, attempt: int) -> str:
        """Where one reply ends and the next begins, in the guard's words."""
        before, model = self.run.attempts[attempt - 1], self.run.attempts[attempt].model
        why = before.verdict.explanation if before.verdict else ""
        country = explain.country(model.origin, self.telling.language)
        return f"\n\n---\n\nCandor: {why}\n\n{model.name} ({country}):\n\n"

    def answering(self) -> Attempt:
        """Whose reply counts: the last that came, or an earlier one where then a host failed.

        Raises:
            Exception: the host failed within the reply, or nobody has said anything.
        """
        last = self.run.attempts[-1]
        if last.fault is None:
            return last
        spoke = [attempt for attempt in self.run.attempts if not attempt.said_nothing]
        if last.said_nothing and spoke:
            return spoke[-1]
        if last.fault.kind == "empty":
            return last
        failed = last if spoke else self.run.attempts[0]
        error = self.heard[failed.number].error or failed.fault or last.fault
        raise error

    def metadata(self, answering: Attempt) -> dict[str, Any]:
        """What the answering model's host tells of its reply, and the guard's report."""
        told = self.heard[answering.number].whole.response_metadata
        told = {key: value for key, value in told.items() if key != PROVIDER}
        return {**told, GUARD: self.telling.report.model_dump(mode="json")}

    def result(self, run: UUID | None) -> ChatResult:
        """The answering model's reply alone; with the id of a run whose chunks were shown."""
        answering = self.answering()
        whole = self.heard[answering.number].whole
        metadata = {**whole.response_metadata, **self.metadata(answering)}
        whole = whole.model_copy(update={"response_metadata": metadata, "id": own_id(whole)})
        message = message_chunk_to_message(with_id_of(run, whole) if run else whole)
        return ChatResult(generations=[ChatGeneration(message=message)])


def beside(chunk: AIMessageChunk, attempt: int) -> AIMessageChunk:
    """A chunk that can be added to those of other attempts.

    Its metadata comes with the last chunk (langchain would join the words of both), and its blocks
    and calls have indices of their own.
    """
    apart = attempt * BLOCKS
    content = chunk.content
    if apart and isinstance(content, list):
        content = [
            {**block, "index": block["index"] + apart}
            if isinstance(block, dict) and isinstance(block.get("index"), int)
            else block
            for block in content
        ]
    calls = [
        {**part, "index": (part["index"] or 0) + apart} if apart else part
        for part in chunk.tool_call_chunks
    ]
    kept = {} if apart else {PROVIDER: chunk.response_metadata.get(PROVIDER)}
    return AIMessageChunk(
        content=content,
        additional_kwargs=chunk.additional_kwargs,
        response_metadata={key: value for key, value in kept.items() if value},
        tool_call_chunks=calls,
        usage_metadata=chunk.usage_metadata,
        id=None if apart else own_id(chunk),
        name=chunk.name,
    )


def own_id(message: BaseMessage) -> str | None:
    """The id that the provider gave; one that langchain made is of another run."""
    return message.id if message.id and not message.id.startswith(("lc_", "run-")) else None


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


def listener(
    run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun,
) -> Caller:
    """Who listens to a run that langchain has begun."""
    kind = (
        AsyncCallbackManager
        if isinstance(run_manager, AsyncCallbackManagerForLLMRun)
        else CallbackManager
    )
    manager = kind(
        handlers=run_manager.handlers, tags=run_manager.tags, metadata=run_manager.metadata
    )
    return Caller(manager, run_manager.run_id)


class GuardedChatModel(BaseChatModel):
    """A chat model whose replies the guard checks, with others that answer where it withholds.

        guarded = GuardedChatModel(
            model=ChatOpenAI(model="Qwen/Qwen2.5-72B-Instruct", base_url=...),
            fallbacks={"meta-llama/Llama-3.3-70B-Instruct": ChatOpenAI(...)},
        )
        guarded.invoke("What happened at Tiananmen Square in 1989?").response_metadata["guard"]

    A stream brings the first reply as it comes and, below a separation, that of a model that
    answers instead; `invoke` returns the answering model's alone. The last chunk, or the message,
    holds a `GuardReport` as JSON in `response_metadata["guard"]`; the callback events
    `guard_verdict` and `guard_fell_back` tell the same while it happens. A model that fails before
    it has said anything is answered for as well; where nobody does, its own exception is raised.

    Args:
        model: the chat model. What belongs to a connection (keys, timeouts, retries) is set there.
        model_id: its id on the Hub, from which its origin is known; the name that the chat model
            itself goes by where left out. Of an unknown origin no topic is a taboo: its replies are
            warned about at most.
        fallbacks: chat models by their ids, asked in this order. Each must be of another origin and
            lineage than the first.
        mode: `off`, `warn` or `fall back`; the last is the default where there are fallbacks.
        language: of explanations and facts.
        hold: how many characters of a streamed reply are held back, so that one that withholds at
            its beginning is not shown at all.
        models: a catalogue that knows the models; `models.yaml` where left out.
        temperature, max_tokens, stop: of every model that is asked; their own where left out.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    model: BaseChatModel
    model_id: str = ""
    fallbacks: dict[str, BaseChatModel] = Field(default_factory=dict)
    mode: GuardMode = "warn"
    language: str = explain.FALLBACK
    hold: int = Field(default=0, ge=0)
    models: Catalogue = Field(default_factory=catalogue_file.load, exclude=True, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = Field(default=None, alias="stop")
    _chats: dict[str, BaseChatModel] = PrivateAttr()
    _offer: Catalogue = PrivateAttr()
    _structured: bool = PrivateAttr(default=False)
    _caller: Caller | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _falls_back_where_it_can(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("fallbacks"):
            return {"mode": "fall back", **given}
        return given

    @model_validator(mode="after")
    def _knows_its_models(self) -> Self:
        """Find out who made the models.

        Raises:
            ValueError: a fallback could never be asked.
        """
        if self.mode == "fall back" and not self.fallbacks:
            raise ValueError("the mode 'fall back' needs fallbacks; name some, or set 'warn'")
        first = spec_of(self.model_id or named(self.model), self.models)
        specs = {spec_of(id_, self.models): chat for id_, chat in self.fallbacks.items()}
        for spec in specs:
            refuse_dependent(spec, first)
        self._chats = {spec.id: chat for spec, chat in specs.items()}
        settings = GuardSettings(
            mode=self.mode, fallbacks=tuple(self._chats), limits=LIMITS, control="off"
        )
        offer = Catalogue(default=first.id, guard=settings, models=(first, *specs))
        self._offer = joined(offer, self.models.snapshot)
        return self

    @property
    def _first(self) -> ModelSpec:
        return self._offer.by_id[self._offer.default]

    @property
    def _llm_type(self) -> str:
        return "candor-guarded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """All that a reply depends on, as caches of langchain tell one model from another by it."""
        return {
            "model": self._first.id,
            "asked": self.model.asdict(),
            "fallbacks": {id_: chat.asdict() for id_, chat in self._chats.items()},
            **self.model_dump(include={"mode", "language", "temperature", "max_tokens"}),
            "stop_sequences": self.stop_sequences,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "candor"
        params["ls_model_name"] = kwargs.get("model", self._first.id)
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The chat model and its fallbacks with tools; each takes them in its own way.

        Raises:
            NotImplementedError: one of them takes no tools.
        """
        formal = [
            tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in tools
        ]
        chosen = {"tool_choice": tool_choice} if tool_choice else {}
        for chat in (self.model, *self._chats.values()):
            bound(chat, tools=formal, **chosen)
        return self.bind(tools=formal, **chosen, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Replies in a schema, by a call of a tool whatever `method` says.

        The guard reads the words in it; a reply that is handed on is not passed on at all.
        """
        structured = self.model_copy()
        structured._structured = True
        return BaseChatModel.with_structured_output(
            structured, schema, include_raw=include_raw, **kwargs
        )

    def _should_stream(self, **kwargs: Any) -> bool:
        """Whether langchain reads a stream; never for a message, which has one model's words."""
        return kwargs.get("run_manager") is None and super()._should_stream(**kwargs)

    def _should_use_protocol_streaming(self, **_: Any) -> bool:
        """The same for its newer streams."""
        return False

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        asked, config = self._listened_to(config, AsyncCallbackManager)
        chunks = BaseChatModel.astream(asked, input, config, stop=stop, **kwargs)
        async with aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        asked, config = self._listened_to(config, CallbackManager)
        yield from BaseChatModel.stream(asked, input, config, stop=stop, **kwargs)

    def _listened_to(
        self, config: RunnableConfig | None, kind: type[CallbackManager | AsyncCallbackManager]
    ) -> tuple[Self, RunnableConfig]:
        """The model for one stream: langchain does not tell `_stream` who listens."""
        config = ensure_config(config)
        run = config["run_id"] = config.get("run_id") or uuid4()
        manager = kind.configure(
            config.get("callbacks"),
            self.callbacks,
            self.verbose,
            config.get("tags"),
            self.tags,
            config.get("metadata"),
            self.metadata,
        )
        asked = self.model_copy()
        asked._caller = Caller(manager, run)
        return asked, config

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        caller = listener(run_manager) if run_manager else self._caller
        course = self._course(messages, stop, **kwargs)
        async with aclosing(course.pieces()) as pieces:
            async for piece in pieces:
                if isinstance(piece, AIMessageChunk):
                    yield ChatGenerationChunk(message=piece)
                else:
                    await announce(caller, piece)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        caller = listener(run_manager) if run_manager else self._caller
        course = self._course(messages, stop, plain=True, **kwargs)
        for piece in iterate(course.pieces()):
            if isinstance(piece, AIMessageChunk):
                yield ChatGenerationChunk(message=piece)
            else:
                announce_plainly(caller, piece)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        caller = listener(run_manager) if run_manager else None
        shown = run_manager if self._wanted_as_it_comes(run_manager, **kwargs) else None
        course = self._course(messages, stop, **kwargs)
        async with aclosing(course.pieces()) as pieces:
            async for piece in pieces:
                if isinstance(piece, Announcement):
                    await announce(caller, piece)
                elif shown:
                    chunk = ChatGenerationChunk(message=with_id_of(shown.run_id, piece))
                    await shown.on_llm_new_token(piece.text, chunk=chunk)
        return course.result(shown.run_id if shown else None)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        caller = listener(run_manager) if run_manager else None
        shown = run_manager if self._wanted_as_it_comes(run_manager, **kwargs) else None
        course = self._course(messages, stop, plain=True, **kwargs)
        for piece in iterate(course.pieces()):
            if isinstance(piece, Announcement):
                announce_plainly(caller, piece)
            elif shown:
                chunk = ChatGenerationChunk(message=with_id_of(shown.run_id, piece))
                shown.on_llm_new_token(piece.text, chunk=chunk)
        return course.result(shown.run_id if shown else None)

    def _wanted_as_it_comes(self, run_manager: Any, **kwargs: Any) -> bool:
        """Whether somebody listens for the words of a message that is asked for in one piece."""
        return bool(run_manager) and super()._should_stream(
            async_api=True, run_manager=run_manager, **kwargs
        )

    def _course(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        *,
        plain: bool = False,
        model: str | None = None,
        **kwargs: Any,
    ) -> Course:
        """One question's way; `model` is another one for the first chat model to ask for."""
        first = spec_of(model, self._offer) if model else self._first
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        parameters = {**own, "stop": stop or self.stop_sequences, **kwargs}
        heard: list[Heard] = []

        def connecting(spec: ModelSpec) -> Heard:
            is_first = not heard
            asked = Heard(
                chat=self.model if is_first else self._chats[spec.id],
                parameters={**parameters, "model": model} if is_first else parameters,
                plain=plain,
                structured=self._structured,
            )
            heard.append(asked)
            return asked

        query = Query.of(until_question(messages), self.mode, self.language, verbatim=messages)
        run = Run(query, self._offer, connecting, patience=Patience(tries=1))
        hold = 0 if query.topic is None or self.mode != "fall back" else self.hold
        return Course(
            run,
            first,
            Telling(self.mode, self.language),
            heard,
            math.inf if self._structured else hold,
        )


def named(chat: BaseChatModel) -> str:
    """The name of the model that a chat model asks for, as far as it tells."""
    return chat._get_ls_params().get("ls_model_name") or chat._llm_type


def refuse_dependent(fallback: ModelSpec, first: ModelSpec) -> None:
    """A fallback must be of another origin and lineage than the model that it answers for.

    Raises:
        ValueError: it is not, or its origin is not known.
    """
    if not fallback.origin:
        raise ValueError(
            f"nobody knows where the fallback {fallback.id!r} was made: give its id on the Hub, or "
            "list it in a catalogue (models=)"
        )
    if not provenance.independent(fallback, first, None):
        raise ValueError(
            f"the fallback {fallback.id!r} shares its origin or lineage with {first.id!r}: name a "
            "model made elsewhere (for another host of the same, use with_fallbacks)"
        )


def until_question(messages: Sequence[BaseMessage]) -> list[Message]:
    """The conversation up to the reader's last words, as the guard reads it.

    What was said and what tools returned after that belongs to the reply.
    """
    asked = [n for n, message in enumerate(messages) if message.type == "human"]
    end = asked[-1] + 1 if asked else 0
    return [
        Message(role=ROLES[message.type], text=message.text, images=pictures(message))
        for message in messages[:end]
        if message.type in ROLES
    ]


def pictures(message: BaseMessage) -> tuple[Image, ...]:
    """The pictures of a message, by their number alone: the models are told the message itself."""
    count = sum(block["type"] == "image" for block in message.content_blocks)
    return tuple(Image(name="", media_type="image/png", base64="") for _ in range(count))


def with_id_of(run: UUID, message: AIMessageChunk) -> AIMessageChunk:
    """A chunk with its provider's id, or the one by which langchain knows the run."""
    return message.model_copy(update={"id": message.id or f"{LC_ID_PREFIX}-{run}"})


async def announce(caller: Caller | None, event: Announcement) -> None:
    if caller and isinstance(caller.manager, AsyncCallbackManager):
        await caller.manager.on_custom_event(event.name, event.data, run_id=caller.run)


def announce_plainly(caller: Caller | None, event: Announcement) -> None:
    if caller and isinstance(caller.manager, CallbackManager):
        caller.manager.on_custom_event(event.name, event.data, run_id=caller.run)


def check(
    model_id: str | None = None,
    *,
    language: str = explain.FALLBACK,
    models: Catalogue | None = None,
) -> Runnable[Any, Verdict]:
    """A step of a chain that judges a finished reply.

    Its input is `{"question": …, "reply": …}`, each a text or a message, or a conversation that
    ends with the reply. `model_id` is the replying model's id, from which its origin is known.

    Raises (where it is run):
        InputError: the input is neither.
    """
    guard = Guard(models)

    def judged(given: Any) -> Verdict:
        question, reply = asked_and_said(given)
        return guard.check(
            question,
            reply.text,
            model=model_id,
            reasoning=reply.additional_kwargs.get("reasoning_content"),
            finish_reason=reply.response_metadata.get("finish_reason"),
            language=language,
        )

    return RunnableLambda(judged, name="guarded_check")


def asked_and_said(given: Any) -> tuple[str, AIMessage]:
    """The question and the reply of an input from outside.

    Raises:
        InputError: they are not in it.
    """
    try:
        if isinstance(given, dict):
            question, reply = given["question"], given["reply"]
            said = AIMessage(reply) if isinstance(reply, str) else reply
            asked = [HumanMessage(question) if isinstance(question, str) else question]
        else:
            *asked, said = convert_to_messages(given)
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise InputError(WANTED) from error
    questions = [message for message in asked if isinstance(message, HumanMessage)]
    if not questions or not isinstance(said, AIMessage):
        raise InputError(WANTED)
    return questions[-1].text, said
