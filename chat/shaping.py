"""What a reader's own settings had to do with a reply, told beside it.

A system prompt of theirs may be why a reply withholds. The guard sees the reply alone, so wherever
it speaks of one, and wherever the reply goes, this goes along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guard.types import Options

from .store import Reply
from .texts import texts
from .view import View, number


def options_of(each: Reply) -> Options:
    """What was set when the reply was asked for, as far as it is known."""
    return Options.model_validate(each.options or {})


def words_unknown(each: Reply) -> bool:
    """Whether a system prompt was in force whose words are not here: the reply is a copy."""
    return each.prompted and not options_of(each).system


def is_theirs(each: Reply, view: View) -> bool:
    """Whether the settings were somebody's who may not be who reads now."""
    return view.read_only or bool(each.source) or words_unknown(each)


def shaped(each: Reply, view: View) -> str:
    """The settings that were in force, on the reply's chip; empty where there were none."""
    what = " · ".join(parts(each, view))
    say = view.say
    sentence = say.shaped_theirs if is_theirs(each, view) else say.shaped_yours
    return sentence.format(what=what) if what else ""


def parts(each: Reply, view: View) -> Iterator[str]:
    say, options = view.say, options_of(each)
    if each.prompted:
        yield say.shaped_prompt
    if options.temperature is not None:
        yield say.shaped_temperature.format(n=exact(options.temperature, view))
    if options.top_p is not None:
        yield say.shaped_top_p.format(n=exact(options.top_p, view))
    if options.max_tokens is not None:
        yield say.shaped_tokens.format(n=number(options.max_tokens, view.language))


def exact(value: float, view: View) -> str:
    """A parameter with as many digits as were set: 0.95, not 1."""
    return number(value, view.language, "#,##0.####")


def caveat(each: Reply, view: View, language: str) -> str:
    """What is to be known beside the guard's words: the settings may be why; else empty."""
    say: Any = texts(language)
    told = []
    if each.prompted:
        told.append(say.shaped_caveat_theirs if is_theirs(each, view) else say.shaped_caveat_yours)
    limit = options_of(each).max_tokens
    if limit is not None and each.finish_reason == "length":
        told.append(say.shaped_cut.format(n=number(limit, language)))
    return " ".join(told)
