"""The page of the models on offer, `/models`, and its export, `/models.json`.

The page is whole without its script, which only filters. What the Hub says is outside input: it is
escaped, set apart in direction, and linked to only where it is a web address.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from babel import Locale
from babel.numbers import format_compact_decimal, format_currency
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from guard import explain, licences
from guard.audit.record import Summary
from guard.catalogue import Catalogue
from guard.snapshot import Relation

from ..provenance import LARGE, MEDIUM, ModelProvenance, Part, Provenance, provenance
from ..texts import texts
from . import about
from .about import answered, day
from .lineage import Drawing, draw

PAGE = Path(__file__).parent / "models"
HUB = "https://huggingface.co"
REFRESH = "python -m guard models refresh"
DATASET = re.compile(r"([\w.-]+/)?[\w.-]+")

# the texts that name each value
RELATIONS: dict[Relation | None, str] = {
    "finetune": "models_finetune",
    "merge": "models_merge",
    "adapter": "models_adapter",
    "quantized": "models_quantized",
    None: "models_made_from",
}
ALLOWED = {
    "yes": "models_yes",
    "no": "models_no",
    "with conditions": "models_with_conditions",
    "not known": "models_not_known",
}
KINDS = {
    "company": "models_company",
    "lab": "models_lab",
    "public body": "models_public_body",
    "community": "models_community",
}
ACCESS = {
    "no": "models_access_open",
    "yes": "models_access_gated",
    "auto": "models_access_terms",
    "manual": "models_access_asked",
    None: "models_not_stated",
}
LINEAGES = {"elsewhere": "models_elsewhere", "own": "models_nowhere_else"}
PERMISSIONS = {
    "open": "models_open",
    "commercial": "models_commercial",
    "conditions": "models_conditions",
    "non-commercial": "models_non_commercial",
    "not known": "models_not_known",
}
SIZES = {
    "small": "models_small",
    "medium": "models_medium",
    "large": "models_large",
    "not stated": "models_not_stated",
}
OPEN_DATA = {"yes": "models_data_named", "not stated": "models_not_stated"}

router = APIRouter()


class Card(NamedTuple):
    """A model as the page shows it. `licence_on_card` is set where the Hub names another licence
    than `models.yaml`; `from_input` and `from_output` are the lowest prices."""

    model: ModelProvenance
    drawing: Drawing
    lineage: str
    elsewhere: tuple[str, ...]
    licence_on_card: str | None
    from_input: float | None
    from_output: float | None
    words: str


class Bar(NamedTuple):
    """How many models are of one country, and how many of them are built on one from elsewhere."""

    country: str
    number: int
    elsewhere: int


class Option(NamedTuple):
    value: str
    label: str
    number: int


class Group(NamedTuple):
    """A row of choices in the filter: `name` as in the page's address."""

    name: str
    legend: str
    options: tuple[Option, ...]


class ModelsPage:
    """The page in every language, each set once; `recorded`: the audit asked no host."""

    def __init__(
        self, catalogue: Catalogue, audit: Summary | None = None, recorded: bool = False
    ) -> None:
        self.catalogue, self.audit, self.recorded = catalogue, audit, recorded
        self.pages: dict[str, str] = {}

    @cached_property
    def provenance(self) -> Provenance:
        return provenance(self.catalogue, datetime.now(UTC).date(), self.audit)

    def html(self, language: str) -> str:
        if language not in self.pages:
            self.pages[language] = drawn(self.provenance, language, self.recorded)
        return self.pages[language]

    def export(self) -> Provenance:
        return self.provenance.model_copy(update={"exported": datetime.now(UTC).date()})


@router.get("/models", include_in_schema=False)
async def page(request: Request) -> HTMLResponse:
    """Where each model on offer comes from."""
    shown: ModelsPage = request.app.state.models_page
    return await answered(request, shown.html)


@router.get("/models.json", response_model=Provenance)
async def export(request: Request) -> Response:
    """The same as JSON, to keep."""
    shown: ModelsPage = request.app.state.models_page
    found = await asyncio.to_thread(shown.export)
    headers = {
        "content-disposition": f'attachment; filename="candor-models-{found.exported}.json"',
        "cache-control": "no-cache",
    }
    content = found.model_dump_json(indent=2)
    return Response(content, media_type="application/json", headers=headers)


@cache
def templates() -> Environment:
    return about.templates(PAGE, web=web, dataset=dataset, short=short)


def drawn(found: Provenance, language: str, recorded: bool) -> str:
    """The whole page."""
    say: Any = texts(language)
    cards = [card(model, language) for model in found.models]
    return (
        templates()
        .get_template("page.html")
        .render(
            language=language,
            say=say,
            found=found,
            recorded=recorded,
            cards=cards,
            bars=bars(cards, language),
            groups=groups(cards, say, language),
            on_offer={card.model.spec.id.lower(): card.model.spec.id for card in cards},
            hub=HUB,
            refresh=REFRESH,
            said_by=Counter(card.model.hub.source for card in cards if card.model.hub),
            part=partial(part, say=say, language=language),
            day=partial(day, language=language),
            money=partial(money, language=language),
            compact=partial(compact, language=language),
            relation=lambda name: getattr(say, RELATIONS[name]),
            allowed=lambda name: getattr(say, ALLOWED[name]),
            kind=lambda name: getattr(say, KINDS[name]),
            access=lambda name: getattr(say, ACCESS[name]),
            in_language=partial(explain.in_language, language=language),
            points=explain.points,
            spoken=partial(explain.spoken, language=language),
        )
    )


def card(model: ModelProvenance, language: str) -> Card:
    elsewhere = tuple(country for country in model.origins if country != model.spec.origin)
    offers = [one.offer for one in model.providers if one.offer.live]
    return Card(
        model=model,
        drawing=draw(model.lineage),
        lineage="elsewhere" if elsewhere else "own",
        elsewhere=elsewhere,
        licence_on_card=licence_on_card(model),
        from_input=lowest(offer.input_price for offer in offers),
        from_output=lowest(offer.output_price for offer in offers),
        words=words(model, language),
    )


def lowest(prices: Iterable[float | None]) -> float | None:
    return min((price for price in prices if price is not None), default=None)


def licence_on_card(model: ModelProvenance) -> str | None:
    """The licence that the card names, where it is another than that of `models.yaml`."""
    hub = model.hub
    named = (hub.licence_name or hub.licence) if hub else None
    if named is None or named == "other":
        return None
    own = model.licence
    same = licences.of(named) == own if own else named.casefold() == model.spec.licence.casefold()
    return None if same else named


def words(model: ModelProvenance, language: str) -> str:
    """What the search looks at."""
    spec, developer, licence = model.spec, model.developer, model.licence
    found = [spec.id, spec.name, spec.developer, spec.licence]
    found += [node.id for node in model.lineage.ancestors]
    found += [explain.country(code, language) for code in model.origins]
    found += [developer.name, developer.legal_name or ""] if developer else []
    found += [licence.name] if licence else []
    found += [one.name or one.offer.provider for one in model.providers]
    return " ".join(found).lower()


def bars(cards: list[Card], language: str) -> list[Bar]:
    """Countries by how many models are from there, then by name."""
    counts = Counter(card.model.spec.origin for card in cards)
    elsewhere = Counter(card.model.spec.origin for card in cards if card.elsewhere)
    found = [Bar(country, count, elsewhere[country]) for country, count in counts.items()]
    return sorted(found, key=lambda bar: (-bar.number, explain.country(bar.country, language)))


def groups(cards: list[Card], say: Any, language: str) -> list[Group]:
    """The filter's choices; those that no model has are left out."""

    def group(name: str, legend: str, keys: dict[str, str], of: Callable[[Card], str]) -> Group:
        counts = Counter(of(card) for card in cards)
        labels = {value: limits(getattr(say, key), language) for value, key in keys.items()}
        options = (Option(value, label, counts[value]) for value, label in labels.items())
        return Group(name, legend, tuple(option for option in options if option.number))

    return [
        group("lineage", say.models_lineage, LINEAGES, lambda card: card.lineage),
        group("licence", say.models_licence, PERMISSIONS, lambda card: card.model.permission),
        group("size", say.models_size, SIZES, lambda card: card.model.size),
        group("data", say.models_data, OPEN_DATA, lambda card: card.model.open_data),
    ]


def limits(label: str, language: str) -> str:
    """A size's label with the numbers of parameters that bound it."""
    return label.format(small=compact(MEDIUM, language), large=compact(LARGE, language))


def part(one: Part, say: Any, language: str) -> str:
    """The part that a model plays, in a few words."""
    if one.kind == "fallback" and one.jurisdiction:
        country = explain.in_sentence(one.jurisdiction, language)
        return str(say.models_fallback_for.format(n=one.place, country=country))
    named = {
        "default": say.model_default,
        "fallback": say.models_fallback.format(n=one.place),
        "judge": say.models_judge,
    }
    return str(named[one.kind])


def money(dollars: float, language: str) -> str:
    locale = Locale.parse(language, sep="-")
    return format_currency(dollars, "USD", locale=locale, decimal_quantization=False)


def compact(number: int, language: str) -> str:
    """A number in words: 72.7 billion. Chinese has short forms alone."""
    locale = Locale.parse(language, sep="-")
    has_words = "long" in locale.compact_decimal_formats
    form: Literal["short", "long"] = "long" if has_words else "short"
    return format_compact_decimal(number, format_type=form, locale=locale, fraction_digits=1)


def web(address: str | None) -> str | None:
    """An address that may be linked to: no script, nothing relative."""
    return address if address and re.fullmatch(r"https?://\S+", address) else None


def dataset(name: str) -> str | None:
    """Where a training data set lies, if its name is one of the Hub."""
    return f"{HUB}/datasets/{name}" if DATASET.fullmatch(name) else None


def short(id_: str) -> str:
    """A model's name without its owner."""
    return id_.rpartition("/")[2]
