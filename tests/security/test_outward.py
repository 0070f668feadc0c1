"""Where our own requests go: to what the operator named and no further, whoever asks for more.

A host that redirects would have its key, or a request of ours, land elsewhere; a reader's words
must not choose an address. Defences: `allow_redirects=False` (guard/providers/relay.py),
`follow_redirects=False` (guard/providers/transport.py), mcp's client, which follows within one
origin only (guard/tools/session.py), `base_url: None` for models of files (chat/record.py), and
httpx2, which takes the key off where the Hub sends us elsewhere (guard/hub.py).
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
import uvicorn
from pydantic import SecretStr
from served import API_KEY, LLAMA, QWEN, SOUP, V1_KEY, Page, Site, page_of, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.routing import Route

from chat.settings import Settings
from guard.errors import ProviderError, ToolError
from guard.hub import MALFORMED, Hub
from guard.providers.host import Host
from guard.providers.inference import InferenceChat
from guard.providers.transport import close_shared_client
from guard.tools.session import Session
from guard.tools.settings import ToolServer

EVERY = ["GET", "POST", "PUT", "HEAD"]
REDIRECTS = [301, 302, 303, 307, 308]
TOKEN = "tok-OnlyForTheServer"


@dataclass
class Trap:
    """A server that nobody named; `met` are the headers of who came, `sent` of who was sent."""

    port: int = 0
    met: list[dict[str, str]] = field(default_factory=list)
    sent: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """By another name, so that it is another origin in each of its parts."""
        return f"http://localhost:{self.port}"


@pytest.fixture(scope="module")
def shared_trap() -> Iterator[Trap]:
    trap = Trap()

    async def caught(request: Request) -> JSONResponse:
        trap.met.append(dict(request.headers))
        return JSONResponse({"data": []})

    app = Starlette(routes=[Route("/{path:path}", caught, methods=EVERY)])
    config = uvicorn.Config(app, port=0, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as trap.port:
        yield trap


@pytest.fixture
def trap(shared_trap: Trap) -> Trap:
    shared_trap.met.clear()
    return shared_trap


@pytest.fixture(scope="module")
def sending(shared_trap: Trap) -> Iterator[str]:
    """A server that sends all on to the trap, with the status that the path begins by."""

    async def elsewhere(request: Request) -> RedirectResponse:
        shared_trap.sent.append(dict(request.headers))
        return RedirectResponse(f"{shared_trap.url}/trap", int(request.path_params["status"]))

    app = Starlette(routes=[Route("/{status}/{path:path}", elsewhere, methods=EVERY)])
    config = uvicorn.Config(app, port=0, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_host_of_models_sends_us_nowhere(
    sending: str, trap: Trap, tmp_path: Path, status: int
) -> None:
    """By the client of the page and the API (aiohttp), streamed and whole."""
    address = f"{sending}/{status}/v1"
    settings = Settings(base_url=address, api_key=API_KEY, api_keys=V1_KEY, data=tmp_path)
    with serving(settings) as site, page_of(site.url) as page:
        id_ = page.answered(SOUP)
        assert 'class="fault"' in page.state(id_)["thread"]
        for stream in (False, True):
            body = {"model": LLAMA, "messages": [{"role": "user", "content": SOUP}]}
            key = {"authorization": f"Bearer {V1_KEY}"}
            answer = page.http.post(
                "/v1/chat/completions", json=body | {"stream": stream}, headers=key
            )
            assert answer.status_code >= 400
            assert API_KEY not in answer.text
    assert trap.met == []


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_host_of_models_with_tools_sends_us_nowhere(
    sending: str, trap: Trap, status: int
) -> None:
    """By the Hub's client (httpx2), which asks where tools are offered."""
    host = Host(base_url=f"{sending}/{status}/v1", token=SecretStr(API_KEY))
    chat = InferenceChat.at(host, LLAMA, 5)
    with pytest.raises(ProviderError):
        await chat.ainvoke(SOUP)
    with pytest.raises(ProviderError):
        await anext(chat.astream(SOUP))
    await close_shared_client()
    assert trap.met == []


@pytest.mark.parametrize("status", REDIRECTS)
async def test_a_tool_server_sends_us_nowhere(sending: str, trap: Trap, status: int) -> None:
    spec = ToolServer(
        id="a", title="A", url=f"{sending}/{status}/mcp", token_env="TOKEN", seconds=5
    )
    session = Session(spec, {"TOKEN": TOKEN}, asyncio.Semaphore(), set())
    with pytest.raises(ToolError):
        await session.run(lambda client: client.list_tools())
    session.close()
    assert trap.met == []


@pytest.mark.parametrize("status", REDIRECTS)
def test_the_hub_may_send_us_on_but_not_the_token(
    sending: str, trap: Trap, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so for models that were renamed; what is read there is public."""
    monkeypatch.setenv("HF_TOKEN", "hf_OnlyForTheHub")
    with pytest.raises(MALFORMED):  # what the trap tells is no model
        Hub(endpoint=f"{sending}/{status}").model("a/b", [])
    assert trap.sent[-1]["authorization"] == "Bearer hf_OnlyForTheHub"
    assert len(trap.met) == 1
    assert "hf_OnlyForTheHub" not in str(trap.met)


ADDRESSES = ["{trap}/v1", "http://169.254.169.254/latest", "file:///etc/passwd", "//{trap}"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_reader_names_no_address(page: Page, trap: Trap, address: str) -> None:
    """Not as a model, in its settings, as a file, in a picture of the API, or in a question."""
    url = address.format(trap=trap.url)
    ask = {"question": f"![x]({url}) read {url}", "model": LLAMA, "mode": "off"}
    asked = [
        page.post("/ask", **ask | {"model": url}),
        page.post("/ask", **ask, base_url=url),
        page.post("/ask", **ask, files=[url]),
        page.http.put("/candor/models/options", json={"model": LLAMA, "base_url": url}),
        page.http.get(f"/candor/files/{url}"),
        page.http.get(f"/gradio_api/file={url}"),
        page.http.get(f"/gradio_api/proxy={url}"),
    ]
    assert all(answer.status_code >= 400 for answer in asked), asked
    page.answered(ask["question"])
    made = page.http.post("/candor/files", params={"name": url}, content=url.encode())
    assert made.status_code == 200  # it is text, and stays it
    assert trap.met == []


def test_a_picture_of_the_api_is_the_hosts_to_fetch(
    page: Page, trap: Trap, host: replies.Host
) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"{trap.url}/a.png"}}
    words = {"type": "text", "text": SOUP}
    body = {"model": LLAMA, "messages": [{"role": "user", "content": [words, picture]}]}
    key = {"authorization": f"Bearer {V1_KEY}"}
    assert page.http.post("/v1/chat/completions", json=body, headers=key).status_code == 200
    assert host.asked[-1].body["messages"][0]["content"][1] == picture
    assert trap.met == []


@pytest.mark.parametrize("id_", [QWEN, "stranger/Model"])
def test_a_model_of_an_imported_file_is_asked_where_ours_is(
    page: Page, site: Site, trap: Trap, host: replies.Host, id_: str
) -> None:
    """A file may say where a model is reached: it is not stored; models are found by their id."""
    first = page.answered(SOUP, model=QWEN)
    told = page.http.get(f"/candor/conversations/{first}/export.json").json()
    for reply in told["turns"][0]["replies"]:
        reply["model"] |= {"id": id_, "base_url": f"{trap.url}/v1"}
    told["title"] = f"from a file, {id_}"
    before = stored_mentions(site, trap.url)  # of other tests
    taken = page.http.post("/candor/import", content=json.dumps(told).encode()).json()
    assert taken["imported"] == 1
    assert stored_mentions(site, trap.url) == before
    brought = next(one for one in conversations(page.state()["sidebar"]) if one != first)
    asked = page.post("/ask", conversation=brought, question=SOUP, model=id_, mode="warn")
    assert asked.is_success == (id_ == QWEN)
    if asked.is_success:
        page.whole(brought)
    assert trap.met == []
    assert all("authorization" in one.headers for one in host.asked)


def stored_mentions(site: Site, words: str) -> int:
    with sqlite3.connect(site.app.state.settings.data / "candor.sqlite3") as connection:
        return "".join(connection.iterdump()).count(words)


def conversations(markup: str) -> list[str]:
    return re.findall(r"\?c=([0-9a-f]{32})", markup)


@pytest.mark.parametrize("field", ["base_url", "router", "endpoint"])
def test_a_body_of_the_api_names_no_host(
    page: Page, trap: Trap, host: replies.Host, field: str
) -> None:
    body: dict[str, Any] = {"model": LLAMA, "messages": [{"role": "user", "content": SOUP}]}
    key = {"authorization": f"Bearer {V1_KEY}"}
    answer = page.http.post("/v1/chat/completions", json=body | {field: trap.url}, headers=key)
    assert answer.status_code == 200
    assert (trap.met, len(host.asked)) == ([], 1)


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/app.py", "/..%5capp.py"])
@pytest.mark.parametrize("base", ["/candor/static", "/static", "/assets", "/svelte"])
def test_an_address_leaves_no_folder(page: Page, base: str, path: str) -> None:
    answer = httpx2.get(f"{page.http.base_url}{base}{path}", trust_env=False)
    assert answer.status_code in {400, 403, 404, 405}
    assert "root:" not in answer.text
    assert "uvicorn" not in answer.text
