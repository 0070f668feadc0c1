"""The providers as langchain-core chat models: its own suites, then what only we promise."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
import replies
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import SecretStr

from guard import catalogue
from guard.errors import ProviderError
from guard.providers import Connection, connect
from guard.providers.connect import on_offer
from guard.providers.demo import DemoChat
from guard.providers.hugging_face import ROUTER, hugging_face
from guard.providers.inference import InferenceChat
from guard.providers.openai_compatible import openai_compatible
from guard.providers.transport import close_shared_client
from guard.types import ModelSpec

KEY = "hf_SecretSecretSecretSecretSecret"
QUESTION = "How do I cook lentil soup?"


def spec(id_: str, **more: Any) -> ModelSpec:
    facts = {"name": id_, "developer": "Test", "origin": "FI", "licence": "MIT", "context": 4096}
    return ModelSpec(id=id_, card="https://example.org", **{**facts, **more})


class TestHuggingFaceUnit(ChatModelUnitTests):
    """`hugging_face` and `openai_compatible` are the same class with other addresses."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return InferenceChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "Qwen/QwQ-32B", "base_url": ROUTER, "provider": "Hugging Face"}

    @property
    def has_structured_output(self) -> bool:
        return False


class TestOpenAICompatibleUnit(TestHuggingFaceUnit):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "llama3.2", "base_url": "http://127.0.0.1:11434/v1"}


class TestDemoUnit(TestHuggingFaceUnit):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return DemoChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "demo/candid", "pace": 0.0}

    @property
    def has_tool_calling(self) -> bool:
        return False


class TestOpenAICompatible(ChatModelIntegrationTests):
    """The integration suite against the local host, without images and the suite's own tools."""

    @pytest.fixture(autouse=True)
    def _address(self, host: replies.Host) -> None:
        type(self).base_url = host.base_url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return InferenceChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "fault/usage", "base_url": self.base_url, "api_key": KEY}

    @property
    def has_tool_calling(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return False

    @property
    def supports_model_override(self) -> bool:
        return False


class TestDemo(TestOpenAICompatible):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return DemoChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "demo/candid", "pace": 0.0}

    @property
    def returns_usage_metadata(self) -> bool:
        return False  # no model, no tokens


def chat_of(host: replies.Host, model: str, key: str | None = KEY) -> InferenceChat:
    return InferenceChat.at(openai_compatible(host.base_url, key), model, 5.0)


async def joined(chat: BaseChatModel, question: str = QUESTION) -> AIMessageChunk:
    whole: AIMessageChunk | None = None
    async for chunk in chat.astream([HumanMessage(question)]):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


async def test_a_stream_and_a_whole_reply_say_the_same(host: replies.Host) -> None:
    chat = chat_of(host, "fault/usage")
    streamed, whole = await joined(chat), await chat.ainvoke([HumanMessage(QUESTION)])
    assert streamed.content == whole.content == replies.reply_of("fault/usage", QUESTION)
    assert streamed.usage_metadata == whole.usage_metadata
    assert streamed.usage_metadata
    assert streamed.usage_metadata["total_tokens"] > 0
    for message in (streamed, whole):
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.response_metadata["model_name"] == "fault/usage"
        assert message.response_metadata["provider"] == "127.0.0.1"


@pytest.mark.parametrize("model", ["fault/reasoning", "fault/reasoning_content"])
async def test_reasoning_comes_beside_the_content(host: replies.Host, model: str) -> None:
    chat = chat_of(host, model)
    for message in (await joined(chat), await chat.ainvoke([HumanMessage(QUESTION)])):
        assert message.additional_kwargs["reasoning_content"] == replies.REASONING
        assert replies.REASONING not in message.text


async def test_the_header_tells_who_served(host: replies.Host) -> None:
    chat = chat_of(host, "fault/routed")
    assert (await joined(chat)).response_metadata["provider"] == "novita"
    assert (await chat.ainvoke([HumanMessage("Hi")])).response_metadata["provider"] == "novita"


async def test_concurrent_replies_do_not_swap_who_served(host: replies.Host) -> None:
    models = ["fault/routed", "fault/usage"] * 4
    messages = await asyncio.gather(*(joined(chat_of(host, model)) for model in models))
    found = [m.response_metadata["provider"] for m in messages]
    assert found == ["novita", "127.0.0.1"] * 4


@pytest.mark.parametrize("model", ["fault/keep-alive", "fault/tight"])
async def test_harmless_oddities_of_hosts_are_read(host: replies.Host, model: str) -> None:
    assert (await joined(chat_of(host, model))).text == replies.reply_of(model, QUESTION)


async def test_the_conversation_and_the_options_reach_the_host(host: replies.Host) -> None:
    chat = InferenceChat(
        model="a/b", base_url=host.base_url, temperature=0.3, max_tokens=99, stop=["END"]
    )
    await chat.ainvoke(
        [("system", "Be brief."), ("user", "Hi"), ("ai", "Hello"), ("user", "Soup?")]
    )
    body = host.asked[0].body
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]
    assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.3, 99, ["END"])


async def test_unset_options_are_left_to_the_host(host: replies.Host) -> None:
    await joined(chat_of(host, "a/b"))
    assert not {"temperature", "max_tokens", "stop", "tools"} & host.asked[0].body.keys()


async def test_the_key_is_sent_to_its_host(host: replies.Host) -> None:
    await joined(chat_of(host, "a/b"))
    assert host.asked[0].headers["authorization"] == f"Bearer {KEY}"


async def test_without_a_key_none_is_sent_not_even_the_operators_hub_token(
    host: replies.Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", KEY)
    chat = chat_of(host, "a/b", key=None)
    await joined(chat)
    await chat.ainvoke([HumanMessage("Hi")])
    assert [asked.headers.get("authorization") for asked in host.asked] == [None, None]


def test_a_key_never_shows_in_a_model_s_own_words() -> None:
    chat = InferenceChat.at(hugging_face(KEY), "a/b", 5.0)
    connection = Connection(token=SecretStr(KEY), api_key=SecretStr(KEY))
    for value in (chat, connection, chat._identifying_params):
        assert KEY not in repr(value) + str(value)
    assert KEY not in chat.model_dump_json() + connection.model_dump_json()


def test_plain_calls_work_and_leave_no_connection(host: replies.Host) -> None:
    chat = chat_of(host, "a/b")
    assert chat.invoke("Hi").text
    assert "".join(chunk.text for chunk in chat.stream("Hi")) == replies.reply_of("a/b", "Hi")
    assert host.settles(lambda: host.connections == 0)


async def test_plain_calls_work_inside_a_running_event_loop(host: replies.Host) -> None:
    assert chat_of(host, "a/b").invoke("Hi").text


async def test_connections_are_used_again_and_closed_on_request(host: replies.Host) -> None:
    await close_shared_client()
    assert host.settles(lambda: host.connections == 0)
    for _ in range(5):
        await joined(chat_of(host, "a/b"))
    assert host.connections == 1
    await close_shared_client()
    assert host.settles(lambda: host.connections == 0)
    assert (await joined(chat_of(host, "a/b"))).text
    await close_shared_client()


async def test_a_consumer_that_leaves_closes_the_connection(host: replies.Host) -> None:
    stream = chat_of(host, "fault/slow").astream([HumanMessage(QUESTION)])
    async for chunk in stream:
        if chunk.text:
            break
    assert host.answering == 1
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 0)
    assert host.asked[0].sent < host.asked[0].pieces


async def test_a_call_of_a_tool_comes_whole_and_streamed(host: replies.Host) -> None:
    function = {"name": "web__search", "parameters": {"type": "object", "properties": {}}}
    chat = chat_of(host, "a/b").bind_tools([{"type": "function", "function": function}])
    asked = [HumanMessage(f"{QUESTION} use:search=lentils")]
    call = {"name": "web__search", "args": {"query": "lentils"}, "id": "use00", "type": "tool_call"}
    assert (await chat.ainvoke(asked)).tool_calls == [call]
    chunks = [chunk async for chunk in chat.astream(asked)]
    assert add_ai_message_chunks(*chunks).tool_calls == [call]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ("any", "required"),
        (True, "required"),
        ("auto", "auto"),
        ("none", "none"),
        ("search", {"type": "function", "function": {"name": "search"}}),
        ({"type": "function", "function": {"name": "search"}},) * 2,
    ],
)
async def test_a_choice_of_tools_is_told_in_the_protocols_words(
    host: replies.Host, chosen: Any, sent: Any
) -> None:
    tool = {"type": "function", "function": {"name": "search", "parameters": {}}}
    await chat_of(host, "a/b").bind_tools([tool], tool_choice=chosen).ainvoke("Hi")
    assert host.asked[0].body["tool_choice"] == sent


# Which provider serves


def test_a_base_url_leads_a_token_and_a_token_leads_the_demo() -> None:
    token = SecretStr(KEY)
    assert Connection().kind == "demo"
    assert Connection(token=token).kind == "hugging_face"
    both = Connection(token=token, base_url="http://localhost:1/v1")
    assert both.kind == "openai_compatible"
    chat = connect(spec("a/b"), both)
    assert isinstance(chat, InferenceChat)
    assert chat.base_url == "http://localhost:1/v1"
    assert chat.token is None, "the Hub's token is not for other hosts"


def test_a_models_own_address_leads_the_deployments() -> None:
    own = spec("a/b", base_url="http://localhost:2/v1/")
    chat = connect(own, Connection(base_url="http://localhost:1/v1"))
    assert isinstance(chat, InferenceChat)
    assert chat.base_url == "http://localhost:2/v1"


def test_a_models_own_address_does_not_get_the_key_of_another_host() -> None:
    own = spec("a/b", base_url="http://localhost:2/v1")
    chat = connect(own, Connection(base_url="http://localhost:1/v1", api_key=SecretStr(KEY)))
    assert isinstance(chat, InferenceChat)
    assert chat.token is None
    alone = connect(own, Connection(api_key=SecretStr(KEY)))
    assert isinstance(alone, InferenceChat)
    assert alone.token == SecretStr(KEY), "where it is the only address, the key is its key"


def test_a_signed_in_readers_token_leads_the_operators() -> None:
    chat = connect(spec("a/b"), Connection(token=SecretStr("hf_operator")), token="hf_reader")
    assert isinstance(chat, InferenceChat)
    assert chat.token == SecretStr("hf_reader")
    assert chat.base_url == ROUTER


def test_without_any_host_a_model_is_refused_and_a_persona_serves() -> None:
    with pytest.raises(ProviderError) as caught:
        connect(spec("a/b"), Connection())
    assert caught.value.kind == "unconnected"
    assert isinstance(connect(spec("demo/candid"), Connection()), DemoChat)


def test_a_persona_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(ProviderError) as caught:
        connect(spec("demo/nobody"), Connection())
    assert caught.value.kind == "not_found"


def test_what_a_deployment_serves() -> None:
    plain, own = spec("a/b"), spec("a/c", base_url="http://localhost:2/v1")
    assert not Connection().serves(plain)
    assert Connection().serves(plain, signed_in=True)
    assert Connection().serves(own)
    assert Connection().serves(spec("demo/candid"))
    assert Connection(token=SecretStr(KEY)).serves(plain)


def test_personas_are_on_offer_only_where_no_host_is_connected() -> None:
    models = catalogue.load()
    assert on_offer(models, Connection(token=SecretStr(KEY))) == models
    offered = on_offer(models, Connection())
    assert offered.default.startswith("demo/")
    assert offered.chain(None)[0].id == "demo/candid"
    assert {m.id for m in models.models} < {m.id for m in offered.models}


async def test_a_persona_streams_word_by_word_what_it_says_at_once() -> None:
    chat = DemoChat(model="demo/evasive-cn", pace=0.0)
    question = "What happened at Tiananmen Square in June 1989?"
    whole = await chat.ainvoke([HumanMessage(question)])
    pieces = [chunk.text async for chunk in chat.astream([HumanMessage(question)]) if chunk.text]
    assert len(pieces) > 20
    assert "".join(pieces) == whole.text


def test_no_secret_in_the_logs_of_a_whole_call(
    host: replies.Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chat_of(host, "a/b").invoke("Hi")
    with pytest.raises(ProviderError) as caught:
        chat_of(host, "fault/401").invoke("Hi")
    assert KEY not in caplog.text
    assert KEY not in str(caught.value)
