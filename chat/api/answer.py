"""From the guard's events to an answer in OpenAI's protocol, whole or streamed.

What a host sent goes on as it came, but for the identity of a stream, which is the first chunk's,
and its end, which waits for the verdict.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from guard import notes
from guard.attempt import STOPPED
from guard.events import Delta, Event, Failed, FellBack, Passed, Started, Thought
from guard.telling import Telling
from guard.types import ModelSpec

from .asked import Asked
from .errors import ApiError, of_fault
from .schema import GuardAttempt, GuardPart

Chunk = dict[str, Any]
ENDS = {STOPPED: "stop", "cut": "length", "": "stop"}


class Account:
    """What has come of one question: the guard's account, and what each model said."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.telling = Telling(asked.guarding, asked.language)
        self.models: dict[int, ModelSpec] = {}
        self.texts: dict[int, str] = {}
        self.failed: Failed | None = None

    def take(self, event: Event) -> None:
        self.telling.take(event)
        if isinstance(event, Started):
            self.models[event.attempt] = event.model
        elif isinstance(event, Delta):
            self.texts[event.attempt] = self.texts.get(event.attempt, "") + event.text
        elif isinstance(event, Failed):
            self.failed = event

    def part(self, shown: set[int]) -> GuardPart:
        """The guard's part of the answer, in which the replies of the attempts `shown` stand."""
        report = self.telling.report
        attempts = (
            GuardAttempt(**dict(one), reply=None if n in shown else self.texts.get(n))
            for n, one in enumerate(report.attempts)
        )
        told = dict(report) | {"mode": self.asked.mode, "attempts": tuple(attempts)}
        return GuardPart(**told, unguarded=self.asked.unguarded)

    def error(self, shown: set[int]) -> ApiError:
        """The answer where no model gave one."""
        guard = self.part(shown).model_dump(mode="json")
        if self.failed is None:
            return ApiError(502, "no model answered", guard=guard)
        return of_fault(self.failed.kind, self.failed.message, self.failed.retry_after, guard)

    def note(self) -> str:
        """The warning to put into the text; nothing where there is none, or no place for it."""
        if self.asked.mode != "annotate" or not self.asked.plain:
            return ""
        report = self.telling.report
        held = report.verdict
        if held is None or held.status != "withheld":
            return ""
        return notes.warning(held, report.facts, self.asked.language)

    @property
    def finish_reason(self) -> str:
        """How the answer ended, in OpenAI's words."""
        number = self.telling.answer
        told = self.telling.attempts[number].finish_reason if number is not None else ""
        return ENDS.get(told, told)


async def whole(asked: Asked, events: AsyncIterator[Event]) -> tuple[Chunk, GuardPart]:
    """The answer in one piece: that of the model that answers alone, with the guard's part.

    Raises:
        ApiError: no model answered.
    """
    account = Account(asked)
    given: dict[int, Chunk] = {}
    async for event in events:
        account.take(event)
        if isinstance(event, Passed):
            given[event.attempt] = event.chunks[0]
    number = account.telling.answer
    if number is None or account.telling.ended is None:
        raise account.error(set())
    answer = given.get(number) or made(account, number)
    if note := account.note():
        annotate(answer, note)
    part = account.part({number})
    return answer | {"guard": part}, part


def made(account: Account, number: int) -> Chunk:
    """A completion of a model that speaks no protocol, as the scripted ones."""
    message = {"role": "assistant", "content": account.texts.get(number, "")}
    choice = {"index": 0, "message": message, "finish_reason": account.finish_reason}
    return {
        "id": new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": account.models[number].id,
        "choices": [choice],
    }


def annotate(answer: Chunk, note: str) -> None:
    """Put a note behind the first choice's text."""
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        if not choice.get("index") and message.get("content"):
            message["content"] += notes.after(message["content"], note)


class Streamed:
    """An answer that streams, as chunks.

    Chunks of a reply that may yet be handed on are held back up to the request's `hold` characters;
    where it is handed on before that, nobody sees them. What ends the stream waits for the verdict.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked, self.account = asked, Account(asked)
        self.id, self.created = "", 0
        self.said = ""  # what the client has of the text
        self.shown: set[int] = set()
        self.relayed: set[int] = set()
        self.held: list[Chunk] = []
        self.room = asked.hold
        self.end: list[Chunk] = []

    async def chunks(self, events: AsyncIterator[Event]) -> AsyncGenerator[Sequence[Chunk], None]:
        """Chunks, as many as there are at a time.

        Raises:
            ApiError: no model answered, or the last one's host failed in the middle of its reply.
        """
        async for event in events:
            self.account.take(event)
            if chunks := self.take(event):
                yield chunks
        if chunks := self.release():
            yield chunks
        failed = self.account.failed
        cut = failed is not None and self.account.texts.get(failed.attempt)
        if cut or self.account.telling.ended is None:
            raise self.account.error(self.shown)
        yield self.last()

    def take(self, event: Event) -> Sequence[Chunk]:
        """What to send on of an event."""
        match event:
            case Passed():
                self.relayed.add(event.attempt)
                return self.pass_on(event.attempt, event.chunks)
            case Delta() | Thought() if event.attempt not in self.relayed:
                key = "content" if isinstance(event, Delta) else "reasoning_content"
                model = self.account.models[event.attempt].id
                return self.pass_on(event.attempt, [self.chunk(model, {key: event.text})])
            case FellBack():
                return self.hand_on(event)
        return ()

    def pass_on(self, attempt: int, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Chunks that may go on now; those that end the reply wait."""
        going: list[Chunk] = []
        for chunk in chunks:
            self.identify(chunk)
            if not chunk["choices"]:
                self.end.append(chunk)
                continue
            going += self.end  # of another choice
            words, self.end = parted(chunk)
            going += words
        self.held += going
        if self.room > 0:
            self.room -= sum(len(text_of(chunk)) for chunk in going)
            if self.room > 0:
                return ()
        self.shown.add(attempt)
        return self.release()

    def release(self) -> Sequence[Chunk]:
        """What was held back."""
        going, self.held = self.held, []
        if going:
            self.said += "".join(map(text_of, going))
            self.shown.add(max(self.account.models))
        return going

    def identify(self, chunk: Chunk) -> None:
        """Give a chunk the identity of its stream."""
        self.id = self.id or str(chunk.get("id") or new_id())
        self.created = self.created or chunk.get("created") or int(time.time())
        chunk |= {"id": self.id, "created": self.created, "choices": chunk.get("choices") or []}

    def hand_on(self, event: FellBack) -> Sequence[Chunk]:
        """Another model answers: drop what nobody has seen, or say who speaks from here on."""
        self.held, self.end, self.room = [], [], self.asked.hold
        if event.attempt not in self.shown or not self.said:
            return ()
        held = self.account.telling.verdicts.get(event.attempt)
        why = held.explanation if held else ""
        note = notes.instead(why, event.to, self.asked.language)
        return [self.words(event.to.id, notes.between(self.said, note))]

    def words(self, model: str, text: str) -> Chunk:
        """A chunk of our own words."""
        self.said += text
        return self.chunk(model, {"content": text})

    def last(self) -> Sequence[Chunk]:
        """What ends the stream, with the guard's part."""
        model = self.account.models[self.account.telling.answer or 0].id
        end = self.end or [self.chunk(model, {}, self.account.finish_reason)]
        if not any(map(finishes, (chunk["choices"] for chunk in end))):
            end = [self.chunk(model, {}, self.account.finish_reason), *end]
        note = self.account.note()
        before = [self.words(model, notes.after(self.said, note))] if note and self.said else []
        end[0]["guard"] = self.account.part(self.shown)
        return [*before, *end]

    def chunk(self, model: str, delta: Mapping[str, str], finish: str | None = None) -> Chunk:
        """A chunk of this stream."""
        made_here: Chunk = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": model,
            "choices": [{"index": 0, "delta": {**delta}, "finish_reason": finish}],
        }
        self.identify(made_here)
        return made_here


def parted(chunk: Chunk) -> tuple[list[Chunk], list[Chunk]]:
    """What of a chunk goes on, and what ends the reply; some hosts send last words with the end."""
    if not finishes(chunk["choices"]):
        return [chunk], []
    if not any(choice.get("delta") for choice in chunk["choices"]):
        return [], [chunk]
    words = chunk | {"choices": [one | {"finish_reason": None} for one in chunk["choices"]]}
    return [words], [chunk | {"choices": [one | {"delta": {}} for one in chunk["choices"]]}]


def finishes(choices: Sequence[Mapping[str, Any]]) -> bool:
    return any(choice.get("finish_reason") for choice in choices)


def text_of(chunk: Mapping[str, Any]) -> str:
    """The words of the first choice."""
    said = ((choice.get("delta") or {}).get("content") for choice in chunk["choices"])
    return next((text for text in said if isinstance(text, str)), "")


def new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
