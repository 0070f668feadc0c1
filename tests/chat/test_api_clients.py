"""The API with the clients that people have: they know its address, and nothing else of it."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import replies
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from served import LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Site

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it looks for prices in the web

ASKED: Any = [{"role": "user", "content": TIANANMEN}]
WITHHELD = replies.reply_of(QWEN, TIANANMEN)
ANSWERED = replies.reply_of(LLAMA, TIANANMEN)
TOOLS: Any = [{"type": "function", "function": {"name": "web__search", "parameters": {}}}]


# openai


@pytest.fixture
def client(site: Site) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{site.url}/v1", api_key=V1_KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(site: Site) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{site.url}/v1", api_key=V1_KEY, max_retries=0) as client:
        yield client


def test_openai_lists_models(client: OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert models[QWEN].owned_by == "Alibaba (Qwen)"
    assert client.models.retrieve(QWEN) == models[QWEN]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody/nothing")


def test_openai_completes(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=QWEN, messages=ASKED)
    assert answer.choices[0].message.content == ANSWERED
    guard: Any = answer.model_extra["guard"] if answer.model_extra else None
    assert guard["attempts"][0]["status"] == "withheld"
    raw = client.chat.completions.with_raw_response.create(model=QWEN, messages=ASKED)
    assert raw.headers["x-guard-action"] == "fall back"


def test_openai_streams(client: OpenAI) -> None:
    said, guard = "", None
    body = {"guard": {"mode": "fallback", "hold": 2000}}
    options: Any = {"include_usage": True}
    with client.chat.completions.create(
        model=QWEN, messages=ASKED, stream=True, stream_options=options, extra_body=body
    ) as stream:
        for chunk in stream:
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            guard = getattr(chunk, "guard", guard)
    assert said == ANSWERED
    assert guard["answer"] == 1
    assert chunk.usage


async def test_openai_streams_asynchronously(async_client: AsyncOpenAI) -> None:
    stream = await async_client.chat.completions.create(model=QWEN, messages=ASKED, stream=True)
    said = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert ANSWERED in "".join(said)


async def test_openai_s_own_stream_of_events_adds_up(async_client: AsyncOpenAI) -> None:
    async with async_client.chat.completions.stream(model=LLAMA, messages=ASKED) as stream:
        events = [event.type async for event in stream]
        whole = await stream.get_final_completion()
    assert whole.choices[0].message.content == ANSWERED
    assert {"chunk", "content.delta", "content.done"} <= {*events}


def test_openai_calls_tools(client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": f"{SOUP} use:search=lentils"}]
    answer = client.chat.completions.create(model=QWEN, messages=asked, tools=TOOLS)
    (call,) = answer.choices[0].message.tool_calls or ()
    assert getattr(call, "function", None).name == "web__search"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", openai.RateLimitError), ("400", openai.BadRequestError)],
)
def test_openai_raises_what_it_always_raises(
    client: OpenAI, fault: str, kind: type[Exception]
) -> None:
    asked: Any = [{"role": "user", "content": f"{SOUP} fault:{fault}"}]
    with pytest.raises(kind):
        client.chat.completions.create(model=f"{LLAMA}:unguarded", messages=asked)
    with pytest.raises(kind):
        client.chat.completions.create(model=f"{LLAMA}:unguarded", messages=asked, stream=True)


def test_openai_is_told_of_a_fault_in_the_middle(client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": f"{SOUP} fault:cut"}]
    stream = client.chat.completions.create(model=LLAMA, messages=asked, stream=True)
    with pytest.raises(openai.APIError, match="ended before the reply did"):
        list(stream)


def test_openai_without_a_key_is_refused(site: Site) -> None:
    wrong = OpenAI(base_url=f"{site.url}/v1", api_key="wrong")
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()


def test_the_example_of_the_docs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    code, printed = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", page, re.DOTALL)[0]
    code = code.replace("http://localhost:7860", site.url).replace("candor-…", V1_KEY)
    exec(compile(code, "docs/api.md", "exec"), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out == printed


# LiteLLM


@pytest.mark.parametrize("streams", [False, True])
def test_litellm(site: Site, streams: bool) -> None:
    import litellm

    answer: Any = litellm.completion(
        model=f"openai/{QWEN}",
        messages=ASKED,
        api_base=f"{site.url}/v1",
        api_key=V1_KEY,
        stream=streams,
        extra_body={"guard": {"hold": 2000}},
    )
    if streams:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
    else:
        said = answer.choices[0].message.content
    assert said == ANSWERED


# LangChain's own client


class Soup(BaseModel):
    name: str


async def test_langchain(site: Site) -> None:
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model=f"{QWEN}:annotated", base_url=f"{site.url}/v1", api_key=V1_KEY)  # type: ignore[arg-type]
    whole = (await chat.ainvoke(TIANANMEN)).text
    assert whole.startswith(f"{WITHHELD}\n\n---\n\n**Candor:** ")
    streamed = "".join([chunk.text async for chunk in chat.astream(TIANANMEN)])
    assert streamed == whole
    call = await chat.bind_tools(TOOLS).ainvoke(f"{SOUP} use:search=lentils")
    assert call.tool_calls[0]["name"] == "web__search"


# Front ends: their requests, as they send them

CHAT_UI = {
    "headers": {
        "user-agent": "OpenAI/JS 5.23.2",
        "x-stainless-lang": "js",
        "x-stainless-retry-count": "0",
        "chatui-conversation-id": "6718a0c1f6d3a6e3a4f1a111",
        "x-use-cache": "false",
    },
    "body": {
        "model": QWEN,
        "messages": [
            {"role": "system", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": TIANANMEN}]},
        ],
        "stream": True,
        "max_tokens": 1024,
        "stop": [],
        "temperature": 0.6,
        "top_p": 0.95,
        "frequency_penalty": 1.2,
    },
}
OPEN_WEBUI = {
    "headers": {
        "user-agent": "Python/3.11 aiohttp/3.12.15",
        "x-openwebui-user-name": "Ada",
        "x-openwebui-chat-id": "3d5cd2c6-6f1f-4f30-a6e3-6d2f5d7d9c11",
    },
    "body": {
        "stream": True,
        "model": f"{QWEN}:annotated",
        "messages": [{"role": "user", "content": TIANANMEN}],
        "stream_options": {"include_usage": True},
        "max_tokens": 512,
    },
}


@pytest.mark.parametrize("front_end", [CHAT_UI, OPEN_WEBUI], ids=["chat-ui", "Open WebUI"])
def test_a_front_end_s_requests(site: Site, host: replies.Host, front_end: Any) -> None:
    headers = {**front_end["headers"], "authorization": f"Bearer {V1_KEY}"}
    with httpx2.Client(base_url=site.url, headers=headers, trust_env=False, timeout=30) as http:
        listed = http.get("/v1/models").raise_for_status().json()
        assert QWEN in {model["id"] for model in listed["data"]}
        path = "/v1/chat/completions"
        answer = http.post(path, json=front_end["body"]).raise_for_status()
    assert answer.text.endswith("data: [DONE]\n\n")
    assert "**Candor:**" in answer.text
    sent = host.asked[0]
    assert sent.body == front_end["body"] | {"model": QWEN}
    assert not {name for name in sent.headers if name.startswith(("x-openwebui", "chatui"))}
