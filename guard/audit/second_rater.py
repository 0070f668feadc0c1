"""Ask a model of another origin what it holds of the unsure replies of a run, and of some others.

It is told question and reply, without a pack's facts, since a control has none: probes, controls
and neutral questions are sent alike. Each opinion is kept as it comes, and asked for once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from .. import judge
from ..asking import Said, within
from ..catalogue import Catalogue
from ..errors import FaultKind, ProviderError
from ..exchange import Exchange
from ..patience import Patience
from .agreement import chosen
from .rating import Judging, Rating
from .record import Answer, Record
from .rounds import WAITS, Call, Progress, Rounds

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
        self.patience = patience
        self.rounds = Rounds(record.spent, concurrency, budget)
        record.judged_by(judging)
        seen = chosen(judging, record.done.values())
        self.chosen = (*seen.unsure, *seen.sampled)

    @property
    def total(self) -> int:
        """How many answers are to be sent in all."""
        return len(self.chosen)

    def left(self) -> list[Answer]:
        """The answers that are still to be sent; those on which a judge's host failed again."""
        return [answer for answer in self.chosen if not self.settled(answer)]

    def settled(self, answer: Answer) -> bool:
        held = self.record.ratings.get((answer.id, self.judge_of(answer)))
        return held is not None and held.settled

    def judge_of(self, answer: Answer) -> str:
        return self.assigned[answer.model, answer.jurisdiction] or ""

    def run(self) -> AsyncGenerator[Progress, None]:
        """Ask for all opinions that are missing; yields after each, which is kept by then."""
        return self.rounds.run(self.left(), whom=self.judge_of, ask=self.rate, take=self.take)

    def take(self, rating: Rating) -> Progress:
        """Keep an opinion, and count it."""
        self.record.keep_rating(rating)
        return self.rounds.counted(rating.judge, failed=not rating.settled, dollars=rating.dollars)

    async def rate(self, answer: Answer) -> Rating:
        """What the judge holds of an answer; one with a fault where it gave no opinion."""
        call, spec = Call(), self.models.get(self.judge_of(answer))
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
            fault=fault,
            **call.took(said, offer),
        )

    async def opinion(
        self, model: str, exchange: Exchange
    ) -> tuple[Said, judge.Held | None, FaultKind | None]:
        """What a judge says, the opinion in it, and what went wrong, if it did after all tries."""
        said = Said(0)

        async def asked() -> None:
            nonlocal said
            async with within(SECONDS):
                chat = self.connecting(self.models.get(model), "")
                said = await judge.ask(chat, judge.prompt(exchange, LANGUAGE))

        try:
            await self.patience.with_all(asked)
            return said, judge.read(said.text), None
        except ProviderError as error:
            return said, None, error.kind
