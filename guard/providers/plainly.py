"""Async work from plain code: each call has an event loop of its own, in a thread of its own.

So it also works where an event loop runs already (a notebook, a callback), which it then blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TypeVar

from .transport import close_shared_client

T = TypeVar("T")


def iterate(source: AsyncIterator[T]) -> Iterator[T]:
    """The items of an async generator. Leaving early closes it, and its connections."""
    runner = asyncio.Runner()
    with ThreadPoolExecutor(1) as thread:
        try:
            while True:
                try:
                    yield thread.submit(runner.run, following(source)).result()
                except StopAsyncIteration:
                    return
        finally:
            thread.submit(runner.run, leave(source)).result()
            thread.submit(runner.close).result()


async def following(source: AsyncIterator[T]) -> T:
    return await anext(source)


async def leave(source: AsyncIterator[T]) -> None:
    if isinstance(source, AsyncGenerator):
        async with aclosing(source):
            pass
    await close_shared_client()
