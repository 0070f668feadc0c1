"""Links to servers: how what stands behind one is lost, and how a proxy stands before replicas."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress


class Link:
    """Hands bytes on to the first of `ports` that takes them, and back.

    `silent`: it takes what comes, and nothing follows.
    """

    def __init__(self, *ports: int) -> None:
        self.ports, self.at = ports, 0
        self.silent = False
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.at}"

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
        self._writers.add(back)
        for port in self.ports:
            with suppress(OSError):
                far, on = await asyncio.open_connection("127.0.0.1", port)
                self._writers.add(on)
                await asyncio.gather(self._pass(near, on), self._pass(far, back))
                return
        back.close()
        self._writers.discard(back)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """All that comes from one side, until either is gone."""
        with suppress(OSError):
            while data := await source.read(65536):
                if not self.silent:
                    target.write(data)
                    await target.drain()
        target.close()
        self._writers.discard(target)


@asynccontextmanager
async def linked(*ports: int) -> AsyncIterator[Link]:
    link = Link(*ports)
    await link.restore()
    try:
        yield link
    finally:
        await link.cut()


@contextmanager
def proxy(*ports: int) -> Iterator[Link]:
    """A link that runs in a thread of its own."""
    given: Future[Link] = Future()
    over = threading.Event()

    async def run() -> None:
        async with linked(*ports) as link:
            given.set_result(link)
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield given.result(10)
    finally:
        over.set()
        thread.join(10)
