"""A session with an MCP server, by `mcp`'s own client, which is imported when the first one opens.

Only the operator's address is contacted: the client follows no redirect to another origin. What a
server asks for on its own (a model's reply, the reader's input) is declined. A response over HTTP
is bounded in bytes; what a program writes is bounded by the time limit alone.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from ..errors import ToolError
from ..providers.host import LINE_LIMIT
from ..providers.transport import BoundedBody
from ..tls import trusted
from .settings import ToolServer

if TYPE_CHECKING:  # mcp takes a second to import
    from mcp import Client

log = logging.getLogger(__name__)
T = TypeVar("T")


class Session:
    """One connection, kept by a task of its own: `mcp` wants it closed where it was opened.

    Args:
        spec: the server.
        secrets: the values of the variables that it names.
        places: taken for as long as it is open.
        going: all tasks of sessions, which is told of this one's.
    """

    def __init__(
        self,
        spec: ToolServer,
        secrets: Mapping[str, str],
        places: asyncio.Semaphore,
        going: set[asyncio.Task[Any]],
    ) -> None:
        self.spec, self.secrets, self.places, self.going = spec, secrets, places, going
        self._leave = asyncio.Event()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._kept = self._begin(self._keep())

    @property
    def open(self) -> bool:
        return not self._kept.done()

    def close(self) -> None:
        """Let it end; `going` holds its task until it has."""
        self._leave.set()
        if not self._client.done():
            self._kept.cancel()

    async def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """What `work` gives with the connected client.

        Raises:
            ToolError: the connection broke or took too long.
        """
        working = self._begin(self._work(work))
        try:
            either: tuple[asyncio.Task[Any], ...] = (working, self._kept)
            done, _ = await asyncio.wait(
                either, timeout=self.spec.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if working in done and not working.cancelled():
                return working.result()
            raise ToolError("unavailable" if done else "timeout")
        finally:
            working.cancel()

    async def _work(self, work: Callable[[Client], Awaitable[T]]) -> T:
        return await work(await asyncio.shield(self._client))

    async def _keep(self) -> None:
        try:
            async with self.places, connected(self.spec, self.secrets) as client:
                self._client.set_result(client)
                await self._leave.wait()
        except Exception as error:  # whatever a server or a program does
            log.info("tool server %s: %s", self.spec.id, type(error).__name__)
        finally:
            self._client.cancel()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self.going.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.going.discard(task)
        if not task.cancelled():
            task.exception()  # who waited for it has heard of it


@asynccontextmanager
async def connected(spec: ToolServer, secrets: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client that has greeted the server."""
    from mcp import Client, Implementation, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    from .. import __version__

    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)  # it would log what a server sends
    async with AsyncExitStack() as stack:
        if spec.url:
            http = httpx2.AsyncClient(
                verify=trusted(),
                headers=headers(spec, secrets),
                timeout=httpx2.Timeout(spec.seconds, read=None),  # reading has our own limit
                event_hooks={"response": [bound]},
            )
            await stack.enter_async_context(http)
            transport = streamable_http_client(
                spec.url, http_client=http, max_sse_event_size=LINE_LIMIT
            )
        else:
            program = StdioServerParameters(
                command=spec.command or "",
                args=[*spec.args],
                env={name: secrets[name] for name in spec.env},
            )
            unread: Any = subprocess.DEVNULL  # what it writes there may repeat a secret
            transport = stdio_client(program, errlog=unread)
        us = Implementation(name="Candor", version=__version__)
        yield await stack.enter_async_context(Client(transport, client_info=us, cache=None))


def headers(spec: ToolServer, secrets: Mapping[str, str]) -> dict[str, str]:
    """What proves to the server who asks."""
    found = {header: secrets[name] for header, name in spec.headers_env.items()}
    bearer = {"Authorization": f"Bearer {secrets[spec.token_env]}"} if spec.token_env else {}
    return found | bearer


async def bound(response: httpx2.Response) -> None:
    """Give up on a response that has no end: of a stream each event is bounded, else all of it."""
    streamed = response.headers.get("content-type", "").startswith("text/event-stream")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = BoundedBody(response.stream, streamed=streamed)
