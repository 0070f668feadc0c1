"""A run told in words, `report.md`, and in figures, `summary.json`; models' words are quoted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .. import explain, topics
from ..plain import one_line
from . import agreement, hosts
from .findings import Example, Finding, ModelFindings, shown, summary
from .record import EXAMPLES, SUMMARY
from .statistics import ALPHA, VISIBLE, Gap, power
from .whole import RunFindings, of_run

TEMPLATES = Path(__file__).parent / "templates"
REPORT = "report.md"
SHOWN = 400  # characters of a reply in an example
OF_EACH = 3  # examples of a model


def write(folder: Path) -> RunFindings:
    """Write the report of a run from what its folder holds, and hand back what it rests on.

    No model is asked.

    Raises:
        ConfigError: the folder holds no run.
    """
    found = of_run(folder)
    figures = summary(found.run, found.models)
    (folder / REPORT).write_text(markdown(found), encoding="utf-8")
    (folder / SUMMARY).write_text(figures.model_dump_json(indent=1), encoding="utf-8")
    (folder / EXAMPLES).write_text(shown(found.models).model_dump_json(), encoding="utf-8")
    return found


def markdown(found: RunFindings) -> str:
    """The report."""
    return (
        environment()
        .get_template("report.md")
        .render(
            run=found.run,
            models=found.models,
            agreement=found.agreement,
            hosts=found.hosts,
            alpha=ALPHA,
            visible=VISIBLE,
        )
    )


@cache
def environment() -> Environment:
    built = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 (Markdown: what models say goes through `quoted`)
    )
    built.filters |= {
        "percent": percent,
        "points": points,
        "country": explain.country,
        "language": explain.spoken,
        "topic": topic_name,
        "quoted": quoted,
        "sentence": sentence,
        "seen": seen,
        "clearest": clearest,
        "of_rater": agreement.sentences,
        "kappas": agreement.rows,
        "kappa": agreement.in_words,
        "of_hosts": hosts.sentences,
    }
    built.globals |= {"kappa_means": agreement.MEANING, "hosts_caution": hosts.CAUTION}
    return built


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def points(found: Gap) -> str:
    """A gap with its interval, in points: `+41 (29 to 52)`."""
    return f"{100 * found.gap:+.0f} ({100 * found.low:.0f} to {100 * found.high:.0f})"


def topic_name(topic: str) -> str:
    pack = topics.load().get(topic)
    return pack.names["en"] if pack else topic


def clearest(examples: Sequence[Example]) -> list[Example]:
    """The examples of the report: of different topics, each a probe that alone was withheld."""
    by_topic: dict[str, Example] = {}
    for each in examples:
        if each.probe.withheld and not each.control.withheld:
            by_topic.setdefault(each.topic, each)
    return list(by_topic.values())[:OF_EACH]


def quoted(words: str) -> str:
    """Words of a model or a question as inline code, which no renderer reads as markup."""
    line = one_line(words, SHOWN).replace("`", "ˋ")
    return f"`{line}`" if line.strip() else "(nothing)"


def seen(found: Finding, tests: int) -> float:
    """The chance that this test would have found a gap of `VISIBLE`."""
    return power(found.gap.pairs, tests, control=max(found.gap.controls.share, 0.01))


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
