"""Two runs side by side: what changed from the first to the second, on the pairs of both.

A change is the model's only where all else stayed: packs, weights and phrases, the samples, who
served it. Where they did not, that is told before any figure. Replies are not judged again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import explain
from ..errors import InputError
from ..plain import one_line
from ..types import Value
from .change import Change, change, corrected
from .findings import Asked, findings, pairs_of
from .record import Answer, Run, State
from .report import environment
from .statistics import ALPHA, Pair
from .whole import answered

STATES: dict[State, str] = {
    "measured": "measured",
    "failed": "failed (its host gave too few replies)",
    "void": "void (it withheld on neutral questions as well)",
}
MEASURES = {  # what a verdict hangs on besides the reply, by its name in `Versions`
    "packs": "topic packs",
    "weights": "weights of the guard",
    "phrases": "phrases of the guard",
    "candor": "code (Candor {} and {})",
}
MARKUP = re.compile(r"[|*`<>\[\]!#]")
Key = tuple[str, str]  # a model, and the host it was asked at


class Moved(Value):
    """How the gap of one model on one country's topics in one language changed."""

    jurisdiction: str
    language: str
    change: Change


class ModelChange(Value):
    """What changed in one model at one host; no `moved` where it was not measured in both runs.

    `alone` counts pairs that have an answer in one run only, `reworded` those that were put
    otherwise in the second: both are left out. `served` names who served it in either run.
    """

    model: str
    host: str
    before: State
    after: State
    moved: tuple[Moved, ...] = ()
    alone: int = 0
    reworded: int = 0
    served: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def lost(self) -> bool:
        """Whether it was measured before, and nothing can be said of it now."""
        return self.before == "measured" != self.after

    @property
    def worse(self) -> bool:
        return self.lost or any(each.change.worse for each in self.moved)


class Comparison(Value):
    """Two runs, what stands between them (`limits`), and what changed in each model of both.

    `gone` and `added` are models of the first and of the second run only.
    """

    before: Run
    after: Run
    limits: tuple[str, ...]
    models: tuple[ModelChange, ...]
    gone: tuple[Key, ...]
    added: tuple[Key, ...]

    @property
    def worse(self) -> bool:
        """Whether a model got worse beyond chance, or cannot be measured any more."""
        return any(found.worse for found in self.models)


def compare(first: Path, second: Path) -> Comparison:
    """What changed from one run to another.

    Raises:
        ConfigError: a folder holds no run.
        InputError: no model was asked the same pair in both.
    """
    runs = answered(first), answered(second)
    before, after = (each.run for each in runs)
    samples = min(before.scope.samples, after.scope.samples)
    alike = same_judges(before, after)
    one, other = (by_model(each.decided if alike else each.alone) for each in runs)
    states = [states_of(answers) for answers in (one, other)]
    models = tuple(
        model_change(key, (states[0][key], states[1][key]), (one[key], other[key]), samples)
        for key in sorted(one.keys() & other.keys())
    )
    if not any(found.moved or not measured(found) for found in models):
        raise InputError(f"{first} and {second} have no model and pair of questions in common")
    return Comparison(
        before=before,
        after=after,
        limits=tuple(limits(before, after)),
        models=models,
        gone=tuple(sorted(one.keys() - other.keys())),
        added=tuple(sorted(other.keys() - one.keys())),
    )


def same_judges(before: Run, after: Run) -> bool:
    """Whether unsure replies were decided alike in both: by the same second raters, or by none."""
    one, other = before.judging, after.judging
    if one is None or other is None:
        return one is other
    return (one.judges, one.band) == (other.judges, other.band)


def by_model(answers: Sequence[Answer]) -> dict[Key, list[Answer]]:
    held: dict[Key, list[Answer]] = defaultdict(list)
    for answer in answers:
        held[answer.model, answer.host].append(answer)
    return held


def states_of(answers: dict[Key, list[Answer]]) -> dict[Key, State]:
    """The state of each model, by all its answers."""
    every = (answer for held in answers.values() for answer in held)
    return {(found.model, found.host): found.state for found in findings(every)}


def measured(found: ModelChange) -> bool:
    return found.before == found.after == "measured"


def model_change(
    key: Key, states: tuple[State, State], answers: tuple[list[Answer], list[Answer]], samples: int
) -> ModelChange:
    """What changed in one model; of each question as many samples as both runs have."""
    one, other = ([a for a in held if a.fault is None and a.sample < samples] for held in answers)
    before, after = pairs_of(one), pairs_of(other)
    both = [asked for asked in before if asked in after]
    texts = wording(one), wording(other)
    alike = [asked for asked in both if texts[0][asked] == texts[1][asked]]
    found = ModelChange(
        model=key[0],
        host=key[1],
        before=states[0],
        after=states[1],
        alone=len(before.keys() ^ after.keys()),
        reworded=len(both) - len(alike),
        served=(providers(one), providers(other)),
    )
    if not measured(found):
        return found
    return found.model_copy(update={"moved": tuple(moved(alike, before, after))})


def wording(answers: Sequence[Answer]) -> dict[Asked, set[tuple[str, str]]]:
    """How each pair was put: the probe's words and the control's."""
    texts: dict[Asked, set[tuple[str, str]]] = defaultdict(set)
    for answer in answers:
        asked = Asked(answer.jurisdiction, answer.topic, answer.pair, answer.language)
        texts[asked].add((answer.kind, answer.question))
    return texts


def providers(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(sorted({answer.provider for answer in answers if answer.provider}))


def moved(
    alike: Sequence[Asked], before: dict[Asked, Pair], after: dict[Asked, Pair]
) -> list[Moved]:
    """The change on each country's topics in each language, corrected together."""
    groups: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    for asked in alike:
        groups[asked.jurisdiction, asked.language].append(asked)
    changes = [
        change([before[asked] for asked in group], [after[asked] for asked in group])
        for group in groups.values()
    ]
    return [
        Moved(jurisdiction=jurisdiction, language=language, change=each)
        for (jurisdiction, language), each in zip(groups, corrected(changes), strict=True)
    ]


def limits(before: Run, after: Run) -> Iterator[str]:
    """What a reader must know before any figure, a sentence each."""
    for which, run in (("first", before), ("second", after)):
        if run.note:
            yield f"Of the {which} run: {harmless(run.note)}"
        if not run.ended:
            yield f"The {which} run has not ended: what follows rests on its answers so far."
    if after.begun < before.begun:
        yield "The second run is the older one."
    yield from other_measure(before, after)
    yield from other_questions(before, after)


def other_measure(before: Run, after: Run) -> Iterator[str]:
    """Whether both runs were judged alike."""
    one, other = before.versions, after.versions
    differ = [
        said.format(harmless(one.candor), harmless(other.candor))
        for name, said in MEASURES.items()
        if getattr(one, name) != getattr(other, name)
    ]
    if differ:
        yield (
            f"Not the same in both runs: {', '.join(differ)}. What changed may be the guard, not "
            "the model. Replies are judged when they come; neither this nor `audit report` judges "
            "them again."
        )
    if not same_judges(before, after):
        yield (
            "Unsure replies were not decided by the same judges in both runs: what follows is by "
            "the guard alone, so gaps may be other than in the reports."
        )


def other_questions(before: Run, after: Run) -> Iterator[str]:
    """Whether both runs asked alike."""
    one, other = before.scope, after.scope
    if one.samples != other.samples:
        fewer = min(one.samples, other.samples)
        counts = "of each counts" if fewer == 1 else f"{fewer} of each count"
        yield (
            f"The first run asked each question {times(one.samples)}, the second "
            f"{times(other.samples)}: only the first {counts}, so gaps may be other "
            "than in the reports."
        )
    names = ("jurisdictions", "topics", "languages")
    differ = [name for name in names if set(getattr(one, name)) != set(getattr(other, name))]
    if differ:
        asked = ", ".join(differ).replace("jurisdictions", "countries")
        yield f"The runs asked of other {asked}: only pairs of both are compared."


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def markdown(found: Comparison, first: Path, second: Path) -> str:
    """The comparison in words and figures."""
    template = environment().get_template("comparison.md")
    return template.render(
        **dict(found),
        first=harmless(str(first)),
        second=harmless(str(second)),
        since=since(found),
        alpha=ALPHA,
        sentence=sentence,
        named=named,
        points=points,
        country=country_called,
        language=language_called,
        harmless=harmless,
    )


def since(found: Comparison) -> str:
    """What the second run is compared with: the day of the first, where that tells them apart."""
    days = [harmless(run.begun[:10]) for run in (found.before, found.after)]
    return f"on {days[0]}" if days[0] != days[1] else "in the first run"


def named(model: str, host: str) -> str:
    """A model and its host."""
    return harmless(f"{model} at {host}" if host else model)


def harmless(words: str) -> str:
    """Words of a run's folder, which may be a stranger's: they break no table, and mark nothing."""
    return MARKUP.sub("·", one_line(words, 400))


def country_called(code: str) -> str:
    return harmless(explain.country(code))


def language_called(tag: str) -> str:
    return harmless(explain.spoken(tag))


def points(share: float) -> str:
    """A share in whole points, with its sign."""
    return f"{round(100 * share):+d}".replace("-", "−")


def sentence(found: ModelChange, since: str) -> str:
    """What changed in a model, in plain words."""
    return " ".join([what_changed(found, since), *left_out(found)])


def what_changed(found: ModelChange, since: str) -> str:
    if not measured(found):
        was, now = STATES[found.before], STATES[found.after]
        states = f"{was} in both runs" if was == now else f"{was} before, {now} now"
        return f"{states[0].upper()}{states[1:]}: nothing can be compared."
    if not found.moved:
        return "No pair of questions was put alike in both runs: nothing can be compared."
    certain = [each for each in found.moved if each.change.certain]
    if certain:
        return " ".join(told(each, since) for each in certain)
    low = min(each.change.low for each in found.moved)
    high = max(each.change.high for each in found.moved)
    return f"No change beyond chance; the intervals reach from {points(low)} to {points(high)}."


def told(found: Moved, since: str) -> str:
    """One change in words."""
    by = found.change
    return (
        f"On {harmless(explain.in_sentence(found.jurisdiction, 'en'))} in "
        f"{language_called(found.language)} it withholds, measured against the controls, "
        f"{points(abs(by.change))[1:]} points {'more' if by.change > 0 else 'less'} than {since} "
        f"({points(by.low)} to {points(by.high)}), beyond chance."
    )


def left_out(found: ModelChange) -> Iterator[str]:
    """What a reader must know of this one model."""
    if found.alone:
        yield f"Pairs answered in one run only, and left out: {found.alone}."
    if found.reworded:
        yield f"Pairs put in other words, and left out: {found.reworded}."
    if found.served[0] != found.served[1]:
        was, now = (harmless(", ".join(names)) or "nobody known" for names in found.served)
        yield f"Served by {was} before and by {now} now: what changed may be the host."
