"""Ask a model of another origin what it holds of the unsure replies of a run, and of some others.

It is told question and reply, without a pack's facts, since a control has none: probes, controls
and neutral questions are sent alike. Each opinion is kept as it comes, and asked for once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from .. import judge
from ..asking import Said, within
from ..catalogue import Catalogue
from ..errors import FaultKind, ProviderError
from ..exchange import Exchange
from ..patience import Patience
from .agreement import chosen
from .asking import GIVEN_UP, WAITS, Progress, at_once
from .rating import Judging, Rating
from .record import Answer, Record, now

if TYPE_CHECKING:
    from .asking import Connect

SECONDS = 120.0  # for one opinion
LANGUAGE = "en"  # of the reason it gives


class SecondRater:
    """The asking for second opinions on what a run has kept.

    Args:
        models: on offer, the judges among them.
        connecting: to the chat model behind a spec, at a further host or at none.
        record: where the answers are, and the opinions go.
        judging: whom to ask, and about which replies.
        concurrency: how many are asked at once.
        budget: US dollars for replies and opinions together; None for any.
        patience: how faults of hosts are met.
    """

    def __init__(
        self,
        models: Catalogue,
        connecting: Connect,
        record: Record,
        judging: Judging,
        *,
        concurrency: int = 8,
        budget: float | None = None,
        patience: Patience = WAITS,
    ) -> None:
        self.models, self.connecting, self.record = models, connecting, record
        self.judging, self.assigned = judging, judging.by_subject
        self.concurrency, self.budget, self.patience = concurrency, budget, patience
        self.dollars = record.spent
        self.given = self.failed = 0
        self.in_a_row: dict[str, int] = {}
        record.judged_by(judging)

    def left(self) -> list[Answer]:
        """The answers that are still to be sent; those on which a judge's host failed again."""
        seen = chosen(self.judging, self.record.done.values())
        return [answer for answer in (*seen.unsure, *seen.sampled) if not self.settled(answer)]

    @property
    def total(self) -> int:
        """How many answers are to be sent in all."""
        seen = chosen(self.judging, self.record.done.values())
        return len(seen.unsure) + len(seen.sampled)

    def settled(self, answer: Answer) -> bool:
        held = self.record.ratings.get((answer.id, self.judge_of(answer)))
        return held is not None and held.settled

    def judge_of(self, answer: Answer) -> str:
        return self.assigned[answer.model, answer.jurisdiction] or ""

    async def run(self) -> AsyncGenerator[Progress, None]:
        """Ask for all opinions that are missing; yields after each, which is kept by then."""
        pending = iter(self.left())
        asking = at_once(self.concurrency, lambda: self.next_asked(pending))
        async with aclosing(asking) as batches:
            async for ratings in batches:
                for step in [self.take(rating) for rating in ratings]:
                    yield step

    def next_asked(self, pending: Iterator[Answer]) -> Coroutine[Any, Any, Rating] | None:
        """The next that may be asked: of a judge that has not been given up, in budget."""
        if self.budget is not None and self.dollars >= self.budget:
            return None
        able = (each for each in pending if self.in_a_row.get(self.judge_of(each), 0) < GIVEN_UP)
        following = next(able, None)
        return self.rate(following) if following else None

    def take(self, rating: Rating) -> Progress:
        """Keep an opinion, and count it."""
        self.record.keep_rating(rating)
        failed = not rating.settled
        self.in_a_row[rating.judge] = self.in_a_row.get(rating.judge, 0) + 1 if failed else 0
        self.given += not failed
        self.failed += failed
        self.dollars += rating.dollars or 0.0
        return Progress(self.given, self.failed, self.dollars)

    async def rate(self, answer: Answer) -> Rating:
        """What the judge holds of an answer; one with a fault where it gave no opinion."""
        began, asked_at, spec = time.monotonic(), now(), self.models.get(self.judge_of(answer))
        exchange = Exchange(answer.question, answer.reply, None, answer.finish_reason, hard=True)
        said, held, fault = await self.opinion(spec.id, exchange)
        offer = self.models.snapshot.offer(spec.id, said.provider)
        return Rating(
            answer=answer.id,
            judge=spec.id,
            conduct=judge.conduct_of(held, exchange) if held else None,
            engages=held.engages if held else None,
            framing=held.framing if held else None,
            reason=held.reason if held else "",
            provider=said.provider,
            answered_as=said.answered_as,
            seconds=round(time.monotonic() - began, 3),
            prompt_tokens=said.spent.prompt,
            completion_tokens=said.spent.completion,
            dollars=said.spent.dollars(offer),
            asked_at=asked_at,
            fault=fault,
        )

    async def opinion(
        self, model: str, exchange: Exchange
    ) -> tuple[Said, judge.Held | None, FaultKind | None]:
        """What a judge says, the opinion in it, and what went wrong, if it did after all tries."""
        tries, said = self.patience.tries(), Said(0)
        try:
            async for one in tries.retrying:
                await asyncio.sleep(tries.wait)
                with one:
                    async with within(SECONDS):
                        chat = self.connecting(self.models.get(model), "")
                        said = await judge.ask(chat, judge.prompt(exchange, LANGUAGE))
            return said, judge.read(said.text), None
        except ProviderError as error:
            return said, None, error.kind
