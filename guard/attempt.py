"""One model's reply: asked for, read, looked at as it grows, and ended where it withholds.

What follows from its verdict is not decided here: see `pipeline.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from . import matching, policy, provenance, verdict
from .asking import Said, spoken
from .continuing import continued, joined
from .errors import ProviderError
from .events import Cause, Delta, Done, Event, Failed, Judged, Started, Thought, Waiting
from .exchange import Exchange, Progress
from .patience import Patience
from .prices import Spent
from .schedule import Schedule
from .snapshot import Snapshot
from .types import Message, Mode, ModelSpec, TopicMatch, Verdict

REPLY_LIMIT = 200_000  # characters; longer is a runaway host, not a reply
STOPPED = "stopped by guard"

if TYPE_CHECKING:  # langchain-core takes a second to import, which checking a reply does not need
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk

    Connect = Callable[[ModelSpec], BaseChatModel]


@dataclass(frozen=True)
class Query:
    """One question, as every model that is asked it is; `messages` end with it.

    `goes_on` is the reply that the first model has begun, with the `thoughts` it had in their own
    channel; a model that answers besides or instead begins anew.
    """

    messages: Sequence[Message]
    mode: Mode
    language: str
    question: str = ""
    topic: TopicMatch | None = None
    goes_on: str = ""
    thoughts: str | None = None

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        mode: Mode,
        language: str,
        goes_on: str = "",
        thoughts: str | None = None,
    ) -> Self:
        """The query with its topic; none is looked for where nothing is checked."""
        asked = [message.text for message in messages if message.role == "user"]
        question = asked[-1] if asked else ""
        before = asked[-2] if len(asked) > 1 else ""
        topic = matching.match(question, before) if mode != "off" else None
        return cls(messages, mode, language, question, topic, goes_on, thoughts)

    @property
    def jurisdiction(self) -> str | None:
        return self.topic.jurisdiction if self.topic else None


@dataclass
class Attempt:
    """One model's reply to a query, and what has come of it. The one place where a reply grows.

    `lane` is 1 for the second of two models that answer side by side; `cause` says why the model
    was asked, where the reader did not choose it; `snapshot` knows its names and prices.
    """

    number: int
    model: ModelSpec
    query: Query
    lane: int = 0
    cause: Cause | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)
    began: float = field(default_factory=time.monotonic)
    said: Said = field(init=False)
    schedule: Schedule = field(default_factory=Schedule)
    verdict: Verdict | None = None
    exchange: Exchange | None = None
    progress: Progress | None = None
    fault: ProviderError | None = None

    def __post_init__(self) -> None:
        self.said = Said(REPLY_LIMIT, Spent.asking(self.messages))
        if self.goes_on:
            self.said.text, self.said.thoughts = self.query.goes_on, self.query.thoughts

    @property
    def goes_on(self) -> bool:
        """Whether this goes on with a reply that was cut."""
        return bool(self.query.goes_on) and self.number == 0

    @property
    def messages(self) -> Sequence[Message]:
        """What the model is told."""
        told = self.query.messages
        return continued(told, self.query.goes_on) if self.goes_on else told

    @property
    def said_nothing(self) -> bool:
        return not self.said.text.strip()

    @property
    def dollars(self) -> float | None:
        """What the attempt has cost so far; None where no price is known."""
        return self.said.spent.dollars(self.snapshot.offer(self.model.id, self.said.provider))

    async def events(
        self,
        connecting: Connect,
        patience: Patience,
        *,
        seconds: float | None = None,
        replaceable: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[Event, None]:
        """What the model says, what the guard holds of it, how it ended.

        Args:
            connecting: to the chat model behind a spec.
            patience: how faults of hosts are met.
            seconds: in which the first word must have come; any number where left out.
            replaceable: whether another model may answer, so that this one may be stopped.
        """
        yield Started(attempt=self.number, model=self.model, lane=self.lane, cause=self.cause)
        try:
            async with aclosing(self.read(connecting, patience, seconds)) as pieces:
                async for piece in pieces:
                    yield piece
                    judged = self.look_if_due() if isinstance(piece, Delta) else None
                    stop = judged is not None and self.stops(judged) and replaceable()
                    if judged:
                        yield judged.model_copy(update={"final": stop})
                    if stop:
                        self.said.finish_reason = STOPPED
                        break
        except ProviderError as error:
            self.fault = error
            self.said.finish_reason = self.said.finish_reason or "cut"
        took = round(time.monotonic() - self.began, 3)
        if self.fault is None and self.said_nothing and self.query.topic is None:
            self.fault = ProviderError("empty", "the reply is empty")
        looked = self.said.finish_reason == STOPPED or self.query.mode == "off"
        if not looked and (self.said.text or self.fault is None):
            yield self.look(final=True)
        yield self.failed(self.fault) if self.fault else self.done(took)

    def done(self, seconds: float) -> Done:
        return Done(
            attempt=self.number,
            finish_reason=self.said.finish_reason,
            served=provenance.served_by(
                self.said.provider, self.model.id, self.said.answered_as, self.snapshot
            ),
            seconds=seconds,
            tokens=self.said.spent.completion,
            dollars=self.dollars,
        )

    def failed(self, fault: ProviderError) -> Failed:
        return Failed(
            attempt=self.number,
            kind=fault.kind,
            message=str(fault),
            retry_after=fault.retry_after,
        )

    async def read(
        self, connecting: Connect, patience: Patience, seconds: float | None
    ) -> AsyncGenerator[Event, None]:
        """What the host sends, bounded; where it fails at first, it is asked again."""
        chat, tries = connecting(self.model), patience.tries()
        async for one in tries.retrying:
            if tries.wait:
                yield Waiting(attempt=self.number, kind=tries.kind, seconds=tries.wait)
                await asyncio.sleep(tries.wait)
            with one:
                chunks = watched(chat, self.messages, patience, self.model.id)
                if self.goes_on:
                    chunks = joined(chunks, self.query.goes_on, self.query.thoughts)
                first = await begun(chunks, seconds)
        async with aclosing(chunks):
            for event in self.take(first):
                yield event
            async for chunk in chunks:
                for event in self.take(chunk):
                    yield event
                self.bound()

    def bound(self) -> None:
        """End a reply that never ends.

        Raises:
            ProviderError: it has come to the limit.
        """
        if not (self.said.room("text") and self.said.room("thoughts")):
            self.said.finish_reason = "length"
            raise ProviderError("too_long", f"the reply passed {REPLY_LIMIT} characters")

    def take(self, chunk: AIMessageChunk) -> list[Thought | Delta]:
        """What one chunk adds to the reply."""
        thought, text = self.said.take(chunk)
        events: list[Thought | Delta] = []
        if thought:
            events.append(Thought(attempt=self.number, text=thought))
        if text:
            events.append(Delta(attempt=self.number, text=text))
        return events

    def look_if_due(self) -> Judged | None:
        """The verdict on what has come, where it is time for one."""
        if self.query.topic is None or not self.schedule.due(self.said.text):
            return None  # without a topic nothing can follow
        return self.look(final=False)

    def stops(self, judged: Judged) -> bool:
        """Whether the reply need not be read on."""
        return judged.action == "fall back" and judged.verdict.certain

    def look(self, final: bool) -> Judged:
        """Judge the reply as far as it has come."""
        self.schedule.looked(len(self.said.text))
        self.exchange = Exchange(
            self.query.question,
            self.said.text,
            self.said.thoughts,
            self.said.finish_reason or None,
            complete=final and self.said.finish_reason != "cut",
            topic=self.query.topic,
            before=self.progress,
        )
        held = verdict.judge(self.exchange, self.model.origins, self.query.language)
        self.progress = self.exchange.progress
        return self.judged(held, final=final)

    def judged(self, held: Verdict, *, final: bool) -> Judged:
        """The event of a verdict, which is kept as the attempt's newest."""
        self.verdict = held
        action = policy.decide(held, self.query.mode)
        return Judged(attempt=self.number, verdict=held, action=action, final=final)


async def begun(
    chunks: AsyncGenerator[AIMessageChunk, None], seconds: float | None
) -> AIMessageChunk:
    """The first chunk of a reply.

    Raises:
        ProviderError: it did not come in time, or the host failed.
    """
    try:
        async with asyncio.timeout(seconds):
            return await anext(chunks)
    except TimeoutError as error:
        raise ProviderError("timeout", "no time was left to wait for the reply") from error
    except StopAsyncIteration as error:
        raise ProviderError("interrupted", "the host sent nothing at all") from error


async def watched(
    chat: BaseChatModel, messages: Sequence[Message], patience: Patience, name: str
) -> AsyncGenerator[AIMessageChunk, None]:
    """The chunks of a reply; how the request to the host of `name` ends is counted."""
    async with patience.through(name), aclosing(spoken(chat, messages)) as chunks:
        async for chunk in chunks:
            yield chunk
