"""Guard: ask a model, watch its reply come in, and hand the question on where it withholds.

The one consumer-facing door: `Guard.stream` for a guarded reply, `Guard.check` for a finished one.
Text that has been sent on is never taken back; a successor's reply follows it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from . import catalogue as catalogue_file
from . import explain, matching, policy, provenance, verdict
from .catalogue import Catalogue
from .errors import ProviderError
from .events import Delta, Done, Event, Exhausted, Failed, FellBack, Judged, Started, Thought
from .exchange import Exchange, Progress
from .providers import Connection, connect
from .schedule import Schedule
from .types import Message, Mode, ModelSpec, TopicMatch, Verdict

REPLY_LIMIT = 200_000  # characters; longer is a runaway host, not a reply
MOST_ATTEMPTS = 4
STOPPED = "stopped by guard"

if TYPE_CHECKING:  # langchain-core takes a second to import, which checking a reply does not need
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk, BaseMessage

    Connect = Callable[[ModelSpec], BaseChatModel]


@dataclass
class Attempt:
    """What has come of one model's reply. The one place in which a reply grows."""

    number: int
    model: ModelSpec
    began: float = field(default_factory=time.monotonic)
    reply: str = ""
    thoughts: str | None = None
    finish_reason: str = ""
    provider: str = ""
    answered_as: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    verdict: Verdict | None = None
    progress: Progress | None = None

    def due(self) -> bool:
        """Whether the reply has a new sentence end and has grown enough to look at again."""
        return self.schedule.due(self.reply)

    def done(self) -> Done:
        return Done(
            attempt=self.number,
            finish_reason=self.finish_reason,
            served=provenance.served_by(self.provider, self.model.id, self.answered_as),
            seconds=round(time.monotonic() - self.began, 3),
        )


class Guard:
    """Checks replies, and streams guarded ones.

    Args:
        models: the models on offer; read from `models.yaml` where left out.
        connection: how to reach them; the scripted demo where left out.
    """

    def __init__(
        self, models: Catalogue | None = None, connection: Connection | None = None
    ) -> None:
        self.models = models or catalogue_file.load()
        self.connection = connection or Connection()
        if self.connection.base_url is None and self.models.base_url:
            address = {"base_url": self.models.base_url}
            self.connection = self.connection.model_copy(update=address)

    def warm_up(self) -> None:
        """Load all data files now, so that a wrong one is found at the start.

        Raises:
            ConfigError: one of them is wrong.
        """
        self.check("warm up", "warm up")
        for language in explain.languages():
            explain.sentences(language)

    def check(
        self,
        question: str,
        reply: str,
        *,
        model: str | None = None,
        reasoning: str | None = None,
        finish_reason: str | None = None,
        language: str = "en",
    ) -> Verdict:
        """The verdict on a finished reply; `model` is a Hub id, from which the origin is known."""
        exchange = Exchange(
            question, reply, reasoning, finish_reason, topic=matching.match(question)
        )
        origins = provenance.origins(model, self.models) if model else ()
        return verdict.judge(exchange, origins, language)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        mode: Mode | None = None,
        language: str = "en",
        token: str | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Ask a model and its successors, event by event. See `events` for their order.

        Args:
            messages: the conversation; the last one is the reader's question.
            model: the id of a model on offer; the default where left out.
            mode: what the guard does; as `models.yaml` says where left out.
            language: of explanations.
            token: the reader's own Hugging Face token.

        Raises:
            UnknownModel: no such model is on offer.
        """
        connecting = partial(connect, connection=self.connection, token=token)
        reachable = [s for s in self.models.fallbacks if self.connection.serves(s, bool(token))]
        run = Run(reachable, connecting, messages, mode or self.models.guard.mode, language)
        async with aclosing(run.events(self.models.get(model or self.models.default))) as events:
            async for event in events:
                yield event


class Run:
    """One question on its way through the first model and its successors."""

    def __init__(
        self,
        fallbacks: Sequence[ModelSpec],
        connecting: Connect,
        messages: Sequence[Message],
        mode: Mode,
        language: str,
    ) -> None:
        self.fallbacks, self.connecting = fallbacks, connecting
        self.mode, self.language = mode, language
        self.messages = to_langchain(messages)
        asked = [m.text for m in messages if m.role == "user"]
        self.question = asked[-1] if asked else ""
        before = asked[-2] if len(asked) > 1 else ""
        self.topic: TopicMatch | None = None
        if mode != "off":
            self.topic = matching.match(self.question, before)

    async def events(self, first: ModelSpec) -> AsyncGenerator[Event, None]:
        """The events of all attempts. A successor is asked once, and never one without a right."""
        jurisdiction = self.topic.jurisdiction if self.topic else None
        waiting = list(policy.successors(first, self.fallbacks, jurisdiction))
        if self.mode != "fall back":
            waiting = []
        tried: list[str] = []
        model = first
        for number in range(MOST_ATTEMPTS):
            tried.append(model.id)
            attempt = Attempt(number, model)
            failed = False
            async with aclosing(self.attempt(attempt)) as events:
                async for event in events:
                    failed = failed or isinstance(event, Failed)
                    yield event
            wants = self.cause(attempt, failed)
            if wants is None:
                return
            if not waiting or number == MOST_ATTEMPTS - 1:
                yield Exhausted(cause=wants, tried=tuple(tried))
                return
            model = waiting.pop(0)
            yield FellBack(attempt=number, to=model, cause=wants)

    def cause(self, attempt: Attempt, failed: bool) -> Literal["withheld", "failed"] | None:
        """Why the next model is to be asked, if it is."""
        if self.mode != "fall back":
            return None
        if attempt.verdict and policy.decide(attempt.verdict, self.mode) == "fall back":
            return "withheld"
        if attempt.number and attempt.verdict and attempt.verdict.status == "withheld":
            return "withheld"
        return "failed" if failed and not attempt.reply.strip() else None

    async def attempt(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """One model's reply: what it says, what the guard holds of it, how it ended."""
        yield Started(attempt=attempt.number, model=attempt.model)
        fault: ProviderError | None = None
        try:
            async with aclosing(self.read(attempt)) as events:
                async for event in events:
                    yield event
        except ProviderError as error:
            fault = error
            attempt.finish_reason = attempt.finish_reason or "cut"
        if fault is None and not attempt.reply.strip() and self.topic is None:
            fault = ProviderError("empty", "the reply is empty")
        looked = attempt.finish_reason == STOPPED or self.mode == "off"
        if not looked and (attempt.reply or fault is None):
            yield self.look(attempt, final=True)
        if fault is None:
            yield attempt.done()
        else:
            yield Failed(
                attempt=attempt.number,
                kind=fault.kind,
                message=str(fault),
                retry_after=fault.retry_after,
            )

    async def read(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """Stream the reply, looking at it as it grows; ends early where it is to be handed on."""
        chat = self.connecting(attempt.model)
        async with aclosing(spoken(chat, self.messages)) as chunks:
            async for chunk in chunks:
                for event in self.take(attempt, chunk):
                    yield event
                if max(len(attempt.reply), len(attempt.thoughts or "")) >= REPLY_LIMIT:
                    attempt.finish_reason = "length"
                    raise ProviderError("too_long", f"the reply passed {REPLY_LIMIT} characters")
                if self.topic is None or not attempt.due():  # without a topic nothing can follow
                    continue
                judged = self.look(attempt, final=False)
                stop = judged.action == "fall back" and judged.verdict.certain
                if stop:
                    attempt.finish_reason = STOPPED
                    judged = judged.model_copy(update={"final": True})
                yield judged
                if stop:
                    return

    def take(self, attempt: Attempt, chunk: AIMessageChunk) -> list[Thought | Delta]:
        """What one chunk adds to the reply."""
        meta = chunk.response_metadata
        attempt.finish_reason = meta.get("finish_reason") or attempt.finish_reason
        attempt.provider = meta.get("provider") or attempt.provider
        attempt.answered_as = meta.get("model_name") or attempt.answered_as
        events: list[Thought | Delta] = []
        thought = chunk.additional_kwargs.get("reasoning_content") or ""
        if thought or "reasoning_content" in chunk.additional_kwargs:
            thought = thought[: REPLY_LIMIT - len(attempt.thoughts or "")]
            attempt.thoughts = (attempt.thoughts or "") + thought
        if thought:
            events.append(Thought(attempt=attempt.number, text=thought))
        if chunk.text:
            added = chunk.text[: REPLY_LIMIT - len(attempt.reply)]
            attempt.reply += added
            events.append(Delta(attempt=attempt.number, text=added))
        return events

    def look(self, attempt: Attempt, final: bool) -> Judged:
        """Judge the reply as far as it has come."""
        attempt.schedule.looked(len(attempt.reply))
        exchange = Exchange(
            self.question,
            attempt.reply,
            attempt.thoughts,
            attempt.finish_reason or None,
            complete=final and attempt.finish_reason != "cut",
            topic=self.topic,
            before=attempt.progress,
        )
        attempt.verdict = verdict.judge(exchange, attempt.model.origins, self.language)
        attempt.progress = exchange.progress
        return Judged(
            attempt=attempt.number,
            verdict=attempt.verdict,
            action=policy.decide(attempt.verdict, self.mode),
            final=final,
        )


async def spoken(
    chat: BaseChatModel, messages: list[BaseMessage]
) -> AsyncGenerator[AIMessageChunk, None]:
    """The chunks of a reply; a chat model that fails in its own way has failed as a host does."""
    try:
        async with aclosing(chat.astream(messages)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk
    except ProviderError:
        raise
    except Exception as error:  # its words may hold a key: they stay in the cause
        raise ProviderError(
            "unavailable", f"the provider failed: {type(error).__name__}"
        ) from error


def to_langchain(messages: Sequence[Message]) -> list[BaseMessage]:
    """The conversation as langchain-core's messages."""
    from langchain_core.messages import convert_to_messages

    return list(convert_to_messages([{"role": m.role, "content": m.text} for m in messages]))
