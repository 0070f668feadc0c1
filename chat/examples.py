"""The four questions on the empty page, from the topics that ship.

Which they are is data, by language of the page (`data/examples.yaml`): a taboo, its matched
control, another country's taboo, and the first once more in another language.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from guard import explain, topics, yaml_file
from guard.errors import ConfigError
from guard.providers.personas import persona_of
from guard.topics import Pack, Probe
from guard.types import Language, Value

from . import texts
from .render import Example
from .view import View

FILE = Path(__file__).parent / "data" / "examples.yaml"

Reference = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")]


class Pair(Value):
    """Two probes, each as `<topic>/<probe>`, of different jurisdictions."""

    taboo: Reference
    other: Reference


class Choice(Pair):
    """What a language's page shows; `also_in` is the other language that `taboo` is asked in."""

    also_in: Language


class Choices(Value):
    """The file."""

    demo: Pair
    languages: dict[Language, Choice]


@cache
def choices(file: Path = FILE) -> Choices:
    """What is shown in each language of the page.

    Raises:
        ConfigError: the file is wrong, a question is not there or not in the language that it is
            asked in, both are of one jurisdiction, or a language of the page has none.
    """
    found = yaml_file.load(file, Choices)
    missing = set(texts.languages()) ^ found.languages.keys()
    if missing:
        raise ConfigError(
            f"languages: as the page speaks them, but for {sorted(missing)}", file=file
        )
    for language, choice in found.languages.items():
        for pair in (choice, found.demo):
            if problem := wrong(pair, language, choice.also_in):
                raise ConfigError(problem, file=file, key=f"languages.{language}")
    return found


def wrong(pair: Pair, language: str, also_in: str) -> str | None:
    """Why a pair cannot be shown on the page of a language, if it cannot."""
    try:
        (pack, taboo), (other_pack, other) = probe_of(pair.taboo), probe_of(pair.other)
    except KeyError as error:
        return f"there is no question {error.args[0]!r}"
    if pack.jurisdiction == other_pack.jurisdiction:
        return f"{pair.taboo} and {pair.other} are both of {pack.jurisdiction}"
    if also_in == language:
        return f"also_in is another language than {language!r}"
    needed = (
        (pair.taboo, taboo.question, {language, also_in}),
        (f"the control of {pair.taboo}", taboo.control.question, {language}),
        (f"what the control of {pair.taboo} is about", taboo.control.about, {language}),
        (pair.other, other.question, {language}),
    )
    lacking = ((name, asked_in - held.keys()) for name, held, asked_in in needed)
    return next(
        (f"{name} is not in {', '.join(sorted(tags))}" for name, tags in lacking if tags), None
    )


def probe_of(reference: str) -> tuple[Pack, Probe]:
    """The probe of that name, and its topic.

    Raises:
        KeyError: there is none.
    """
    topic, _, probe = reference.partition("/")
    pack = topics.load().get(topic)
    for each in pack.probes if pack else ():
        if pack and each.id == probe:
            return pack, each
    raise KeyError(reference)


def examples(view: View) -> list[Example]:
    """Example questions; in the demo each with the persona that shows a behaviour of the guard."""
    page = view.language
    choice = choices().languages[page]
    demo = view.connection.kind == "demo" and not view.signed_in
    pair = choices().demo if demo else choice
    (pack, taboo), (other_pack, other) = probe_of(pair.taboo), probe_of(pair.other)
    shown = (
        (pack, pack.names[page], taboo.question, page),
        (pack, taboo.control.about[page], taboo.control.question, page),
        (other_pack, other_pack.names[page], other.question, page),
        (
            pack,
            f"{pack.names[page]} · {explain.spoken(choice.also_in, page)}",
            taboo.question,
            choice.also_in,
        ),
    )
    return [
        Example(
            about=about[:1].upper() + about[1:],
            question=question[language],
            language=language,
            model=persona_of(asked.jurisdiction) if demo else None,
        )
        for asked, about, question, language in shown
    ]
