"""Headers that keep the page to itself: no outside image, script, style, font or connection."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, with_headers)
