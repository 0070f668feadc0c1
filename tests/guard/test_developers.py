"""Who makes models: the developers that ship, and what is said of a wrong file.

Whether a source's page still says what it said is not covered: no test here goes online.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from babel import Locale

from guard import catalogue, developers, provenance
from guard.developers import Developer
from guard.errors import ConfigError
from guard.types import ModelSpec

SHIPPED = developers.developers()
DEVELOPERS = list({id(developer): developer for developer in SHIPPED.values()}.values())
MODELS = catalogue.load().models
TERRITORIES = Locale("en").territories
VALID = """\
developers:
  acme:
    name: Acme
    aliases: [acme-labs]
    origin: NO
    kind: company
    source: {title: Acme, url: https://example.org/}
  other:
    name: Other
    origin: FI
    kind: lab
    source: {title: Other, url: https://example.org/other}
"""


def load(folder: Path, text: str) -> dict[str, Developer]:
    path = folder / "developers.yaml"
    path.write_text(text, encoding="utf-8")
    return developers.load_developers(path)


# What ships


def test_enough_developers_of_enough_origins() -> None:
    assert len(DEVELOPERS) >= 60
    assert len({developer.origin for developer in DEVELOPERS}) >= 20


@pytest.mark.parametrize("developer", DEVELOPERS, ids=lambda developer: developer.name)
def test_each_entry_is_plausible(developer: Developer) -> None:
    assert developer.origin in TERRITORIES
    assert developer.source.url.startswith("https://")
    assert developer.name.strip() == developer.name
    assert developer.legal_name != developer.name, "said once is enough"
    assert developer.note is None or developer.note.endswith(".")


def test_no_name_stands_for_two_developers() -> None:
    names = [developer.name.casefold() for developer in DEVELOPERS]
    assert len(set(names)) == len(names)


def test_organisations_are_lower_case() -> None:
    assert [name for name in SHIPPED if name != name.casefold()] == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_developer_of_each_model_on_offer_is_listed(model: ModelSpec) -> None:
    for made in (model, *model.base):
        owner = made.id.casefold().partition("/")[0]
        assert SHIPPED[owner].origin == made.origin


@pytest.mark.parametrize(
    ("model", "origin"),
    [
        ("Qwen/Qwen9", "CN"),
        ("THUDM/glm-4-9b", "CN"),
        ("x-ai/grok-1", "US"),
        ("mistral/small", "FR"),
        ("utter-project/EuroLLM-9B", "EU"),
        ("yandex/none-such", "RU"),
    ],
)
def test_a_model_that_is_not_on_offer_has_its_developers_origin(model: str, origin: str) -> None:
    assert provenance.origins(model) == (origin,)


def test_an_unknown_developer_has_no_origin() -> None:
    assert provenance.origins("nobody-knows/one") == ()


# Reading


def test_an_alias_finds_the_same_developer(tmp_path: Path) -> None:
    found = load(tmp_path, VALID)
    assert found["acme-labs"] is found["acme"]
    assert found["acme"].origin == "NO", "Norway is no boolean"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("kind: lab", "kind: labb", 11, "Did you mean 'lab'?"),
        ("kind: lab", "knid: lab", 11, "Did you mean 'kind'?"),
        ("origin: FI", "origin: Finland", 10, "origin"),
        ("    kind: lab\n", "", 8, "'kind' is missing"),
        ("  other:", "  Other:", 8, "Other"),
        ("[acme-labs]", "[Acme-Labs]", 4, "aliases"),
        ("[acme-labs]", "[other]", 4, "'other' is listed twice"),
        ("[acme-labs]", "[acme]", 4, "'acme' is listed twice"),
        ("https://example.org/other", "example.org", 12, "url"),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    assert old in VALID
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, VALID.replace(old, new, 1))
    assert caught.value.line == line
    assert said in str(caught.value)
    assert str(tmp_path / "developers.yaml") in str(caught.value)
