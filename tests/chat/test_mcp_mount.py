"""The MCP server in the app, over a real socket, by the official client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
import uvicorn
from fastapi import FastAPI
from mcp import Client
from served import HF_TOKEN, LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Site, serving
from starlette.routing import Route

from chat.mcp_mount import PATH, McpMount
from chat.security import BODY_LIMIT
from chat.settings import Settings
from guard import Guard, load_catalogue
from guard.patience import Patience
from guard.providers import Connection

TOOLS = ["check_reply", "ask_guarded", "model_provenance", "topic_facts"]
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "topic_facts", "arguments": {"topic": "tiananmen-1989"}},
}
FOR_BOTH = {"accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app with no host, where scripted personas answer."""
    with serving(Settings(data=tmp_path_factory.mktemp("data"))) as site:
        yield site


@pytest.fixture(scope="module")
def asking(shared_host: replies.Host) -> Iterator[str]:
    """An app that lets callers ask real models, as one behind a check of keys may."""
    mount = McpMount(asks=True)
    guard = Guard(load_catalogue(), Connection(base_url=shared_host.base_url), Patience(pause=0))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with mount.serving(guard):
            yield

    app = FastAPI(lifespan=lifespan)
    app.routes.append(Route(PATH, mount))
    config = uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1)
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        yield f"http://127.0.0.1:{port}{PATH}"


def post(site: Site, content: Any = CALL, **headers: str) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=60) as http:
        return http.post(site.url + PATH, json=content, headers=FOR_BOTH | headers)


async def names(url: str) -> list[str]:
    async with Client(url) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def test_the_demo_offers_all_tools_and_says_that_personas_answer(demo: Site) -> None:
    told: list[str] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with Client(demo.url + PATH) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == TOOLS
        assert "scripted personas answer" in (tools["ask_guarded"].description or "")
        result = await client.call_tool(
            "ask_guarded", {"question": TIANANMEN, "mode": "warn"}, progress_callback=heard
        )
    found = result.structured_content or {}
    (attempt,) = found["attempts"]
    assert (attempt["status"], attempt["model"].partition("/")[0]) == ("withheld", "demo")
    assert found["facts"]
    assert told[0].startswith("Asking ")


async def test_where_asking_costs_money_nobody_may(site: Site, host: replies.Host) -> None:
    async with Client(site.url + PATH) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert tools == [name for name in TOOLS if name != "ask_guarded"]
        asked = await client.call_tool("ask_guarded", {"question": SOUP})
        assert asked.is_error
        refusal = replies.TIMID["refusal", "en"]
        given = {"question": TIANANMEN, "reply": refusal, "model": QWEN}
        checked = await client.call_tool("check_reply", given)
        made = await client.call_tool("model_provenance", {"model": LLAMA})
    assert (checked.structured_content or {})["status"] == "withheld"
    assert (made.structured_content or {})["developer"]["origin"] == "US"
    assert host.asked == []


def test_who_has_a_key_may_ask(site: Site, host: replies.Host) -> None:
    key = {"authorization": f"Bearer {V1_KEY}"}
    params = {"name": "ask_guarded", "arguments": {"question": TIANANMEN}}
    answer = post(site, {**CALL, "params": params}, **key)
    assert answer.status_code == 200
    assert LLAMA in answer.text
    assert len(host.asked) == 2


@pytest.mark.parametrize("sent", ["Bearer wrong", "Basic x", f"Bearer {HF_TOKEN}"])
def test_a_wrong_key_is_refused(site: Site, sent: str) -> None:
    assert post(site, authorization=sent).status_code == 401


def test_the_apps_headers_and_its_bound_on_bodies_hold_here_too(site: Site) -> None:
    answer = post(site)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    large = post(site, {**CALL, "more": "x" * BODY_LIMIT})
    assert large.status_code == 413
    assert str(BODY_LIMIT) in large.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "candor.example", "origin": "https://candor.example"}, 200),
        ({"host": "candor.example"}, 200),
    ],
)
def test_it_is_reached_by_every_name_of_the_app_but_not_from_other_sites(
    site: Site, headers: dict[str, str], status: int
) -> None:
    assert post(site, **headers).status_code == status


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_who_looks_at_it_in_a_browser_is_told_what_it_is(site: Site, method: str) -> None:
    answer = httpx2.request(method, site.url + PATH, headers=FOR_BOTH, trust_env=False, timeout=60)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert "docs/mcp.md" in answer.json()["detail"]


HALF_A_CHARACTER = json.dumps({**CALL, "params": {"name": "check_reply\ud800"}}).encode()


@pytest.mark.parametrize("version", [{}, {"mcp-protocol-version": "2026-07-28"}])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[" * 5000, b'{"jsonrpc": "2.0"}', b"\xff", HALF_A_CHARACTER]
)
def test_garbage_is_refused(site: Site, body: bytes, version: dict[str, str]) -> None:
    headers = FOR_BOTH | {"content-type": "application/json"} | version
    with httpx2.Client(trust_env=False, timeout=60) as http:
        answer = http.post(site.url + PATH, content=body, headers=headers)
    assert answer.status_code == 400


async def test_hanging_up_ends_the_models_reply(asking: str, host: replies.Host) -> None:
    async with Client(asking) as client:
        arguments = {"question": f"{SOUP} fault:late-stall", "mode": "warn"}
        call = asyncio.create_task(client.call_tool("ask_guarded", arguments))
        assert await asyncio.to_thread(host.settles, lambda: host.answering == 1, 30)
        call.cancel()
        assert await asyncio.to_thread(host.settles, lambda: host.answering == 0, 30)


def test_a_client_of_an_older_protocol_that_hangs_up_ends_it_too(
    asking: str, host: replies.Host
) -> None:
    arguments = {"question": f"{SOUP} fault:late-stall", "mode": "warn"}
    params = {"name": "ask_guarded", "arguments": arguments, "_meta": {"progressToken": 1}}
    with (
        httpx2.Client(trust_env=False, timeout=60) as http,
        http.stream("POST", asking, json={**CALL, "params": params}, headers=FOR_BOTH) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert host.settles(lambda: host.answering == 1, 30)
    assert host.settles(lambda: host.answering == 0, 30)


async def test_many_at_once_start_one_server(shared_host: replies.Host) -> None:
    mount = McpMount(asks=False)
    app = FastAPI()
    app.routes.append(Route(PATH, mount))
    transport = httpx2.ASGITransport(app)
    guard = Guard(load_catalogue(), Connection(base_url=shared_host.base_url))
    async with (
        mount.serving(guard),
        httpx2.AsyncClient(transport=transport, base_url="http://a.example") as http,
    ):
        asked = (http.post(PATH, json=CALL, headers=FOR_BOTH) for _ in range(5))
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 5


def test_nothing_of_it_is_loaded_before_the_first_request() -> None:
    """Gradio imports `mcp` for itself: the app's own part of the start is what is looked at."""
    program = f"""
import asyncio, sys
import httpx2
from fastapi import FastAPI
from starlette.routing import Route
from chat.mcp_mount import PATH, McpMount
from guard import Guard

async def main():
    app, mount = FastAPI(), McpMount(asks=False)
    app.routes.append(Route(PATH, mount))
    transport = httpx2.ASGITransport(app)
    async with mount.serving(Guard()), httpx2.AsyncClient(transport=transport) as http:
        print("mcp" in sys.modules, "guard.mcp_server" in sys.modules)
        answer = await http.post("http://a.example/mcp", json={CALL!r}, headers={FOR_BOTH!r})
        print(answer.status_code, "guard.mcp_server" in sys.modules)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines() == ["False False", "200 True"], done.stderr
