"""The headers and the bound on bodies as ASGI middleware, over a real socket in `test_routes.py`.

Here: what a Space needs otherwise, and cookies there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from chat.auth import reader
from chat.security import BODY_LIMIT, BodyLimit, SecurityHeaders, policy
from chat.settings import Settings


def app_on(space: str | None) -> FastAPI:
    """A page that says whose it is and how long a body it got."""
    app = FastAPI()
    app.state.settings = Settings(space_id=space)

    @app.post("/")
    async def index(request: Request, response: Response) -> dict[str, str | int]:
        who = await reader(request, response)
        return {"owner": who.owner, "told": repr(who), "length": len(await request.body())}

    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders, on_a_space=app.state.settings.on_a_space)
    return app


async def post(space: str | None, url: str = "http://a.example", content: object = b"") -> object:
    transport = httpx2.ASGITransport(app_on(space))
    async with httpx2.AsyncClient(transport=transport, base_url=url) as client:
        return await client.post("/", content=content)  # type: ignore[arg-type]


def rules(header: str) -> dict[str, set[str]]:
    pairs = (rule.split() for rule in header.split(";"))
    return {name: set(sources) for name, *sources in pairs}


@pytest.mark.parametrize("on_a_space", [False, True])
def test_nothing_is_loaded_from_elsewhere(on_a_space: bool) -> None:
    found = rules(policy(on_a_space))
    inside = {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert found["default-src"] == {"'self'"}
    assert found["object-src"] == {"'none'"}
    for name, sources in found.items():
        assert name == "frame-ancestors" or sources <= inside, name


def test_only_a_space_may_be_framed_and_only_by_the_hub() -> None:
    assert rules(policy(False))["frame-ancestors"] == {"'self'"}
    framed = rules(policy(True))["frame-ancestors"]
    assert framed == {"'self'", "https://huggingface.co", "https://*.hf.space"}


@pytest.mark.parametrize(
    ("space", "url", "same_site", "secure"),
    [
        (None, "http://a.example", "lax", False),
        (None, "https://a.example", "lax", True),
        ("me/candor", "http://a.example", "none", True),
    ],
)
async def test_the_cookie_reaches_a_frame_on_a_space_alone(
    space: str | None, url: str, same_site: str, secure: bool
) -> None:
    answer = await post(space, url)
    cookie = answer.headers["set-cookie"].lower()
    assert f"samesite={same_site}" in cookie
    assert "httponly" in cookie
    assert ("secure" in cookie) is secure
    assert ("hf.space" in answer.headers["content-security-policy"]) is bool(space)


async def test_who_reads_is_not_told_in_logs() -> None:
    answer = (await post(None)).json()
    assert answer["owner"].removeprefix("cookie:") not in answer["told"]


async def test_a_body_up_to_the_bound_passes_whole() -> None:
    assert (await post(None, content=b"x" * BODY_LIMIT)).json()["length"] == BODY_LIMIT


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1000


async def test_a_body_in_pieces_is_counted() -> None:
    most = BODY_LIMIT // 1000
    assert (await post(None, content=pieces(most))).status_code == 200
    refused = await post(None, content=pieces(most + 1))
    assert refused.status_code == 413
    assert "nosniff" in refused.headers["x-content-type-options"]


async def test_a_large_body_is_refused_before_it_is_read() -> None:
    """The bound is held by the length that is told, so that nothing has to arrive."""
    messages: list[dict[str, object]] = []

    async def never() -> dict[str, object]:
        raise AssertionError("the body was read")

    async def send(message: dict[str, object]) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-length", str(BODY_LIMIT + 1).encode())],
    }
    await app_on(None)(scope, never, send)  # type: ignore[arg-type]
    assert messages[0]["status"] == 413
