"""Something that changes now and then, and those who wait for it."""

from __future__ import annotations

import asyncio


class News:
    """A version that rises with each change, until it is `over`."""

    def __init__(self) -> None:
        self.version = 0
        self.over = False
        self._news = asyncio.Event()

    @property
    def running(self) -> bool:
        return not self.over

    def tell(self) -> None:
        """There is something new, or it is over."""
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    async def wait(self, seen: int, seconds: float) -> int:
        """The version, as soon as it is newer than `seen` or `seconds` have passed."""
        if self.version == seen and self.running:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
        return self.version
