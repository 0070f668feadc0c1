"""The guarded chat model: langchain's own suites, then what the guard adds, over a real host."""

from __future__ import annotations

from typing import Any

import pytest
import replies
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from guard.langchain import GuardedChatModel
from guard.providers.inference import InferenceChat

QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
NOWHERE = "http://127.0.0.1:9/v1"


def chat(model: str, base_url: str = NOWHERE) -> InferenceChat:
    return InferenceChat(model=model, base_url=base_url, counts_tokens=True)


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return GuardedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": chat(QWEN), "fallbacks": {LLAMA: chat(LLAMA)}}


class TestIntegration(ChatModelIntegrationTests):
    """Against the local host, whose models neither see nor hear; its calls of tools are by rule."""

    @pytest.fixture(autouse=True)
    def _address(self, host: replies.Host) -> None:
        type(self).base_url = host.base_url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return GuardedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        first = chat("obliging/one", self.base_url)
        return {"model": first, "fallbacks": {LLAMA: chat(LLAMA, self.base_url)}}

    @property
    def model_override_value(self) -> str:
        return "obliging/two"

    @property
    def supports_json_mode(self) -> bool:
        return True
