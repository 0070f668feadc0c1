"""Values that cross modules: frozen, closed, and free of behaviour that needs another module.

Spans are `(start, end)` offsets in characters of the reply, end excluded. Countries are ISO 3166
alpha-2 codes, plus `EU` for a topic of the Union and its members alike. Languages are BCP 47 tags
(`en`, `zh-Hans`). Scores run from 0 to 1.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Conduct = Literal["answered", "evaded", "refused"]
Status = Literal["clean", "withheld", "unchecked"]
Mode = Literal["off", "warn", "fall back", "compare"]
Action = Literal["pass", "warn", "fall back"]
ToolFault = Literal[
    "unavailable",  # the server cannot be reached, or the connection broke
    "timeout",
    "malformed",
    "failed",  # as the tool itself says
    "unknown",  # the model asked for a tool that is not there
    "arguments",  # the model's arguments are no JSON object
    "limit",  # more calls than the operator allows
    "unsupported",  # the model, or its host, takes no tools
]
Score = Annotated[float, Field(ge=0, le=1)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
HubId = Annotated[str, Field(pattern=r"^([\w.-]+/)?[\w.:-]+$", max_length=200)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?$")]
ByLanguage = dict[Language, str]
Word = Annotated[str, BeforeValidator(lambda word: str(word) if type(word) is int else word)]
WordsByLanguage = dict[Language, tuple[Word, ...]]  # a year in a YAML list reads as a number


class Value(BaseModel):
    """Base of all our values: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(NamedTuple):
    """Characters `start` to `end` (excluded) of the reply."""

    start: int
    end: int


class Source(Value):
    """Where a fact can be checked."""

    title: str = Field(min_length=3)
    url: str = Field(pattern=r"^https?://\S+$")


class Fact(Value):
    """One sentence that independent sources hold, by language; `en` is always there."""

    text: ByLanguage
    sources: tuple[Source, ...] = Field(min_length=1)


class TopicMatch(Value):
    """The topic that a question is about. `ordinary`: its words are there, its subject is not."""

    topic: str
    jurisdiction: Country
    score: Score
    ordinary: bool = False


class Signal(Value):
    """What one detector saw. `reason` keys the sentence that explains it."""

    name: str
    score: Score
    spans: tuple[Span, ...] = ()
    reason: str = ""


class Opinion(Value):
    """What a judge model of another origin holds of a reply; `reason` is in the judge's words.

    `engages`: the reply speaks of what was asked. `framing`: a state's wording stands where facts
    would.
    """

    model: str
    name: str
    origin: Country
    engages: bool
    framing: bool
    conduct: Conduct
    reason: str


class ControlReply(Value):
    """What the same model said to the matched question on a parallel subject of another country.

    `about` names that subject in mid-sentence, in the reader's language; `text` has no thinking.
    """

    topic: str
    probe: str
    about: str
    question: str
    text: str
    conduct: Conduct
    score: Score


class Verdict(Value):
    """What the guard holds of a reply, and why.

    `score` says how likely the reply withholds, whatever the topic; it is the guard's own, so it
    may lie on the other side than `conduct` where an `opinion` decided. `ordinary`: the question
    holds the topic's words, not its subject. `aligned` says whether the topic is a taboo of the
    model's own origin or of its lineage's; None where either is unknown. `certain` says that no
    further text of the reply is expected to change the verdict. `opinion` and `control` are
    evidence that was asked for. `repeats`: marked words also stand in what a tool returned.
    """

    conduct: Conduct
    status: Status
    score: Score
    topic: str | None = None
    jurisdiction: Country | None = None
    ordinary: bool = False
    aligned: bool | None = None
    signals: tuple[Signal, ...] = ()
    explanation: str = ""
    certain: bool = False
    repeats: bool = False
    opinion: Opinion | None = None
    control: ControlReply | None = None


class BaseModelRef(Value):
    """A model that another was made from. `origin` is None where its developer's is not known."""

    id: HubId
    origin: Country | None = None


class ModelSpec(Value):
    """A model on offer. `base` is its lineage, nearest first; `context` counts tokens.

    `images`: it takes pictures beside text.
    """

    id: str = Field(pattern=r"^[\w.-]+/[\w.:-]+$")
    name: str = Field(min_length=1)
    developer: str = Field(min_length=1)
    origin: Country
    licence: str = Field(min_length=1)
    base: tuple[BaseModelRef, ...] = ()
    context: int = Field(gt=0)
    reasoning: bool = False
    images: bool = False
    card: str = Field(pattern=r"^https?://\S+$")
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")

    @property
    def origins(self) -> tuple[str, ...]:
        """The developer's country, then those of the lineage, each once."""
        lineage = (parent.origin for parent in self.base if parent.origin)
        return tuple(dict.fromkeys((self.origin, *lineage)))


class Document(Value):
    """The text of a file that is told with a message; `text` may be empty.

    `part` says in English what of the file it is ("pages 1 to 3 of 9"), where it is not all; `left`
    counts the characters of it that whoever made the message left out.
    """

    name: str
    text: str = Field(repr=False)
    part: str = ""
    left: int = Field(default=0, ge=0)


class Image(Value):
    """A picture of a message; `base64` holds its bytes, or nothing where it is only to be named."""

    name: str
    media_type: Literal["image/jpeg", "image/png", "image/webp"]
    base64: str = Field(repr=False)


class Options(Value):
    """What a reader has set for a model: a system prompt of theirs, and the host's parameters.

    What is not set is not sent, so that the host's own holds. `max_tokens` bounds the reply.
    """

    system: str = Field(default="", max_length=8000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)

    @property
    def parameters(self) -> dict[str, float]:
        """What is set, as hosts call it."""
        return self.model_dump(exclude={"system"}, exclude_none=True)


class Message(Value):
    """One message of the conversation that a model is told.

    `text` are the writer's own words; what was attached to them stands beside.
    """

    role: Literal["system", "user", "assistant"]
    text: str
    documents: tuple[Document, ...] = ()
    images: tuple[Image, ...] = ()


class Omitted(Value):
    """What of the files a model was not told: characters of their text, and how many images."""

    characters: int = Field(default=0, ge=0)
    images: int = Field(default=0, ge=0)
