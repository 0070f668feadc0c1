"""Tools on the page: which the reader may switch on, and the calls that a reply made.

A conversation keeps what is switched on; a new one begins with nothing. What a model sends and what
a tool returns is drawn as plain text in a frame of its own, and is never a link, an image or HTML.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException
from markupsafe import Markup

from guard.events import Called, Returned, Unoffered
from guard.plain import one_line

from .record import CallRecord
from .store import Conversation, Reply
from .view import View, fill, told

SOUGHT = 60  # characters


def menu(conversation: Conversation | None, view: View) -> str | None:
    """What can be switched on; None where the operator lists nothing."""
    servers = view.models.tools.servers
    if not servers:
        return None
    chosen = conversation.tools or () if conversation else ()
    return fill("toolbox", view, servers=servers, chosen=chosen)


def listed(ids: Sequence[str], view: View) -> list[str]:
    """The ids, each once, where all are of the operator's servers."""
    known = {server.id for server in view.models.tools.servers}
    if gone := [id_ for id_ in ids if id_ not in known]:
        named = ", ".join(id_[:40] for id_ in gone[:3])
        raise HTTPException(422, view.say.tools_gone.format(tools=named))
    return [*dict.fromkeys(ids)]


def noted(
    calls: list[dict[str, Any]], event: Called | Returned | Unoffered
) -> list[dict[str, Any]]:
    """A reply's calls with what an event tells, in the order in which they began."""
    told_now = event.model_dump(mode="json", exclude={"attempt"})
    if isinstance(event, Returned):
        return [call | told_now if call["call"] == event.call else call for call in calls]
    return [*calls, CallRecord(**told_now).model_dump(mode="json")]


def drawn(each: Reply, view: View) -> str:
    """The calls that a reply made, folded."""
    if not each.calls:
        return ""
    kept = [CallRecord.model_validate(call) for call in each.calls]
    calls = [call for call in kept if call.call is not None or not each.source]
    lines = [line(call, each, view) for call in calls]
    return fill("calls", view, calls=list(zip(calls, lines, strict=True)), running=running(each))


def running(each: Reply) -> bool:
    return each.state == "streaming"


def line(call: CallRecord, each: Reply, view: View) -> Markup:
    """One line on a call: what was called, and how it ended."""
    parts = [phrase(call, each, view)]
    if asked := sought(call):
        parts.append(Markup("<q><bdi>{}</bdi></q>").format(asked))
    if how := ending(call, each, view):
        parts.append(Markup("<i>{}</i>").format(how))
    return Markup(" · ").join(parts)


def phrase(call: CallRecord, each: Reply, view: View) -> Markup:
    """What was called. What a file says of its tools is told as the file's words."""
    say = view.say
    if call.call is None:
        return told(say.tools_without, title=call.title) if call.title else unsupported(view)
    if each.source:
        return told(say.tools_from_file, tool=call.tool)
    if not call.title:
        return told(say.tools_asked_for, tool=call.tool)
    moment = state(call, each)
    if call.search:
        words = {
            "running": say.tools_searching,
            "done": say.tools_searched,
            "failed": say.tools_search,
        }
        return told(words[moment], title=call.title)
    words = {"running": say.tools_calling, "done": say.tools_called, "failed": say.tools_call}
    return told(words[moment], tool=call.tool, title=call.title)


def sought(call: CallRecord) -> str:
    """What a search was for, where the model sent no more than that."""
    try:
        sent = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return ""
    words = [*sent.values()] if isinstance(sent, dict) else []
    alone = len(words) == 1 and isinstance(words[0], str)
    return one_line(words[0], SOUGHT) if alone and call.search else ""


def unsupported(view: View) -> Markup:
    return Markup("{}").format(view.say.tools_unsupported)


def state(call: CallRecord, each: Reply) -> str:
    """Whether a call runs, is done or has failed; one that a stop broke off has failed."""
    if call.fault:
        return "failed"
    if call.seconds is not None:
        return "done"
    return "running" if running(each) else "failed"


def ending(call: CallRecord, each: Reply, view: View) -> str:
    """How a call ended; of one that runs, nothing."""
    if call.fault == "unsupported":
        return ""
    if call.fault:
        return str(getattr(view.say, f"tools_fault_{call.fault}"))
    return str(view.say.tools_broken_off) if state(call, each) == "failed" else ""


def states(each: Reply) -> tuple[Any, ...]:
    """What of the calls can change how they look."""
    return tuple((call["fault"], call["seconds"]) for call in each.calls or ())
