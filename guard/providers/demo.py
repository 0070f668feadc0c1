"""A scripted persona as a chat model; what it says is in `personas.py`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from ..types import ModelSpec
from .personas import Reply, persona, reply_to
from .plainly import iterate

PACE = 0.018  # seconds between words, about the pace of a fast host
PROVIDER = "this app (scripted)"
WORDS = re.compile(r"[\u3400-\u9fff]{1,2}|\s*[^\s\u3400-\u9fff]+|\s+")


class DemoChat(BaseChatModel):
    """A scripted persona as a chat model. `pace` is in seconds a word."""

    persona_id: str = Field(default="demo/candid", alias="model")
    pace: float = PACE

    @property
    def _llm_type(self) -> str:
        return "candor-demo"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.persona_id}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "candor"
        params["ls_model_name"] = kwargs.get("model", self.persona_id)
        return params

    def _reply(self, messages: list[BaseMessage]) -> Reply:
        asked = [m for m in messages if m.type == "human"]
        question = asked[-1] if asked else HumanMessage("")
        pictures = [block for block in question.content_blocks if block["type"] == "image"]
        return reply_to(persona(self.persona_id), question.text, len(pictures))

    def _chunks(self, reply: Reply) -> Iterator[AIMessageChunk]:
        served = {"provider": PROVIDER, "model_name": self.persona_id}
        yield AIMessageChunk(content="", response_metadata=served)
        if reply.reasoning is not None:
            for word in WORDS.findall(reply.reasoning) or [""]:
                yield AIMessageChunk(content="", additional_kwargs={"reasoning_content": word})
        for word in WORDS.findall(reply.text):
            yield AIMessageChunk(content=word)
        yield AIMessageChunk(content="", response_metadata={"finish_reason": "stop"})

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(self._reply(messages)):
            await asyncio.sleep(self.pace)
            if run_manager:
                await run_manager.on_llm_new_token(str(chunk.content))
            yield ChatGenerationChunk(message=chunk)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield from iterate(self._astream(messages, stop, None, **kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        chunks = list(self._chunks(self._reply(messages)))
        whole = chunks[0]
        for chunk in chunks[1:]:
            whole += chunk
        return ChatResult(generations=[ChatGeneration(message=whole)])


def demo(spec: ModelSpec) -> DemoChat:
    """The persona of that id.

    Raises:
        ProviderError: there is none.
    """
    return DemoChat(model=persona(spec.id).id)
