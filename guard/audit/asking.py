"""Ask what is planned, many at a time, and judge each reply by one and the same measure.

Replies are asked for in one piece, since nobody watches; a host that fails at that is asked for a
stream from then on. Rate limits are waited out: as long as the host asks, else longer each time.
A model that keeps failing is given up and comes out as failed. Nothing is asked once the budget is
spent.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .. import verdict
from ..asking import Said, in_one_piece, spoken, within
from ..catalogue import Catalogue
from ..errors import FaultKind, ProviderError
from ..exchange import Exchange
from ..learned import Learned
from ..patience import Patience
from ..prices import Spent
from ..types import Message, ModelSpec, Verdict
from .plan import Question
from .record import Answer, Record, now

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    Connect = Callable[[ModelSpec, str], BaseChatModel]

T = TypeVar("T")
WAITS = Patience(tries=6, pause=1.0, longest=120.0, faults=10, rest=30.0)
GIVEN_UP = 12  # faults of a model in a row, each after all its tries
LIMIT = 40_000  # characters of a reply that are read
SECONDS = 300.0  # for one whole reply
AS_A_WHOLE: frozenset[FaultKind] = frozenset({"timeout", "interrupted", "too_long"})


class Progress(NamedTuple):
    """How far a run has come: questions answered and failed, US dollars where they are known."""

    answered: int
    failed: int
    dollars: float


class Audit:
    """A run that is going on.

    Args:
        models: on offer, with what their providers ask.
        connecting: to the chat model behind a spec, at a further host or at none.
        record: where the answers go.
        concurrency: how many questions are asked at once.
        budget: US dollars; None for any.
        patience: how faults of hosts are met.
    """

    def __init__(
        self,
        models: Catalogue,
        connecting: Connect,
        record: Record,
        *,
        concurrency: int = 8,
        budget: float | None = None,
        patience: Patience = WAITS,
    ) -> None:
        self.models, self.connecting, self.record = models, connecting, record
        self.concurrency, self.budget, self.patience = concurrency, budget, patience
        self.dollars = record.spent
        self.answered = self.failed = 0
        self.in_a_row: Counter[tuple[str, str]] = Counter()
        self.streaming: set[tuple[str, str]] = set()

    async def run(self, questions: Sequence[Question]) -> AsyncGenerator[Progress, None]:
        """Ask all that has no answer yet; yields after each, which is kept by then."""
        pending = iter(self.record.left(questions))
        asking = at_once(self.concurrency, lambda: self.next_asked(pending))
        async with aclosing(asking) as batches:
            async for answers in batches:
                for step in [self.take(answer) for answer in answers]:  # all kept, then told
                    yield step

    def next_asked(self, pending: Iterator[Question]) -> Coroutine[Any, Any, Answer] | None:
        following = self.next_of(pending)
        return self.ask(following) if following else None

    def next_of(self, pending: Iterator[Question]) -> Question | None:
        """The next question that may be asked: of a model that has not been given up, in budget."""
        if self.budget is not None and self.dollars >= self.budget:
            return None
        return next((one for one in pending if not self.given_up(one.model, one.host)), None)

    def given_up(self, model: str, host: str) -> bool:
        return self.in_a_row[model, host] >= GIVEN_UP

    def take(self, answer: Answer) -> Progress:
        """Keep an answer, and count it."""
        self.record.keep(answer)
        key = (answer.model, answer.host)
        self.in_a_row[key] = self.in_a_row[key] + 1 if answer.fault else 0
        self.failed += answer.fault is not None
        self.answered += answer.fault is None
        self.dollars += answer.dollars or 0.0
        return Progress(self.answered, self.failed, self.dollars)

    async def ask(self, question: Question) -> Answer:
        """One question's answer; a host that fails after all tries gives one with a fault."""
        began, asked_at = time.monotonic(), now()
        said, fault = await self.reply_to(question)
        held = None if fault else judged(question.text, said)
        offer = self.models.snapshot.offer(question.model, said.provider)
        return Answer(
            **question.model_dump(exclude={"text"}),
            id=question.id,
            question=question.text,
            reply=said.text,
            finish_reason=said.finish_reason,
            conduct=held.conduct if held else None,
            score=held.score if held else None,
            provider=said.provider,
            answered_as=said.answered_as,
            seconds=round(time.monotonic() - began, 3),
            prompt_tokens=said.spent.prompt,
            completion_tokens=said.spent.completion,
            dollars=said.spent.dollars(offer),
            asked_at=asked_at,
            fault=fault,
        )

    async def reply_to(self, question: Question) -> tuple[Said, FaultKind | None]:
        """What a model says, and how its host failed, if it did after all tries."""
        tries, said = self.patience.tries(), Said(LIMIT)
        try:
            async for one in tries.retrying:
                await asyncio.sleep(tries.wait)
                with one:
                    said = Said(LIMIT, Spent.asking([message_of(question)]))
                    async with within(SECONDS):
                        await self.read(question, said)
        except ProviderError as error:
            return said, error.kind
        return said, None

    async def read(self, question: Question, said: Said) -> None:
        """Read a whole reply, or as much as is judged."""
        chat = self.connecting(self.models.get(question.model), question.host)
        key = (question.model, question.host)
        if key not in self.streaming:
            try:
                said.take(await in_one_piece(chat, [message_of(question)]))
            except ProviderError as error:
                if error.kind not in AS_A_WHOLE:
                    raise
                self.streaming.add(key)
            else:
                return
        async with aclosing(spoken(chat, [message_of(question)])) as chunks:
            async for chunk in chunks:
                said.take(chunk)
                if not said.room("text"):
                    return


async def at_once(
    most: int, following: Callable[[], Coroutine[Any, Any, T] | None]
) -> AsyncGenerator[list[T], None]:
    """What comes of `most` pieces of work at a time, as they are done; ends where none follows.

    Whoever leaves ends the work that is under way.
    """
    running: set[asyncio.Task[T]] = set()
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


def message_of(question: Question) -> Message:
    return Message(role="user", text=question.text)


def judged(question: str, said: Said, weights: Learned | None = None) -> Verdict:
    """What the guard holds of a reply, whatever it is about; by the shipped weights, or by others.

    Probes, controls and neutral questions are judged alike: as a reply to a hard question, without
    a pack's anchors and narratives, since a control has none.
    """
    finish = said.finish_reason or None
    exchange = Exchange(question, said.text, said.thoughts, finish, weights=weights, hard=True)
    return verdict.judge(exchange)
