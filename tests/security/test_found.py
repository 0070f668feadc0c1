"""What fuzzing has found, each with the input that did it, on a real socket where one is met.

Defences: `characters` (guard/characters.py), `faults` and what came before a chunk that
is not sound (guard/providers/relay.py), `seconds_of` (guard/providers/faults.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import replies
import uvicorn
from served import SOUP, Page, page_of, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat.settings import Settings
from fuzz.targets import TARGETS
from guard.providers.faults import of_status, seconds_of

DEEP = b"data: " + b"[" * 50_000 + b"\n\n"


def chunk(finish: str | None = None, **delta: str) -> bytes:
    """An event whose half characters are escaped, as most hosts write them."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "1", "model": "m\ud800\x00", "choices": [choice]}
    return f"data: {json.dumps(told)}\n\n".encode()


HALVES = (
    chunk(reasoning_content="thought \udc00 \x00 on")
    + chunk(content="before \ud83d")
    + chunk(content=" after \x00 it")
    + chunk(finish="stop")
    + b"data: [DONE]\n\n"
)


@contextmanager
def said(body: bytes, folder: Path, status: int = 200, waits: str = "") -> Iterator[Page]:
    """A reader of an app whose host says this, whatever it is asked."""

    async def say(_: Request) -> Response:
        headers = {"retry-after": waits} if waits else {}
        return Response(body, status, headers, media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", say, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    with replies.in_a_thread(server) as port:
        settings = Settings(base_url=f"http://127.0.0.1:{port}/v1", data=folder, timeout=5)
        with serving(settings) as site, page_of(site.url) as page:
            yield page


def test_half_a_character_and_nul_in_a_reply_lose_nothing_of_it(tmp_path: Path) -> None:
    """The stream broke, and nothing of the reply was stored."""
    with said(HALVES, tmp_path) as page:
        id_ = page.answered(SOUP)
        thread = page.state(id_)["thread"]
        assert "before \ufffd after \ufffd it" in thread
        assert "thought \ufffd \ufffd on" in thread
        stored = page.http.get(f"/candor/conversations/{id_}/export.json").json()
        assert stored["turns"][0]["replies"][0]["fault"] is None


def test_a_whole_character_stays_whole(tmp_path: Path) -> None:
    body = chunk(content="\\ud800 😀 天") + chunk(finish="stop") + b"data: [DONE]\n\n"
    with said(body, tmp_path) as page:
        assert "\\ud800 😀 天" in page.state(page.answered(SOUP))["thread"]


def test_a_reply_that_is_nested_too_deeply_is_the_hosts_fault(tmp_path: Path) -> None:
    with said(chunk(content="begun ") + DEEP, tmp_path) as page:
        id_ = page.answered(SOUP)
        stored = page.http.get(f"/candor/conversations/{id_}/export.json").json()
        assert stored["turns"][0]["replies"][0]["fault"]["kind"] == "malformed"
        assert "begun" in page.state(id_)["thread"]


@pytest.mark.parametrize(
    "waits", ["²", "9" * 400, "1e999", "nan", "Fri, 31 Dec 9999 23:59:59 -2359", "-5", "٣"]
)
def test_a_wait_that_is_none_is_no_wait(waits: str) -> None:
    found = seconds_of(waits)
    assert found is None or 0 <= found < 1e12
    assert of_status(429, waits).kind == "rate_limited"


@pytest.mark.parametrize("choice", [b'"delta":"0"', b'"message":"x"', b'"delta":[1]'])
@pytest.mark.parametrize("how", [b"\x00", b"\x08"], ids=["streamed", "whole"])
def test_a_second_choice_that_is_no_message_is_the_hosts_fault(how: bytes, choice: bytes) -> None:
    told = b'{"choices":[{"index":5,%b,"finish_reason":"stop"}]}' % choice
    TARGETS["stream"](how + b"\n" + (b"data: %b\n\n" % told if how == b"\x00" else told))


@pytest.mark.parametrize("waits", [b"9" * 400, b"\xb2", b"1e999"])
@pytest.mark.parametrize("how", [b"\x06", b"\x0e"], ids=["streamed", "whole"])
def test_the_api_answers_whatever_wait_a_host_asks_for(how: bytes, waits: bytes) -> None:
    TARGETS["stream"](how + waits + b"\n{}")
