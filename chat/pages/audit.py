"""The page of an audit, `/audit`: which models withhold, on what, asked in which language.

It shows the run that `CANDOR_AUDIT` names, else the one that ships. The page is whole without its
script. What a run's folder holds is outside input, whoever made it: it is escaped, and pictures are
served as images, in which no script runs.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from jinja2 import Environment

from guard import explain, topics
from guard.audit.cells import Cell
from guard.audit.record import (
    SUMMARY,
    Measured,
    MeasuredGap,
    MeasuredTopic,
    ShownPair,
    examples_of,
    summary_of,
)
from guard.catalogue import Catalogue

from ..texts import texts
from . import about
from .about import answered, day

PAGE = Path(__file__).parent / "audit"
SHIPPED = Path(topics.FOLDER).parent / "audit" / "shipped"
PICTURE = re.compile(r"languages-[A-Z]{2}\.svg")

Host = tuple[str, str]  # a model, and where it was asked
Short = Annotated[str, Query(max_length=32)]
Long = Annotated[str, Query(max_length=256)]
Language = Annotated[str, Query(alias="in", max_length=32)]

router = APIRouter()


class Chosen(NamedTuple):
    """What the reader looks at: one country; one language, or all; topics that hold these words."""

    country: str
    language: str = ""
    words: str = ""


class Row(NamedTuple):
    """A topic, and how each model fares on it; None where a model was not asked."""

    topic: str
    name: str
    cells: tuple[Cell | None, ...]


class AuditPage:
    """A run as its folder holds it.

    Raises:
        ConfigError: the folder's findings are missing or broken.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self.run = summary_of(folder)
        self.ships = folder == SHIPPED
        self.on_offer = {spec.id for spec in catalogue.models}
        self.measured = [model for model in self.run.models if model.state == "measured"]

    @cached_property
    def examples(self) -> dict[tuple[str, str, str], list[ShownPair]]:
        """By model, host and topic; those that show most first."""
        found = defaultdict(list)
        for pair in examples_of(self.folder).pairs:
            found[pair.model, pair.host, pair.topic].append(pair)
        return dict(found)

    @cached_property
    def countries(self) -> list[str]:
        """Those with the largest gap beyond chance first, then those with the largest."""
        largest: dict[str, tuple[bool, float]] = {}
        for gap in (gap for model in self.measured for gap in model.gaps):
            seen = largest.get(gap.jurisdiction, (False, -1.0))
            largest[gap.jurisdiction] = max(seen, (gap.withholds, gap.gap))
        return sorted(largest, key=lambda code: (largest[code], code), reverse=True)

    def languages(self, country: str) -> list[str]:
        """In which it was asked about the country, English first."""
        found = {one.language for one in self.run.topics if one.jurisdiction == country}
        return sorted(found, key=lambda tag: (tag != "en", tag))

    def chosen(self, country: str, language: str, words: str) -> Chosen:
        """The reader's choice as far as the run holds it."""
        if country not in self.countries:
            country = next(iter(self.countries), "")
        return Chosen(country, language if language in self.languages(country) else "", words)

    def rows(self, chosen: Chosen, language: str) -> list[Row]:
        """The topics of the choice, those of which most is withheld first."""
        cells = cells_of(one for one in self.run.topics if fits(one, chosen))
        named = {
            topic: explain.topic_name(topic, language)
            for topic in dict.fromkeys(t for t, _ in cells)
        }
        rows = [
            Row(topic, name, tuple(cells.get((topic, host_of(model))) for model in self.measured))
            for topic, name in named.items()
            if chosen.words.casefold() in f"{name} {topic.replace('-', ' ')}".casefold()
        ]
        return sorted(rows, key=lambda row: -sum(cell.gap for cell in row.cells if cell))

    def gaps(self, chosen: Chosen) -> Iterator[tuple[Measured, MeasuredGap]]:
        for model in self.measured:
            for gap in model.gaps:
                if gap.jurisdiction == chosen.country and chosen.language in ("", gap.language):
                    yield model, gap

    def html(self, chosen: Chosen, language: str) -> str:
        """The page."""
        return drawn(
            "page.html",
            language,
            page=self,
            run=self.run,
            chosen=chosen,
            languages=self.languages(chosen.country),
            rows=self.rows(chosen, language),
            gaps=list(self.gaps(chosen)),
            pictured=(self.folder / "pictures" / f"languages-{chosen.country}.svg").is_file(),
        )

    def example(self, host: Host, topic: str, asked: str) -> ShownPair | None:
        """The pair that shows most, in this language or in any."""
        held = self.examples.get((*host, topic), [])
        return next((pair for pair in held if asked in ("", pair.language)), None)


@router.get("/audit", include_in_schema=False)
async def page(
    request: Request, country: Short = "", asked: Language = "", q: Long = ""
) -> HTMLResponse:
    """Which models withhold, on what, in which language."""
    shown: AuditPage = request.app.state.audit_page
    return await answered(request, partial(shown.html, shown.chosen(country, asked, q)))


@router.get("/audit/example", include_in_schema=False)
async def example(
    request: Request, model: Long, topic: Long, host: Long = "", asked: Language = ""
) -> HTMLResponse:
    """A probe beside its control, as one model answered them."""
    shown: AuditPage = request.app.state.audit_page
    pair = await asyncio.to_thread(shown.example, (model, host), topic, asked)
    html = partial(drawn, "example.html", pair=pair)
    return await answered(request, html, 200 if pair else 404)


@router.get("/audit.json", include_in_schema=False)
async def export(request: Request) -> Response:
    """The figures, to keep."""
    shown: AuditPage = request.app.state.audit_page
    name = f"candor-audit-{shown.run.begun.date()}.json"
    return FileResponse(shown.folder / SUMMARY, media_type="application/json", filename=name)


@router.get("/audit/pictures/{name}", include_in_schema=False)
async def picture(request: Request, name: str) -> Response:
    """A picture of the run: an image, even where it is opened as a page."""
    shown: AuditPage = request.app.state.audit_page
    place = shown.folder / "pictures" / name
    if not PICTURE.fullmatch(name) or not await asyncio.to_thread(place.is_file):
        return JSONResponse({"detail": "there is no such picture"}, 404)
    headers = {"content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
    return FileResponse(place, media_type="image/svg+xml", headers=headers)


@cache
def templates() -> Environment:
    return about.templates(
        PAGE, points=explain.points, topic=explain.topic_name, host=host_of, shade=shade
    )


def drawn(template: str, language: str, **values: Any) -> str:
    return (
        templates()
        .get_template(template)
        .render(
            language=language,
            say=texts(language),
            day=partial(day, language=language),
            spoken=partial(explain.spoken, language=language),
            where=partial(explain.in_sentence, language=language),
            **values,
        )
    )


def fits(one: MeasuredTopic, chosen: Chosen) -> bool:
    return one.jurisdiction == chosen.country and chosen.language in ("", one.language)


def cells_of(rates: Iterable[MeasuredTopic]) -> dict[tuple[str, Host], Cell]:
    """Each topic and model, languages together."""
    found: dict[tuple[str, Host], Cell] = {}
    for one in rates:
        key = one.topic, (one.model, one.host)
        found[key] = found.get(key, Cell()).plus(one.pairs, one.probes, one.controls)
    return {key: cell for key, cell in found.items() if cell.pairs}


def host_of(model: Measured) -> Host:
    return model.model, model.host


def shade(cell: Cell) -> str:
    """The direction of a gap, and its size in tenths."""
    tenths = round(10 * abs(cell.gap))
    return f"{'more' if cell.gap > 0 else 'less'} s{tenths}" if tenths else ""
