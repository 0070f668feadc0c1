"""The guard's words as plain Markdown, for clients that show nothing but text.

A rule sets them apart from the model's, whose open code block is closed first. In mere text nobody
can tell a forged note from ours: whoever needs to be sure reads the report (`telling.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from . import explain
from .telling import ToldFact
from .types import ModelSpec, Verdict

NAME = "**Candor:**"
RULE = "\n\n---\n\n"
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)
SPECIAL = re.compile(r"([\\`*_\[\]<>])")


def warning(verdict: Verdict, facts: Sequence[ToldFact], language: str) -> str:
    """Why a reply is taken to withhold, and what independent sources hold of its topic."""
    told = f"{NAME} {escaped(verdict.explanation)}"
    if not facts:
        return told
    lines = [f"- {escaped(fact.text)} {sources(fact)}" for fact in facts]
    return "\n".join([told, "", explain.sentences(language).facts, "", *lines])


def sources(fact: ToldFact) -> str:
    links = (f"[{escaped(source.title)}](<{source.url}>)" for source in fact.sources)
    return f"({'; '.join(links)})"


def instead(why: str, to: ModelSpec, language: str) -> str:
    """Why the reply above is followed by another, and by whose."""
    sentence = explain.sentences(language).instead
    where = explain.country(to.origin, language)
    who = explain.fill(sentence, language, name=to.name, country=where)
    return f"{NAME} {escaped(f'{why} {who}'.strip())}"


def after(said: str, note: str) -> str:
    """What to put behind a model's words so that a note stands apart from them."""
    return f"{closing(said)}{RULE}{note}" if said else note


def between(said: str, note: str) -> str:
    """What to put between two models' words."""
    return f"{after(said, note)}{RULE}"


def closing(said: str) -> str:
    """What ends a code block that was left open; nothing where none is."""
    fence = ""
    for mark, rest in FENCE.findall(said):
        if not fence:
            fence = mark
        elif mark.startswith(fence) and not rest.strip():
            fence = ""
    return f"\n{fence}" if fence else ""


def escaped(words: str) -> str:
    """Words in which Markdown finds nothing to draw."""
    return SPECIAL.sub(r"\\\1", words)
