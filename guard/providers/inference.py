"""A langchain-core chat model over huggingface_hub's AsyncInferenceClient.

It keeps what `langchain-openai` drops (the reasoning channel, who served) and takes a stream that
ends without a `finish_reason` for what it is: cut. Pictures go as data URLs. Not covered: several
choices.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, Self

import httpx2
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, TextGenerationError
from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.messages.utils import convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, SecretStr

from ..characters import characters
from ..errors import ProviderError
from .faults import of_report, of_status
from .host import Host
from .plainly import iterate
from .transport import served_header, shared_client

ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
NO_KEY = "none"  # the hub's client takes an empty key for leave to look for the operator's own


class PooledClient(AsyncInferenceClient):
    """An inference client on the event loop's connections; closing it ends its own stream only.

    `lines` are those of the newest stream, as they come.
    """

    lines: Any

    async def _get_async_client(self) -> httpx2.AsyncClient:
        return shared_client()

    async def _inner_post(self, request_parameters: Any, *, stream: bool = False) -> Any:
        body = request_parameters.json
        if isinstance(body, dict) and isinstance(body.get("response_format"), dict):
            body["response_format"] = as_openai_has_it(body["response_format"])
        answer = await super()._inner_post(request_parameters, stream=stream)
        if stream:
            self.lines = answer
        return answer

    async def chat_events(self, **request: Any) -> AsyncGenerator[Told, None]:
        """The events of a streamed chat, as they are: the hub's values took most of a token's time.

        Raises:
            TextGenerationError: the host reports an error in the stream.
        """
        await self.chat_completion(**request, stream=True)
        async for line in self.lines:
            data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
            if data == "[DONE]":
                return
            if data:
                told = json.loads(data, object_hook=Told)
                if ESCAPED.search(data):
                    told = characters(told)
                if told.error is not None:
                    raise TextGenerationError(told.error)
                yield told


class Told(dict[str, Any]):
    """A JSON object of a host's. Its keys are attributes too; one that is missing is None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def as_openai_has_it(response_format: dict[str, Any]) -> dict[str, Any]:
    """A schema to answer in; the hub's client writes it as its own inference server wants it."""
    schema = response_format.get("value")
    if response_format.get("type") != "json_object" or not isinstance(schema, dict):
        return response_format
    named = {"name": schema.get("title", "answer"), "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def choice_of(tool: str | bool | dict[str, Any]) -> str | dict[str, Any]:
    """A choice of tools as OpenAI's protocol has it: langchain says `any`, or a tool's name."""
    if isinstance(tool, dict):
        return tool
    words = {True: "required", "any": "required"} | {w: w for w in ("required", "auto", "none")}
    return words.get(tool) or {"type": "function", "function": {"name": tool}}


class InferenceChat(BaseChatModel):
    """A chat model on any OpenAI-compatible server.

    `base_url` ends before `/chat/completions`; `provider` is the host's name where no response
    header tells it; `timeout` is in seconds, for the connection and for each silence;
    `counts_tokens` asks a host that knows how for the count of a streamed reply.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    model_name: str = Field(alias="model")
    base_url: str
    token: SecretStr | None = Field(default=None, alias="api_key")
    login: SecretStr | None = None  # user:password, for a host behind basic authentication
    provider: str = ""
    timeout: float = 60.0
    counts_tokens: bool = False
    temperature: float | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = Field(default=None, alias="stop")
    max_retries: int | None = None

    @property
    def _llm_type(self) -> str:
        return "candor-inference"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model_name, "base_url": self.base_url}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "candor"
        params["ls_model_name"] = kwargs.get("model", self.model_name)
        return params

    @classmethod
    def at(cls, host: Host, model: str, timeout: float) -> Self:
        """The chat model of that id at a host."""
        return cls(model=model, timeout=timeout, **dict(host))

    def _client(self) -> PooledClient:
        host = Host(base_url=self.base_url, token=self.token, login=self.login)
        headers: Any = {"authorization": host.authorization}
        return PooledClient(
            base_url=self.base_url, api_key=NO_KEY, timeout=self.timeout, headers=headers
        )

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, **options: Any
    ) -> dict[str, Any]:
        request = {
            "messages": convert_to_openai_messages(messages),
            "model": self.model_name,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "stop": stop or self.stop_sequences,
            **options,
        }
        return {name: value for name, value in request.items() if value is not None}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The chat model with tools that it may ask to be called."""
        formal = [convert_to_openai_tool(tool) for tool in tools]
        chosen = {"tool_choice": choice_of(tool_choice)} if tool_choice else {}
        return self.bind(tools=formal, **chosen, **kwargs)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._chunks(self._request(messages, stop, **kwargs))) as chunks:
            async for chunk in chunks:
                generation = ChatGenerationChunk(message=chunk)
                if run_manager:
                    await run_manager.on_llm_new_token(str(chunk.content), chunk=generation)
                yield generation

    async def _chunks(self, request: dict[str, Any]) -> AsyncGenerator[AIMessageChunk, None]:
        """The events of a reply. What goes wrong once the reply has ended is of no matter."""
        finish, named = None, False
        if self.counts_tokens:
            request = {"stream_options": {"include_usage": True}, **request}
        async with self._client() as client:
            try:
                with faults(self.token), served_header() as served:
                    async with aclosing(client.chat_events(**request)) as events:
                        async for event in events:
                            chunk = chunk_of(event)
                            if not named:  # once only: langchain joins the strings of metadata
                                named = True
                                answered = event.model or self.model_name
                                chunk.response_metadata["model_name"] = answered
                                provider = served.name or self.provider
                                chunk.response_metadata["provider"] = provider
                            finish = finish or chunk.response_metadata.get("finish_reason")
                            yield chunk
            except ProviderError:
                if finish is None:
                    raise
        if finish is None:
            raise ProviderError("interrupted", "the stream ended before the reply did")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = self._request(messages, stop, **kwargs)
        async with self._client() as client:
            asking = client.chat_completion(**request)
            with faults(self.token), served_header(streamed=False) as served:
                output = await asking
                choice = output.choices[0]
                reasoning = characters(reasoning_of(choice.message))
                message = AIMessage(
                    content=characters(choice.message.content or ""),
                    additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
                    tool_calls=[*map(whole_call_of, choice.message.tool_calls or ())],
                    response_metadata={
                        "finish_reason": choice.finish_reason,
                        "model_name": characters(output.model or self.model_name),
                        "provider": served.name or self.provider,
                    },
                    usage_metadata=usage_of(output.usage),
                )
        if not choice.finish_reason:
            raise ProviderError("interrupted", "the reply came without an end")
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for generation in iterate(self._astream(messages, stop, None, **kwargs)):
            if run_manager:
                run_manager.on_llm_new_token(str(generation.message.content), chunk=generation)
            yield generation

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        async def once() -> AsyncIterator[ChatResult]:
            yield await self._agenerate(messages, stop, None, **kwargs)

        (result,) = iterate(once())
        return result


def chunk_of(event: Told) -> AIMessageChunk:
    """One streamed event as a message chunk; the reasoning channel goes beside the content."""
    choice = event.choices[0] if event.choices else None
    delta = choice.delta if choice else None
    reasoning = reasoning_of(delta) if delta else ""
    return AIMessageChunk(
        content=(delta.content or "") if delta else "",
        additional_kwargs={"reasoning_content": reasoning} if reasoning else {},
        tool_call_chunks=[*map(call_of, delta.tool_calls or ())] if delta else [],
        response_metadata={"finish_reason": str(choice.finish_reason)}
        if choice and choice.finish_reason
        else {},
        usage_metadata=usage_of(event.usage),
    )


def call_of(part: Any) -> ToolCallChunk:
    """A piece of a call that the model asks for; hosts leave out what they have said before."""
    function = part.get("function") or {}
    return tool_call_chunk(
        name=function.get("name"),
        args=function.get("arguments"),
        id=part.get("id"),
        index=part.get("index") or 0,
    )


def whole_call_of(call: Any) -> ToolCall:
    """A call of a reply that came in one piece."""
    function = call["function"]
    return ToolCall(name=function["name"], args=json.loads(function["arguments"]), id=call["id"])


def usage_of(usage: Any) -> UsageMetadata | None:
    """What the reply cost in tokens, where the host tells."""
    if not usage:
        return None
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )


def reasoning_of(message: Any) -> str:
    """Hosts call the reasoning channel by either name."""
    found = message.get("reasoning_content") or message.get("reasoning")
    return found if isinstance(found, str) else ""


@contextmanager
def faults(key: SecretStr | None) -> Iterator[None]:
    """Turn every way in which a host fails into a `ProviderError` that says which it was.

    Where the host's own words would come along as the cause they are left out: some repeat the key.
    """
    try:
        yield
    except HfHubHTTPError as error:
        response = error.response
        status = response.status_code if response is not None else 0
        waits = response.headers.get("retry-after", "") if response is not None else ""
        raise of_status(status, waits) from None
    except (InferenceTimeoutError, httpx2.TimeoutException) as error:
        raise ProviderError("timeout", "the host did not answer in time") from error
    except httpx2.ConnectError as error:
        raise ProviderError("unavailable", f"the host cannot be reached: {error}") from error
    except httpx2.TransportError as error:
        raise ProviderError("interrupted", f"the connection broke: {error}") from error
    except TextGenerationError as error:
        raise of_report(error.args[0] if error.args else "", key) from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ProviderError("malformed", "the host sent something that cannot be read") from error
