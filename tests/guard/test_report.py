"""The report of an audit as a page: what it holds, that it loads and runs nothing, its charts.

The answers are made up and written as an audit writes them. How the page looks is not covered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import pytest
from typer.testing import CliRunner

from guard import explain, topics
from guard.audit import charts, report
from guard.audit.commands import app
from guard.audit.countries import countries
from guard.audit.findings import findings
from guard.audit.plan import Question, Scope, plan
from guard.audit.record import JOURNAL, RUN, Answer, begin, latest, now, read, run_of

CN = tuple(sorted(pack.id for pack in topics.load().values() if pack.jurisdiction == "CN"))[:9]
US = tuple(sorted(pack.id for pack in topics.load().values() if pack.jurisdiction == "US"))[:3]
HOSTILE = 'm/"><script>alert(1)</script><img src=x onerror=alert(2)>$x_2$\x07\uffff'
WORDS = (
    "</blockquote></style><script src=https://evil.example/x.js></script> "
    '<svg onload=alert(1)><a href="https://evil.example">{{ 7 * 7 }} ]]> \u202e'
)
Temper = Callable[[Question], bool]
TEMPERS: dict[str, Temper] = {
    "m/one-country": lambda q: q.kind == "probe" and q.jurisdiction == "CN",
    "m/nothing": lambda q: False,
    "m/everything": lambda q: True,
    "m/unsteady": lambda q: False,
    HOSTILE: lambda q: q.kind == "probe" and q.language == "zh-Hans" and q.jurisdiction == "CN",
}
NOTE = "An invented run: <b>no model</b> was asked."


def answer_of(question: Question) -> Answer:
    fails = question.model == "m/unsteady" and int(question.id, 16) % 2
    withheld = TEMPERS[question.model](question)
    hostile = question.model == HOSTILE
    return Answer(
        **question.model_dump(exclude={"text"}),
        id=question.id,
        question=question.text,
        reply=WORDS if hostile else "No." if withheld else "word " * 1_000,
        conduct=None if fails else "refused" if withheld else "answered",
        score=None if fails else 0.9 if withheld else 0.1,
        provider=WORDS if hostile else "test",
        finish_reason="<i>stop" if hostile else "stop",
        seconds=2.0,
        dollars=None if hostile else 0.0005,
        completion_tokens=7,
        fault="unavailable" if fails else None,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has not ended, with all its answers and its report."""
    made = tmp_path_factory.mktemp("audit")
    scope = Scope(models=tuple(TEMPERS), topics=CN + US, languages=("en", "zh-Hans"), samples=1)
    begin(made, scope, NOTE)
    lines = [answer_of(question).model_dump_json() for question in plan(scope)]
    (made / JOURNAL).write_text("\n".join(lines) + "\n", encoding="utf-8")
    report.write(made)
    return made


class Seen(HTMLParser):
    """The elements of a page, and its text by section."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: Counter[str] = Counter()
        self.sections: dict[str, str] = {}
        self.within = "header"
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        self.elements.append((tag, held))
        if tag == "section" and "class" not in held:
            self.within = held["id"]

    def handle_data(self, data: str) -> None:
        self.sections[self.within] = self.sections.get(self.within, "") + data


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(page: str) -> Seen:
    return Seen(page)


def picture(folder: Path, name: str) -> Tree.Element:
    return Tree.fromstring((folder / "pictures" / f"{name}.svg").read_bytes())  # noqa: S314 (our own)


def test_the_page_holds_what_a_reader_asks_for(seen: Seen) -> None:
    ranking = " ".join(seen.sections["ranking"].split())
    assert ranking.index("m/nothing") < ranking.index("m/one-country")
    assert "Asked about China in Chinese (Simplified), it withheld on 100 %" in ranking
    assert re.search(r"Largest gap\+100 \(\+\d+ to \+100\)China, ", ranking)
    assert "$0.50" in ranking, "for a thousand questions"
    assert "Neutral withheld0 of " in ranking
    assert "On topics of China 2 of 3 models withhold beyond chance" in seen.sections["languages"]
    assert "1 more country, no gap beyond chance: United States" in seen.sections["topics"]
    assert "Control" in seen.sections["examples"]
    assert "2.0" in seen.sections["cost"]
    assert "Whether a control is fair" in seen.sections["method"]


def test_what_a_reader_must_know_stands_on_top_of_both(folder: Path, seen: Seen) -> None:
    for told in (seen.sections["header"], (folder / "report.md").read_text().split("\n## ")[0]):
        assert NOTE in told
        assert "has not ended" in told
        assert "Of 5 models, 2 withhold more" in told


def test_failed_and_void_models_are_told_and_left_out_of_the_charts(
    folder: Path, seen: Seen
) -> None:
    ranking = seen.sections["ranking"]
    assert "its figures say nothing: void" in ranking
    assert "gave no reply to" in ranking
    for section in ("topics", "languages"):
        assert "left out: m/everything (void), m/unsteady (failed)" in seen.sections[section]
    drawn = "".join(picture(folder, "topics-CN").itertext())
    assert "nothing" in drawn
    assert "everything" not in drawn
    assert "unsteady" not in drawn


def test_nothing_that_was_said_can_load_or_run(page: str, seen: Seen) -> None:
    tags = {tag for tag, _ in seen.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "link", "form", "base", "i"}
    for tag, held in seen.elements:
        assert not any(name.startswith("on") or name == "src" for name in held), (tag, held)
        assert held.get("href", "#").startswith("#"), held
        assert "url(" not in held.get("style", "")
    assert not re.search(r"url\(|@import|<!--", page)
    policy = [held["content"] for _, held in seen.elements if "http-equiv" in held]
    assert "default-src 'none'" in policy[0]
    told = seen.sections["examples"]
    assert "<script src=https://evil.example/x.js>" in told, "it is quoted as it was said"
    assert "{{ 7 * 7 }}" in told
    assert "\u202e" not in page
    assert "\x07" not in page


def test_every_link_leads_somewhere_and_no_two_places_have_one_name(seen: Seen) -> None:
    places = Counter(held["id"] for _, held in seen.elements if "id" in held)
    assert max(places.values()) == 1
    links = {held["href"][1:] for _, held in seen.elements if "href" in held}
    assert links <= set(places)
    assert {"ranking", "topics", "languages", "examples", "cost", "method"} <= links


def test_a_heat_map_has_a_cell_for_each_model_and_topic(folder: Path, page: str) -> None:
    (china, _) = countries(findings(latest(read(folder))))
    assert len(china.models) == 3
    drawn = picture(folder, "topics-CN")
    tips = {
        each.get("id"): each[-1].text or ""
        for each in drawn.iter()
        if "-cell-" in each.get("id", "")
    }
    assert len(tips) == 3 * len(CN)
    assert all(" points; withheld " in tip for tip in tips.values())
    row = [tips[f"topics-CN-cell-0-{at}"] for at in range(3)]
    names = charts.short_names(china.models)
    for tip, model, cell in zip(row, china.models, china.rows[0].cells, strict=True):
        assert cell is not None
        assert tip.startswith(f"{names[charts.key(model)]}, {china.rows[0].name}: ")
        assert f"{explain.points(cell.gap)} points" in tip
    assert page.count('<td class="n" title=') == 3 * (len(CN) + len(US)), "and in the tables"
    links = [each.get("href", "") for each in drawn.iter("{http://www.w3.org/2000/svg}a")]
    assert len(links) == 2 * len(CN), "those that withhold on each topic have an example of it"
    assert all(f'id="{link[1:]}"' in page for link in links)


def test_a_filled_mark_is_beyond_chance(folder: Path) -> None:
    svg = "{http://www.w3.org/2000/svg}"
    hollow = {}
    for each in picture(folder, "languages-CN").iter(f"{svg}g"):
        if "-mark-" in each.get("id", ""):
            tip = each.findtext(f"{svg}title", "")
            (use,) = each.iter(f"{svg}use")
            hollow[tip] = use.get("fill") == charts.PAPER
    assert len(hollow) == 3 * 2
    assert {"beyond chance" in tip for tip in hollow} == {True, False}
    assert all(("may be chance" in tip) == is_hollow for tip, is_hollow in hollow.items())


def test_the_same_run_gives_the_same_bytes_and_old_pictures_go(folder: Path) -> None:
    def written() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = written()
    for name in ("topics-XX.svg", "languages-XX.svg"):
        (folder / "pictures" / name).write_text("of an earlier report")
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    assert written() == before
    kinds = ("topics", "languages")
    assert set(before) >= {f"{kind}-{code}.svg" for kind in kinds for code in ("CN", "US")}


def test_a_long_reply_is_folded_and_a_very_long_one_cut() -> None:
    plain: dict[str, Any] = dict.fromkeys(
        ("id", "model", "host", "jurisdiction", "topic", "pair", "language", "question"), ""
    )
    short, long, endless = (
        report.excerpt(Answer(**plain, kind="neutral", sample=0, reply=reply))
        for reply in ("Yes.", "word " * 300, "字" * 5_000)
    )
    assert short == ("Yes.", "", 0)
    assert (len(long.beginning) <= 600, long.beginning[-4:], long.cut) == (True, "word", 0)
    assert (len(endless.beginning), len(endless.rest), endless.cut) == (600, 3_400, 1_000)


def test_an_ended_run_at_two_hosts(folder: Path, tmp_path: Path) -> None:
    ended = run_of(folder).model_copy(update={"ended": now(), "note": ""})
    (tmp_path / RUN).write_text(ended.model_dump_json())
    answers = [each for each in latest(read(folder)) if each.model == "m/nothing"]
    answers += [each.model_copy(update={"id": each.id + "2", "host": "two"}) for each in answers]
    (tmp_path / JOURNAL).write_text("\n".join(each.model_dump_json() for each in answers))
    report.write(tmp_path)
    told = (tmp_path / "report.html").read_text()
    assert "has not ended" not in told
    assert 'class="note"' not in told
    assert "m/nothing at two" in told
    assert "Of 2 pairs of model and host, 2 show no difference" in told
    assert "Too few pairs to tell" in Seen(told).sections["hosts"]
    assert "No model withheld a probe whose control it answered." in told


def test_models_of_one_name_are_told_apart_in_the_charts(folder: Path) -> None:
    one = findings(latest(read(folder)))[0]
    hosts = ("", "a" * 60 + "1", "a" * 60 + "2", "b" + "a" * 59 + "2")
    alike = [one.model_copy(update={"model": "x/same", "host": host}) for host in hosts]
    alike += [one.model_copy(update={"model": f"y{at}/same"}) for at in range(2)]
    names = charts.short_names(alike)
    assert len(set(names.values())) == len(alike)


def test_a_language_is_called_by_its_own_name() -> None:
    asked = ("en", "zh-Hans", "my", "ru", "tlh-x", "not a tag")
    assert [explain.spoken(tag) for tag in asked] == [
        "English",
        "Chinese (Simplified)",
        "Burmese",
        "Russian",
        "tlh-x",
        "not a tag",
    ]
