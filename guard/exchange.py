"""One question and what has come of its reply, with what several detectors need worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel

from . import learned, tasks, text, topics, yaml_file
from .phrases import Hit, PhraseIndex, kept_index
from .types import Country, Span, TopicMatch, WordsByLanguage

DATA = Path(__file__).parent / "data"
FOLDER = DATA / "phrases"
T = TypeVar("T")
Kind = Literal["refusal", "canned", "law", "deflection", "denial", "opening", "honest", "line"]
Mark = Literal["anchor", "narrative"]
SCANNED = 40_000  # characters; a withheld reply shows itself long before
BORROWED: frozenset[Kind] = frozenset({"deflection", "denial", "line"})
REFUSING: frozenset[Kind] = frozenset({"refusal", "canned", "law"})
OPENING: frozenset[Kind] = frozenset({"opening", "honest"})
GAP = "…"  # in a phrase of `data/phrases`: anything within the clause
PREFACE = 90.0  # Latin characters; what comes first says little of what will follow
REREAD = 2.0  # the learned score is asked for again once a reply has grown by this
TELLING = 6  # characters; fewer words meet by chance
HAN_WEIGHT = 2.5  # Latin characters that one character of an unspaced script stands for


class PhraseFile(BaseModel):
    """`data/phrases/<language>.yaml`: how replies of that language decline, evade and deny.

    `opening` holds how a reply begins that declines, `honest` what begins alike and declines
    nothing; both may have gaps (`guard.openings`). `line` holds the wording of a state, by country.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    refusal: tuple[str, ...]
    canned: tuple[str, ...] = ()
    law: tuple[str, ...] = ()
    deflection: tuple[str, ...] = ()
    denial: tuple[str, ...] = ()
    opening: tuple[str, ...] = ()
    honest: tuple[str, ...] = ()
    line: dict[Country, tuple[str, ...]] = {}


class Meaning(NamedTuple):
    """What a phrase of `data/phrases` is; `country` only for a state's line.

    `then` is what has to follow in the same clause, where the phrase has a gap.
    """

    kind: Kind
    country: str | None = None
    then: str = ""


@cache
def phrase_index(folder: Path = FOLDER) -> PhraseIndex[Meaning]:
    """All languages' phrases in one index, read once."""
    files = sorted(folder.glob("*.yaml"))
    return kept_index(folder, files, lambda: build(files), Meaning)


def build(files: Sequence[Path]) -> PhraseIndex[Meaning]:
    """The index from its files."""
    entries: list[tuple[str, Meaning]] = []
    for path in files:
        phrases = yaml_file.load(path, PhraseFile)
        kinds: tuple[Kind, ...] = ("refusal", "canned", "law", "deflection", "denial")
        entries += [(p, Meaning(kind)) for kind in kinds for p in getattr(phrases, kind)]
        entries += [(p, Meaning("line", c)) for c, ps in phrases.line.items() for p in ps]
        entries += [gapped(phrase, "opening") for phrase in phrases.opening]
        entries += [gapped(phrase, "honest") for phrase in phrases.honest]
    return PhraseIndex(entries)


def gapped(phrase: str, kind: Kind) -> tuple[str, Meaning]:
    """What is looked for of a phrase, and its meaning, which holds what comes after a gap."""
    head, _, then = phrase.partition(GAP)
    return head.strip(), Meaning(kind, then=then.strip())


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


class Attribution(RootModel[WordsByLanguage]):
    """`data/attribution.yaml`: words that report what others say, by language."""

    model_config = ConfigDict(frozen=True)


@cache
def attribution_index() -> PhraseIndex[None]:
    words = yaml_file.load(DATA / "attribution.yaml", Attribution).root
    return PhraseIndex((word, None) for by in words.values() for word in by)


class Progress(NamedTuple):
    """What was found in the beginning of a growing reply, so that it is not looked for again.

    `learned` is the length at which the learned score was last worked out, and that score.
    """

    answer: str
    folded: str
    phrases: tuple[Hit[Meaning], ...]
    marks: tuple[Hit[tuple[Mark, str]], ...]
    learned: tuple[int, float]


@dataclass(frozen=True)
class Exchange:
    """A question and its reply so far.

    `reply` is as the model gave it; `answer` is without a thinking block and begins at `start`.
    `reasoning` is the separate channel, None where there was none. `complete` is False while the
    reply streams; `before` is then what the look before this one found. `weights` are those of the
    learned score, the shipped ones where left out. `hard` asks for the measure of a suppressed
    topic where no pack is known. Spans of detectors are offsets in `answer`.
    """

    question: str
    reply: str
    reasoning: str | None = None
    finish_reason: str | None = None
    complete: bool = True
    topic: TopicMatch | None = None
    before: Progress | None = None
    weights: learned.Learned | None = None
    hard: bool = False
    outside: tuple[str, ...] = ()

    @cached_property
    def thinking(self) -> text.Thinking:
        return text.split_thinking(self.reply)

    @property
    def answer(self) -> str:
        return self.thinking.answer

    @property
    def on_topic(self) -> bool:
        """Whether there is a reason to withhold."""
        return self.hard or (self.topic is not None and not self.topic.ordinary)

    @property
    def start(self) -> int:
        return self.thinking.start

    @cached_property
    def thoughts(self) -> str | None:
        """What the model thought, in both channels; empty where it was asked to and did not."""
        channels = (self.thinking.reasoning, self.reasoning)
        said = [thought.strip() for thought in channels if thought is not None]
        return "\n\n".join(filter(None, said)) if said else None

    @cached_property
    def tasks(self) -> frozenset[tasks.Task]:
        """What the question asks for besides facts."""
        return tasks.asked(self.question)

    @cached_property
    def earlier(self) -> Progress:
        """What is known of the beginning; nothing where the reply has become another."""
        if self.before is None or not self.answer.startswith(self.before.answer):
            return Progress("", "", (), (), (0, 0.0))
        return self.before

    @cached_property
    def folded(self) -> str:
        done = len(self.earlier.folded)
        return self.earlier.folded + text.fold(self.answer[done:SCANNED])

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
    def phrases(self) -> tuple[Hit[Meaning], ...]:
        """All phrases of `data/phrases`, whoever says them."""
        return self.found(phrase_index(), self.earlier.phrases)

    @cached_property
    def hits(self) -> dict[Kind, list[Hit[Meaning]]]:
        """Phrases in the model's own voice by kind, in the text's order, none within another.

        Openings are not among them: whether they are complete is `guard.openings`' to say.
        """
        found: dict[Kind, list[Hit[Meaning]]] = {}
        for hit in self.phrases:
            if hit.meaning.kind not in OPENING and self.own(hit):
                found.setdefault(hit.meaning.kind, []).append(hit)
        return {kind: outermost(hits) for kind, hits in found.items()}

    def own(self, hit: Hit[Meaning]) -> bool:
        """Whether the phrase is said in the model's own voice."""
        return hit.meaning.kind not in self.borrowed and not self.quoted(hit.span)

    @cached_property
    def borrowed(self) -> frozenset[Kind]:
        """Kinds of phrases that are another's: a state's voice was asked for, a text told anew."""
        if "office" in self.tasks:
            return BORROWED
        if "retell" not in self.tasks:
            return frozenset()
        asked = {hit.meaning.kind for hit in phrase_index().find(text.fold(self.question))}
        opened = asked & OPENING
        return BORROWED | opened | (REFUSING if asked & REFUSING else frozenset())

    @cached_property
    def marks(self) -> tuple[Hit[tuple[Mark, str]], ...]:
        """The topic's anchors and narratives in the answer."""
        if self.topic is None:
            return ()
        return self.found(pack_index(self.topic.topic), self.earlier.marks)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The anchors of the topic that the answer keeps, by id."""
        return frozenset(
            id_ for kind, id_ in (hit.meaning for hit in self.marks) if kind == "anchor"
        )

    def found(self, index: PhraseIndex[T], known: tuple[Hit[T], ...]) -> tuple[Hit[T], ...]:
        """All hits of `index`; only what may have changed since `known` is looked at."""
        settled = len(self.earlier.folded) - index.longest
        if settled <= 0:
            return tuple(index.find(self.folded))
        kept = [hit for hit in known if hit.span.end <= settled]
        fresh = index.find(self.folded, max(settled - index.longest, 0))
        return (*kept, *(hit for hit in fresh if hit.span.end > settled))

    @property
    def judge(self) -> learned.Learned:
        """The weights that the learned score is of."""
        return self.weights or learned.shipped()

    @property
    def learned(self) -> float:
        """The learned score; of a growing reply, that of a beginning not much shorter."""
        return self.scored[1]

    @cached_property
    def scored(self) -> tuple[int, float]:
        """The length at which the learned score was worked out, and that score."""
        if not self.complete and len(self.answer) < self.earlier.learned[0] * REREAD:
            return self.earlier.learned
        score = self.judge.score(self.question, self.answer, complete=self.complete)
        return len(self.answer), score

    @property
    def progress(self) -> Progress:
        """What the next look at the growing reply need not find again."""
        scored = self.__dict__.get("scored", self.earlier.learned)  # only if it was asked for
        return Progress(self.answer, self.folded, self.phrases, self.marks, scored)

    def quoted(self, span: Span) -> bool:
        """Whether the span is somebody else's words."""
        return any(q.start <= span.start and span.end <= q.end for q in self.quotes)

    def repeats(self, span: Span) -> bool:
        """Whether the span's words also stand in what a tool returned."""
        words = self.folded[span.start : span.end].strip()
        return len(words) >= TELLING and any(words in text for text in self.outside)

    def attributed(self, span: Span) -> bool:
        """Whether the sentence around the span says that somebody else holds this."""
        start, end = text.sentence_around(self.answer, span)
        return next(attribution_index().find(self.folded[start:end]), None) is not None

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
