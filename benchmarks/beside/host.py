"""A host that speaks OpenAI's protocol, streams at a steady rate and notes when it sent each piece.

    python benchmarks/beside/host.py --port 8001 --rate 20 --tokens 300

A reply has so many pieces as the request's `max_tokens` says, else `--tokens`; one that is not
streamed comes at once. Where a question ends with a name in brackets, `What happened? [a-17]`,
`GET /sent` gives, by name, the moments at which the pieces of the streamed reply were written to
the socket, in seconds of the machine's monotonic clock, and forgets them. Connections are kept.
Everything is done on plain sockets, so that little of the machine goes to it: a unary answer takes
about a tenth of a millisecond of it, a piece a fortieth. Not covered: requests that are sent before
the last one was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))
from beside.text import pieces

NAME = re.compile(rb"\[([\w-]+)\]")
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
PROMPT_TOKENS = 20  # told as the prompt's length, whatever it is
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Said(NamedTuple):
    """A reply as it is sent: whole, or each piece of its stream, the end, and what was used."""

    whole: bytes
    stream: list[bytes]
    end: bytes
    usage: bytes


def answer(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(told: dict[str, Any]) -> bytes:
    """One event of a streamed reply, as a chunk of the response."""
    return chunk(b"data: %b\n\n" % orjson.dumps(told))


@lru_cache(64)
def said(model: str, tokens: int) -> Said:
    """What a model replies, in so many pieces."""
    parts = pieces(tokens)
    head = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": model}
    used = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": tokens}
    used["total_tokens"] = sum(used.values())
    message = {"role": "assistant", "content": "".join(parts)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {"object": "chat.completion", **head, "choices": [choice], "usage": used}
    streamed = {"object": "chat.completion.chunk", **head}

    def told(delta: dict[str, str], finish: str | None = None) -> bytes:
        return event(
            streamed | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        )

    first, *more = parts
    return Said(
        answer(orjson.dumps(whole)),
        [told({"role": "assistant", "content": first}), *(told({"content": one}) for one in more)],
        told({}, "stop"),
        event(streamed | {"choices": [], "usage": used}),
    )


class Host:
    """Answers every question with the same pieces. `sent`: when each was written, by name."""

    def __init__(self, rate: float, tokens: int) -> None:
        self.pause, self.tokens = 1 / rate, tokens
        self.sent: dict[str, list[float]] = {}

    def told(self, path: bytes) -> bytes:
        """What was sent when, since this was asked last."""
        if path != b"/sent":
            return answer(b"{}")
        found, self.sent = self.sent, {}
        return answer(orjson.dumps(found))


class Connection(asyncio.Protocol):
    """One client, whose requests come one after the other."""

    def __init__(self, host: Host) -> None:
        self.host, self.unread = host, b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.unread += data
        head, found, body = self.unread.partition(HEAD_END)
        length = LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self.unread = b""
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            self.reply(orjson.loads(body), NAME.findall(body))
        else:
            self.transport.write(self.host.told(path))

    def reply(self, request: dict[str, Any], names: list[bytes]) -> None:
        tokens = request.get("max_tokens") or self.host.tokens
        reply = said(request["model"], tokens)
        if not request.get("stream"):
            self.transport.write(reply.whole)
            return
        sent: list[float] = []
        if names:
            self.host.sent[names[-1].decode()] = sent
        used = (request.get("stream_options") or {}).get("include_usage")
        end = reply.end + (reply.usage if used else b"") + chunk(b"data: [DONE]\n\n") + chunk(b"")
        self.transport.write(STREAM)
        self.write(reply.stream, end, sent, time.monotonic())

    def write(self, stream: list[bytes], end: bytes, sent: list[float], began: float) -> None:
        """Write the next piece, and each later one at its time, however late this one is."""
        if self.transport.is_closing():
            return
        sent.append(time.monotonic())
        self.transport.write(stream[len(sent) - 1])
        if len(sent) == len(stream):
            self.transport.write(end)
            return
        wait = began + len(sent) * self.host.pause - time.monotonic()
        loop = asyncio.get_running_loop()
        loop.call_later(max(wait, 0), self.write, stream, end, sent, began)


async def serve(port: int, rate: float, tokens: int) -> None:
    host = Host(rate, tokens)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(host), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=20, help="pieces a second")
    parser.add_argument("--tokens", type=int, default=300, help="pieces of a reply")
    arguments = parser.parse_args()
    uvloop.run(serve(arguments.port, arguments.rate, arguments.tokens))


if __name__ == "__main__":
    main()
