"""The whole app on a real socket, and readers who talk to it as the page's script does.

What the script does with the answers is not covered here: see `tests/browser`.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import itsdangerous
import uvicorn
from fastapi import FastAPI
from ports import free_port, settles
from pydantic import SecretStr
from starlette.applications import Starlette

from chat.app import build
from chat.auth import SESSION, SignedIn
from chat.settings import Settings
from chat.sign_in import Sessions
from guard.tls import trusted

__all__ = ["free_port", "settles"]  # for who has them from here
API_KEY = "sk-ApiKeyApiKeyApiKeyApiKey"
HF_TOKEN = "hf_TokenTokenTokenTokenToken"
SESSIONS = "a-secret-of-the-tests"
V1_KEY = "our-own-key-our-own-key"
QWEN = "Qwen/Qwen2.5-72B-Instruct"
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"
SOUP = "How do I cook lentil soup?"
TIANANMEN = "What happened at Tiananmen Square in June 1989?"


def signed_in(name: str, sub: str | None = None) -> str:
    """The session cookie of a reader who has signed in with Hugging Face."""
    known = SignedIn(
        owner=f"hf:{sub or f'id-of-{name}'}",
        name="The Operator",
        until=time.time() + 3600,
        accounts=frozenset({f"hf:{name}"}),
    )
    told = base64.b64encode(json.dumps({SESSION: known.model_dump(mode="json")}).encode())
    return itsdangerous.TimestampSigner(SESSIONS).sign(told).decode()


@dataclass
class Page:
    """One reader's page: their cookie, and the requests that the script makes."""

    http: httpx2.Client
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.post(f"/candor{path}", json=body)

    def patch(self, path: str, **body: Any) -> httpx2.Response:
        return self.http.patch(f"/candor{path}", json=body)

    def state(self, conversation: str | None = None, **query: str) -> dict[str, Any]:
        found = self.http.get("/candor/state", params=query | ({"c": conversation or ""}))
        return dict(found.raise_for_status().json())

    def ask(self, question: str, conversation: str | None = None, **changes: Any) -> dict[str, Any]:
        """Put a question; its reply runs on."""
        body = {"question": question, "model": LLAMA, "mode": "warn"} | changes
        answer = self.post("/ask", conversation=conversation, **body)
        return dict(answer.raise_for_status().json())

    def listen(self, conversation: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Events of the running reply, one by one."""
        path = f"/candor/conversations/{conversation}/events"
        with self.http.stream("GET", path) as response:
            response.raise_for_status()
            name = ""
            for line in response.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def whole(self, conversation: str) -> list[tuple[str, dict[str, Any]]]:
        """All events of a reply, until it ends."""
        return list(self.listen(conversation))

    def answered(self, question: str, conversation: str | None = None, **changes: Any) -> str:
        """Put a question and wait for the end of its reply; returns the conversation's id."""
        id_ = str(self.ask(question, conversation, **changes)["conversation"])
        assert self.whole(id_)[-1][0] == "end"
        return id_

    def close(self) -> None:
        self.http.close()


def client(**more: Any) -> httpx2.Client:
    """A client that reads no certificates anew."""
    return httpx2.Client(timeout=30, trust_env=False, verify=trusted(), **more)


@contextmanager
def page_of(url: str, **headers: str) -> Iterator[Page]:
    """A new reader's page. `headers` go with every request."""
    fixed = {"x-candor": "1", "accept-language": "en"} | headers
    with client(base_url=url, headers=fixed) as http:
        yield Page(http)


@dataclass
class Site:
    """The running app."""

    url: str
    app: FastAPI

    def running(self) -> int:
        return len(self.app.state.chat.live)


def settings_of(base_url: str, data: Path, **more: Any) -> Settings:
    """A deployment over a host, with every secret set, and what else is given."""
    secrets = {"api_key": API_KEY, "token": HF_TOKEN, "api_keys": SecretStr(V1_KEY)}
    return Settings(**({"base_url": base_url, "data": data, "timeout": 20} | secrets | more))


@contextmanager
def serving(settings: Settings, *, signs_in: bool = False) -> Iterator[Site]:
    """The app on a free port, in a thread of its own.

    `signs_in`: it knows the cookies of `signed_in`, as it would after a sign-in.
    """
    app = build(settings)
    if signs_in:
        app.add_middleware(Sessions, SESSIONS)
    with listening(app) as url:
        yield Site(url, app)


@contextmanager
def reader_of(site: Site) -> Iterator[Page]:
    """A new reader's page, with a cookie; a test that leaves a reply running fails."""
    with page_of(site.url) as page:
        page.state()
        yield page
    assert settles(lambda: site.running() == 0), "a reply was left running"


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """The address of any app on a free port, in a thread of its own."""
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert settles(lambda: server.started or not thread.is_alive(), 60)
    assert server.started, "the app did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
