"""Many requests at a time, within bounds: what asking for replies and for opinions have in common.

Nothing more is asked once the budget is spent; who keeps failing is given up. What has come is kept
before anything of it is told, so that whoever leaves loses none.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Iterable
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from ..asking import Said
from ..patience import Patience
from ..snapshot import Offer
from .record import now

Asked = TypeVar("Asked")
Came = TypeVar("Came")
WAITS = Patience(tries=6, pause=1.0, longest=120.0, faults=10, rest=30.0)
GIVEN_UP = 12  # faults of a model in a row, each after all its tries


class Progress(NamedTuple):
    """How far a run has come: questions answered and failed, US dollars where they are known."""

    answered: int
    failed: int
    dollars: float


class Call:
    """One request, from now on."""

    def __init__(self) -> None:
        self.began, self.asked_at = time.monotonic(), now()

    def took(self, said: Said, offer: Offer | None) -> dict[str, Any]:
        """Who answered it, when, and what it took, under the names of the kept rows."""
        return {
            "provider": said.provider,
            "answered_as": said.answered_as,
            "seconds": round(time.monotonic() - self.began, 3),
            "prompt_tokens": said.spent.prompt,
            "completion_tokens": said.spent.completion,
            "dollars": said.spent.dollars(offer),
            "asked_at": self.asked_at,
        }


class Rounds:
    """An asking that is going on.

    Args:
        spent: US dollars until now.
        concurrency: how many are asked at once.
        budget: US dollars; None for any.
    """

    def __init__(self, spent: float, concurrency: int, budget: float | None) -> None:
        self.dollars, self.concurrency, self.budget = spent, concurrency, budget
        self.answered = self.failed = 0
        self.in_a_row: Counter[Hashable] = Counter()

    async def run(
        self,
        left: Iterable[Asked],
        *,
        whom: Callable[[Asked], Hashable],
        ask: Callable[[Asked], Coroutine[Any, Any, Came]],
        take: Callable[[Came], Progress],
    ) -> AsyncGenerator[Progress, None]:
        """Ask all that is left; yields after each, which is kept by then.

        Args:
            left: what to ask.
            whom: who answers it, and is given up where they keep failing.
            ask: gives what comes of it, a fault as well.
            take: keeps that, and has it `counted`.
        """
        pending = iter(left)

        def following() -> Coroutine[Any, Any, Came] | None:
            if self.budget is not None and self.dollars >= self.budget:
                return None
            able = (one for one in pending if self.in_a_row[whom(one)] < GIVEN_UP)
            return next((ask(one) for one in able), None)

        async with aclosing(at_once(self.concurrency, following)) as batches:
            async for batch in batches:
                for step in [take(each) for each in batch]:
                    yield step

    def counted(self, whom: Hashable, *, failed: bool, dollars: float | None) -> Progress:
        """Count what came from somebody."""
        self.in_a_row[whom] = self.in_a_row[whom] + 1 if failed else 0
        self.failed += failed
        self.answered += not failed
        self.dollars += dollars or 0.0
        return Progress(self.answered, self.failed, self.dollars)


async def at_once(
    most: int, following: Callable[[], Coroutine[Any, Any, Came] | None]
) -> AsyncGenerator[list[Came], None]:
    """What comes of `most` pieces of work at a time, as they are done; ends where none follows.

    Whoever leaves ends the work that is under way.
    """
    running: set[asyncio.Task[Came]] = set()
    try:
        while True:
            while len(running) < most and (work := following()):
                running.add(asyncio.create_task(work))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            yield [task.result() for task in done]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
