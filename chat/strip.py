"""The guard's words beside a reply, outside of the model's, and what they rest on.

A judge's and a control's words are models' words: they are quoted, named and escaped.
"""

from __future__ import annotations

from guard import explain, policy
from guard.telling import facts
from guard.text import split_thinking
from guard.types import ModelSpec, Verdict
from guard.verdict import retold

from . import shaping
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
    """What the guard says of a reply; nothing where there is nothing to say."""
    if verdict is None:
        return ""
    language = language_of(question, view.language)
    if each.source:
        return from_file(each, verdict, view, language)
    if silent(each, verdict):
        return ""
    withheld = verdict.status == "withheld"
    model = ModelSpec.model_validate(each.model)
    return fill(
        "strip",
        view,
        reply=each,
        question=question,
        language=language,
        guard_say=texts(language),
        verdict=retold(verdict, model.origins, language),
        tone=tone(verdict),
        title=title(verdict, language),
        facts=facts(verdict.topic, language) if withheld else (),
        caveat=shaping.caveat(each, view, language),
        open=bool(each.exhausted) or view.read_only,
        exhausted=exhausted(each, language) if each.exhausted == "withheld" else "",
        can_ask=verdict.conduct != "answered" and can_ask(each, model, view, standing),
        can_control=withheld and verdict.control is None and can_control(each, model, view),
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
        caveat=shaping.caveat(each, view, language),
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


def can_ask(each: Reply, model: ModelSpec, view: View, standing: Standing) -> bool:
    """Whether a model of another origin is there that may answer below this last reply."""
    jurisdiction = (each.verdict or {}).get("jurisdiction")
    fit = policy.successors(model, view.models.chain(jurisdiction), jurisdiction)
    able = (spec for spec in fit if spec.images or not standing.shows_images)
    return standing.last and not each.exhausted and any(map(view.serves, able))


def can_control(each: Reply, model: ModelSpec, view: View) -> bool:
    """Whether the model can be asked the matched control question now, as this one was asked."""
    offered = view.models.guard.control != "off" and not shaping.words_unknown(each)
    return offered and view.offers(model.id)
