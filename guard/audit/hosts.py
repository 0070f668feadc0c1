"""A model at two hosts: what it withholds at both may be in its weights, at one only is the host's.

Compared are the questions that both hosts answered. Withholding at a host is the gap between probes
and controls, as for any model; between the hosts stands the same exact test on the probes, with
Newcombe's interval, corrected by Holm's method among all such tests of the model. Two hosts that
agree prove nothing of the weights: both may filter, and one may pass questions on to the other. Not
covered: what a host adds to a question, such as a system prompt of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from .. import explain, provenance
from ..types import Value
from .findings import Asked, ModelFindings, pairs_of
from .record import Answer, State
from .statistics import ALPHA, Gap, Pair, corrected, gap

Where = Literal["both", "one", "neither", "unclear"]
SURE = 0.8  # chance to see a gap from which on "neither" is said
OTHER = 0.05  # share of replies of another model from which on nothing is said of the weights
NAME = 60  # characters of a host's name
UNFIT = re.compile(r"[^\w.: -]")  # in the name of a host, which may be the host's own word
FILTERED = "content_filter"
CAUTION = (
    "Two hosts that agree do not prove that the weights withhold: both may filter, and one may "
    "pass questions on to the other."
)


class AtHost(Value):
    """What a host told of itself, and how a model fared there.

    `name`: the provider that it told most often, else what the operator called it. `providers` are
    all that it told. `filtered` counts replies that it ended with `content_filter`, `rejected`
    questions that it refused to take, `others` replies that came as another model than was asked.
    """

    host: str
    name: str
    providers: tuple[str, ...]
    state: State
    asked: int
    replies: int
    filtered: int
    rejected: int
    others: int

    @property
    def as_asked(self) -> bool:
        """Whether the model that answered was the one that was asked, but for a few replies."""
        return self.others <= OTHER * self.replies


class Between(Value):
    """A country's topics in one language at two hosts, on the same pairs.

    `gaps` are between probes and controls, at the first host and at the second. `across` is between
    the hosts, on the probes: its `probes` are the first host's, its `controls` the second's. `seen`
    is the chance to find a gap of 20 points at either host.
    """

    jurisdiction: str
    language: str
    gaps: tuple[Gap, Gap]
    across: Gap
    seen: float

    @property
    def differs(self) -> bool:
        """Whether the hosts withhold unlike shares of the probes, beyond chance."""
        return self.across.adjusted < ALPHA

    @property
    def where(self) -> Where:
        """At which of the hosts the model withholds."""
        first, second = (each.withholds for each in self.gaps)
        if first and second:
            return "both"
        if first or second:
            more_there = self.across.gap > 0 if first else self.across.gap < 0
            return "one" if self.differs and more_there else "unclear"
        return "neither" if self.seen >= SURE or self.differs else "unclear"


class TwoHosts(Value):
    """One model at two hosts; nothing was `found` where either was not measured."""

    model: str
    first: AtHost
    second: AtHost
    found: tuple[Between, ...]


class Group(NamedTuple):
    """A country's topics in one language."""

    jurisdiction: str
    language: str


def compared(answers: Iterable[Answer], models: Sequence[ModelFindings]) -> list[TwoHosts]:
    """Every two hosts of each model that was asked at several."""
    by_host: dict[str, dict[str, list[Answer]]] = {}
    for answer in answers:
        by_host.setdefault(answer.model, {}).setdefault(answer.host, []).append(answer)
    states = {(found.model, found.host): found.state for found in models}
    return [
        each for model, hosts in sorted(by_host.items()) for each in every_two(model, hosts, states)
    ]


def every_two(
    model: str, hosts: dict[str, list[Answer]], states: dict[tuple[str, str], State]
) -> list[TwoHosts]:
    """The hosts of one model, two and two; the tests between them are corrected together."""
    seen = named_apart(
        [at_host(model, host, states[model, host], held) for host, held in sorted(hosts.items())]
    )
    pairs = {host: pairs_of([a for a in held if a.fault is None]) for host, held in hosts.items()}
    both = [
        TwoHosts(
            model=model,
            first=first,
            second=second,
            found=tuple(between(pairs[first.host], pairs[second.host]))
            if {first.state, second.state} == {"measured"}
            else (),
        )
        for first, second in combinations(seen, 2)
    ]
    across = iter(corrected([each.across for two in both for each in two.found]))
    return [
        two.model_copy(
            update={
                "found": tuple(
                    each.model_copy(update={"across": next(across)}) for each in two.found
                )
            }
        )
        for two in both
    ]


def between(first: dict[Asked, Pair], second: dict[Asked, Pair]) -> list[Between]:
    """What two hosts did with the pairs that both answered, by country and language."""
    groups: dict[Group, list[tuple[Pair, Pair]]] = {}
    for asked, pair in first.items():
        if asked in second:
            group = Group(asked.jurisdiction, asked.language)
            groups.setdefault(group, []).append((pair, second[asked]))
    at_first = corrected([gap([pair for pair, _ in held]) for held in groups.values()])
    at_second = corrected([gap([pair for _, pair in held]) for held in groups.values()])
    return [
        Between(
            jurisdiction=group.jurisdiction,
            language=group.language,
            gaps=(one, other),
            across=gap([Pair(pair.probes, beside.probes) for pair, beside in held]),
            seen=min(each.seen(len(groups)) for each in (one, other)),
        )
        for (group, held), one, other in zip(groups.items(), at_first, at_second, strict=True)
    ]


def at_host(model: str, host: str, state: State, answers: Sequence[Answer]) -> AtHost:
    """What the answers from a host tell of it."""
    replied = [answer for answer in answers if answer.fault is None]
    told = Counter(answer.provider for answer in replied if answer.provider).most_common()
    return AtHost(
        host=host,
        name=name_of(host, [provider for provider, _ in told]),
        providers=tuple(fit(provider) for provider, _ in told),
        state=state,
        asked=len(answers),
        replies=len(replied),
        filtered=sum(answer.finish_reason == FILTERED for answer in replied),
        rejected=sum(answer.fault == "rejected" for answer in answers),
        others=others(model, replied),
    )


def others(model: str, answers: Iterable[Answer]) -> int:
    """How many replies came as another model than was asked."""
    told = Counter((answer.provider, answer.answered_as) for answer in answers)
    return sum(
        count
        for (provider, answered), count in told.items()
        if provenance.served_by(provider, model, answered or None).model
    )


def name_of(host: str, told: Sequence[str]) -> str:
    """A host by the provider that it told, else as the operator called it."""
    return known_name(told[0]) + (" and others" if told[1:] else "") if told else as_called(host)


def as_called(host: str) -> str:
    """A host as the operator called it; an address without the password that it may hold."""
    if host.startswith(("http://", "https://")):
        return fit(urlsplit(host).netloc.rpartition("@")[2])
    return known_name(host) or "its usual host"


def known_name(provider: str) -> str:
    known = provenance.provider_of(provider)
    return known.name if known else fit(provider)


def fit(name: str) -> str:
    """A host's name, fit to stand within our sentences."""
    return UNFIT.sub("", name)[:NAME].strip()


def named_apart(hosts: Sequence[AtHost]) -> list[AtHost]:
    """The hosts, those of one name told apart by what the operator called them."""
    names = Counter(each.name for each in hosts)
    return [
        each.model_copy(update={"name": f"{each.name} ({as_called(each.host)})"})
        if names[each.name] > 1
        else each
        for each in hosts
    ]


def sentences(two: TwoHosts) -> list[str]:
    """What two hosts tell of one model, in plain sentences."""
    unmeasured = [each for each in (two.first, two.second) if each.state != "measured"]
    if unmeasured:
        said = [f"Not compared: {each.name} {NOT_MEASURED[each.state]}." for each in unmeasured]
        return [*said, *notes(two)]
    if not two.found:
        return ["Not compared: the hosts have no pair of questions in common."]
    told = [withheld(each, two) for each in two.found if each.where in {"both", "one"}]
    told += [
        undecided(each, two)
        for each in two.found
        if any_withholds(each) and each.where == "unclear"
    ]
    told += listed("At neither host beyond chance", two, "neither")
    told += listed("Too few pairs to tell", two, "unclear")
    return [*told, *notes(two)]


NOT_MEASURED = {
    "failed": "left too many questions without a reply",
    "void": "withheld on neutral questions as well",
}


def withheld(found: Between, two: TwoHosts) -> str:
    """A country on which the model withholds at both hosts, or at one of them only."""
    subject = f"Withholds on {named(found)}"
    first, second = (points(each) for each in found.gaps)
    if found.where == "both":
        where = f"at both {two.first.name} and {two.second.name} ({first} and {second} points)"
        more = f", unlike shares of the probes ({difference(found)})" if found.differs else ""
        follows = "it is in the weights, or in both hosts"
    else:
        at_first = found.gaps[0].withholds
        there, elsewhere = (two.first, two.second) if at_first else (two.second, two.first)
        more_points, fewer = (first, second) if at_first else (second, first)
        where = f"at {there.name} ({more_points} points), not at {elsewhere.name} ({fewer} points"
        more = f"; {difference(found)})"
        follows = "the host, not the weights"
    return f"{subject} {where}{more}: {follows if as_asked(two) else NOTHING}."


NOTHING = "nothing follows for the weights, since another model answered"


def as_asked(two: TwoHosts) -> bool:
    return two.first.as_asked and two.second.as_asked


def undecided(found: Between, two: TwoHosts) -> str:
    """A country on which the model withholds at one host, and the other may be no different."""
    first, second = found.gaps
    there, elsewhere = (two.first, two.second) if first.withholds else (two.second, two.first)
    but = "declines more of the probes altogether" if found.differs else "may be no different"
    gaps = f"{points(first)} and {points(second)} points at {two.first.name} and {two.second.name}"
    return (
        f"Withholds on {named(found)} at {there.name}; {elsewhere.name} shows no gap beyond "
        f"chance, but {but} ({gaps}; {difference(found)}): no telling whether it is the host."
    )


def any_withholds(found: Between) -> bool:
    return any(each.withholds for each in found.gaps)


def listed(words: str, two: TwoHosts, where: Where) -> list[str]:
    """One sentence on all countries of which the same is to be said."""
    alike = [each for each in two.found if each.where == where and not any_withholds(each)]
    if not alike:
        return []
    return [f"{words}: {', '.join(subject(each) for each in alike)}."]


def subject(found: Between) -> str:
    """A country where the model withholds no more on probes than on controls; it may do so on all
    questions at one host rather than at the other."""
    return f"{named(found)} (but {difference(found)})" if found.differs else named(found)


def notes(two: TwoHosts) -> list[str]:
    """What else the hosts told, where it matters."""
    told = []
    for each in (two.first, two.second):
        if each.filtered:
            told.append(f"{each.name} ended {each.filtered} of {each.replies} replies by a filter.")
        if each.rejected:
            told.append(f"{each.name} refused to take {each.rejected} of {each.asked} questions.")
        if each.others:
            told.append(
                f"{each.name} answered as another model in {each.others} of {each.replies} replies."
            )
    if two.first.providers and two.first.providers == two.second.providers:
        told.append("Both told the same name of a provider: whether they are two is not known.")
    return told


def named(found: Between) -> str:
    """A country and a language, in mid-sentence: `China in Chinese (Simplified)`."""
    where = explain.in_sentence(found.jurisdiction, "en")
    return f"{where} in {explain.spoken(found.language)}"


def points(found: Gap) -> str:
    return f"{100 * found.gap:.0f}"


def difference(found: Between) -> str:
    """How much more of the probes one host withholds: `difference on probes 39, 29 to 49`."""
    across = found.across
    ends = sorted((across.low, across.high) if across.gap >= 0 else (-across.high, -across.low))
    low, high = (f"{100 * end:.0f}" for end in ends)
    return f"difference on probes {100 * abs(across.gap):.0f}, {low} to {high}"
