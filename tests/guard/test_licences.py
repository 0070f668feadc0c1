"""Licences: every one on offer is known, in each language, however it is written.

Not covered: whether a licence's text has changed since it was read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import catalogue, explain, licences, snapshot
from guard.errors import ConfigError
from guard.licences import Licence
from guard.types import ModelSpec

LISTED = licences.load()
VALID = """\
conditions:
  one: {en: Do one thing.}
licences:
  own: {name: Own, commercial: no, changes: yes, naming: true, condition: one}
"""


@pytest.mark.parametrize("model", catalogue.read().models, ids=lambda model: model.id)
def test_the_licence_of_each_model_on_offer_is_known(model: ModelSpec) -> None:
    found = licences.of(model.licence)
    assert found is not None
    assert found.name == model.licence
    held = snapshot.load().models[model.id]
    assert licences.of(held.licence_name) or licences.of(held.licence) is found


@pytest.mark.parametrize("id_", snapshot.load().models)
def test_the_licence_of_each_ancestor_is_known(id_: str) -> None:
    held = snapshot.load().models[id_]
    found = licences.of(held.licence_name or held.licence)
    assert found is not None
    assert found.name != "Other"


@pytest.mark.parametrize("licence", LISTED.values(), ids=LISTED)
def test_each_says_its_condition_in_every_language_of_ours(licence: Licence) -> None:
    assert licence.condition.keys() == set(explain.languages())
    for sentence in licence.condition.values():
        assert sentence.endswith((".", "。"))
        assert len(sentence) < 240


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("license:mit", "MIT"),
        ("The MIT License", "MIT"),
        ("modified-mit", "Modified MIT"),
        ("llama3.3", "Llama 3.3"),
        ("Llama 3.3", "Llama 3.3"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT", "Llama 3.1"),
        ("Gemma Terms of Use", "Gemma"),
        ("qwen-research", "Qwen Research"),
        ("falcon-llm-license", "Falcon-LLM"),
        ("yandexgpt-5-lite-8b", "YandexGPT-5-Lite-8B"),
        ("bigscience-bloom-rail-1.0", "BigScience BLOOM RAIL 1.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("other", "Other"),
    ],
)
def test_a_licence_is_found_however_it_is_written(written: str, name: str) -> None:
    found = licences.of(written)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("written", [None, "", "-", "own-terms", "m it-2", "x" * 100_000])
def test_what_is_no_known_licence_is_none(written: str | None) -> None:
    assert licences.of(written) is None


def test_open_means_approved_and_free_of_conditions_of_use() -> None:
    open_ones = {id_ for id_, licence in LISTED.items() if licence.open}
    assert open_ones == {"apache-2.0", "mit", "bsd-3-clause", "gpl-3.0", "agpl-3.0"}
    assert all(LISTED[id_].commercial == "yes" for id_ in open_ones)


def test_a_wrong_condition_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "licences.yaml"
    path.write_text(VALID)
    assert licences.load(path)["own"].condition == {"en": "Do one thing."}
    path.write_text(VALID.replace("condition: one", "condition: oen"))
    with pytest.raises(ConfigError, match="Did you mean 'one'") as caught:
        licences.load(path)
    assert caught.value.line == 4
