"""A run as others may see it: without addresses, without logins, and without paths of a disk.

Where a reply came from is kept as far as all may know it, since a host can change what the weights
say: providers by their names (`guard/data/providers.yaml`), whatever the address that they were
reached at. Other hosts are called `unnamed-1`, `unnamed-2`, other providers `unnamed`.

Not covered: what the run's note says, and what models say. Ids hold a hash of the host; they are
made anew, but not in a run with a second rater, whose sample is drawn by them: there, who guesses
an address can tell whether it is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple
from urllib.parse import urlsplit

from .. import provenance
from .plan import Question
from .rating import Rating
from .record import Answer, Run

LABEL = re.compile(r"[A-Za-z][\w-]{0,60}", re.ASCII)  # a provider's, as it follows a model's id
UNNAMED = "unnamed"
LEFT_OUT = re.compile(rf"{UNNAMED}(?:-\d+)?(?:#\d+)?")
ON_A_DISK = re.compile(r"(?:file:|[/\\~.]|[A-Za-z]:[/\\])")


class Redacted(NamedTuple):
    """A run as it may be shared; `named` are hosts and providers, `unnamed` counts the others."""

    run: Run
    answers: list[Answer]
    ratings: list[Rating]
    named: tuple[str, ...]
    unnamed: int


def redacted(run: Run, answers: Sequence[Answer], ratings: Iterable[Rating]) -> Redacted:
    """The run as it may be shared."""
    ratings = list(ratings)
    hosts = host_names({*run.scope.hosts, *(answer.host for answer in answers)})
    served = {each.provider for each in answers} | {each.provider for each in ratings}
    providers = {each: provider_name(each) for each in served}
    scope = run.scope.model_copy(update={"hosts": tuple(hosts[host] for host in run.scope.hosts)})
    told = [name for name in (*hosts.values(), *providers.values()) if name]
    return Redacted(
        run.model_copy(update={"scope": scope}),
        [shared(answer, hosts, providers, new_id=run.judging is None) for answer in answers],
        [rating.model_copy(update=served_by(rating, providers)) for rating in ratings],
        tuple(sorted({name for name in told if not LEFT_OUT.fullmatch(name)})),
        sum(1 for name in told if LEFT_OUT.fullmatch(name)),
    )


def shared(
    answer: Answer, hosts: dict[str, str], providers: dict[str, str], *, new_id: bool
) -> Answer:
    """The answer with what its places are called in public."""
    place = {"host": hosts[answer.host], **served_by(answer, providers)}
    told = answer.model_copy(update=place)
    return told.model_copy(update={"id": question_of(told).id}) if new_id else told


def question_of(answer: Answer) -> Question:
    """The question that an answer is to."""
    fields = answer.model_dump(include=set(Question.model_fields) - {"text"})
    return Question(**fields, text=answer.question)


def served_by(told: Answer | Rating, providers: dict[str, str]) -> dict[str, str]:
    """Who served a reply, and as which model: of a path on a disk the last part."""
    name = told.answered_as
    off_disk = re.split(r"[/\\]", name)[-1] if ON_A_DISK.match(name) else name
    return {"provider": providers[told.provider], "answered_as": off_disk}


def host_names(hosts: Iterable[str]) -> dict[str, str]:
    """What each further host is called in public; two that differ are not called alike."""
    called: dict[str, str] = {}
    unnamed = count(1)
    for host in sorted(hosts):
        name = host_name(host) or (f"{UNNAMED}-{next(unnamed)}" if host else "")
        taken = set(called.values())
        called[host] = next(each for each in numbered(name) if each not in taken)
    return called


def numbered(name: str) -> Iterator[str]:
    yield name
    for n in count(2):
        yield f"{name}#{n}"


def host_name(host: str) -> str:
    """A provider's name, at an address as well; nothing where it is not known."""
    if LABEL.fullmatch(host):
        return host
    try:
        return known_provider(urlsplit(host).hostname or "")
    except ValueError:
        return ""


def provider_name(provider: str) -> str:
    return known_provider(provider) or (UNNAMED if provider else "")


def known_provider(place: str) -> str:
    """A provider by its name or by that of its server; nothing where it is none that is known."""
    found = provenance.provider_of(place)
    return next((key for key, each in provenance.providers().items() if each is found), "")
