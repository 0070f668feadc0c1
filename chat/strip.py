"""The guard's words beside a reply, outside of the model's, and what they rest on.

A judge's and a control's words are models' words: they are quoted, named and escaped.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from guard import anchors, explain, policy, topics
from guard.text import split_thinking
from guard.types import ModelSpec, Verdict
from guard.verdict import retold

from .store import Reply
from .texts import texts
from .view import Standing, View, exhausted, fill, language_of


def drawn(
    each: Reply,
    verdict: Verdict | None,
    view: View,
    standing: Standing,
    question: str,
    *,
    marked: bool,
) -> str:
    """What the guard says of a reply; where there is nothing to say, what another reply adds."""
    if verdict is None:
        return ""
    language = language_of(question, view.language)
    if each.source:
        return from_file(each, verdict, view, language)
    missing = missing_from(each, verdict, standing.other)
    if silent(each, verdict):
        return fill("missing", view, missing=missing, guard_say=texts(language)) if missing else ""
    withheld = verdict.status == "withheld"
    model = ModelSpec.model_validate(each.model)
    return fill(
        "strip",
        view,
        question=question,
        language=language,
        guard_say=texts(language),
        verdict=retold(verdict, model.origins, language),
        tone=tone(verdict),
        title=title(verdict, language),
        facts=facts(verdict.topic, language) if withheld else [],
        missing=missing,
        open=bool(each.exhausted) or view.read_only,
        exhausted=exhausted(each, language) if each.exhausted == "withheld" else "",
        can_ask=standing.last and verdict.conduct != "answered" and can_ask(each, model, view),
        can_control=withheld and verdict.control is None and can_control(model, view),
        settled=each.state != "streaming" and not view.read_only,
        not_withheld=each.not_withheld,
        marked=marked,
        characters=len(split_thinking(each.text).answer.strip()),
    )


def from_file(each: Reply, verdict: Verdict, view: View, language: str) -> str:
    """What an imported file says that a guard held: its claim, told as that and never as ours.

    It may have been written by anybody. So it has another look than our own strip, its sentence is
    quoted, and neither its judge nor its control question speaks. The facts are ours.
    """
    if verdict.status != "withheld":
        return ""
    return fill(
        "imported",
        view,
        language=language,
        guard_say=texts(language),
        verdict=verdict,
        facts=facts(verdict.topic, language),
        open=view.read_only,
        not_withheld=each.not_withheld,
    )


def silent(each: Reply, verdict: Verdict) -> bool:
    """Whether the guard has nothing to say of a reply."""
    answers = verdict.status == "clean" and verdict.conduct == "answered"
    return (answers and verdict.opinion is None) or bool(
        verdict.status == "unchecked" and each.fault
    )


def tone(verdict: Verdict) -> str:
    """Amber where the model's origin explains what is withheld, else grey."""
    return "amber" if verdict.status == "withheld" and verdict.aligned else "grey"


def title(verdict: Verdict, language: str) -> str:
    """What heads the guard's words."""
    if verdict.conduct == "answered":
        return str(texts(language).opinion)  # type: ignore[attr-defined]
    return explain.title(verdict, language)


def can_ask(each: Reply, model: ModelSpec, view: View) -> bool:
    """Whether a model of another origin is there that may answer below this reply."""
    jurisdiction = (each.verdict or {}).get("jurisdiction")
    fit = policy.successors(model, view.models.chain(jurisdiction), jurisdiction)
    return not each.exhausted and any(view.serves(spec) for spec in fit)


def can_control(model: ModelSpec, view: View) -> bool:
    """Whether the model can be asked the matched control question now."""
    offered = view.models.guard.control != "off"
    return offered and view.offers(model.id)


def missing_from(each: Reply, verdict: Verdict, other: Reply | None) -> tuple[str, ...]:
    """What of the topic another reply holds and this one does not, in the other's words."""
    if other is None or verdict.topic is None or verdict.ordinary:
        return ()
    return missing(verdict.topic, each.text, other.text)


@lru_cache(maxsize=256)
def missing(topic: str, reply: str, other: str) -> tuple[str, ...]:
    return anchors.missing(topic, reply, other)


def facts(topic: str | None, language: str) -> list[dict[str, Any]]:
    """What independent sources hold on a topic, in the nearest language there is."""
    pack = topics.load().get(topic or "")
    if pack is None:
        return []
    return [
        {
            "text": explain.in_language(fact.text, language),
            "language": explain.nearest_language(language, tuple(fact.text)),
            "sources": fact.sources,
        }
        for fact in pack.facts
    ]
