"""One model's reply: asked for, read, looked at as it grows, and ended where it withholds.

What follows from its verdict is not decided here: see `pipeline.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

from . import matching, policy, provenance, verdict
from .asking import Said, instructed
from .continuing import continued, joined
from .errors import ProviderError
from .events import (
    Cause,
    Delta,
    Done,
    Event,
    Failed,
    Judged,
    Passed,
    Started,
    Thought,
    Unoffered,
    Waiting,
)
from .exchange import Exchange, Progress
from .fitting import fitted
from .patience import Patience
from .piece import Piece
from .prices import Spent
from .schedule import Schedule
from .snapshot import Snapshot
from .text import fold
from .tools.rounds import Rounds
from .types import Message, Mode, ModelSpec, Omitted, Options, TopicMatch, Verdict

REPLY_LIMIT = 200_000  # characters; longer is a runaway host, not a reply
STOPPED = "stopped by guard"
PARAGRAPH = "\n\n"

if TYPE_CHECKING:  # langchain-core takes a second to import, which checking a reply does not need
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from .asking import Chunk, Speaks
    from .tools.toolbox import Toolbox

    Connect = Callable[[ModelSpec], BaseChatModel]
    Speaking = Callable[[ModelSpec], Speaks]


def unset(_: ModelSpec) -> Options:
    """The options of a reader who has set none."""
    return Options()


@dataclass(frozen=True)
class Query:
    """One question, as every model that is asked it is; `messages` end with it.

    `tools` are those that may be called for it; `options` gives what the reader has set for each
    model. `goes_on` is the reply that the first model has begun, with the `thoughts` it had in
    their own channel; a model that answers besides or instead begins anew. `verbatim` is the
    conversation in langchain's own form, where whoever asks has it so: models are told that, as it
    is, and calls of tools in their replies are left to whoever asks. `outside` is what tools have
    returned to whoever asks, folded for comparison.
    """

    messages: Sequence[Message]
    mode: Mode
    language: str
    question: str = ""
    topic: TopicMatch | None = None
    tools: Toolbox | None = None
    options: Callable[[ModelSpec], Options] = unset
    goes_on: str = ""
    thoughts: str | None = None
    verbatim: Sequence[BaseMessage] = ()
    outside: tuple[str, ...] = ()

    @property
    def shows_images(self) -> bool:
        """Whether pictures belong to the question itself, so that who answers must see them."""
        return any(message.images for message in self.messages[-1:])

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        mode: Mode,
        language: str,
        *,
        tools: Toolbox | None = None,
        options: Callable[[ModelSpec], Options] = unset,
        goes_on: str = "",
        thoughts: str | None = None,
        verbatim: Sequence[BaseMessage] = (),
        returned: Iterable[str] = (),
    ) -> Self:
        """The query with its topic; none is looked for where nothing is checked.

        The topic is that of the reader's words. What a file is about, and what is asked of it, need
        not be the same: a reply that leaves the file's subject out may be a good one.
        """
        asked = [message.text for message in messages if message.role == "user"]
        question = asked[-1] if asked else ""
        before = asked[-2] if len(asked) > 1 else ""
        topic = matching.match(question, before) if mode != "off" else None
        return cls(
            messages,
            mode,
            language,
            question,
            topic,
            tools=tools,
            options=options,
            goes_on=goes_on,
            thoughts=thoughts,
            verbatim=verbatim,
            outside=tuple(map(fold, returned)),
        )

    @property
    def jurisdiction(self) -> str | None:
        return self.topic.jurisdiction if self.topic else None


class Look(NamedTuple):
    """A look at a reply, at its end where `final`, and the seconds that it took."""

    final: bool
    seconds: float


@dataclass
class Attempt:
    """One model's reply to a query, and what has come of it. The one place where a reply grows.

    `lane` is 1 for the second of two models that answer side by side; `cause` says why the model
    was asked, where the reader did not choose it; `snapshot` knows its names and prices. `messages`
    are the query's as this model is told them, `omitted` what of their files it is not. `calls`:
    the reply asks for tools that whoever asked will call, so that there may be no text in it.
    `first_seconds` passed until the first word or thought, None where none came or the reply came
    in one piece.
    """

    number: int
    model: ModelSpec
    query: Query
    lane: int = 0
    cause: Cause | None = None
    snapshot: Snapshot = field(default_factory=Snapshot)
    began: float = field(default_factory=time.monotonic)
    options: Options = field(init=False)
    messages: Sequence[Message] = field(init=False)
    omitted: Omitted | None = field(init=False)
    said: Said = field(init=False)
    rounds: Rounds = field(init=False)
    schedule: Schedule = field(default_factory=Schedule)
    verdict: Verdict | None = None
    exchange: Exchange | None = None
    progress: Progress | None = None
    fault: ProviderError | None = None
    calls: bool = False
    first_seconds: float | None = None
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.options = self.query.options(self.model)
        told = self.query.messages
        told = continued(told, self.query.goes_on) if self.goes_on else told
        self.messages, self.omitted = fitted(instructed(told, self.options), self.model)
        self.said = Said(REPLY_LIMIT, Spent.asking(self.messages))
        self.rounds = Rounds(self.number, self.query.tools)
        self.rounds.outside = self.query.outside
        if self.query.verbatim:
            self.rounds.limit = REPLY_LIMIT
        if self.goes_on:
            self.said.text, self.said.thoughts = self.query.goes_on, self.query.thoughts

    @property
    def goes_on(self) -> bool:
        """Whether this goes on with a reply that was cut."""
        return bool(self.query.goes_on) and self.number == 0

    @property
    def said_nothing(self) -> bool:
        return not (self.said.text.strip() or self.calls)

    @property
    def only_calls(self) -> bool:
        """Whether the reply is calls of tools, for whoever asked to make: there are no words."""
        calls = self.calls or (self.query.verbatim and self.rounds.pieces)
        return bool(calls) and not self.said.text.strip()

    @property
    def dollars(self) -> float | None:
        """What the attempt has cost so far; None where no price is known."""
        return self.said.spent.dollars(self.snapshot.offer(self.model.id, self.said.provider))

    async def events(
        self,
        connecting: Speaking,
        patience: Patience,
        *,
        seconds: float | None = None,
        replaceable: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[Event, None]:
        """What the model says, what the guard holds of it, how it ended.

        Args:
            connecting: to the chat model behind a spec, or to a relay.
            patience: how faults of hosts are met.
            seconds: in which the first word must have come; any number where left out.
            replaceable: whether another model may answer, so that this one may be stopped.
        """
        yield Started(
            attempt=self.number,
            model=self.model,
            lane=self.lane,
            cause=self.cause,
            omitted=self.omitted,
            options=self.options,
        )
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
            self.fault = self.explained(error)
            self.said.finish_reason = self.said.finish_reason or "cut"
        took = round(time.monotonic() - self.began, 3)
        silent = self.said_nothing and not self.only_calls
        if self.fault is None and silent and self.query.topic is None:
            self.fault = ProviderError("empty", "the reply is empty")
        looked = self.said.finish_reason == STOPPED or self.query.mode == "off"
        if not (looked or self.only_calls) and (self.said.text or self.fault is None):
            yield self.look(final=True)
        yield self.failed(self.fault) if self.fault else self.done(took)

    def explained(self, error: ProviderError) -> ProviderError:
        """A refused request that carried the reader's own settings is most likely due to them."""
        if error.kind == "rejected" and self.options != Options():
            return ProviderError("own_settings", str(error))
        return error

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
            first_seconds=self.first_seconds,
            guard_seconds=round(sum(look.seconds for look in self.looks), 4),
        )

    def failed(self, fault: ProviderError) -> Failed:
        return Failed(
            attempt=self.number,
            kind=fault.kind,
            message=str(fault),
            retry_after=fault.retry_after,
        )

    async def read(
        self, connecting: Speaking, patience: Patience, seconds: float | None
    ) -> AsyncGenerator[Event, None]:
        """What the model says, round by round for as long as it calls tools, and what they give."""
        chat, begins = connecting(self.model), 0
        for missing in await self.rounds.begin():
            yield missing
        while True:
            async with aclosing(self.asked(chat, patience, seconds)) as events:
                async for event in events:
                    yield event
            wanted = self.rounds.wanted(self.said.finish_reason)
            if not wanted:
                return
            async with aclosing(self.rounds.run(self.said.text[begins:], wanted)) as calls:
                async for call in calls:
                    yield call
            if not self.said_nothing:
                yield self.paragraph()
            begins, seconds = len(self.said.text), None
            self.said.finish_reason = ""  # a stream that breaks off now must not pass for ended
            self.said.spent.ask_again(self.characters)

    @property
    def characters(self) -> int:
        """What the model is put with the next request."""
        told = sum(len(message.text) for message in self.messages)
        return told + sum(len(message.text) for message in self.rounds.after)

    def paragraph(self) -> Delta:
        """What comes next begins a paragraph of its own."""
        self.said.text += PARAGRAPH
        return Delta(attempt=self.number, text=PARAGRAPH)

    async def asked(
        self, chat: Speaks, patience: Patience, seconds: float | None
    ) -> AsyncGenerator[Event, None]:
        """What the host sends, bounded; where it fails at first, it is asked again."""
        tries, offered = patience.tries(), not self.rounds.unsupported
        async for one in tries.retrying:
            if tries.wait:
                yield Waiting(attempt=self.number, kind=tries.kind, seconds=tries.wait)
                await asyncio.sleep(tries.wait)
            with one:
                told = self.query.verbatim or self.messages
                speaking = self.rounds.spoken(chat, told, **self.options.parameters)
                chunks = watched(speaking, patience, self.model.id)
                if self.goes_on and not self.rounds.after:
                    chunks = joined(chunks, self.query.goes_on, self.query.thoughts)
                first = await begun(chunks, seconds)
        if offered and self.rounds.unsupported:
            yield Unoffered(attempt=self.number, fault="unsupported")
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

    def take(self, chunk: Chunk) -> list[Passed | Thought | Delta]:
        """What one chunk adds to the reply."""
        thought, text = self.said.take(chunk)
        events: list[Passed | Thought | Delta] = []
        if isinstance(chunk, Piece):
            self.calls = self.calls or chunk.calls
            if chunk.chunks:
                events.append(Passed(attempt=self.number, chunks=chunk.chunks))
        else:
            self.said.spent.read(self.rounds.take(chunk))
        if thought:
            events.append(Thought(attempt=self.number, text=thought))
        if text:
            events.append(Delta(attempt=self.number, text=text))
        if self.first_seconds is None and (thought or text) and not came_whole(chunk):
            self.first_seconds = round(time.monotonic() - self.began, 3)
        return events

    def look_if_due(self) -> Judged | None:
        """The verdict on what has come, where it is time for one."""
        if self.query.topic is None or self.said.finish_reason:
            return None  # without a topic nothing can follow; at the end all is looked at
        if not self.schedule.due(self.said.text):
            return None
        return self.look(final=False)

    def stops(self, judged: Judged) -> bool:
        """Whether the reply need not be read on."""
        return judged.action == "fall back" and judged.verdict.certain

    def look(self, final: bool) -> Judged:
        """Judge the reply as far as it has come."""
        began = time.perf_counter()
        self.schedule.looked(len(self.said.text))
        self.exchange = Exchange(
            self.query.question,
            self.said.text,
            self.said.thoughts,
            self.said.finish_reason or None,
            complete=final and self.said.finish_reason != "cut",
            topic=self.query.topic,
            before=self.progress,
            outside=self.rounds.outside,
        )
        held = verdict.judge(self.exchange, self.model.origins, self.query.language)
        self.progress = self.exchange.progress
        self.looks.append(Look(final, time.perf_counter() - began))
        return self.judged(held, final=final)

    def judged(self, held: Verdict, *, final: bool) -> Judged:
        """The event of a verdict, which is kept as the attempt's newest."""
        self.verdict = held
        action = policy.decide(held, self.query.mode)
        return Judged(attempt=self.number, verdict=held, action=action, final=final)


def came_whole(chunk: Chunk) -> bool:
    """Whether a relay was sent the reply in one piece."""
    told = chunk.chunks if isinstance(chunk, Piece) else ()
    choices = (choice for one in told for choice in one.get("choices") or ())
    return any("message" in choice for choice in choices)


async def begun(chunks: AsyncGenerator[Chunk, None], seconds: float | None) -> Chunk:
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
    speaking: AsyncGenerator[Chunk, None], patience: Patience, name: str
) -> AsyncGenerator[Chunk, None]:
    """The chunks of a reply; how the request to the host of `name` ends is counted."""
    async with patience.through(name), aclosing(speaking) as chunks:
        async for chunk in chunks:
            yield chunk
