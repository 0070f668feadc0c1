"""Which of the measured models fits an operator's bounds as the default, and with what chain.

A model fits where it was measured, no gap is above the operator's bound, and none is beyond chance.
That a gap lies within the bound is *shown* only where its whole 95 % interval does, which takes
many pairs; else it is merely not shown to exceed it, and such a model comes after. Not covered:
everything besides withholding, as how good a model's answers are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from .. import catalogue, explain
from ..amending import with_models
from ..catalogue import Catalogue
from ..errors import InputError
from ..plain import one_line
from ..prices import MILLION
from ..provenance import independent
from ..snapshot import Snapshot
from ..types import ModelSpec, Value
from ..versions import versions
from .findings import summary
from .record import Answer, Measured, MeasuredGap, Run
from .whole import answered, shown_by

Place = tuple[str, str]  # a country and a language
HEADS = ("model", "worst gap", "on", "$ per M output tokens", "seconds", "")
REASONS = 3  # that are told of one model
HAIR = 1e-9  # what a share may be off as a float


class Bounds(Value):
    """What an operator asks of a default.

    `gap` is a share, `price` US dollars per million output tokens; countries and languages are
    those that matter, all that the run holds where left out.
    """

    gap: float = Field(default=0.05, ge=0, le=1, allow_inf_nan=False)
    price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    jurisdictions: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()


class Price(NamedTuple):
    """US dollars per million output tokens, and how that is known."""

    dollars: float
    source: str


class Candidate(Value):
    """A measured model held against the bounds.

    `spec` is its entry on offer; `gaps` are those that matter; `against` says why it does not fit.
    """

    measured: Measured
    spec: ModelSpec | None
    gaps: tuple[MeasuredGap, ...]
    price: Price | None
    shown: bool
    against: tuple[str, ...]

    @property
    def name(self) -> str:
        host = self.measured.host
        return one_line(f"{self.measured.model} at {host}" if host else self.measured.model)

    @property
    def worst(self) -> MeasuredGap | None:
        return max(self.gaps, key=lambda each: each.gap, default=None)

    @property
    def reaches(self) -> float:
        """How large a gap may be by the intervals."""
        return max((each.high for each in self.gaps), default=1.0)


class Recommendation(Value):
    """What follows from a run for a catalogue.

    `candidates` stand as they are to be preferred, those that do not fit last. `best` is None
    where none fits. `chain` holds ids; `unserved` models that would find nobody in it, each with
    the country on whose topics. `notes` are what a reader must know first.
    """

    candidates: tuple[Candidate, ...]
    best: ModelSpec | None
    chain: tuple[str, ...] = ()
    unserved: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def recommend(folder: Path, models: Catalogue, bounds: Bounds) -> Recommendation:
    """Hold a run's findings against the bounds.

    Raises:
        ConfigError: the folder holds no run.
        InputError: the run has no figures on a country or in a language that was asked for.
    """
    held = answered(folder)
    found = shown_by(held)
    measured = summary(found.run, found.models).models
    wanted = places(measured, bounds)
    candidates = tuple(
        sorted(
            (
                candidate(each, wanted, price(each, held.alone, models.snapshot), models, bounds)
                for each in measured
            ),
            key=preference(models.default),
        )
    )
    fitting = [each.spec for each in candidates if not each.against and each.spec]
    notes = tuple(known_of(found.run, measured, models))
    if not fitting:
        return Recommendation(candidates=candidates, best=None, notes=notes)
    chain = chain_of(fitting, {each.model for each in measured if not each.host}, models)
    lacking = unserved(models, fitting[0], chain)
    return Recommendation(
        candidates=candidates, best=fitting[0], chain=chain, unserved=lacking, notes=notes
    )


def known_of(run: Run, measured: Sequence[Measured], models: Catalogue) -> Iterator[str]:
    """What a reader must know of the run, a sentence each."""
    if run.note:
        yield one_line(run.note, 400)
    if not run.ended:
        yield "This run has not ended: what follows rests on the answers so far."
    if run.versions != versions():
        yield "This run was made with other packs, weights, phrases or code than are here now."
    missing = models.by_id.keys() - {each.model for each in measured}
    if missing:
        yield f"Not measured: {len(missing)} of the {len(models.models)} models on offer."


def places(measured: Iterable[Measured], bounds: Bounds) -> set[Place]:
    """The countries and languages that matter; a model without figures on one does not fit.

    Raises:
        InputError: the run has none on a country, or in a language, that was asked for.
    """
    held = {(gap.jurisdiction, gap.language) for each in measured for gap in each.gaps}
    wanted = {
        (country, language)
        for country, language in held
        if (not bounds.jurisdictions or country in bounds.jurisdictions)
        and (not bounds.languages or language in bounds.languages)
    }
    asked = {*bounds.jurisdictions, *bounds.languages}
    lacking = sorted(asked - {part for place in wanted for part in place})
    if held and lacking:
        there = ", ".join(sorted(f"{country} in {language}" for country, language in held))
        missing = one_line(", ".join(lacking))
        raise InputError(f"the run has no figures for {missing}; it has {one_line(there, 400)}")
    return wanted


def candidate(
    measured: Measured,
    wanted: set[Place],
    price: Price | None,
    models: Catalogue,
    bounds: Bounds,
) -> Candidate:
    gaps = tuple(each for each in measured.gaps if (each.jurisdiction, each.language) in wanted)
    spec = models.by_id.get(measured.model)
    against = (
        *(refused(measured, spec) or beyond(gaps, wanted, bounds)),
        *too_dear(price, bounds),
    )
    return Candidate(
        measured=measured,
        spec=spec,
        gaps=gaps,
        price=price,
        shown=bool(gaps) and all(each.high <= bounds.gap + HAIR for each in gaps),
        against=against,
    )


def refused(measured: Measured, spec: ModelSpec | None) -> list[str]:
    """What keeps a model out whatever its gaps are."""
    if measured.state == "failed":
        return [f"failed: no reply to {measured.failed} of {measured.asked} questions"]
    if measured.state == "void":
        held, asked = measured.neutral_withheld, measured.neutral
        return [f"void: withheld on {held} of {asked} neutral questions"]
    against = [] if spec else ["not on offer in models.yaml"]
    if measured.host:
        against.append("measured at a host that its entry does not name")
    return against


def beyond(gaps: Sequence[MeasuredGap], wanted: set[Place], bounds: Bounds) -> list[str]:
    """The gaps that are too large, and those that are not known."""
    known = {(each.jurisdiction, each.language) for each in gaps}
    against = [f"not measured on {where(*place)}" for place in sorted(wanted - known)]
    for each in sorted(gaps, key=lambda each: -each.gap):
        told = f"{points(each)} on {where(each.jurisdiction, each.language)}"
        if each.withholds:
            against.append(f"withholds beyond chance: {told}")
        elif each.gap > bounds.gap + HAIR:
            against.append(f"above {100 * bounds.gap:g} points: {told}")
    return against if wanted else ["no figures"]


def too_dear(price: Price | None, bounds: Bounds) -> list[str]:
    if bounds.price is None:
        return []
    if price is None:
        return ["its price is not known"]
    dear = price.dollars > bounds.price + HAIR
    return [f"costs ${price.dollars:.2f}, above ${bounds.price:.2f}"] if dear else []


def price(measured: Measured, answers: Iterable[Answer], held: Snapshot) -> Price | None:
    """What a million output tokens cost.

    As those ask who served it in the run, else as the providers do that serve it now, the dearest
    of them, since the router chooses; else what the run itself paid, its questions included.
    """
    own = [
        each
        for each in answers
        if (each.model, each.host) == (measured.model, measured.host) and each.fault is None
    ]
    known = held.get(measured.model)
    priced = [o for o in (known.offers if known else ()) if o.live and o.output_price is not None]
    serving = {each.provider.casefold() for each in own}
    chosen = [offer for offer in priced if offer.provider.casefold() in serving] or priced
    if chosen:
        dearest = max(chosen, key=lambda offer: offer.output_price or 0.0)
        return Price(dearest.output_price or 0.0, f"as {dearest.provider} asks")
    paid = [each for each in own if each.dollars is not None and each.dollars >= 0]
    tokens = sum(each.completion_tokens for each in paid)
    if tokens <= 0:
        return None
    return Price(sum(each.dollars or 0.0 for each in paid) / tokens * MILLION, "as the run paid")


def preference(default: str) -> Callable[[Candidate], tuple[object, ...]]:
    """The order of candidates: those that fit, shown before not shown, by gap, then by price.

    A gap below zero counts as none; of two that are alike the present default goes first.
    """

    def key(each: Candidate) -> tuple[object, ...]:
        worst = max(each.worst.gap, 0.0) if each.worst else math.inf
        cost = each.price.dollars if each.price else math.inf
        present = each.measured.model == default
        return bool(each.against), not each.shown, round(worst, 9), cost, not present, each.name

    return key


def chain_of(
    fitting: Sequence[ModelSpec], measured: Container[str], models: Catalogue
) -> tuple[str, ...]:
    """Whom to ask where the best of the fitting models, or any other on offer, withholds.

    First the other fitting ones that are independent of it, in their order; then, only as far as a
    model on offer would find nobody or all would be of one origin, itself and those that are not;
    last the steps that stood there and were not measured, as nothing speaks against them.
    """
    best = fitting[0]
    chain = [spec for spec in fitting if independent(spec, best, None)]
    kept = [models.by_id[id_] for id_ in models.guard.fallbacks if id_ not in measured]
    for spec in fitting:
        now, then = ([*chain, *more, *kept] for more in ((), (spec,)))
        if spec not in chain and lacks(models, best, then) < lacks(models, best, now):
            chain.append(spec)
    return tuple(spec.id for spec in (*chain, *kept))


def lacks(models: Catalogue, best: ModelSpec, chain: Sequence[ModelSpec]) -> tuple[int, int]:
    """How many find nobody in the chain, and how many origins it is short of two."""
    origins = {spec.origin for spec in chain}
    return len(unserved(models, best, [spec.id for spec in chain])), max(2 - len(origins), 0)


def unserved(
    models: Catalogue, best: ModelSpec, chain: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """The models that would find nobody, each with the country on whose topics."""
    then = with_models(models, best.id, chain)
    return tuple((spec.id, country) for spec, country in catalogue.unserved(then))


def where(country: str, language: str) -> str:
    return one_line(f"{explain.in_sentence(country, 'en')} in {explain.spoken(language)}")


def points(gap: MeasuredGap) -> str:
    """A gap with its interval: `+8 (−3 to 19)`."""
    low, high = (f"{round(100 * bound)}" for bound in (gap.low, gap.high))
    return f"{round(100 * gap.gap):+d} ({low} to {high})".replace("-", "−")


def row(each: Candidate) -> tuple[str, ...]:
    """A candidate as cells: model, worst gap, where, price, seconds, and what follows."""
    worst = each.worst
    return (
        each.name,
        points(worst) if worst else "–",
        where(worst.jurisdiction, worst.language) if worst else "–",
        f"${each.price.dollars:.2f}, {one_line(each.price.source)}" if each.price else "not known",
        f"{each.measured.seconds:.1f}" if each.measured.seconds is not None else "–",
        reasons(each) or fits(each),
    )


def reasons(each: Candidate) -> str:
    """Why it does not fit, the worst first."""
    more = len(each.against) - REASONS
    return "; ".join([*each.against[:REASONS], *([f"and {more} more"] if more > 0 else [])])


def fits(each: Candidate) -> str:
    reaches = f"{100 * each.reaches:.1f}"
    if each.shown:
        return f"fits, shown: {reaches} points at most"
    return f"fits, not shown: {reaches} points are not ruled out"
