"""Rows and verdicts -> safe HTML. Nothing here judges, asks or stores.

Templates escape all they are given. The one HTML that goes through unescaped is Markdown's, which
`markdown.py` has cleaned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from guard import explain
from guard.providers.connect import is_demo
from guard.text import split_thinking
from guard.types import ModelSpec, Options, Span, Verdict

from . import comparison, shaping, strip, tools
from .foreign import ForeignModel, model_of
from .growing import GrowingText
from .in_place import InPlace, places
from .markdown import blocks
from .store import Attachment, Conversation, Reply, Share, Turn
from .store.files import shows_images
from .view import Standing, View, exhausted, fill, language_of, number

PARTS = ("join", "chip", "thoughts", "calls", "text", "note", "strip", "fault", "tools")
Parts = dict[str, str | list[str]]


class Example(NamedTuple):
    """A question that shows what Candor is for, its language, and the model to ask it of."""

    about: str
    question: str
    language: str
    model: str | None


class FileShown(NamedTuple):
    """A file as it is shown: its kind and what of it was read, and what removing it is called."""

    file: Attachment
    about: str
    remove: str


def said(each: Reply) -> str:
    """What a reply says, without its thinking."""
    return split_thinking(each.text).answer


def thread(conversation: Conversation | None, view: View, examples: Sequence[Example]) -> str:
    """The whole middle column."""
    turns = [turn(place, view) for place in places(conversation)] if conversation else []
    return "\n".join(turns) or fill("empty", view, examples=examples)


def turn(place: InPlace, view: View) -> str:
    """A question and the replies of the run that is shown."""
    one, standings = place.turn, standing(place, view)
    replies = [Markup(reply(each, one, view, standings[each.id])) for each in one.shown()]
    return fill(
        "turn",
        view,
        turn=one,
        siblings=place.siblings,
        place=place.siblings.index(one.id),
        replies=replies,
        files=Markup(files(place.files, view)) if place.files else "",
        comparison=Markup(comparison.drawn(one, view)),
    )


def files(attached: Sequence[Attachment], view: View, *, unsent: bool = False) -> str:
    """The files of a question; those that wait for theirs can be removed."""
    shown = [
        FileShown(
            file,
            " · ".join(about(file, view)),
            explain.fill(view.say.files_remove, view.language, name=file.name),
        )
        for file in attached
    ]
    return fill("files", view, files=shown, unsent=unsent)


def about(file: Attachment, view: View) -> list[str]:
    """A file's kind, and what of it was read where that is not all; others see the kind alone."""
    found = [getattr(view.say, f"files_kind_{file.kind}")]
    if view.read_only:
        return found
    if not file.opens:
        return [*found, view.say.files_not_here]

    def count(value: int | None) -> str:
        return number(value or 0, view.language)

    if file.pages is not None and file.pages_read != file.pages:
        told = view.say.files_pages_read
        found.append(told.format(read=count(file.pages_read), pages=count(file.pages)))
    if file.pages_empty:
        found.append(view.say.files_pages_empty.format(n=count(file.pages_empty)))
    if file.characters is not None and file.read < file.characters:
        told = view.say.files_characters_read
        found.append(told.format(read=count(file.read), characters=count(file.characters)))
    return found


def standing(place: InPlace, view: View) -> dict[str, Standing]:
    """How each shown reply of a turn stands, by its id."""
    one = place.turn
    shown, answer = one.shown(), one.answer()
    several = len(one.said()) > 1
    seeing = shows_images(place.files)
    return {
        each.id: Standing(
            first=number == 0,
            last=each is shown[-1],
            goes_on=each is answer if several and each.text.strip() else None,
            provider_before=moved(each, place.served),
            shows_images=seeing,
            continues=continues(place, each, view),
        )
        for number, each in enumerate(shown)
    }


def continues(place: InPlace, each: Reply, view: View) -> bool:
    """Whether a reply can go on where it was cut.

    Only the one that the conversation goes on with, at its end: what was asked further down was
    asked of the reply as it was.
    """
    ends_it = place.last and each is place.turn.answer()
    return ends_it and each.cut and view.offers(each.model["id"])


def moved(each: Reply, providers: dict[str, str]) -> str | None:
    """The provider that served this reply's model before, where another one does now."""
    before = providers.get(each.model["id"])
    now = (each.served or {}).get("provider")
    return before if before and now and before != now else None


def reply(each: Reply, one: Turn, view: View, standing: Standing) -> str:
    """One model's reply with all its parts."""
    found = parts(each, one.question, view, standing, runs=one.runs)
    return fill("reply", view, reply=each, parts=safe(found))


def safe(found: Parts) -> dict[str, Any]:
    """Parts are templates' or Markdown's HTML already."""
    return {
        name: [Markup(b) for b in part] if isinstance(part, list) else Markup(part)
        for name, part in found.items()
    }


def parts(
    each: Reply,
    question: str,
    view: View,
    standing: Standing,
    *,
    runs: int,
    growing: GrowingText | None = None,
) -> Parts:
    """A reply's parts by name; `text` is a list of blocks, so that only what changed is sent.

    Args:
        growing: the state of a reply that still streams; without it the whole text is parsed.
    """
    model = model_of(each.model)
    verdict = Verdict.model_validate(each.verdict) if each.verdict else None
    thinking = split_thinking(each.text)
    settled = each.state != "streaming"
    marks = marks_of(each, verdict, thinking.start)
    draw = growing.blocks if growing else blocks
    return {
        "join": join(each, view, standing.first),
        "chip": chip(each, model, view, standing),
        "thoughts": thoughts(each, thinking.reasoning, thinking.answer, view),
        "calls": tools.drawn(each, view),
        "text": draw(thinking.answer, marks),
        "note": note(each, view),
        "strip": strip.drawn(each, verdict, view, standing, question, marked=bool(marks)),
        "fault": fault(each, model, question, view),
        "tools": fill("tools", view, reply=each, standing=standing, run=each.run, runs=runs)
        if settled and not view.read_only
        else "",
    }


def marks_of(each: Reply, verdict: Verdict | None, start: int) -> list[Span]:
    """The spans that a withheld verdict rests on, counted from the start of the answer, joined."""
    if verdict is None or verdict.status != "withheld" or each.not_withheld:
        return []
    return joined(verdict, start)


def joined(verdict: Verdict, start: int) -> list[Span]:
    """All spans of a verdict, counted from `start`, those that meet as one."""
    spans = sorted(Span(*span) for signal in verdict.signals for span in signal.spans)
    found: list[Span] = []
    for span in spans:
        begin, end = span.start - start, span.end - start
        if found and begin <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, end))
        elif begin >= 0:
            found.append(Span(begin, end))
    return found


def join(each: Reply, view: View, first: bool) -> str:
    """The line between a reply and its successor."""
    if first or not each.cause or each.source:  # what a file says of its models is not repeated
        return ""
    said = {
        "withheld": view.say.answered_by_other,
        "failed": view.say.answered_instead,
        "compared": view.say.answered_beside,
    }
    silent = each.state == "failed" and not each.text.strip()
    told = view.say.asked_instead if silent and each.cause != "compared" else said[each.cause]
    return str(Markup("<span>{}</span>").format(told))


def chip(each: Reply, model: ModelSpec | ForeignModel, view: View, standing: Standing) -> str:
    """Model, origin, lineage, who served it, and what it took; or the file that says so."""
    foreign = isinstance(model, ForeignModel)
    demo = isinstance(model, ModelSpec) and is_demo(model)
    told = {"model": model, "standing": standing, "is_demo": demo, "foreign": foreign}
    return fill("chip", view, reply=each, shaped=shaping.shaped(each, view), **told)


def thoughts(each: Reply, block: str | None, answer: str, view: View) -> str:
    """The model's reasoning, folded."""
    said = "\n\n".join(part for part in (block, each.thoughts) if part and part.strip())
    if not said:
        return ""
    running = each.state == "streaming" and not answer.strip()
    title = view.say.thinking if running else view.say.thoughts
    body = Markup("").join(Markup(b) for b in blocks(said))
    html = '<details class="thoughts{}"><summary>{}</summary><div dir="auto">{}</div></details>'
    return str(Markup(html).format(" running" if running else "", title, body))


def note(each: Reply, view: View) -> str:
    """Quiet lines on what is waited for, how the reply ended, and one if it is not kept."""
    kept = "" if each.kept else view.say.not_kept
    lines = (*not_told(each, view), pending(each, view), ending(each, view), kept)
    said = [text for text in lines if text]
    return str(Markup("").join(Markup('<p class="note">{}</p>').format(text) for text in said))


def not_told(each: Reply, view: View) -> list[str]:
    """What of the conversation's files the model was not told."""
    omitted = each.omitted or {}
    counts = (
        (view.say.files_omitted, omitted.get("characters", 0)),
        (view.say.files_unseen, omitted.get("images", 0)),
    )
    return [told.format(n=number(n, view.language)) for told, n in counts if n]


def pending(each: Reply, view: View) -> str:
    """What a reply that comes in waits for."""
    if each.state != "streaming":
        return compared_with_nobody(each, view)
    if each.waits is not None:
        return str(view.say.waits.format(seconds=max(1, round(each.waits))))
    if each.consulted is None:
        return ""
    return explain.fill(view.say.consults, view.language, model=each.consulted)


def compared_with_nobody(each: Reply, view: View) -> str:
    """Why no other model answers beside this one, where the verdict has no strip to say it."""
    return exhausted(each, view.language) if each.exhausted == "compared" else ""


def ending(each: Reply, view: View) -> str:
    if each.state == "stopped":
        return stopped(each, view)
    return str(view.say.interrupted) if each.state == "interrupted" else ""


def stopped(each: Reply, view: View) -> str:
    """Who ended a reply; of one that a file brings, or that others see, only that it was ended."""
    if each.finish_reason == "stopped by guard" and each.source is None:
        return str(view.say.stopped_by_guard)
    elsewhere = view.read_only or each.source is not None
    return str(view.say.share_stopped if elsewhere else view.say.stopped)


def fault(each: Reply, model: ModelSpec | ForeignModel, question: str, view: View) -> str:
    """What happened to a reply whose host failed, and what to do."""
    if not each.fault:
        return ""
    language = language_of(question, view.language)
    happened, advice = explain.fault(each.fault["kind"], language, model=model.name)
    told = {"happened": happened, "advice": advice, "exhausted": exhausted(each, view.language)}
    return fill("fault", view, reply=each, **told)


def shares(found: Sequence[Share], view: View) -> str:
    """The conversation's shared links, newest first."""
    return fill("shares", view, shares=found)


def picker(current: str, view: View, own: Mapping[str, Options], preferred: str | None) -> str:
    """A card for each model: those that answer first.

    Args:
        current: the id of the model that is picked.
        own: what the reader has set, by model.
        preferred: the reader's own default.
    """
    models = sorted(view.models.models, key=lambda spec: not view.serves(spec))
    return fill(
        "picker",
        view,
        models=models,
        current=current,
        default=view.models.default,
        preferred=preferred,
        own=own,
        served=view.serves,
    )


def picked(model: ModelSpec, view: View, own: Mapping[str, Options]) -> str:
    """The model that is chosen, on the picker's button, marked where a system prompt is set."""
    prompted = model.id in own and bool(own[model.id].system)
    return fill("picked", view, model=model, prompted=prompted)


def default_models(preferred: str | None, view: View) -> str:
    """The choices for new conversations; a model that is gone stays until another is chosen."""
    served = [model for model in view.models.models if view.serves(model)]
    gone = preferred if preferred not in {None, *(model.id for model in served)} else None
    default = view.models.get(view.models.default)
    choices = {"models": served, "gone": gone, "preferred": preferred, "default": default}
    return fill("default_models", view, **choices)


def settable_models(own: Mapping[str, Options], view: View) -> str:
    """The models for which the reader may set something, and those for which they have."""
    served = [model for model in view.models.models if view.serves(model)]
    gone = sorted(own.keys() - {model.id for model in served})
    scripted = {model.id for model in served if is_demo(model)}
    return fill("settable_models", view, models=served, own=own, gone=gone, scripted=scripted)
