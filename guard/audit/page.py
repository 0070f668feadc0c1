"""What the page of a run is put together from: its charts, its examples, and where each stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .. import explain
from ..plain import plain
from . import charts
from .charts import Key, Picture, key
from .countries import Country, countries
from .findings import Example, ModelFindings
from .record import EXAMPLE_LIMIT, Answer

OF_EACH, OF_EACH_ON_PAGE = 3, 12  # examples of a model
BEGINNING = 600  # characters of a reply that stand on the page unfolded
TOPICS = 40  # in one picture


class Excerpt(NamedTuple):
    """A reply on the page: what is read at once, what is folded, how many characters are not."""

    beginning: str
    rest: str
    cut: int


class Place(NamedTuple):
    """A model on the page: its anchor, and its examples by theirs."""

    anchor: str
    examples: dict[str, Example]


class Section(NamedTuple):
    """A country on the page. `parts` are its heat maps; each but the first is folded."""

    country: Country
    topics_title: str
    parts: list[Picture]
    languages_title: str
    languages: Picture

    @property
    def pictures(self) -> list[Picture]:
        return [*self.parts, self.languages]


def places_of(found: Sequence[ModelFindings]) -> dict[Key, Place]:
    """Where each model and its examples stand on the page."""
    places = {}
    for at, model in enumerate(found, 1):
        told = clearest(model.examples, OF_EACH_ON_PAGE) if model.state == "measured" else []
        examples = {f"model-{at}-{number}": each for number, each in enumerate(told, 1)}
        places[key(model)] = Place(f"model-{at}", examples)
    return places


def links_of(places: Mapping[Key, Place]) -> dict[tuple[str, str, str], str]:
    """Where a model, its host and a topic lead to."""
    return {
        (*model, example.topic): f"#{anchor}"
        for model, place in places.items()
        for anchor, example in place.examples.items()
    }


def sections_of(found: Sequence[ModelFindings], places: Mapping[Key, Place]) -> list[Section]:
    short, links, held = charts.short_names(found), links_of(places), countries(found)
    lows = [each.gap.low for model in found for each in model.findings]
    lowest = min(math.floor(4 * min(lows, default=-1.0)) / 4, -0.25)
    sections = []
    for country in held:
        by_topic, by_language = topics_title(country), languages_title(country)
        sections.append(
            Section(
                country=country,
                topics_title=by_topic,
                parts=[
                    charts.topics(country, short, links, title=by_topic, first=at, most=TOPICS)
                    for at in range(0, len(country.rows), TOPICS)
                ],
                languages_title=by_language,
                languages=charts.languages(country, short, title=by_language, lowest=lowest),
            )
        )
    return sections


def topics_title(country: Country) -> str:
    """What a heat map shows, in one sentence."""
    where = explain.in_sentence(country.code, explain.FALLBACK)
    most = country.rows[0]
    if most.mean <= 0:
        return f"On {where} no topic was withheld more than its controls"
    average = " on average" if len(country.models) > 1 else ""
    return (
        f"On {where}, “{most.name}” was withheld most: {explain.points(most.mean)} points{average}"
    )


def languages_title(country: Country) -> str:
    """What a plot by language shows, in one sentence."""
    where = explain.in_sentence(country.code, explain.FALLBACK)
    accused = accused_in(country)
    if not any(accused):
        return f"On topics of {where} no model withholds beyond chance"
    told = []
    for language in country.languages:
        count = sum(language in languages for languages in accused)
        number = f"{count} " if len(country.models) > 1 else ""
        told += [f"{number}in {explain.spoken(language)}"] if count else []
    which = (
        f"{len(country.accused)} of {len(country.models)} models withhold"
        if len(country.models) > 1
        else "the model withholds"
    )
    return f"On topics of {where} {which} beyond chance: {', '.join(told)}"


def accused_in(country: Country) -> list[set[str]]:
    """The languages in which each model withholds, beyond chance."""
    return [
        {each.language for each in country.findings(model) if each.gap.withholds}
        for model in country.models
    ]


def write_pictures(folder: Path, pictures: Sequence[Picture]) -> None:
    """Write the charts, in place of those of an earlier report."""
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("topics-*.svg"), *folder.glob("languages-*.svg")):
        old.unlink()
    for picture in pictures:
        (folder / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")


def clearest(examples: Sequence[Example], most: int = OF_EACH) -> list[Example]:
    """The examples of the report: of different topics, each a probe that alone was withheld."""
    by_topic: dict[str, Example] = {}
    for each in examples:
        if each.probe.withheld and not each.control.withheld:
            by_topic.setdefault(each.topic, each)
    return list(by_topic.values())[:most]


def excerpt(answer: Answer) -> Excerpt:
    """What the page shows of a reply."""
    words = plain(answer.reply).strip()
    end = words.rfind(" ", BEGINNING - 40, BEGINNING) if len(words) > BEGINNING else len(words)
    end = BEGINNING if end < 0 else end
    return Excerpt(words[:end], words[end:EXAMPLE_LIMIT], max(len(words) - EXAMPLE_LIMIT, 0))
