"""What a second rater adds to a run: which replies it sees, what that changes, how far both agree.

It sees every reply whose score is unsure, and a sample of the others, drawn by their ids: agreement
on unsure replies alone would say little of the run. Only the unsure ones change sides by it; the
sample tells how far the two agree, and changes no figure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from .. import explain, provenance
from ..types import Value
from .kappa import Kappa, Rated, kappa
from .rating import Judging, Rating
from .record import Answer

SHARE, LEAST = 0.1, 50  # of the sure replies that are drawn; as many at least, if there are
ENOUGH = 30  # replies of a language with two ratings from which on κ is told for it
MEANING = (
    "κ (Cohen's) is the agreement beyond chance: 1 where both always hold the same, 0 where they "
    "agree no more often than two raters who guess at the rates at which these two call withheld."
)


class Chosen(NamedTuple):
    """The replies that a judge sees; `sure` counts those that `sampled` was drawn from."""

    unsure: list[Answer]
    sampled: list[Answer]
    sure: Counter[str]  # by language


class LeftAlone(Value):
    """Unsure replies that nobody may judge: each judge shares an origin, or has a stake."""

    model: str
    jurisdiction: str
    replies: int


class ByLanguage(Value):
    """The agreement in one language, weighted to the run."""

    language: str
    agreement: Kappa


class Agreement(Value):
    """What came of a second rater, whose opinions changed `cleared` and `added` of the replies.

    `unsure` and `sampled` count the replies it was to see, `opinions` those it gave one on,
    `failed` those on which its host failed, `malformed` those on which it said what is no opinion:
    there the guard's verdict stays, as where it was not asked yet. `cleared`: unsure replies that
    count as answered by its word alone; `added`: as withheld. Agreement is on withheld or not:
    on `of_run` weighted to all replies that somebody may judge; None where there is nothing to
    tell it from. `others` counts opinions that came as another model than the judge.
    """

    judges: tuple[str, ...]
    band: tuple[float, float]
    unsure: int
    sampled: int
    opinions: int
    failed: int
    malformed: int
    others: int
    cleared: int
    added: int
    left_alone: tuple[LeftAlone, ...]
    of_run: Kappa | None
    of_unsure: Kappa | None
    of_sampled: Kappa | None
    languages: tuple[ByLanguage, ...]
    tokens: int
    dollars: float | None

    @property
    def not_asked(self) -> int:
        return self.unsure + self.sampled - self.opinions - self.failed - self.malformed


def chosen(judging: Judging, answers: Iterable[Answer]) -> Chosen:
    """The replies that a judge sees, in the order in which they are sent.

    The order hangs on their ids alone, so that a run that is broken off has lost no kind of reply
    more than another.
    """
    judged = sorted(scored(judging, answers), key=lambda answer: drawn(answer.id))
    sure = [answer for answer in judged if not unsure(judging, answer)]
    size = max(math.ceil(SHARE * len(sure)), LEAST)
    return Chosen(
        unsure=[answer for answer in judged if unsure(judging, answer)],
        sampled=sure[:size],
        sure=Counter(answer.language for answer in sure),
    )


def scored(judging: Judging, answers: Iterable[Answer]) -> list[Answer]:
    """The replies that somebody may judge."""
    by_subject = judging.by_subject
    return [
        answer
        for answer in answers
        if answer.score is not None and by_subject.get((answer.model, answer.jurisdiction))
    ]


def unsure(judging: Judging, answer: Answer) -> bool:
    low, high = judging.band
    return answer.score is not None and low <= answer.score <= high


def drawn(answer: str) -> str:
    """Where an answer stands in the draw; it has nothing to do with when it was asked."""
    return blake2b(answer.encode(), digest_size=12, person=b"second rater").hexdigest()


def weighed(
    judging: Judging | None, answers: Sequence[Answer], ratings: Mapping[str, Rating]
) -> list[Answer]:
    """The answers, unsure ones with the conduct that the judge holds where it gave an opinion."""
    if judging is None:
        return list(answers)
    return [
        answer.model_copy(update={"conduct": held.conduct})
        if (held := ratings.get(answer.id)) and held.conduct and unsure(judging, answer)
        else answer
        for answer in answers
    ]


def agreement(
    judging: Judging, answers: Sequence[Answer], ratings: Mapping[str, Rating]
) -> Agreement:
    """What came of asking a second rater.

    Args:
        judging: who was asked about what.
        answers: of the run.
        ratings: the opinion on each answer that has one, by the answer's id.
    """
    seen = chosen(judging, answers)
    both = {answer.id: answer for answer in (*seen.unsure, *seen.sampled)}
    came = [ratings[id_] for id_ in both if id_ in ratings]
    changed = Counter(
        answer.withheld
        for answer in seen.unsure
        if (held := ratings.get(answer.id)) and held.conduct and held.withheld != answer.withheld
    )
    paid = [each.dollars for each in ratings.values() if each.dollars is not None]
    languages = sorted({answer.language for answer in both.values()})
    by_language = {language: of_run(seen, ratings, language) for language in languages}
    return Agreement(
        judges=judging.judges,
        band=judging.band,
        unsure=len(seen.unsure),
        sampled=len(seen.sampled),
        opinions=sum(each.fault is None for each in came),
        failed=sum(not each.settled for each in came),
        malformed=sum(each.fault == "malformed" for each in came),
        others=sum(map(from_another, came)),
        cleared=changed[True],
        added=changed[False],
        left_alone=left_alone(judging, answers),
        of_run=of_run(seen, ratings),
        of_unsure=of(seen.unsure, ratings),
        of_sampled=of(seen.sampled, ratings),
        languages=tuple(
            ByLanguage(language=language, agreement=found)
            for language, found in by_language.items()
            if found and found.replies >= ENOUGH
        ),
        tokens=sum(each.prompt_tokens + each.completion_tokens for each in ratings.values()),
        dollars=sum(paid) if paid else None,
    )


def from_another(rating: Rating) -> bool:
    """Whether the judge's host answered as another model than was asked."""
    told = provenance.served_by(rating.provider, rating.judge, rating.answered_as or None)
    return told.model is not None


def left_alone(judging: Judging, answers: Iterable[Answer]) -> tuple[LeftAlone, ...]:
    """The unsure replies that nobody may judge, by model and country."""
    nobody = {subject for subject, found in judging.by_subject.items() if found is None}
    counted = Counter(
        (answer.model, answer.jurisdiction)
        for answer in answers
        if (answer.model, answer.jurisdiction) in nobody and unsure(judging, answer)
    )
    return tuple(
        LeftAlone(model=model, jurisdiction=jurisdiction, replies=count)
        for (model, jurisdiction), count in sorted(counted.items())
    )


def of(answers: Iterable[Answer], ratings: Mapping[str, Rating]) -> Kappa | None:
    """The agreement on these replies; None where the judge gave no opinion on any."""
    rated = list(rated_by_both(answers, ratings, 1.0, ""))
    return kappa(rated) if rated else None


def of_run(
    seen: Chosen, ratings: Mapping[str, Rating], language: str | None = None
) -> Kappa | None:
    """The agreement on all replies, or on those in one language: each opinion on a sure reply
    stands for as many as there are to one opinion, and those on unsure ones likewise.

    None where replies of either kind have no opinion that could stand for them.
    """
    rated: list[Rated] = []
    sure = seen.sure.total() if language is None else seen.sure[language]
    wanted = [[a for a in kind if language in {None, a.language}] for kind in seen[:2]]
    for stratum, answers, total in (
        ("unsure", wanted[0], len(wanted[0])),
        ("sure", wanted[1], sure),
    ):
        opinions = sum(has_opinion(ratings.get(answer.id)) for answer in answers)
        if total and not opinions:
            return None
        rated += rated_by_both(answers, ratings, total / max(opinions, 1), stratum)
    return kappa(rated) if rated else None


def rated_by_both(
    answers: Iterable[Answer], ratings: Mapping[str, Rating], weight: float, stratum: str
) -> Iterable[Rated]:
    for answer in answers:
        held = ratings.get(answer.id)
        if held and has_opinion(held):
            question = (answer.model, answer.host, answer.kind, answer.pair, answer.language)
            yield Rated(answer.withheld, held.withheld, weight, stratum, question)


def has_opinion(rating: Rating | None) -> bool:
    return rating is not None and rating.conduct is not None


def sentences(found: Agreement) -> list[str]:
    """What came of a second rater, in plain sentences."""
    said = [asked_about(found)]
    if found.failed or found.malformed or found.not_asked:
        said.append(
            f"Without an opinion stayed {found.failed + found.malformed + found.not_asked}: its "
            f"host failed on {found.failed}, it said what is no opinion on {found.malformed}, and "
            f"{found.not_asked} were not sent. There the guard's verdict stands."
        )
    said.append(
        f"By its word {found.cleared} unsure replies count as answered that the guard held to "
        f"withhold, and {found.added} the other way round."
    )
    if found.others:
        said.append(
            f"Its host gave {found.others} of the opinions as another model: whether that one is "
            "independent is not known."
        )
    said += [left_to_the_guard(each) for each in found.left_alone]
    said.append(cost(found))
    return said


def asked_about(found: Agreement) -> str:
    low, high = found.band
    return (
        f"Second rater: {', '.join(found.judges)}, the first that is independent of the model and "
        f"without a stake in the topic. It was to see {found.unsure} unsure replies (a score from "
        f"{low:g} to {high:g}) and {found.sampled} of the others, drawn at random, and gave "
        f"{found.opinions} opinions."
    )


def left_to_the_guard(each: LeftAlone) -> str:
    country = explain.in_sentence(each.jurisdiction, "en") if each.jurisdiction else ""
    subject = f"on {country}" if country else "to neutral questions"
    return (
        f"{each.replies} unsure replies of {each.model} {subject} are left to the guard alone: no "
        "judge that was named is independent there."
    )


def cost(found: Agreement) -> str:
    price = "not known" if found.dollars is None else f"{found.dollars:.4f} US dollars"
    return f"The opinions took {found.tokens} tokens; their cost is {price}."


def in_words(found: Kappa) -> str:
    """κ with its interval: `0.71 (0.58 to 0.84)`; why there is none where it is undefined."""
    if found.kappa is None or found.low is None or found.high is None:
        return "undefined: one of the two held all replies alike"
    return f"{found.kappa:.2f} ({found.low:.2f} to {found.high:.2f})"


def rows(found: Agreement) -> list[tuple[str, Kappa]]:
    """The agreements of a run by what they are of, the whole run first."""
    named = [
        ("the run, by weight", found.of_run),
        ("unsure replies", found.of_unsure),
        ("sample of the others", found.of_sampled),
    ]
    named += [
        (f"in {explain.spoken(each.language)}, by weight", each.agreement)
        for each in found.languages
    ]
    return [(name, of) for name, of in named if of is not None]
