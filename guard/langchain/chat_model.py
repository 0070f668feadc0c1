"""A chat model that is guarded, for whatever takes one of langchain's."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Literal, Self

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.uuid import uuid7
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from .. import catalogue as catalogue_file
from .. import explain, provenance
from ..attempt import Query
from ..catalogue import Catalogue, GuardSettings, Limits, joined
from ..errors import nearest
from ..patience import Patience
from ..pipeline import Run
from ..providers.plainly import iterate
from ..telling import Telling
from ..types import Image, Message, ModelSpec
from ..unlisted import spec_of
from .course import Announcement, Course, with_id_of
from .heard import Heard, bound
from .listening import Caller

GuardMode = Literal["off", "warn", "fall back"]
LIMITS = Limits(models=10, seconds=3600)  # the caller's models have bounds of their own
OF_CONNECTIONS = {"api_key", "timeout", "max_retries", "streaming"}  # standard, and not ours
ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "human": "user",
    "ai": "assistant",
}


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
        model: the chat model. What belongs to a connection (`api_key`, `timeout`, `max_retries`,
            `streaming`) is set there, and of no effect here.
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
    _caller: Caller = PrivateAttr(default_factory=Caller)

    @model_validator(mode="before")
    @classmethod
    def _falls_back_where_it_can(cls, given: Any) -> Any:
        """The mode that follows; a misspelt argument must not leave replies unguarded.

        Raises:
            ValueError: there is no such argument.
        """
        if not isinstance(given, dict):
            return given
        known = {*cls.model_fields, "stop"}
        for name in given.keys() - known - OF_CONNECTIONS:
            raise ValueError(f"there is no argument {name!r}.{nearest(name, known)}")
        return {"mode": "fall back", **given} if given.get("fallbacks") else given

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
        if len(specs) < len(self.fallbacks):
            raise ValueError("a fallback stands twice, under two of its names; keep one")
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
        run = config["run_id"] = config.get("run_id") or uuid7()
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
        caller = Caller.of(run_manager) if run_manager else self._caller
        course = self._course(messages, stop, **kwargs)
        async with aclosing(course.pieces()) as pieces:
            async for piece in pieces:
                if isinstance(piece, AIMessageChunk):
                    yield ChatGenerationChunk(message=piece)
                else:
                    await caller.tell(piece)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        caller = Caller.of(run_manager) if run_manager else self._caller
        course = self._course(messages, stop, plain=True, **kwargs)
        for piece in iterate(course.pieces()):
            if isinstance(piece, AIMessageChunk):
                yield ChatGenerationChunk(message=piece)
            else:
                caller.tell_plainly(piece)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        caller = Caller.of(run_manager)
        shown = run_manager if self._wanted_as_it_comes(run_manager, **kwargs) else None
        course = self._course(messages, stop, **kwargs)
        async with aclosing(course.pieces()) as pieces:
            async for piece in pieces:
                if isinstance(piece, Announcement):
                    await caller.tell(piece)
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
        caller = Caller.of(run_manager)
        shown = run_manager if self._wanted_as_it_comes(run_manager, **kwargs) else None
        course = self._course(messages, stop, plain=True, **kwargs)
        for piece in iterate(course.pieces()):
            if isinstance(piece, Announcement):
                caller.tell_plainly(piece)
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
        first = spec_of(model, self.models) if model else self._first
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

        query = Query.of(
            until_question(messages),
            self.mode,
            self.language,
            verbatim=messages,
            returned=(message.text for message in messages if message.type == "tool"),
        )
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
