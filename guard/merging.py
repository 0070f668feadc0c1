"""Several streams read side by side as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

T = TypeVar("T")
AHEAD = 8  # items of a stream that wait to be taken


async def merged(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """The items of all sources as they come; each source is read in a task of its own.

    Leaving early closes all. What a source raises is raised here, and closes the others.
    """
    queue: asyncio.Queue[T] = asyncio.Queue(AHEAD)

    async def pump(source: AsyncGenerator[T, None]) -> None:
        async with aclosing(source):
            async for item in source:
                await queue.put(item)

    tasks = [asyncio.create_task(pump(source)) for source in sources]
    over = asyncio.gather(*tasks)
    try:
        while not (over.done() and queue.empty()):
            item = asyncio.ensure_future(queue.get())
            either: list[asyncio.Future[Any]] = [item, over]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if item.done():
                yield item.result()
            else:
                item.cancel()
        over.result()
    finally:
        over.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, over, return_exceptions=True)
