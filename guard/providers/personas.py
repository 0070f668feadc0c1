"""Scripted personas, so that a newcomer sees every behaviour of the guard without a token.

They answer the shipped packs' probes and controls, candidly from the packs' facts or as their
script has it, in English or Chinese; to anything else they say what they are. No model is behind
them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .. import topics, yaml_file
from ..catalogue import Catalogue, SecondOpinion
from ..errors import ProviderError
from ..explain import in_language
from ..fitting import names
from ..text import fold_question, main_script
from ..topics import Pack, Probe
from ..types import Country, ModelSpec, Value

FILE = Path(__file__).parents[1] / "data" / "demo" / "personas.yaml"
CARD = "https://huggingface.co/docs/inference-providers"


class Persona(Value):
    id: str
    name: str
    origin: Country
    withholds: Country | None
    reasoning: bool
    images: bool = False


class Behaviour(Value):
    """One way of withholding. `thinking` is an empty block where it is suppressed."""

    kind: str
    text: str
    thinking: str | None = None


class Script(Value):
    introduction: str
    attached: str
    pictures: str
    thinking: str
    sources: str
    behaviours: dict[Country, tuple[Behaviour, ...]]


class Demo(Value):
    personas: tuple[Persona, ...]
    replies: dict[str, Script]


class Line(NamedTuple):
    """What a shipped question asks for."""

    pack: Pack
    turn: int
    probe: Probe
    is_control: bool


class Reply(NamedTuple):
    """A whole scripted reply; `reasoning` is None where the persona shows no thinking."""

    text: str
    reasoning: str | None


@cache
def script() -> Demo:
    return yaml_file.load(FILE, Demo)


@cache
def lines() -> dict[str, Line]:
    """Every probe and control of every pack, by its folded question."""
    known: dict[str, Line] = {}
    for jurisdiction_packs in by_jurisdiction().values():
        turn = 0
        for pack in jurisdiction_packs:
            for probe in pack.probes:
                for question in probe.question.values():
                    known[key(question)] = Line(pack, turn, probe, is_control=False)
                for question in probe.control.question.values():
                    known.setdefault(key(question), Line(pack, turn, probe, is_control=True))
                turn += 1
    return known


def by_jurisdiction() -> dict[str, list[Pack]]:
    """The packs of each jurisdiction; Tiananmen leads: the demo opens with the best known."""
    packs: dict[str, list[Pack]] = {}
    for pack in sorted(topics.load().values(), key=lambda p: (p.id != "tiananmen-1989", p.id)):
        packs.setdefault(pack.jurisdiction, []).append(pack)
    return packs


def key(question: str) -> str:
    return re.sub(r"[\W_]+", " ", fold_question(question)).strip()


def reply_to(persona: Persona, question: str, pictures: int = 0) -> Reply:
    """What the persona says to a question; of what is attached to it, that it cannot read it."""
    language = "zh-Hans" if main_script(question) == "Han" else "en"
    said = script().replies[language]
    attached = names(question) + ([said.pictures.format(n=pictures)] if pictures else [])
    if attached:
        what = ", ".join(attached)
        return Reply(said.attached.format(name=persona.name, what=what), None)
    line = lines().get(key(question))
    if line is None:
        return Reply(said.introduction.format(name=persona.name), None)
    about = in_language(line.probe.control.about if line.is_control else line.pack.names, language)
    thinking = said.thinking.format(topic=about) if persona.reasoning else None
    if line.is_control:
        return Reply(in_language(line.probe.control.answer, language), thinking)
    if persona.withholds == line.pack.jurisdiction:
        behaviours = said.behaviours[line.pack.jurisdiction]
        behaviour = behaviours[line.turn % len(behaviours)]
        suppressed = behaviour.thinking if behaviour.thinking is not None else thinking
        return Reply(behaviour.text.format(topic=line.pack.names[language]), suppressed)
    return Reply(candid(line.pack, language, said.sources), thinking)


def candid(pack: Pack, language: str, sources: str) -> str:
    """An answer made of the pack's facts, with their sources."""
    opening, *rest = (fact.text[language] for fact in pack.facts)
    points = "\n".join(f"- {text}" for text in rest)
    titles = dict.fromkeys(source.title for fact in pack.facts for source in fact.sources)
    return f"{opening}\n\n{points}\n\n{sources}: {'; '.join(titles)}"


def persona(id_: str) -> Persona:
    """The persona of that id.

    Raises:
        ProviderError: there is none.
    """
    for known in script().personas:
        if known.id == id_:
            return known
    raise ProviderError("not_found", f"there is no scripted persona {id_!r}")


def persona_of(jurisdiction: Country) -> str | None:
    """The persona that withholds on a country's topics, by its id."""
    return next((one.id for one in script().personas if one.withholds == jurisdiction), None)


def persona_specs() -> tuple[ModelSpec, ...]:
    """The personas as models on offer; their cards say that they are scripted."""
    return tuple(
        ModelSpec(
            id=persona.id,
            name=persona.name,
            developer="Candor (scripted, no model)",
            origin=persona.origin,
            licence="Apache-2.0",
            context=4096,
            reasoning=persona.reasoning,
            images=persona.images,
            card=CARD,
        )
        for persona in script().personas
    )


def with_personas(catalogue: Catalogue) -> Catalogue:
    """The catalogue led by the personas: the first is the default, the candid one the fallback."""
    specs = persona_specs()
    candid_ones = tuple(p.id for p in script().personas if p.withholds is None)
    fallbacks = candid_ones + catalogue.guard.fallbacks
    guard = catalogue.guard.model_copy(
        update={"fallbacks": fallbacks, "fallbacks_for": {}, "second_opinion": SecondOpinion()}
    )
    return catalogue.model_copy(
        update={"models": specs + catalogue.models, "guard": guard, "default": specs[0].id}
    )
