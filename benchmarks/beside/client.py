"""Clients of plain sockets, which keep all that comes with its time and take it apart later.

That way little of the machine goes to them while they listen. Not covered: more than one request of
a connection at a time, and answers that end with the connection.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class Arrival(NamedTuple):
    """Bytes that came from a socket, and when (seconds of the monotonic clock)."""

    at: float
    data: bytes


class ServerEvent(NamedTuple):
    """A server-sent event, and when its last byte had come."""

    at: float
    name: str
    data: str


class Update(NamedTuple):
    """What could be seen of a reply from some moment on, in signs of the caller's choice."""

    at: float
    seen: int


class Answer(NamedTuple):
    """What came of a request that was sent at `asked`."""

    asked: float
    arrivals: list[Arrival]

    @property
    def seconds(self) -> float:
        return self.arrivals[-1].at - self.asked

    @property
    def content(self) -> bytes:
        return b"".join(one.data for one in self.arrivals)

    @property
    def ok(self) -> bool:
        return self.arrivals[0].data.startswith(b"HTTP/1.1 200 ")

    @property
    def body(self) -> bytes:
        head, _, body = self.content.partition(HEAD_END)
        return body if LENGTH.search(head) else dechunked(body)


class Connection(asyncio.Protocol):
    """A connection that is kept for request after request."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.arrivals: list[Arrival] = []
        self.head = self.tail = b""
        self.missing: int | None = None  # bytes of a body whose length is told
        self.ended: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def ask(self, request: bytes) -> Answer:
        """Send a request, and wait for the end of its answer.

        Raises:
            ConnectionError: the server closed the connection before that.
        """
        self.arrivals, self.head, self.tail, self.missing = [], b"", b"", None
        self.ended = asyncio.get_running_loop().create_future()
        asked = time.monotonic()
        self.transport.write(request)
        await self.ended
        return Answer(asked, self.arrivals)

    def data_received(self, data: bytes) -> None:
        self.arrivals.append(Arrival(time.monotonic(), data))
        if HEAD_END not in self.head:
            self.head += data
            if HEAD_END not in self.head:
                return
            head, _, data = self.head.partition(HEAD_END)
            found = LENGTH.search(head)
            self.missing = int(found[1]) if found else None
        if self.missing is None:
            self.tail = (self.tail + data)[-len(LAST_CHUNK) :]
        else:
            self.missing -= len(data)
        over = self.tail == LAST_CHUNK if self.missing is None else self.missing <= 0
        if over and self.ended is not None and not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self.ended is not None and not self.ended.done():
            self.ended.set_exception(error or ConnectionResetError("the server hung up"))


async def connect(port: int) -> Connection:
    """A connection to a server of this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


def posting(path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """A request that posts JSON."""
    raw = json.dumps(body).encode()
    told = {"host": "127.0.0.1", "content-type": "application/json", **headers}
    told["content-length"] = str(len(raw))
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw


def dechunked(content: bytes) -> bytes:
    return b"".join(content[start:end] for start, end in chunks(content))


def chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Where the chunks of a chunked body lie."""
    at = 0
    while (line := content.find(b"\r\n", at)) > at:
        length = int(content[at:line], 16)
        yield line + 2, line + 2 + length
        at = line + 4 + length


def events(arrivals: Sequence[Arrival]) -> Iterator[ServerEvent]:
    """The server-sent events of a chunked answer."""
    content = b"".join(one.data for one in arrivals)
    ends, reached = [], 0
    for one in arrivals:
        reached += len(one.data)
        ends.append(reached)
    start = content.index(HEAD_END) + len(HEAD_END)
    parts, places, length = [], [], 0  # of each chunk: where it ends in the body, and in the stream
    for begin, end in chunks(content[start:]):
        parts.append(content[start + begin : start + end])
        length += len(parts[-1])
        places.append((length, start + end))
    body, at = b"".join(parts), 0
    while (end := body.find(b"\n\n", at)) >= 0:
        place = places[bisect_left(places, (end + 2, 0))][1]
        lines = body[at:end].decode().replace("\r", "").split("\n")
        told = dict(line.split(": ", 1) for line in lines if ": " in line)
        if "data" in told:
            when = arrivals[bisect_left(ends, place)].at
            yield ServerEvent(when, told.get("event", ""), told["data"])
        at = end + 2


def delays(
    sent: Sequence[float], wanted: Sequence[int], updates: Sequence[Update]
) -> list[tuple[float, float]]:
    """For each token that shows anything: when it was sent, and when it could first be seen."""
    found, reached, coming = [], 0, iter(updates)
    update = next(coming, None)
    for at, seen in zip(sent, wanted, strict=True):
        if seen == reached:
            continue
        while update is not None and update.seen < seen:
            update = next(coming, None)
        if update is None:
            break
        found.append((at, update.at))
        reached = seen
    return found
