"""Rows and verdicts -> safe HTML. Nothing here judges, asks or stores.

Templates escape all they are given. The one HTML that goes through unescaped is Markdown's, which
`markdown.py` has cleaned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from babel.numbers import format_currency, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guard import explain, policy, topics
from guard.catalogue import Catalogue
from guard.providers.connect import Connection, is_demo
from guard.text import main_script, split_thinking
from guard.types import ModelSpec, Span, Verdict

from .markdown import GrowingText, blocks
from .store import Conversation, Reply, Turn
from .texts import texts

TEMPLATES = Path(__file__).parent / "templates"
PARTS = ("join", "chip", "thoughts", "text", "note", "strip", "fault", "tools")
Parts = dict[str, str | list[str]]


class Example(NamedTuple):
    """A question that shows what Candor is for, and the model to ask it of."""

    about: str
    question: str
    model: str | None


class Standing(NamedTuple):
    """How a reply stands among the others of its turn, and those before.

    `goes_on` says whether the conversation goes on with it, None where there is no other. `other`
    is the reply that answers in its place, or beside it. `provider_before` served this model last,
    where that was another than now.
    """

    first: bool = True
    last: bool = True
    goes_on: bool | None = None
    other: Reply | None = None
    provider_before: str | None = None


@dataclass(frozen=True)
class View:
    """Who looks, and at what: language of the page, models on offer, what is connected."""

    language: str
    models: Catalogue
    connection: Connection
    signed_in: bool = False

    @property
    def say(self) -> Any:
        return texts(self.language)

    def serves(self, spec: ModelSpec) -> bool:
        return self.connection.serves(spec, self.signed_in)


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flag"] = flag
    environment.filters["country"] = explain.country
    environment.filters["number"] = number
    environment.filters["dollars"] = dollars
    return environment


def fill(template: str, view: View, **values: Any) -> str:
    """A template with the view's texts and language."""
    language = values.pop("language", view.language)
    return (
        templates()
        .get_template(f"{template}.html")
        .render(view=view, say=view.say, language=language, **values)
        .strip()
    )


def flag(code: str) -> str:
    """A country's flag: its two letters as regional indicators."""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in code)


def number(value: float, language: str) -> str:
    """A number as the reader writes it: 128,000 is 128.000 in German, 1.25 is 1,3."""
    return format_decimal(value, format="#,##0.#", locale=language.replace("-", "_"))


def dollars(value: float, language: str) -> str:
    """A small sum with two digits that say something: $0.0012."""
    digits = max(2, 1 - math.floor(math.log10(value))) if value > 0 else 2
    pattern = f"¤#,##0.{'0' * min(digits, 8)}"
    locale = language.replace("-", "_")
    return format_currency(value, "USD", pattern, locale, currency_digits=False)


def language_of(question: str, page: str) -> str:
    """The language in which the guard speaks about a question: the reader's."""
    chinese = main_script(question) == "Han" and not page.startswith("zh")
    return "zh-Hans" if chinese else page


def said(each: Reply) -> str:
    """What a reply says, without its thinking."""
    return split_thinking(each.text).answer


def thread(conversation: Conversation | None, view: View, examples: Sequence[Example]) -> str:
    """The whole middle column."""
    turns = conversation.path() if conversation else []
    if not turns or conversation is None:
        return fill("empty", view, examples=examples)
    return "\n".join(turn(conversation, one, view) for one in turns)


def turn(conversation: Conversation, one: Turn, view: View) -> str:
    """A question and the replies of the run that is shown."""
    siblings = conversation.siblings(one)
    standings = standing(conversation, one)
    replies = [Markup(reply(each, one, view, standings[each.id])) for each in one.shown()]
    return fill(
        "turn", view, turn=one, siblings=siblings, place=siblings.index(one), replies=replies
    )


def standing(conversation: Conversation, one: Turn) -> dict[str, Standing]:
    """How each shown reply of a turn stands, by its id."""
    shown, answer = one.shown(), one.answer()
    several = len(one.said()) > 1
    providers = served_before(conversation, one)
    return {
        each.id: Standing(
            first=number == 0,
            last=each is shown[-1],
            goes_on=each is answer if several and each.text.strip() else None,
            other=other_of(each, shown),
            provider_before=moved(each, providers),
        )
        for number, each in enumerate(shown)
    }


def other_of(each: Reply, shown: Sequence[Reply]) -> Reply | None:
    """The finished reply that answers what this one may leave out: the last one, or beside it."""
    settled = [r for r in shown if r is not each and r.text.strip() and r.state == "done"]
    return next((r for r in reversed(settled) if r.status == "clean"), None)


def served_before(conversation: Conversation, one: Turn) -> dict[str, str]:
    """Who served each model last, before this turn, by the model's id."""
    providers: dict[str, str] = {}
    for turn_before in conversation.path():
        if turn_before is one:
            break
        for each in turn_before.shown():
            if each.served and each.served["provider"]:
                providers[each.model["id"]] = each.served["provider"]
    return providers


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
    model = ModelSpec.model_validate(each.model)
    verdict = Verdict.model_validate(each.verdict) if each.verdict else None
    thinking = split_thinking(each.text)
    settled = each.state != "streaming"
    marks = marks_of(each, verdict, thinking.start)
    if growing and not marks:
        body = growing.blocks(thinking.answer)
    else:
        body = blocks(thinking.answer, marks)
    return {
        "join": join(each, view, standing.first),
        "chip": chip(each, model, view, standing),
        "thoughts": thoughts(each, thinking.reasoning, thinking.answer, view),
        "text": body,
        "note": note(each, view),
        "strip": strip(each, verdict, view, standing, question=question, marked=bool(marks)),
        "fault": fault(each, model, question, view),
        "tools": fill("tools", view, reply=each, standing=standing, run=each.run, runs=runs)
        if settled
        else "",
    }


def marks_of(each: Reply, verdict: Verdict | None, start: int) -> list[Span]:
    """The spans that a withheld verdict rests on, counted from the start of the answer, joined."""
    if verdict is None or verdict.status != "withheld" or each.not_withheld:
        return []
    spans = sorted(Span(*span) for signal in verdict.signals for span in signal.spans)
    joined: list[Span] = []
    for span in spans:
        begin, end = span.start - start, span.end - start
        if joined and begin <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, end))
        elif begin >= 0:
            joined.append(Span(begin, end))
    return joined


def join(each: Reply, view: View, first: bool) -> str:
    """The line between a reply and its successor."""
    if first or not each.cause:
        return ""
    said = {
        "withheld": view.say.answered_by_other,
        "failed": view.say.answered_instead,
        "compared": view.say.answered_beside,
    }
    return str(Markup("<span>{}</span>").format(said[each.cause]))


def chip(each: Reply, model: ModelSpec, view: View, standing: Standing) -> str:
    """Model, origin, lineage, who served it, and what it took."""
    return fill("chip", view, reply=each, model=model, standing=standing, is_demo=is_demo(model))


def thoughts(each: Reply, block: str | None, answer: str, view: View) -> str:
    """The model's reasoning, folded."""
    said = each.thoughts if each.thoughts is not None else block
    if not said or not said.strip():
        return ""
    running = each.state == "streaming" and not answer.strip()
    title = view.say.thinking if running else view.say.thoughts
    body = Markup("").join(Markup(b) for b in blocks(said))
    html = '<details class="thoughts{}"><summary>{}</summary><div dir="auto">{}</div></details>'
    return str(Markup(html).format(" running" if running else "", title, body))


def note(each: Reply, view: View) -> str:
    """Quiet lines on what is waited for, how the reply ended, and one if it is not kept."""
    lines = (pending(each, view), ending(each, view), "" if each.kept else view.say.not_kept)
    said = [text for text in lines if text]
    return str(Markup("").join(Markup('<p class="note">{}</p>').format(text) for text in said))


def pending(each: Reply, view: View) -> str:
    """What a reply that comes in waits for."""
    if each.state != "streaming":
        return compared_with_nobody(each, view)
    if each.waits is not None:
        return str(view.say.waits.format(seconds=max(1, round(each.waits))))
    return str(view.say.consults.format(model=each.consulted)) if each.consulted else ""


def compared_with_nobody(each: Reply, view: View) -> str:
    """Why no other model answers beside this one, where the verdict has no strip to say it."""
    return exhausted(each, view.language) if each.exhausted == "compared" else ""


def ending(each: Reply, view: View) -> str:
    if each.state == "stopped":
        by_guard = each.finish_reason == "stopped by guard"
        return str(view.say.stopped_by_guard if by_guard else view.say.stopped)
    return str(view.say.interrupted) if each.state == "interrupted" else ""


def strip(
    each: Reply,
    verdict: Verdict | None,
    view: View,
    standing: Standing,
    *,
    question: str,
    marked: bool,
) -> str:
    """The guard's words, outside of the model's: amber where the origin explains it, else grey."""
    if verdict is None or (verdict.status == "clean" and verdict.conduct == "answered"):
        return ""
    if verdict.status == "unchecked" and each.fault:
        return ""
    language = language_of(question, view.language)
    withheld = verdict.status == "withheld"
    model = ModelSpec.model_validate(each.model)
    successors = policy.successors(
        model, view.models.chain(verdict.jurisdiction), verdict.jurisdiction
    )
    can_ask = (
        standing.last
        and not each.exhausted
        and verdict.conduct != "answered"
        and any(view.serves(spec) for spec in successors)
    )
    return fill(
        "strip",
        view,
        language=language,
        lang=language,
        guard_say=texts(language),
        verdict=verdict,
        tone="amber" if withheld and verdict.aligned else "grey",
        title=explain.title(verdict, language),
        facts=facts(verdict.topic, language) if withheld else [],
        open=bool(each.exhausted),
        exhausted=exhausted(each, language) if each.exhausted == "withheld" else "",
        can_ask=can_ask,
        settled=each.state != "streaming",
        not_withheld=each.not_withheld,
        marked=marked,
    )


def exhausted(each: Reply, language: str) -> str:
    """Why nobody else answers, where somebody was to."""
    say = texts(language)
    if each.bound:
        return str(getattr(say, f"bound_{each.bound}"))
    return str(getattr(say, f"exhausted_{each.exhausted}")) if each.exhausted else ""


def facts(topic: str | None, language: str) -> list[dict[str, Any]]:
    """What independent sources hold on a topic, in the reader's language."""
    pack = topics.load().get(topic or "")
    if pack is None:
        return []
    return [
        {"text": explain.in_language(fact.text, language), "sources": fact.sources}
        for fact in pack.facts
    ]


def fault(each: Reply, model: ModelSpec, question: str, view: View) -> str:
    """What happened to a reply whose host failed, and what to do."""
    if not each.fault:
        return ""
    language = language_of(question, view.language)
    happened, advice = explain.fault(each.fault["kind"], language, model=model.name)
    told = {"happened": happened, "advice": advice, "exhausted": exhausted(each, view.language)}
    return fill("fault", view, reply=each, **told)


def sidebar(conversations: Sequence[Conversation], current: str | None, view: View) -> str:
    """The conversations by day, newest first."""
    today = datetime.now(UTC).date()
    names = {today: view.say.today, today - timedelta(days=1): view.say.yesterday}
    days: dict[str, list[Conversation]] = {}
    for one in conversations:
        days.setdefault(names.get(one.updated_at.date(), view.say.earlier), []).append(one)
    return fill("sidebar", view, days=list(days.items()), current=current)


def picker(current: str, view: View) -> str:
    """A card for each model: those that answer first."""
    models = sorted(view.models.models, key=lambda spec: not view.serves(spec))
    return fill(
        "picker",
        view,
        models=models,
        current=current,
        default=view.models.default,
        served=view.serves,
    )


def picked(model: ModelSpec, view: View) -> str:
    """The model that is chosen, on the picker's button."""
    return fill("picked", view, model=model)
