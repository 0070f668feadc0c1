"""A whole reply under bounds, over a real socket. How hosts fail is in `test_provider_faults`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import replies
from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatResult

from guard.asking import Said, in_one_piece, whole_reply, within
from guard.errors import ProviderError
from guard.providers.inference import InferenceChat
from guard.providers.openai_compatible import openai_compatible
from guard.types import Message

ASKED = [Message(role="system", text="Be brief."), Message(role="user", text="Hello?")]


class Broken(BaseChatModel):
    """A chat model with a fault of its own."""

    @property
    def _llm_type(self) -> str:
        return "broken"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise RuntimeError("the key is sk-secret")


def reached(host: replies.Host, id_: str) -> BaseChatModel:
    return InferenceChat.at(openai_compatible(host.base_url, None), id_, 20)


def parts(said: Said) -> tuple[str, str | None, str]:
    return said.text, said.thoughts, said.finish_reason


async def test_all_that_is_said(host: replies.Host) -> None:
    said = await whole_reply(reached(host, "a/b"), ASKED, 10_000, max_tokens=7)
    assert parts(said) == (replies.CANDID["", "en"], None, "stop")
    assert host.asked[0].body["max_tokens"] == 7
    assert [m["role"] for m in host.asked[0].body["messages"]] == ["system", "user"]


async def test_thinking_comes_apart(host: replies.Host) -> None:
    said = await whole_reply(reached(host, "fault/reasoning_content"), ASKED, 10_000)
    assert said.thoughts == replies.REASONING
    assert said.text == replies.CANDID["", "en"]


async def test_no_channel_passes_its_limit(host: replies.Host) -> None:
    said = await whole_reply(reached(host, "fault/reasoning_content"), ASKED, 20)
    assert parts(said) == (replies.CANDID["", "en"][:20], replies.REASONING[:20], "length")


@pytest.mark.parametrize("id_", ["fault/reasoning_content", "fault/filter", "deepseek-ai/x"])
async def test_in_one_piece_comes_what_would_be_streamed(host: replies.Host, id_: str) -> None:
    said = Said(10_000)
    said.take(await in_one_piece(reached(host, id_), ASKED))
    streamed = await whole_reply(reached(host, id_), ASKED, 10_000)
    assert [one.body.get("stream", False) for one in host.asked] == [False, True]
    if id_ != "fault/filter":  # a stream has sent a part by then
        assert said.text == streamed.text
    assert said.thoughts == streamed.thoughts
    assert said.finish_reason == streamed.finish_reason
    assert (said.provider, said.answered_as) == (streamed.provider, streamed.answered_as)
    assert said.spent.told


async def test_what_comes_in_one_piece_is_bounded_whatever_its_lines(host: replies.Host) -> None:
    with pytest.raises(ProviderError) as error:
        await in_one_piece(reached(host, "fault/padded"), ASKED)
    assert error.value.kind == "too_long"


@pytest.mark.parametrize("ask", [in_one_piece, partial(whole_reply, limit=10_000)])
async def test_a_fault_of_the_chat_model_is_the_hosts_and_its_words_stay_back(
    ask: Callable[..., Awaitable[Any]],
) -> None:
    with pytest.raises(ProviderError, match="RuntimeError") as error:
        await ask(Broken(), ASKED)
    assert error.value.kind == "unavailable"
    assert "secret" not in str(error.value)


async def test_time_runs_out(host: replies.Host) -> None:
    with pytest.raises(ProviderError, match=r"0\.1 seconds") as error:
        async with within(0.1):
            await whole_reply(reached(host, "fault/hang"), ASKED, 10_000)
    assert error.value.kind == "timeout"


async def test_what_is_in_time_keeps_its_own_errors() -> None:
    with pytest.raises(KeyError):
        async with within(20):
            raise KeyError
