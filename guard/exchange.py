"""One question and what has come of its reply, with what several detectors need worked out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from . import text, topics, yaml_file
from .phrases import Hit, PhraseIndex
from .types import Country, Span, TopicMatch

FOLDER = Path(__file__).parent / "data" / "phrases"
Kind = Literal["refusal", "canned", "law", "deflection", "denial", "line"]
Mark = Literal["anchor", "narrative"]
SCANNED = 40_000  # characters; a withheld reply shows itself long before
HAN_WEIGHT = 2.5  # Latin characters that one character of an unspaced script stands for


class PhraseFile(BaseModel):
    """`data/phrases/<language>.yaml`: how replies of that language decline, evade and deny.

    `line` holds the wording of a state, by country.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    refusal: tuple[str, ...]
    canned: tuple[str, ...] = ()
    law: tuple[str, ...] = ()
    deflection: tuple[str, ...] = ()
    denial: tuple[str, ...] = ()
    line: dict[Country, tuple[str, ...]] = {}


class Meaning(NamedTuple):
    """What a phrase of `data/phrases` is; `country` only for a state's line."""

    kind: Kind
    country: str | None = None


@cache
def phrase_index(folder: Path = FOLDER) -> PhraseIndex[Meaning]:
    """All languages' phrases in one index, read once."""
    entries: list[tuple[str, Meaning]] = []
    for path in sorted(folder.glob("*.yaml")):
        phrases = yaml_file.load(path, PhraseFile)
        kinds: tuple[Kind, ...] = ("refusal", "canned", "law", "deflection", "denial")
        entries += [(p, Meaning(kind)) for kind in kinds for p in getattr(phrases, kind)]
        entries += [(p, Meaning("line", c)) for c, ps in phrases.line.items() for p in ps]
    return PhraseIndex(entries)


@cache
def pack_index(topic: str) -> PhraseIndex[tuple[Mark, str]]:
    """A pack's anchors (by id) and narratives."""
    pack = topics.load()[topic]
    entries: list[tuple[str, tuple[Mark, str]]] = [
        (word, ("anchor", anchor.id))
        for anchor in pack.anchors
        for words in anchor.any.values()
        for word in words
    ]
    entries += [(w, ("narrative", "")) for words in pack.narratives.values() for w in words]
    return PhraseIndex(entries)


@dataclass(frozen=True)
class Exchange:
    """A question and its reply so far.

    `reply` is as the model gave it; `answer` is without a thinking block and begins at `start`.
    `reasoning` is the separate channel, None where there was none. `complete` is False while the
    reply streams. Spans of detectors are offsets in `answer`.
    """

    question: str
    reply: str
    reasoning: str | None = None
    finish_reason: str | None = None
    complete: bool = True
    topic: TopicMatch | None = None

    @cached_property
    def thinking(self) -> text.Thinking:
        return text.split_thinking(self.reply)

    @property
    def answer(self) -> str:
        return self.thinking.answer

    @property
    def start(self) -> int:
        return self.thinking.start

    @cached_property
    def thoughts(self) -> str | None:
        """What the model thought, in either channel; empty where it was asked to and did not."""
        return self.thinking.reasoning if self.reasoning is None else self.reasoning.strip()

    @cached_property
    def folded(self) -> str:
        return text.fold(self.answer[:SCANNED])

    @cached_property
    def script(self) -> text.Script | None:
        return text.main_script(self.answer)

    @cached_property
    def size(self) -> float:
        """Length of the answer in Latin characters, so that scripts compare."""
        return len(self.answer) * (HAN_WEIGHT if self.script in text.UNSPACED else 1.0)

    @cached_property
    def quotes(self) -> list[Span]:
        return text.quotations(self.answer[:SCANNED])

    @cached_property
    def hits(self) -> dict[Kind, list[Hit[Meaning]]]:
        """Phrases in the model's own voice by kind, in the text's order, none within another."""
        found: dict[Kind, list[Hit[Meaning]]] = {}
        for hit in phrase_index().find(self.folded):
            if not self.quoted(hit.span):
                found.setdefault(hit.meaning.kind, []).append(hit)
        return {kind: outermost(hits) for kind, hits in found.items()}

    @cached_property
    def marks(self) -> list[Hit[tuple[Mark, str]]]:
        """The topic's anchors and narratives in the answer."""
        return list(pack_index(self.topic.topic).find(self.folded)) if self.topic else []

    def quoted(self, span: Span) -> bool:
        """Whether the span is somebody else's words."""
        return any(q.start <= span.start and span.end <= q.end for q in self.quotes)

    def position(self, span: Span) -> float:
        """Where the span begins, in Latin characters from the start of the answer."""
        return span.start * (HAN_WEIGHT if self.script in text.UNSPACED else 1.0)


def outermost(hits: list[Hit[Meaning]]) -> list[Hit[Meaning]]:
    """Drop hits that lie within a longer one."""
    kept: list[Hit[Meaning]] = []
    for hit in sorted(hits, key=lambda h: (h.span.start, -h.span.end)):
        if not kept or hit.span.end > kept[-1].span.end:
            kept.append(hit)
    return kept
