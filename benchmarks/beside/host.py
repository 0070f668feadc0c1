"""A host that speaks OpenAI's protocol, streams at a steady rate and notes when it sent each piece.

    python benchmarks/beside/host.py --port 8001 --rate 20 --tokens 300

A question ends with a name in brackets: `What happened there? [a-17]`. `GET /sent` gives, by name,
the moments at which the pieces of the reply were written to the socket, in seconds of the machine's
monotonic clock. Everything is done on plain sockets, so that little of the machine goes to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from beside.text import pieces

NAME = re.compile(r"\[([\w-]+)\]")
LINE_LIMIT = 1 << 20


def event(delta: dict[str, str], finish: str | None = None) -> bytes:
    """One event of a streamed reply, as a chunk of the response."""
    told = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return chunk(f"data: {json.dumps(told)}\n\n".encode())


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Host:
    """Answers every question with the same pieces."""

    def __init__(self, rate: float, tokens: int) -> None:
        self.pause = 1 / rate
        self.events = [event({"content": piece}) for piece in pieces(tokens)]
        self.sent: dict[str, list[float]] = {}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of one connection."""
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                headers = await self.headers(reader)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if method == "POST":
                    await self.reply(json.loads(body), writer)
                else:
                    self.tell(path, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has gone
        finally:
            writer.close()

    async def headers(self, reader: asyncio.StreamReader) -> dict[str, str]:
        found: dict[str, str] = {}
        while line := (await reader.readline()).decode().strip():
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    async def reply(self, request: dict[str, object], writer: asyncio.StreamWriter) -> None:
        """Stream the pieces, each at its time, however late the one before was."""
        named = NAME.findall(json.dumps(request["messages"]))
        sent = self.sent[named[-1]] = []
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        began = time.monotonic()
        for number, data in enumerate(self.events):
            await asyncio.sleep(began + number * self.pause - time.monotonic())
            sent.append(time.monotonic())
            writer.write(data)
            await writer.drain()
        writer.write(event({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    def tell(self, path: str, writer: asyncio.StreamWriter) -> None:
        """What was sent when."""
        body = json.dumps(self.sent if path == "/sent" else {}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def serve(port: int, rate: float, tokens: int) -> None:
    host = Host(rate, tokens)
    server = await asyncio.start_server(host.talk, "127.0.0.1", port, limit=LINE_LIMIT, backlog=512)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, default=20, help="pieces a second")
    parser.add_argument("--tokens", type=int, default=300, help="pieces of a reply")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.rate, arguments.tokens))


if __name__ == "__main__":
    main()
