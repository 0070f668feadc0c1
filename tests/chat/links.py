"""A link to a server that can be cut, or fall silent: how what stands behind it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Link:
    """Hands bytes on to `port` and back. `silent`: it takes what comes, and nothing follows."""

    def __init__(self, port: int) -> None:
        self.port, self.at = port, 0
        self.silent = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def restore(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", self.at)
        self.at = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections, and refuse new ones."""
        if self._server:
            self._server.close()
        for writer in [*self._writers]:
            writer.close()

    async def _link(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, on = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers |= {back, on}
        await asyncio.gather(self._pass(near, on), self._pass(far, back))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.silent:
                    target.write(data)
        target.close()
        self._writers.discard(target)


@asynccontextmanager
async def linked(port: int) -> AsyncIterator[Link]:
    link = Link(port)
    await link.restore()
    try:
        yield link
    finally:
        await link.cut()
