"""One question's way through the guard, as langchain's chunks and callback events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.messages import AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.utils import LC_ID_PREFIX

from .. import notes
from ..attempt import Attempt
from ..events import Delta, Event, FellBack, Judged, Thought
from ..pipeline import Run
from ..telling import Telling
from ..types import ModelSpec
from .heard import Heard

GUARD = "guard"  # the key of `response_metadata`
VERDICT, FELL_BACK = "guard_verdict", "guard_fell_back"  # callback events
PROVIDER = "model_provider"  # by which langchain reads the blocks of each single chunk
BLOCKS = 1000  # indices of content blocks and calls that one attempt has to itself


class Announcement(NamedTuple):
    """A callback event."""

    name: str
    data: dict[str, Any]


@dataclass
class Course:
    """One question on its way, and what of the models' chunks is passed on when.

    Of a reply the first `hold` characters are held back until more have come, or its verdict is
    final: what is held of a reply that is handed on is not passed on. Calls of tools come once no
    other model answers instead. `sent` counts the chunks that were passed on, by attempt.
    """

    run: Run
    first: ModelSpec
    telling: Telling
    heard: list[Heard]
    hold: float
    sent: dict[int, int] = field(default_factory=dict)

    async def pieces(self) -> AsyncGenerator[AIMessageChunk | Announcement, None]:
        """The chunks and callback events in their order; the last chunk holds the report.

        Raises:
            Exception: as the model raised it that no other has answered for.
        """
        async with aclosing(self.run.events(self.first)) as events:
            async for event in events:
                self.telling.take(event)
                for piece in self.told(event):
                    yield piece
        answering = self.answering()
        for chunk in self.passed_on(answering.number, calls=True):
            yield chunk
        yield AIMessageChunk(
            content="", response_metadata=self.metadata(answering), chunk_position="last"
        )

    def told(self, event: Event) -> Iterator[AIMessageChunk | Announcement]:
        match event:
            case Delta() | Thought():
                said = self.run.attempts[event.attempt].said.text
                if not self.hold or len(said) > self.hold:
                    yield from self.passed_on(event.attempt)
            case Judged(final=True):
                data = event.model_dump(mode="json", include={"attempt", "action", "verdict"})
                model = self.run.attempts[event.attempt].model.id
                yield Announcement(VERDICT, {**data, "model": model})
            case FellBack():
                yield Announcement(
                    FELL_BACK, {"attempt": event.attempt, "to": event.to.id, "cause": event.cause}
                )

    def passed_on(self, attempt: int, *, calls: bool = False) -> Iterator[AIMessageChunk]:
        """The chunks of an attempt that were not yet, apart from what an earlier one has said.

        Those from the first call of a tool on come with `calls` only.
        """
        sent = self.sent.get(attempt, 0)
        due = self.heard[attempt].chunks[sent:]
        due = due if calls else [*takewhile(lambda chunk: not chunk.tool_call_chunks, due)]
        shown = [earlier for earlier in range(attempt) if self.sent.get(earlier)]
        if due and not sent and shown:
            yield AIMessageChunk(content=self.separation(shown[-1], attempt))
        for chunk in due:
            yield beside(chunk, attempt if shown else 0)
        self.sent[attempt] = sent + len(due)

    def separation(self, shown: int, attempt: int) -> str:
        """Where one reply ends and the next begins, in the guard's words."""
        before, model = self.run.attempts[shown].verdict, self.run.attempts[attempt].model
        why = before.explanation if before else ""
        said = "".join(chunk.text for chunk in self.heard[shown].chunks[: self.sent[shown]])
        return notes.between(said, notes.instead(why, model, self.telling.language))

    def answering(self) -> Attempt:
        """Whose reply counts: the last that came, or an earlier one where then a host failed.

        Raises:
            Exception: the host failed within the reply, or nobody has said anything.
        """
        last = self.run.attempts[-1]
        if last.fault is None:
            return last
        spoke = [attempt for attempt in self.run.attempts if not attempt.said_nothing]
        if last.said_nothing and spoke:
            return spoke[-1]
        if last.fault.kind == "empty":
            return last
        failed = last if spoke else self.run.attempts[0]
        error = self.heard[failed.number].error or failed.fault or last.fault
        raise error

    def metadata(self, answering: Attempt) -> dict[str, Any]:
        """What the answering model's host tells of its reply, and the guard's report."""
        told = self.heard[answering.number].whole.response_metadata
        told = {key: value for key, value in told.items() if key != PROVIDER}
        return {**told, GUARD: self.telling.report.model_dump(mode="json")}

    def result(self, run: UUID | None) -> ChatResult:
        """The answering model's reply alone; with the id of a run whose chunks were shown."""
        answering = self.answering()
        whole = self.heard[answering.number].whole
        metadata = {**whole.response_metadata, **self.metadata(answering)}
        whole = whole.model_copy(update={"response_metadata": metadata, "id": own_id(whole)})
        message = message_chunk_to_message(with_id_of(run, whole) if run else whole)
        return ChatResult(generations=[ChatGeneration(message=message)])


def beside(chunk: AIMessageChunk, attempt: int) -> AIMessageChunk:
    """A chunk that can be added to those of earlier attempts, where `attempt` is not 0.

    Its metadata comes with the last chunk (langchain would join the words of both), and its blocks
    and calls have indices of their own.
    """
    content, kept = chunk.content, chunk.response_metadata
    calls: Any = [moved(part, attempt) for part in chunk.tool_call_chunks]
    if isinstance(content, list):
        content = [moved(block, attempt) if isinstance(block, dict) else block for block in content]
    return AIMessageChunk(
        content=content,
        additional_kwargs=chunk.additional_kwargs,
        response_metadata={PROVIDER: kept[PROVIDER]} if PROVIDER in kept and not attempt else {},
        tool_call_chunks=calls,
        usage_metadata=chunk.usage_metadata,
        id=None if attempt else own_id(chunk),
        name=chunk.name,
    )


def moved(part: Mapping[str, Any], attempt: int) -> dict[str, Any]:
    """A block or call whose index is not one of an earlier attempt's; `lc_…` are langchain's."""
    index = part.get("index")
    if attempt and isinstance(index, int):
        return {**part, "index": index + attempt * BLOCKS}
    if attempt and isinstance(index, str):
        return {**part, "index": f"{index}_{attempt}"}
    return {**part}


def own_id(message: BaseMessage) -> str | None:
    """The id that the provider gave; one that langchain made is of another run."""
    return message.id if message.id and not message.id.startswith(("lc_", "run-")) else None


def with_id_of(run: UUID, message: AIMessageChunk) -> AIMessageChunk:
    """A chunk with the id by which those who listen to a run tell that it is of one message."""
    return message.model_copy(update={"id": f"{LC_ID_PREFIX}-{run}"})
