"""What is shown of a conversation as Markdown, for a reader's own notes.

Foreign words (questions, replies, a judge's reason, what a file claims) stand in quotations. They
keep their Markdown, but cannot leave the quotation, load an image or hold HTML: a viewer would
show them as the file's own. Not covered: thoughts, other runs and branches (the JSON has them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt

from guard import explain
from guard.plain import one_line
from guard.telling import facts
from guard.types import ModelSpec, Source, Verdict

from . import comparison, render, shaping, strip, tools
from .foreign import model_of
from .record import CallRecord
from .store import Attachment, Conversation, Reply, Turn
from .texts import texts
from .view import View, flag, language_of

CALL = 2_000  # characters of what a tool returned
MARKUP = re.compile(r"[<>&!\[\]`]")
SIGNS = re.compile(r"([\\`*_\[\]<>#|~!$&])")
# HTML, images and GitHub's coloured notes, unless a backslash already makes them words
LIVE = re.compile(r"(\\*)(<(?=[A-Za-z/!?])|!(?=\[)|\[(?=!))")


def written(conversation: Conversation, view: View) -> str:
    """The shown turns, with front matter that holds the title and the days."""
    title = one_line(conversation.title, 200)
    head = [
        "---",
        f"title: {in_front(title)}",
        f"date: {conversation.created_at.isoformat(timespec='seconds')}",
        f"changed: {conversation.updated_at.isoformat(timespec='seconds')}",
        "source: Candor",
        "---",
    ]
    parts = ["\n".join(head), f"# {words(title)}"]
    for number, turn in enumerate(conversation.path(), start=1):
        parts += turn_written(turn, number, conversation.attached(turn), view)
    return "\n\n".join(parts) + "\n"


def in_front(title: str) -> str:
    """A title for YAML, in which a viewer that knows no front matter finds no HTML and no image."""
    quoted_title = json.dumps(title, ensure_ascii=False)
    return MARKUP.sub(lambda sign: f"\\u{ord(sign[0]):04x}", quoted_title)


def turn_written(turn: Turn, number: int, files: Sequence[Attachment], view: View) -> Iterator[str]:
    yield f"## {view.say.export_question} {number}"
    yield quoted(turn.question)
    if files:
        yield f"{view.say.files_label}: {', '.join(words(file.name) for file in files)}"
    for reply in turn.shown():
        yield from reply_written(reply, turn, view)
    if vote := voted(turn, view):
        yield vote


def voted(turn: Turn, view: View) -> str:
    """The reader's own vote on two replies side by side."""
    beside = turn.beside()
    if beside is None or turn.vote is None:
        return ""
    names = [words(name) for name in comparison.Pair(*beside).names]
    answers = {"first": names[0], "second": names[1]}
    answers |= {"both": view.say.vote_both, "neither": view.say.vote_neither}
    return f"*{view.say.vote_title}* {answers[turn.vote]}"


def reply_written(reply: Reply, turn: Turn, view: View) -> Iterator[str]:
    yield f"### {byline(reply, view)}"
    for call in reply.calls or ():
        yield from call_written(CallRecord.model_validate(call), reply, view)
    said = render.said(reply)
    if said.strip():
        yield quoted(said)
    language = language_of(turn.question, view.language)
    if reply.fault:
        model = model_of(reply.model)
        happened, _ = explain.fault(reply.fault["kind"], language, model=words(model.name))
        yield f"*{happened}*"
    if reply.verdict:
        yield from verdict_written(reply, Verdict.model_validate(reply.verdict), view, language)


def call_written(call: CallRecord, reply: Reply, view: View) -> Iterator[str]:
    """A call of a tool: what was sent, and the beginning of what came back, as plain text."""
    yield f"*{words(tools.line(call, reply, view).striptags())}*"
    if call.arguments:
        yield f"{view.say.tools_sent}:\n\n{verbatim(call.arguments)}"
    if call.text:
        cut = f"\n\n{view.say.tools_cut}" if call.cut or len(call.text) > CALL else ""
        yield f"{view.say.tools_returned}:\n\n{verbatim(call.text[:CALL])}{cut}"


def verbatim(text: str) -> str:
    """Foreign text as a block of code that it cannot leave."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"


def byline(reply: Reply, view: View) -> str:
    """Model, origin, who served it, and whether a file says so."""
    model = model_of(reply.model)
    parts = [words(model.name)]
    if isinstance(model, ModelSpec):
        parts.append(place(model.origin, view.language))
        elsewhere = [country for country in model.origins if country != model.origin]
        parts += [f"{view.say.built_on} {place(one, view.language)}" for one in elsewhere]
    else:
        parts.append(view.say.import_no_origin)
    if reply.served:
        seat = reply.served["origin"]
        where = f", {explain.country(seat, view.language)}" if seat else ""
        parts.append(f"{view.say.served_by} {words(reply.served['provider'])}{where}")
    if reply.source:
        parts.append(getattr(view.say, f"import_from_{reply.source.replace('-', '_')}"))
    parts.append(shaping.shaped(reply, view))
    return " · ".join(filter(None, parts))


def place(country: str, language: str) -> str:
    return f"{flag(country)} {explain.country(country, language)}"


def verdict_written(reply: Reply, verdict: Verdict, view: View, language: str) -> Iterator[str]:
    """What the guard said of a reply; a file's claim of that is quoted as one."""
    if strip.silent(reply, verdict) or (reply.source and verdict.status != "withheld"):
        return
    say = texts(language)
    if reply.source:
        yield f"**{say.import_verdict}** {say.import_verdict_about}"  # type: ignore[attr-defined]
        yield quoted(verdict.explanation or verdict.conduct)
    else:
        yield f"**◑ {strip.title(verdict, language)}** {words(verdict.explanation)}"
        if caveat := shaping.caveat(reply, view, language):
            yield caveat
        if opinion := verdict.opinion:
            yield f"{words(opinion.name)} ({explain.country(opinion.origin, language)}):"
            yield quoted(opinion.reason)
    told = facts(verdict.topic, language) if verdict.status == "withheld" else ()
    if told:
        yield f"{say.facts}:"  # type: ignore[attr-defined]
        yield "\n".join(f"- {words(fact.text)} {links(fact.sources)}" for fact in told)


def links(sources: tuple[Source, ...]) -> str:
    return ", ".join(f"[{words(one.title)}](<{one.url}>)" for one in sources)


def words(text: str) -> str:
    """Text on one line that is no Markdown."""
    return SIGNS.sub(r"\\\1", one_line(text, 10_000))


def quoted(text: str) -> str:
    """Foreign Markdown as a quotation that it cannot leave, with nothing in it that loads.

    What is code in the quotation as it will be read stays as it is; elsewhere tags and images
    become words.
    """
    lines = ["> " + line for line in re.split(r"\r\n|\r|\n", text.replace("\x00", "\ufffd"))]
    code: set[int] = set()
    for token in block_parser().parse("\n".join(lines)):
        if token.type == "fence" and token.map:
            code.update(range(*token.map))
    return "\n".join(
        line if number in code else LIVE.sub(disarmed, line) for number, line in enumerate(lines)
    )


def disarmed(match: re.Match[str]) -> str:
    backslashes, sign = match.groups()
    return match.group() if len(backslashes) % 2 else f"{backslashes}\\{sign}"


def block_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.core.ruler.disable(["inline"])
    return parser
