"""Who looks, in which language, and the templates with which all is drawn.

Templates escape all they are given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from guard import explain
from guard.catalogue import Catalogue
from guard.plain import plain
from guard.providers.connect import Connection
from guard.text import is_english, main_script, split_thinking
from guard.types import ModelSpec

from . import assets
from .store import Reply
from .texts import texts

TEMPLATES = Path(__file__).parent / "templates"
WRITTEN = {"Han": "zh", "Kana": "ja", "Hangul": "ko", "Hebrew": "he", "Thai": "th"}  # one language


class Standing(NamedTuple):
    """How a reply stands among the others of its turn, and those before.

    `goes_on` says whether the conversation goes on with it, None where there is no other.
    `provider_before` served this model last, where that was another than now. `shows_images`: who
    answers must see. `continues`: it was cut, and its model can go on with it.
    """

    first: bool = True
    last: bool = True
    goes_on: bool | None = None
    provider_before: str | None = None
    shows_images: bool = False
    continues: bool = False


@dataclass(frozen=True)
class View:
    """Who looks, and at what: language and time zone, models on offer, what is connected.

    `read_only`: a page that others may see, on which nothing can be done.
    """

    language: str
    models: Catalogue
    connection: Connection
    signed_in: bool = False
    zone: tzinfo = UTC
    read_only: bool = False

    @property
    def say(self) -> Any:
        return texts(self.language)

    def serves(self, spec: ModelSpec) -> bool:
        return self.connection.serves(spec, self.signed_in)

    def offers(self, model: str) -> bool:
        """Whether the model of that id can answer now."""
        spec = self.models.by_id.get(model)
        return spec is not None and self.serves(spec)


@cache
def templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # else the file's date is asked for with each drawing
    )
    environment.filters["flag"] = flag
    environment.filters["country"] = explain.country
    environment.filters["number"] = number
    environment.filters["dollars"] = dollars
    environment.filters["direction"] = explain.direction
    environment.filters["static"] = assets.address
    environment.filters["told"] = told
    environment.filters["day"] = day
    environment.filters["said_in"] = said_in
    return environment


def fill(template: str, view: View, **values: Any) -> str:
    """A template with the view's texts and language."""
    language = values.pop("language", view.language)
    return (
        templates()
        .get_template(f"{template}.html")
        .render(view=view, say=view.say, language=language, **values)
        .strip()
    )


def told(text: str, **values: object) -> Markup:
    """A text with its gaps filled; what fills them turns the direction of nothing beside it."""
    apart = {name: Markup("<bdi>{}</bdi>").format(plain(str(v))) for name, v in values.items()}
    return Markup(escape(text)).format(**apart)  # noqa: S704 - escaped before its gaps are filled


def said_in(text: str) -> Markup:
    """A `lang` attribute, where the script or its words tell the language; else none.

    A screen reader takes its voice by it.
    """
    answer = split_thinking(text).answer
    script = main_script(answer)
    tag = "en" if script == "Latin" and is_english(answer) else WRITTEN.get(script or "")
    return Markup(' lang="{}"').format(tag) if tag else Markup("")


def flag(code: str) -> str:
    """A country's flag: its two letters as regional indicators."""
    return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in code)


def number(value: float, language: str, digits: str = "#,##0.#") -> str:
    """A number as the reader writes it: 128,000 is 128.000 in German, 1.25 is 1,3."""
    return format_decimal(value, format=digits, locale=language.replace("-", "_"))


def dollars(value: float, language: str) -> str:
    """A small sum with two digits that say something: $0.0012."""
    digits = max(2, 1 - math.floor(math.log10(value))) if value > 0 else 2
    pattern = f"¤#,##0.{'0' * min(digits, 8)}"
    locale = language.replace("-", "_")
    return format_currency(value, "USD", pattern, locale, currency_digits=False)


def day(moment: datetime, language: str) -> str:
    """A day as the reader writes it: 5 November 2026."""
    return str(format_date(moment, "long", locale=language.replace("-", "_")))


def language_of(question: str, page: str) -> str:
    """The language in which the guard speaks about a question: the reader's."""
    chinese = main_script(question) == "Han" and not page.startswith("zh")
    return "zh-Hans" if chinese else page


def exhausted(each: Reply, language: str) -> str:
    """Why nobody else answers, where somebody was to."""
    say = texts(language)
    if each.bound:
        return str(getattr(say, f"bound_{each.bound}"))
    return str(getattr(say, f"exhausted_{each.exhausted}")) if each.exhausted else ""
