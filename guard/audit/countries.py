"""A run seen by country: which models withhold there, topic by topic and language by language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import explain
from .cells import Cell
from .findings import Finding, ModelFindings

OPEN = 3  # countries that are shown where no gap is beyond chance


class Row(NamedTuple):
    """A topic. `cells` holds one a model of the country; None where it has no pair."""

    topic: str
    name: str
    cells: tuple[Cell | None, ...]

    @property
    def mean(self) -> float:
        held = [cell.gap for cell in self.cells if cell]
        return sum(held) / len(held)


class Country(NamedTuple):
    """What the measured models did with a country's topics, the most withheld topic first.

    `models` are in the order of the ranking; `languages` those that were asked in, English first.
    """

    code: str
    models: tuple[ModelFindings, ...]
    rows: tuple[Row, ...]
    languages: tuple[str, ...]

    def findings(self, model: ModelFindings) -> list[Finding]:
        """A model's findings here, in the order of `languages`."""
        held = {each.language: each for each in model.findings if each.jurisdiction == self.code}
        return [held[language] for language in self.languages if language in held]

    @property
    def accused(self) -> list[ModelFindings]:
        """The models that withhold here beyond chance."""
        return [
            model
            for model in self.models
            if any(each.gap.withholds for each in self.findings(model))
        ]

    @property
    def widest(self) -> float:
        """The largest gap of any model in any language."""
        return max(each.gap.gap for model in self.models for each in self.findings(model))


def countries(found: Iterable[ModelFindings]) -> list[Country]:
    """The countries of a run, those first where most models withhold."""
    models: dict[str, list[ModelFindings]] = defaultdict(list)
    for model in found:
        if model.state == "measured":
            for code in {each.jurisdiction for each in model.findings}:
                models[code].append(model)
    return sorted((country_of(code, held) for code, held in models.items()), key=rank)


def rank(country: Country) -> tuple[int, float, str]:
    return -len(country.accused), -country.widest, country.code


def country_of(code: str, models: Sequence[ModelFindings]) -> Country:
    asked = {
        each.language for model in models for each in model.findings if each.jurisdiction == code
    }
    return Country(
        code=code,
        models=tuple(models),
        rows=tuple(rows(code, models)),
        languages=tuple(sorted(asked, key=lambda language: (language != "en", language))),
    )


def rows(code: str, models: Sequence[ModelFindings]) -> list[Row]:
    cells: dict[str, list[Cell | None]] = {}
    for at, model in enumerate(models):
        for rate in model.topics:
            if rate.jurisdiction == code:
                row = cells.setdefault(rate.topic, [None] * len(models))
                before = row[at] or Cell()
                probes, controls = rate.probes, rate.controls
                row[at] = before.plus(probes.questions, probes.withheld, controls.withheld)
    found = [
        Row(topic, explain.topic_name(topic, "en"), tuple(held)) for topic, held in cells.items()
    ]
    return sorted(found, key=lambda row: (-row.mean, row.name))


def telling(found: Sequence[Country]) -> int:
    """How many countries a reader should see at once; in the others no gap is beyond chance."""
    return sum(bool(country.accused) for country in found) or OPEN
