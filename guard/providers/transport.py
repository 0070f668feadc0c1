"""One pool of connections for each event loop, who served a request, and a bound on what is read.

A fresh client for each request would open a connection each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import httpx2

from ..errors import ProviderError
from ..tls import trusted
from .host import LAST_WAIT, LINE_LIMIT, PROVIDER_HEADER

LAST_EVENT = b"[DONE]"


@dataclass
class ServedBy:
    """The host's name, once the response's headers are there; `streamed` is what was asked for."""

    name: str = ""
    streamed: bool = True


_served: ContextVar[ServedBy | None] = ContextVar("served", default=None)
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient] = WeakKeyDictionary()


class BoundedBody(httpx2.AsyncByteStream):
    """A response's body that gives up on what has no end, and is read out once all has been said.

    Of a stream each line is bounded, of a reply that comes whole all lines together. Readers stop
    at the last event; a connection whose body was not read out cannot be used again.
    """

    def __init__(self, body: httpx2.AsyncByteStream, *, streamed: bool = True) -> None:
        self.body, self.parts, self.streamed = body, aiter(body), streamed
        self.ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length, tail = 0, b""
        async for part in self.parts:
            ends = self.streamed and b"\n" in part
            length = len(part) - part.rfind(b"\n") if ends else length + len(part)
            if length > LINE_LIMIT:
                raise ProviderError("too_long", f"the host sent over {LINE_LIMIT} bytes at once")
            tail = (tail + part)[-32:]
            self.ended = LAST_EVENT in tail
            yield part

    async def aclose(self) -> None:
        if self.ended:
            try:
                async with asyncio.timeout(LAST_WAIT):
                    async for _ in self.parts:
                        pass
            except (TimeoutError, httpx2.TransportError):
                pass  # then the connection is closed, not kept
        await self.body.aclose()


async def watch(response: httpx2.Response) -> None:
    """Note who serves, and bound what is read."""
    box = _served.get()
    if box is not None:
        box.name = response.headers.get(PROVIDER_HEADER, "")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        streamed = box is None or box.streamed
        response.stream = BoundedBody(response.stream, streamed=streamed)


def shared_client() -> httpx2.AsyncClient:
    """The running event loop's client."""
    loop = asyncio.get_running_loop()
    if loop not in _clients or _clients[loop].is_closed:
        _clients[loop] = httpx2.AsyncClient(
            verify=trusted(),
            event_hooks={"response": [watch]},
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
        )
    return _clients[loop]


async def close_shared_client() -> None:
    """Close the running event loop's connections; the next request opens new ones."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


@contextmanager
def served_header(*, streamed: bool = True) -> Iterator[ServedBy]:
    """A box that holds who served, as soon as the response of this task's request begins."""
    box = ServedBy(streamed=streamed)
    _served.set(box)
    yield box
