"""Ask what is planned, many at a time, and judge each reply by one and the same measure.

Replies are asked for in one piece, since nobody watches; a host that fails at that is asked for a
stream from then on. Rate limits are waited out: as long as the host asks, else longer each time.
A model that keeps failing is given up and comes out as failed. Nothing is asked once the budget is
spent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

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
from .record import Answer, Record
from .rounds import WAITS, Call, Progress, Rounds

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    Connect = Callable[[ModelSpec, str], BaseChatModel]

Host = tuple[str, str]  # a model, and the further host that it is asked at
LIMIT = 40_000  # characters of a reply that are read
SECONDS = 300.0  # for one whole reply
AS_A_WHOLE: frozenset[FaultKind] = frozenset({"timeout", "interrupted", "too_long"})


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
        self.patience = patience
        self.rounds = Rounds(record.spent, concurrency, budget)
        self.streaming: set[Host] = set()

    def run(self, questions: Sequence[Question]) -> AsyncGenerator[Progress, None]:
        """Ask all that has no answer yet; yields after each, which is kept by then."""
        left = self.record.left(questions)
        return self.rounds.run(left, whom=host_of, ask=self.ask, take=self.take)

    def take(self, answer: Answer) -> Progress:
        """Keep an answer, and count it."""
        self.record.keep(answer)
        failed = answer.fault is not None
        return self.rounds.counted(host_of(answer), failed=failed, dollars=answer.dollars)

    async def ask(self, question: Question) -> Answer:
        """One question's answer; a host that fails after all tries gives one with a fault."""
        call = Call()
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
            fault=fault,
            **call.took(said, offer),
        )

    async def reply_to(self, question: Question) -> tuple[Said, FaultKind | None]:
        """What a model says, and how its host failed, if it did after all tries."""
        said = Said(LIMIT)

        async def asked() -> None:
            nonlocal said
            said = Said(LIMIT, Spent.asking([message_of(question)]))
            async with within(SECONDS):
                await self.read(question, said)

        try:
            await self.patience.with_all(asked)
        except ProviderError as error:
            return said, error.kind
        return said, None

    async def read(self, question: Question, said: Said) -> None:
        """Read a whole reply, or as much as is judged."""
        chat = self.connecting(self.models.get(question.model), question.host)
        if host_of(question) not in self.streaming:
            try:
                said.take(await in_one_piece(chat, [message_of(question)]))
            except ProviderError as error:
                if error.kind not in AS_A_WHOLE:
                    raise
                self.streaming.add(host_of(question))
            else:
                return
        async with aclosing(spoken(chat, [message_of(question)])) as chunks:
            async for chunk in chunks:
                said.take(chunk)
                if not said.room("text"):
                    return


def host_of(one: Question | Answer) -> Host:
    return one.model, one.host


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
