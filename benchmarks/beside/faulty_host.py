"""A host of models that fails as it is told to.

    python benchmarks/beside/faulty_host.py --port 8001 --rate 20 --tokens 40

A reply repeats the name in brackets at the end of its question (`Why? [u7-3]`), so that whose reply
it is can be told from its words. `POST /fault` with `{"name": "500"}` lets all further requests
fail so, with `""` none. Not covered: replies that are not streamed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web

NAME = re.compile(r"\[([\w-]+)\]\s*$")
STATUSES = {"401": 401, "429": 429, "500": 500}
CUT_AT = 10  # pieces of a reply that breaks in its middle
HUGE = 10_000_000  # characters
FAULTS = (
    *STATUSES,
    *("hang", "disconnect", "garbage", "empty", "content_filter", "slow", "huge"),
)


class FaultyHost:
    """Streams replies at a steady rate, or fails by the name of `fault`."""

    def __init__(self, rate: float, tokens: int) -> None:
        self.pause, self.tokens, self.fault = 1 / rate, tokens, ""

    async def set_fault(self, request: web.Request) -> web.Response:
        self.fault = (await request.json())["name"]
        return web.json_response({})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body, fault = await request.json(), self.fault
        if fault in STATUSES:
            return web.json_response({"error": {"message": fault}}, status=STATUSES[fault])
        if fault == "hang":
            await asyncio.sleep(3600)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        pause = 1.0 if fault == "slow" else self.pause
        for number, piece in enumerate(self.pieces(body["messages"][-1]["content"], fault)):
            if number == CUT_AT and fault == "disconnect":
                request.transport.abort()  # type: ignore[union-attr]
                return response
            if number == CUT_AT and fault == "garbage":
                await response.write(b'data: {"choices": [{"delta": \n\n')
            await response.write(event({"content": piece}))
            if fault != "huge":
                await asyncio.sleep(pause)
        reason = "content_filter" if fault == "content_filter" else "stop"
        await response.write(event({}, reason) + b"data: [DONE]\n\n")
        return response

    def pieces(self, question: str, fault: str) -> Iterator[str]:
        """The words of a reply."""
        found = NAME.search(question)
        if fault == "empty":
            return
        yield f"About [{found[1] if found else ''}]:"
        if fault == "huge":
            yield from ["lorem ipsum " * 5_000] * (HUGE // 60_000)
        yield from (" and so on" for _ in range(5 if fault == "content_filter" else self.tokens))


def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    told = {"object": "chat.completion.chunk", "model": "bench", "choices": [choice]}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


async def health(_: web.Request) -> web.Response:
    return web.json_response({})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=20, help="pieces a second")
    parser.add_argument("--tokens", type=int, default=40, help="pieces of a reply")
    arguments = parser.parse_args()
    host = FaultyHost(arguments.rate, arguments.tokens)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", host.chat)
    app.router.add_post("/fault", host.set_fault)
    app.router.add_get("/health", health)
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=None)


if __name__ == "__main__":
    main()
