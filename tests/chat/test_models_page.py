"""The page of the models and its export, over a real socket; filters: see `tests/browser`.

`tests/data/models` holds every shape of a lineage, and what a hostile Hub might say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from outline import Outline
from served import Page, Site, page_of, serving

from chat import texts
from chat.pages.models import ModelsPage, compact, day, money
from chat.provenance import Provenance
from chat.settings import Settings
from guard import catalogue
from guard.audit.record import Summary, summary_of
from guard.developers import developer_of
from guard.errors import ConfigError

ODD = Path(__file__).parents[1] / "data" / "models" / "models.yaml"
SHIPPED = catalogue.load()
MERGED = "acme-labs/Merged-70B-Instruct-with-a-very-long-name-that-no-phone-can-hold-v1.2-preview"


@pytest.fixture(scope="module")
def odd_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app with odd models, and no host connected."""
    with serving(Settings(models=ODD, data=tmp_path_factory.mktemp("odd"))) as site:
        yield site


@pytest.fixture
def odd(odd_site: Site) -> Iterator[Page]:
    with page_of(odd_site.url) as page:
        yield page


def shown(page: Page, language: str = "en") -> Outline:
    answer = page.http.get("/models", headers={"accept-language": language})
    assert answer.raise_for_status().headers["content-language"] == language
    return Outline(answer.text)


def exported(page: Page) -> Provenance:
    return Provenance.model_validate_json(page.http.get("/models.json").raise_for_status().text)


# --- the page ---------------------------------------------------------------------------------


def test_each_model_on_offer_has_a_card(page: Page) -> None:
    outline = shown(page)
    assert outline.cards() == [model.id for model in SHIPPED.models]
    for model in SHIPPED.models:
        card = outline.text[model.id]
        assert model.name in card
        assert model.licence.split("-")[0] in card
        for parent in model.base:
            assert parent.id.rpartition("/")[2] in card


def test_scripted_personas_have_none(odd: Page) -> None:
    assert "demo/" in odd.state()["picker"]
    assert not [card for card in shown(odd).cards() if card.startswith("demo/")]
    assert {model.spec.id for model in exported(odd).models} == set(catalogue.load(ODD).by_id)


def test_a_card_says_where_a_model_comes_from(odd: Page) -> None:
    card = shown(odd).text["Qwen/Qwen2.5-72B-Instruct"]
    for said in (
        *("default", "China", "Alibaba", "72.7 billion", "131,072 tokens", "open to all"),
        *("September 16, 2024", "changed January 12, 2025", "finetune of", "Qwen2.5-72B"),
        *("with conditions", "Made from recorded replies"),
    ):
        assert said in card, said


def test_providers_are_shown_with_seat_price_and_context(odd: Page) -> None:
    card = shown(odd).text["Qwen/Qwen2.5-72B-Instruct"]
    assert re.search(r"Nebius +🇳🇱 +Netherlands +\$0\.13 +\$0\.40 +131,072", card)
    assert re.search(r"Featherless AI +🇺🇸 +United States +– +– +–", card)
    assert re.search(r"Together AI +not now +🇺🇸 +United States", card)
    assert re.search(r"nobody</b> +country not known +\$0\.039", card)
    assert re.search(r"from +\$0\.039 +in, +\$0\.0999 +out, per million tokens", card)


def test_what_is_not_known_is_said_to_be(odd: Page) -> None:
    cards = shown(odd).text
    assert "python -m guard models refresh" in cards["acme-labs/Unknown-7B"]
    assert "What it allows is not known here" in cards["acme-labs/Unknown-7B"]
    assert "The card names no model" not in cards["acme-labs/Unknown-7B"]  # nobody has read it
    assert "The card names no model" in cards["openai/gpt-oss-120b"]
    assert "No provider of the Hub serves it" in cards["openai/gpt-oss-120b"]


def test_the_parts_that_models_play_are_named(odd: Page) -> None:
    cards = shown(odd).text
    mistral = cards["mistralai/Mistral-Small-3.2-24B-Instruct-2506"]
    assert re.search(r"fallback 1 +fallback 1 on topics of the United States", mistral)
    assert re.search(r"fallback 2 +judge +reasoning", cards["openai/gpt-oss-120b"])


def test_a_lineage_of_several_parents_is_told_in_words(odd: Page) -> None:
    card = " ".join(shown(odd).text[MERGED].split())
    name = MERGED.rpartition("/")[2]
    assert f"{name} – merge of 🇨🇳 Qwen2.5-72B China" in card
    assert f"{name} – adapter of Lost-70B" in card
    assert "not on the Hub, or not public" in card
    assert f"{name} – made from Listed developer not known · not looked up" in card
    assert f"Llama-3.1-70B also names {name} as its base" in card
    assert "built on 🇨🇳 China" in card


def test_a_node_leads_to_its_card_or_to_the_hub(page: Page) -> None:
    links = {link["href"] for link in shown(page).all("a")}
    assert "#deepseek-ai/DeepSeek-R1" in links
    assert "https://huggingface.co/deepseek-ai/DeepSeek-V3-Base" in links


def test_ids_are_one_of_a_kind_and_labels_lead_somewhere(page: Page) -> None:
    tags = shown(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {
        attributes["aria-labelledby"] for _, attributes in tags if "aria-labelledby" in attributes
    }
    anchors = {
        str(a.get("href"))[1:] for t, a in tags if t == "a" and str(a.get("href")).startswith("#")
    }
    assert (named | anchors) <= set(ids)


def test_headings_are_in_order(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in shown(page).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_is_spoken_throughout(odd: Page, language: str) -> None:
    outline = shown(odd, language)
    say = texts.texts(language).model_dump()
    assert outline.all("html")[0]["lang"] == language
    body = " ".join(outline.text["about"].split())
    assert say["models_about"] in body
    assert say["models_nobody_serves"] in body
    assert not re.search(r"\{\w*\}", body)
    assert len(outline.cards()) == 6


def test_french_sets_no_break_spaces(odd: Page) -> None:
    said = shown(odd, "fr").text["Qwen/Qwen2.5-72B-Instruct"]
    assert "source\u00a0:" in said
    assert "source:" not in said


def test_the_chat_leads_there_and_back(page: Page) -> None:
    chat = page.http.get("/").text
    assert "/models" in chat
    links = [link.get("href") for link in shown(page).all("a")]
    assert links.count("/") == 2
    assert "/?model=Qwen/Qwen2.5-72B-Instruct" in links
    asked = page.answered("How do I cook lentil soup?")
    thread = page.state(asked)["thread"]
    assert '<a href="/models#meta-llama/Llama-3.3-70B-Instruct">' in thread


def test_a_snapshots_age_stands_at_the_foot(page: Page, odd: Page) -> None:
    assert "As of November 20, 2026." in odd.http.get("/models").text
    assert "Read from the Hub: 4." in odd.http.get("/models").text
    assert "Entered by hand from models&#39; cards: 1." in odd.http.get("/models").text


def test_without_a_snapshot_the_page_stands(tmp_path: Path) -> None:
    lonely = tmp_path / "models.yaml"
    lonely.write_text(ODD.read_text())
    html = ModelsPage(catalogue.load(lonely)).html("en")
    assert "has not been read yet" in html
    assert len(Outline(html).cards()) == 6


# --- outside words ----------------------------------------------------------------------------


def test_hostile_words_stay_words(odd: Page) -> None:
    outline = shown(odd)
    html = odd.http.get("/models").text
    for said in ("<img src=x", "<script>alert", "<b>nobody", "<b>70B</b>", "<i>is not"):
        assert said not in html
    assert {tag for tag, _ in outline.tags} & {"img", "iframe", "style", "object", "b"} <= {"b"}
    assert all(script["src"] for script in outline.all("script"))
    assert "\u202e" not in html
    for said in ("<img src=x onerror=alert(1)>", "<script>alert(1)</script>", '"><b>nobody</b>'):
        assert any(said in text for text in outline.text.values())


def test_nothing_but_web_addresses_is_linked_to(odd: Page) -> None:
    for link in shown(odd).all("a"):
        assert re.match(r"https?://|/|#", str(link["href"])), link
        outside = str(link["href"]).startswith("http")
        assert not outside or "noopener" in str(link["rel"])
    assert "https://huggingface.co/datasets/HuggingFaceTB/smoltalk2" in {
        link["href"] for link in shown(odd).all("a")
    }
    assert "datasets/.." not in odd.http.get("/models").text


def test_no_style_or_script_stands_in_the_page(odd: Page) -> None:
    """So that its own policy can forbid both."""
    outline = shown(odd)
    policy = next(meta["content"] for meta in outline.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in str(policy)
    assert "unsafe" not in str(policy)
    for _, attributes in outline.tags:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}


def test_an_address_with_a_password_is_not_told(odd: Page) -> None:
    assert "s3cret" in ODD.read_text()
    for path in ("/models", "/models.json"):
        assert "s3cret" not in odd.http.get(path).text
        assert "models.example" not in odd.http.get(path).text


# --- the export -------------------------------------------------------------------------------


def test_the_export_is_a_file_of_today(odd: Page) -> None:
    answer = odd.http.get("/models.json").raise_for_status()
    today = datetime.now(UTC).date()
    assert answer.headers["content-type"] == "application/json"
    named = answer.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="candor-models-\d{4}-\d{2}-\d{2}\.json"', named)
    found = Provenance.model_validate_json(answer.text)
    assert abs((found.exported - today).days) <= 1
    assert str(found.taken) == "2026-11-20"
    assert json.loads(answer.text)["form"] == "candor-provenance-1"


def test_the_export_holds_all_that_is_known(odd: Page) -> None:
    models = {model.spec.id: model for model in exported(odd).models}
    qwen, merged = models["Qwen/Qwen2.5-72B-Instruct"], models[MERGED]
    held = catalogue.load(ODD).snapshot
    assert qwen.hub == held.models["Qwen/Qwen2.5-72B-Instruct"]
    assert qwen.developer == developer_of("Qwen/Qwen2.5-72B-Instruct")
    assert [(one.name, one.origin) for one in qwen.providers][:2] == [
        ("Novita AI", "US"),
        ("Nebius", "NL"),
    ]
    assert (qwen.size, qwen.permission, qwen.open_data) == ("medium", "conditions", "not stated")
    assert qwen.licence is not None
    assert qwen.licence.condition["de"]
    assert merged.origins == ("CA", "CN", "US")
    assert merged.developer is None
    assert len(merged.lineage.steps) == 4
    assert len(merged.lineage.cut) == 1
    assert (merged.permission, merged.open_data) == ("non-commercial", "yes")
    unknown = models["acme-labs/Unknown-7B"]
    assert (unknown.hub, unknown.licence, unknown.size) == (None, None, "not stated")


def test_the_export_equals_what_is_shown(page: Page) -> None:
    outline, found = shown(page), exported(page)
    articles = {str(card["id"]): card for card in outline.all("article")}
    assert list(articles) == [model.spec.id for model in found.models]
    for model in found.models:
        card, text = articles[model.spec.id], outline.text[model.spec.id]
        assert card["data-origin"] == model.origins[0]
        assert card["data-licence"] == model.permission
        assert card["data-size"] == model.size
        assert card["data-data"] == model.open_data
        assert card["data-lineage"] == ("elsewhere" if len(model.origins) > 1 else "own")
        for node in model.lineage.ancestors:
            assert node.id.rpartition("/")[2] in text
        if model.hub and model.hub.parameters:
            assert compact(model.hub.parameters, "en") in text
        if model.developer:
            assert model.developer.source.title in text


def test_the_exports_shape_is_documented(page: Page) -> None:
    schema = page.http.get("/openapi.json").json()
    answer = schema["paths"]["/models.json"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/Provenance")
    assert "lineage" in schema["components"]["schemas"]["ModelProvenance"]["properties"]


# --- the shipped files ------------------------------------------------------------------------


def test_shipped_models_are_known_in_every_respect() -> None:
    for model in ModelsPage(SHIPPED).export().models:
        assert model.hub, f"{model.spec.id} is not in the snapshot"
        assert model.licence, f"the licence of {model.spec.id} is not known"
        assert model.developer, f"the developer of {model.spec.id} is not known"
        assert model.developer.origin == model.spec.origin


# --- words and numbers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "language", "said"),
    [
        ("2025-03", "en", "March 2025"),
        ("2025-03-04", "en", "March 4, 2025"),
        ("2025-03", "zh-Hant", "2025年3月"),
        ("2025-03-04", "de", "4. März 2025"),
    ],
)
def test_a_day_or_a_month(when: str, language: str, said: str) -> None:
    assert day(when, language) == said


@pytest.mark.parametrize(
    ("dollars", "language", "said"),
    [(0.039, "en", "$0.039"), (1.2, "en", "$1.20"), (0, "en", "$0.00"), (0.2, "de", "0,20\u00a0$")],
)
def test_a_price_is_exact(dollars: float, language: str, said: str) -> None:
    assert money(dollars, language) == said


@pytest.mark.parametrize("language", texts.languages())
def test_a_large_number_is_short(language: str) -> None:
    assert len(compact(72_706_203_648, language)) < 20
    assert "72" in compact(72_706_203_648, language)


def test_the_page_is_set_once_a_language() -> None:
    shown = ModelsPage(SHIPPED)
    assert shown.html("de") is shown.html("de")
    assert shown.html("de") != shown.html("es")


COUNTS = {
    **{"asked": 500, "failed": 2, "neutral": 20, "neutral_withheld": 0},
    **{"tokens": 90_000, "dollars": None, "seconds": 2.5},
}
AUDITED = {
    "begun": "2026-11-20T10:00:00+00:00",
    "samples": 3,
    "topics": [],
    "models": [
        {
            "model": "Qwen/Qwen2.5-72B-Instruct",
            "host": "",
            "state": "measured",
            **COUNTS,
            "gaps": [
                {
                    "jurisdiction": "CN",
                    "language": "zh-Hans",
                    "pairs": 154,
                    "probes": 0.44,
                    "controls": 0.03,
                    "gap": 0.41,
                    "low": 0.32,
                    "high": 0.49,
                    "withholds": True,
                }
            ],
        },
        {
            "model": "Qwen/Qwen2.5-72B-Instruct",
            "host": "other",
            "state": "failed",
            **COUNTS,
        },
        {"model": "Qwen/QwQ-32B", "host": "", "state": "void", **COUNTS},
    ],
}


def test_the_last_audits_figures_stand_on_the_cards() -> None:
    page = ModelsPage(SHIPPED, Summary.model_validate(AUDITED))
    html = page.html("en")
    assert re.search(
        r"Chinese \(Simplified.*?<b>\+41</b> \(\+32 – \+49\)</bdi> · beyond chance", html
    )
    assert '<a href="/audit">Audit</a> · November 20, 2026' in html
    assert "Void: it withheld on neutral questions as well." in html
    assert html.count("Not audited yet") == len(SHIPPED.models) - 2
    exported = page.export()
    assert str(exported.audited) == "2026-11-20"
    assert [m.audit.state for m in exported.models if m.audit] == ["measured", "void"]


@pytest.mark.parametrize("held", ["", "{", '{"begun": 3}'])
def test_an_audit_without_findings_is_refused_at_the_start(tmp_path: Path, held: str) -> None:
    if held:
        (tmp_path / "summary.json").write_text(held)
    with pytest.raises(ConfigError, match="audit report"):
        summary_of(tmp_path)
