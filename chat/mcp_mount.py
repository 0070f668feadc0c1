"""The guard's MCP server within the app, at `/mcp`: streamable HTTP without sessions.

It is imported and made with the first request that comes: few deployments are ever asked. Not
covered: who may call. Whoever mounts it where that costs money puts a check before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from guard.pipeline import Guard

if TYPE_CHECKING:  # mcp takes a second to import
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
FOR_CLIENTS = "this address is for MCP clients, which POST to it; docs/mcp.md tells how to add it"
FOREIGN = "requests from pages of other sites are refused"


class McpMount:
    """The ASGI app of the server. It answers while `serving`.

    Args:
        asks: whether callers may have models asked, at the operator's cost.
    """

    def __init__(self, *, asks: bool) -> None:
        self.asks = asks
        self._guard: Guard | None = None
        self._leave = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._sessions: asyncio.Future[StreamableHTTPSessionManager]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = refusal(scope)
        if refused:
            await refused(scope, receive, send)
            return
        sessions = await self._started()
        await sessions.handle_request(scope, receive, send)

    @asynccontextmanager
    async def serving(self, guard: Guard) -> AsyncIterator[None]:
        """Answer with this guard until the app goes down."""
        self._guard = guard
        self._leave.clear()
        try:
            yield
        finally:
            self._leave.set()
            if self._keeping:
                await asyncio.wait([self._keeping])
                self._keeping = None

    async def _started(self) -> StreamableHTTPSessionManager:
        """The running server's sessions; the first request starts it."""
        if self._keeping is None:
            self._sessions = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.create_task(self._keep(self._sessions))
        return await asyncio.shield(self._sessions)

    async def _keep(self, sessions: asyncio.Future[StreamableHTTPSessionManager]) -> None:
        """Run the server in a task of its own: `mcp` wants it closed where it was opened."""
        try:
            made = await asyncio.to_thread(self._made)
            async with made.run():
                sessions.set_result(made)
                await self._leave.wait()
        except Exception as error:
            if sessions.done():
                raise
            sessions.set_exception(error)

    def _made(self) -> StreamableHTTPSessionManager:
        from guard.mcp_server import sessions

        if self._guard is None:
            raise RuntimeError("the MCP server is asked before the app has started")
        return sessions(self._guard, asks=self.asks)


def refusal(scope: Scope) -> Response | None:
    """The answer to what no MCP client sends.

    A page of another site could reach a server in the reader's own network; its browser says whose
    page it is. All names by which the app itself is reached will do.
    """
    headers = Headers(scope=scope)
    if scope["method"] != "POST":  # without sessions there is nothing to listen to, nor to end
        return JSONResponse({"detail": FOR_CLIENTS}, 405, {"allow": "POST"})
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return JSONResponse({"detail": FOREIGN}, 403)
    return None
