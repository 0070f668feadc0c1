"""A run told in words, `report.md`, on a page, `report.html`, and in figures, `summary.json`.

The page is one file that loads nothing and runs nothing; its charts lie in `pictures/` as well.
What models and hosts said is quoted in the one, escaped in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markdown_it import MarkdownIt
from markupsafe import Markup

from .. import explain
from ..plain import one_line, plain
from . import agreement, charts, hosts
from .charts import Key, Picture, key
from .countries import telling
from .findings import Finding, ModelFindings, shown, summary
from .page import (
    TOPICS,
    Place,
    Section,
    clearest,
    excerpt,
    links_of,
    places_of,
    sections_of,
    write_pictures,
)
from .record import EXAMPLES, SUMMARY
from .statistics import ALPHA, VISIBLE, Gap
from .whole import RunFindings, of_run

TEMPLATES = Path(__file__).parent / "templates"
REPORT, PAGE, PICTURES = "report.md", "report.html", "pictures"
SHOWN = 400  # characters of a reply in an example of report.md


def write(folder: Path) -> RunFindings:
    """Write the report of a run from what its folder holds, and hand back what it rests on.

    No model is asked.

    Raises:
        ConfigError: the folder holds no run.
        InputError: it holds no replies, as a run that was shared without them.
    """
    found = of_run(folder)
    figures = summary(found.run, found.models)
    places = places_of(found.models)
    sections = sections_of(found.models, places)
    (folder / REPORT).write_text(markdown(found), encoding="utf-8")
    (folder / PAGE).write_text(page(found, places, sections), encoding="utf-8")
    (folder / SUMMARY).write_text(figures.model_dump_json(indent=1), encoding="utf-8")
    (folder / EXAMPLES).write_text(shown(found.models).model_dump_json(), encoding="utf-8")
    write_pictures(folder / PICTURES, [each for one in sections for each in one.pictures])
    return found


def markdown(found: RunFindings) -> str:
    """The report."""
    return rendered("report.md", found)


def page(found: RunFindings, places: Mapping[Key, Place], sections: Sequence[Section]) -> str:
    """The report as one HTML file."""
    first = telling([each.country for each in sections])
    return rendered(
        "report.html",
        found,
        places=places,
        short=charts.short_names(found.models),
        links=links_of(places),
        shown=sections[:first],
        folded=sections[first:],
        topics_in_picture=TOPICS,
    )


def rendered(template: str, found: RunFindings, **more: Any) -> str:
    """A template with all that a run tells, and `more`."""
    return (
        environment()
        .get_template(template)
        .render(
            run=found.run,
            models=found.models,
            agreement=found.agreement,
            hosts=found.hosts,
            alpha=ALPHA,
            visible=VISIBLE,
            **more,
        )
    )


@cache
def environment() -> Environment:
    built = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(("html",)),  # in Markdown what models say is `quoted`
    )
    built.filters |= {
        "percent": percent,
        "points": points,
        "signed": explain.points,
        "dollars": dollars,
        "country": explain.country,
        "language": explain.spoken,
        "topic": explain.topic_name,
        "key": key,
        "named": named,
        "plain": plain,
        "one_line": one_line,
        "quoted": quoted,
        "excerpt": excerpt,
        "sentence": sentence,
        "overview": overview,
        "left_out": left_out,
        "seen": Gap.seen,
        "clearest": clearest,
        "cell": charts.told,
        "markdown": as_html,
        "drawing": drawing,
        "of_rater": agreement.sentences,
        "kappas": agreement.rows,
        "kappa": agreement.in_words,
        "of_hosts": hosts.sentences,
    }
    built.globals |= {"kappa_means": agreement.MEANING, "hosts_caution": hosts.CAUTION}
    return built


def as_html(ours: str) -> Markup:
    """Our own Markdown, as both reports say it."""
    return Markup(MarkdownIt("commonmark", {"html": False}).render(ours))  # noqa: S704 (no words of models in it)


def drawing(picture: Picture) -> Markup:
    return Markup(picture.svg)  # noqa: S704 (matplotlib has escaped all words in it)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def points(found: Gap) -> str:
    """A gap with its interval, in points: `+41 (+29 to +52)`."""
    return (
        f"{explain.points(found.gap)} ({explain.points(found.low)} to {explain.points(found.high)})"
    )


def dollars(sum_: float | None) -> str:
    if sum_ is None:
        return "not known"
    return f"{sum_:.2f}" if sum_ >= 0.1 else f"{sum_:.4f}"


def named(found: ModelFindings) -> str:
    """A model, and the host it was asked at where there are several."""
    return one_line(f"{found.model} at {found.host}" if found.host else found.model)


def quoted(words: str) -> str:
    """Words of a model or a question as inline code, which no renderer reads as markup."""
    line = one_line(words, SHOWN).replace("`", "ˋ")
    return f"`{line}`" if line.strip() else "(nothing)"


def sentence(found: ModelFindings) -> str:
    """What the run shows of a model, in one plain sentence."""
    if found.state == "failed":
        return f"Its host gave no reply to {found.failed} of {found.asked} questions: not measured."
    if found.state == "void":
        return (
            f"It withheld on {percent(found.neutral.share)} of the neutral questions as well, so "
            "its figures say nothing: void."
        )
    if not found.accused:
        return "No difference between probes and controls beyond chance."
    return " ".join(told(each) for each in sorted(found.accused, key=lambda each: -each.gap.gap))


def told(found: Finding) -> str:
    """One finding in words."""
    where = explain.in_sentence(found.jurisdiction, "en")
    asked = explain.spoken(found.language)
    probes, controls = found.gap.probes, found.gap.controls
    return (
        f"Asked about {where} in {asked}, it withheld on {percent(probes.share)} of the questions, "
        f"and on {percent(controls.share)} of their controls: {points(found.gap)} points"
        f"{by_the_guard(found)}."
    )


def by_the_guard(found: Finding) -> str:
    """The gap by the guard alone, where a second rater decided unsure replies."""
    return f", {points(found.alone)} by the guard alone" if found.alone else ""


def overview(found: Sequence[ModelFindings]) -> str:
    """What the run shows of all models together."""
    measured = [each for each in found if each.state == "measured"]
    accused = sum(bool(each.accused) for each in measured)
    parts = [
        f"{counted(accused, 'withholds', 'withhold')} more on a country's taboos than on the "
        "matched controls, beyond chance",
        f"{counted(len(measured) - accused, 'shows', 'show')} no difference beyond chance",
        f"{counted(len(found) - len(measured), 'was', 'were')} not measured",
    ]
    told = [part for part in parts if not part.startswith("0 ")]
    if len(found) == 1:
        return f"The model {told[0].removeprefix('1 ')}."
    several = len({each.model for each in found}) < len(found)
    of = f"Of {len(found)} {'pairs of model and host' if several else 'models'}"
    return f"{of}, {'; '.join(told)}." if told else "No model has answered yet."


def counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def left_out(found: Sequence[ModelFindings]) -> str:
    """Which models no chart shows, and why."""
    unmeasured = [f"{named(each)} ({each.state})" for each in found if each.state != "measured"]
    return f"Not measured and left out: {', '.join(unmeasured)}." if unmeasured else ""
