"""What goes over the wire: OpenAI's schema, and the extension `guard`.

Only what the guard reads of a request is checked; all else is the host's to take or to refuse.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from guard.telling import AttemptReport, GuardReport, ToldFact
from guard.types import BaseModelRef, Span, Value, Verdict

ApiMode = Literal["off", "warn", "fallback", "annotate"]
Unguarded = Literal["choices", "audio", "off"]
MOST_MESSAGES = 2_000
MOST_HELD = 20_000  # characters of a reply that may be held back
MOST_CHECKS = 64
TEXT = 200_000  # characters
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class Foreign(BaseModel):
    """A part of OpenAI's schema; keys that are not named here are passed on."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Part(Foreign):
    type: str = Field(max_length=100)
    text: str | None = None


class ChatMessage(Foreign):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The writer's words."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""

    @property
    def images(self) -> int:
        parts = self.content if isinstance(self.content, list) else ()
        return sum(part.type == "image_url" for part in parts)


class Wanted(Value):
    """What a request wants of the guard.

    `mode`: `fallback` lets a model of another origin answer where a reply withholds; `annotate`
    puts the warning into the text. `hold` is how many characters of a streamed reply to hold back
    until it is sure whether another model answers. `language` is that of explanations.
    """

    mode: ApiMode | None = None
    hold: StrictInt = Field(default=0, ge=0, le=MOST_HELD)
    language: Language | None = None


class ChatRequest(Foreign):
    """The body of a chat completion."""

    model: str = Field(min_length=1, max_length=300)
    messages: list[ChatMessage] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: StrictBool | None = None
    n: StrictInt | None = Field(default=None, ge=1, le=128)
    modalities: list[str] | None = None
    response_format: dict[str, Any] | None = None
    guard: Wanted | None = None


class GuardAttempt(AttemptReport):
    """A model that was asked; `reply` is what it said, where that is not part of the answer."""

    reply: str | None = None


class GuardPart(GuardReport):
    """What the guard says of an answer.

    `mode` is the request's. `unguarded` says why nothing was judged: several `choices` were asked
    for, the answer is `audio`, or the guard was `off`.
    """

    mode: ApiMode  # type: ignore[assignment]
    attempts: tuple[GuardAttempt, ...] = ()
    unguarded: Unguarded | None = None


class Completion(Foreign):
    """A chat completion, as the host gave it, with the guard's part."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None
    guard: GuardPart


class CompletionChunk(Foreign):
    """A server-sent event of a streamed chat completion.

    `guard` is in the chunk that holds the `finish_reason`.
    """

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None = None
    guard: GuardPart | None = None


class Offered(BaseModel):
    """What the guard knows of a model on offer; countries are ISO 3166 codes."""

    name: str
    developer: str
    origin: str
    lineage: tuple[BaseModelRef, ...]
    licence: str
    context: int
    reasoning: bool
    images: bool
    default: bool


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    guard: Offered


class Models(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class Checked(Value):
    """A finished reply to be checked; `model` is a Hub id, from which its origin is known."""

    question: str = Field(max_length=TEXT)
    reply: str = Field(max_length=TEXT)
    model: str | None = Field(default=None, max_length=300)
    reasoning: str | None = Field(default=None, max_length=TEXT)
    finish_reason: str | None = Field(default=None, max_length=100)


class CheckRequest(Value):
    """One reply, or several."""

    input: Checked | Annotated[list[Checked], Field(min_length=1, max_length=MOST_CHECKS)]
    language: Language | None = None


class Quote(Value):
    """Words of the reply that a signal rests on; `start` and `end` count its characters."""

    signal: str
    text: str
    span: Span


class CheckResult(Value):
    """`flagged`: the reply withholds on a topic that a state suppresses."""

    flagged: bool
    verdict: Verdict
    quotes: tuple[Quote, ...]
    facts: tuple[ToldFact, ...]


class CheckResponse(Value):
    id: str
    object: Literal["guard.check"] = "guard.check"
    created: int
    results: tuple[CheckResult, ...]


class ErrorPart(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    error: ErrorPart
    guard: GuardPart | None = None
