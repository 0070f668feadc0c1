"""Whether a reply begins by declining, told by the grammar of declining in each language.

`opening` in `data/phrases/<language>.yaml` holds how "I will not …" is said, whatever the verb;
`honest` holds what begins alike and declines nothing ("I can't say for certain"). Either may have
gaps, `ich kann … nicht`: what comes after one has to follow in the same clause.
Not covered: replies that decline without saying so of themselves, and a bare "No.".
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from .exchange import GAP, Exchange, Meaning
from .phrases import Hit, PhraseIndex
from .text import CLAUSE_SIGNS, sentence_around
from .types import Span

HEAD = 150  # Latin characters; an apology or a kind word may come first
CLAUSE = 160  # characters either way
MADE_UP = 200  # Latin characters; a longer poem or joke speaks in a voice of its own


def openings(exchange: Exchange) -> list[Span]:
    """Where the reply's head declines, in the text's order."""
    if exchange.tasks and made_up(exchange):
        return []
    declined, honest = found(exchange, "opening"), found(exchange, "honest")
    return [span for span in declined if not excused(exchange, span, honest)]


def made_up(exchange: Exchange) -> bool:
    """Whether the reply may be the text that was asked for, in another's voice."""
    return exchange.size > MADE_UP or "\n" in exchange.answer.strip()


def found(exchange: Exchange, kind: Literal["opening", "honest"]) -> list[Span]:
    """The complete phrases of a kind in the model's own voice in the reply's head."""
    early = (
        hit
        for hit in exchange.phrases
        if hit.meaning.kind == kind and exchange.position(hit.span) <= HEAD and exchange.own(hit)
    )
    return sorted({span for hit in early if (span := completed(exchange, hit)) is not None})


def completed(exchange: Exchange, hit: Hit[Meaning]) -> Span | None:
    """The whole phrase with what comes after its gaps; None where that is missing."""
    if not hit.meaning.then:
        return hit.span
    end, at = clause_end(exchange, hit.span), hit.span.end
    for part in hit.meaning.then.split(GAP):
        following = next(index_of(part.strip()).find(exchange.folded, at, end), None)
        if following is None:
            return None
        at = following.span.end
    return Span(hit.span.start, at)


def clause_end(exchange: Exchange, span: Span) -> int:
    return sentence_around(exchange.answer, span, CLAUSE, CLAUSE_SIGNS).end


def excused(exchange: Exchange, span: Span, honest: list[Span]) -> bool:
    """Whether an honest phrase stands in the sentence of the opening."""
    start, end = sentence_around(exchange.answer, span)
    return any(each.start < end and start < each.end for each in honest)


@cache
def index_of(phrase: str) -> PhraseIndex[None]:
    """An index of the forms of one phrase."""
    return PhraseIndex([(phrase, None)])
