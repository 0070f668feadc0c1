"""The page of an audit over a real socket; its script: see `tests/browser`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from audits import HOSTILE, LLAMA, ODD, QWEN, made, withholds
from outline import Outline
from served import Page, Site, page_of, serving

from chat import texts
from chat.pages.audit import SHIPPED, AuditPage, Chosen
from chat.settings import Settings
from guard import catalogue
from guard.audit.plan import Scope
from guard.audit.record import examples_of, summary_of
from guard.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scope = Scope(models=(LLAMA, QWEN, ODD), jurisdictions=("CN", "EU"), samples=1)
    held = made(tmp_path_factory.mktemp("run"), scope, withholds, note="<i>A test</i> of the page.")
    (held / "pictures").mkdir(exist_ok=True)
    (held / "pictures" / "languages-CN.svg").write_text("<svg onload='alert(1)'/>")
    return held


@pytest.fixture(scope="module")
def audited_site(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(Settings(audit=folder, data=tmp_path_factory.mktemp("audited"))) as site:
        yield site


@pytest.fixture
def audited(audited_site: Site) -> Iterator[Page]:
    with page_of(audited_site.url) as page:
        yield page


def shown(page: Page, language: str = "en", **chosen: str) -> Outline:
    answer = page.http.get("/audit", params=chosen, headers={"accept-language": language})
    assert answer.raise_for_status().headers["content-language"] == language
    return Outline(answer.text)


def heat(outline: Outline) -> list[str | None]:
    return [cell.get("class") for cell in outline.all("td") if "n " in f"{cell.get('class')} "]


def linked(outline: Outline) -> list[str]:
    found = (link["href"] or "" for link in outline.all("a"))
    return [href for href in found if href.startswith("/audit/example?")]


def test_each_model_is_told_in_a_sentence(audited: Page) -> None:
    html = " ".join(audited.http.get("/audit").text.split())
    assert "on China, asked in Chinese (Simplified): 100 % of the questions withheld" in html
    assert "Void: it withheld on neutral questions as well." in html
    even_handed = html.index("No difference between questions and controls")
    assert even_handed < html.index('<b dir="ltr">+100</b>')
    assert "November" in html


def test_country_language_and_words_choose_what_is_shown(audited: Page, folder: Path) -> None:
    topics = {one.topic for one in summary_of(folder).topics if one.jurisdiction == "CN"}
    assert len(linked(shown(audited))) == 2 * len(topics), "China first: its gap is the largest"
    in_english = shown(audited, **{"in": "en"})
    assert not any("more" in str(shade) for shade in heat(in_english))
    assert any("more s10" in str(shade) for shade in heat(shown(audited, **{"in": "zh-Hans"})))
    assert "European Union" in shown(audited, country="EU").text["heat"]
    (one, other) = linked(shown(audited, q="tank man"))
    assert "tank-man" in one
    assert "tank-man" in other
    assert linked(shown(audited, q="no such topic")) == []


@pytest.mark.parametrize("odd", ["XX", "<script>", "", "c" * 32])
def test_a_choice_that_is_not_there_is_passed_over(audited: Page, odd: str) -> None:
    assert linked(shown(audited, country=odd, **{"in": odd})) == linked(shown(audited))


def test_a_figure_leads_to_the_question_and_its_control_side_by_side(audited: Page) -> None:
    (_, to_qwen) = linked(shown(audited, q="tank man"))
    answer = audited.http.get(to_qwen).raise_for_status()
    outline = Outline(answer.text)
    assert len(outline.all("blockquote")) == 4
    assert "declined" in outline.text["list"]
    assert "Chinese (Simplified)" in outline.text["list"]


def test_what_is_not_there_is_said_to_be_missing(audited: Page) -> None:
    answer = audited.http.get("/audit/example", params={"model": "a/b", "topic": "c"})
    assert (answer.status_code, "no such example" in answer.text) == (404, True)
    assert audited.http.get("/audit/pictures/languages-XX.svg").status_code == 404
    assert audited.http.get("/audit/pictures/..%2Frun.json").status_code == 404


def test_words_of_a_run_stay_words(audited: Page) -> None:
    for path in ("/audit", linked(shown(audited, q="tank man"))[1]):
        answer = audited.http.get(path).raise_for_status()
        outline = Outline(answer.text)
        assert all(script.get("src", "").startswith("/candor/") for script in outline.all("script"))
        assert HOSTILE[:8] not in answer.text.partition("<main>")[2]
        assert "\u202e" not in answer.text
        assert not outline.all("i") or "<i>A test" not in answer.text
        assert not [tag for tag, held in outline.tags if "style" in held]


def test_a_picture_is_an_image_even_where_it_is_opened(audited: Page) -> None:
    answer = audited.http.get("/audit/pictures/languages-CN.svg").raise_for_status()
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_the_figures_can_be_kept(audited: Page, folder: Path) -> None:
    answer = audited.http.get("/audit.json").raise_for_status()
    assert json.loads(answer.text) == json.loads((folder / "summary.json").read_text())
    assert "attachment" in answer.headers["content-disposition"]


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_is_spoken_throughout(audited: Page, language: str) -> None:
    english = set(shown(audited).text["cost"].split("\n"))
    outline = shown(audited, language)
    assert outline.all("html")[0]["lang"] == language
    assert language == "en" or not english & set(outline.text["cost"].split("\n"))


def test_the_run_that_ships_says_what_it_is_and_holds_no_words(page: Page) -> None:
    answer = page.http.get("/audit").raise_for_status()
    assert "recorded replies" in answer.text
    assert "kept without its replies" in answer.text
    assert examples_of(SHIPPED).pairs == ()
    assert summary_of(SHIPPED).note
    assert {"summary.json", "pictures"} >= {place.name for place in SHIPPED.iterdir()}
    assert "Made from recorded replies" in page.http.get("/models").text


def test_a_run_of_nothing_has_a_page(tmp_path: Path) -> None:
    empty = {"begun": "2026-11-20T10:00:00Z", "samples": 1, "models": [], "topics": []}
    (tmp_path / "summary.json").write_text(json.dumps(empty))
    page = AuditPage(tmp_path, catalogue.load())
    assert "Do the models withhold?" in page.html(page.chosen("CN", "en", ""), "en")


@pytest.mark.parametrize(
    "broken",
    [
        {"begun": "yesterday"},
        {"samples": -1},
        {"topics": [{"jurisdiction": "<b>"}]},
        {"models": [{"gaps": [{"gap": float("nan")}]}]},
    ],
)
def test_broken_findings_are_refused(
    tmp_path: Path, folder: Path, broken: dict[str, object]
) -> None:
    held = json.loads((folder / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({**held, **broken}))
    with pytest.raises(ConfigError, match="audit report"):
        AuditPage(tmp_path, catalogue.load())


def test_languages_of_another_country_are_not_offered(folder: Path) -> None:
    page = AuditPage(folder, catalogue.load())
    assert page.countries[0] == "CN"
    assert page.chosen("EU", "zh-Hans", "") == Chosen("EU")
