"""Headers that keep the page to itself (no outside image, script, style, font or connection), a
bound on what a request may bring, and a door that lets through what of Gradio the page needs.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 2_000_000  # bytes; the longest question, each character escaped, fits
TOO_LARGE = "a request may bring at most {limit} bytes"
PRIVATE = ("/candor/", "/admin", "/v1/", "/mcp")  # what answers there is one reader's or caller's
OF_GRADIO = ("/assets/", "/static/", "/svelte/")
PAGES_OF_GRADIO = ("/", "/favicon.ico", "/robots.txt", "/theme.css")
FRAMES_ON_A_SPACE = "https://huggingface.co https://*.hf.space"


def policy(on_a_space: bool) -> str:
    """The Content-Security-Policy. Gradio's own page needs inline scripts and `eval`."""
    rules = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": f"'self' {FRAMES_ON_A_SPACE}" if on_a_space else "'self'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class SecurityHeaders:
    """ASGI middleware that sets them on every response."""

    def __init__(self, app: ASGIApp, on_a_space: bool = False) -> None:
        self.app = app
        self.headers = {
            "content-security-policy": policy(on_a_space),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
        }
        if not on_a_space:  # there the page is a frame, and sign-in comes back from another site
            self.headers["cross-origin-opener-policy"] = "same-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                held = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    held.setdefault(name, value)  # a stricter one of the route stays
                if kept := caching(scope["path"]):
                    held.setdefault("cache-control", kept)
            await send(message)

        await self.app(scope, receive, with_headers)


def caching(path: str) -> str | None:
    """What browsers and proxies may keep of an answer that does not say; None: as they see fit."""
    if path.startswith(PRIVATE):
        return "no-store"
    return None if path.startswith((*OF_GRADIO, "/theme.css")) else "private, no-cache"


class PageOnly:
    """ASGI app that lets through to Gradio what our page fetches of it, and nothing else.

    The rest is for apps whose logic is Gradio's: uploads that anyone may leave, a proxy, files by
    their path, queues and sessions by an id. Ours has none of it, so that nobody gets at it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self.lets(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    def lets(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        return reads and (path in PAGES_OF_GRADIO or path.startswith(OF_GRADIO))


class BodyLimit:
    """ASGI middleware that refuses a request's body as soon as it is known to be too large.

    `larger` holds the bytes that some paths may take, by path; routes below `apart` bound their
    bodies themselves.
    """

    def __init__(
        self, app: ASGIApp, larger: Mapping[str, int] | None = None, apart: str | None = None
    ) -> None:
        self.app, self.larger = app, larger or {}
        self.apart = f"{apart}/" if apart else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        by_itself = self.apart and scope.get("path", "").startswith(self.apart)
        if scope["type"] != "http" or by_itself:
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], BODY_LIMIT)
        too_large = TOO_LARGE.format(limit=limit)
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > limit:
            await JSONResponse({"detail": too_large}, 413)(scope, receive, send)
            return
        length = 0

        async def counted() -> Message:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > limit:
                raise HTTPException(413, too_large)
            return message

        await self.app(scope, counted, send)
