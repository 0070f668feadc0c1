"""What is known of a model by its name alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from guard import catalogue, provenance
from guard.types import ModelSpec
from guard.unlisted import Unlisted, spec_of

MODELS = catalogue.load()


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-72B-Instruct"),
        ("qwen/qwen2.5-72b-instruct", "Qwen/Qwen2.5-72B-Instruct"),
        ("DeepSeek-R1", "deepseek-ai/DeepSeek-R1"),
        ("deepseek/deepseek-r1:free", "deepseek-ai/DeepSeek-R1"),
    ],
)
def test_a_listed_model_is_its_entry_however_it_is_called(name: str, id_: str) -> None:
    assert spec_of(name, MODELS) == MODELS.get(id_)


@pytest.mark.parametrize(
    ("name", "developer", "origin"),
    [
        ("Qwen/Qwen9-1B", "Alibaba (Qwen)", "CN"),
        ("openai/gpt-4o", "OpenAI", "US"),
        ("somebody/own-model", "", ""),
        ("my deployment at work", "", ""),
        ("/models/ggml.gguf", "", ""),
        ("x/", "", ""),
        ("\u202e/\x1b[2J", "", ""),
    ],
)
def test_of_another_its_developer_is_known_at_most(name: str, developer: str, origin: str) -> None:
    spec = spec_of(name, MODELS)
    assert isinstance(spec, Unlisted)
    assert isinstance(spec, ModelSpec)
    assert (spec.id, spec.developer, spec.origin) == (name, developer, origin)
    assert spec.name


def test_an_ancestor_that_only_the_snapshot_knows_has_its_lineage() -> None:
    listed = {id_.casefold() for id_ in MODELS.by_id}
    known = [
        model.id
        for model in MODELS.snapshot.models.values()
        if model.id.casefold() not in listed and MODELS.snapshot.lineage(model.id).ancestors
    ]
    assert known
    for id_ in known:
        spec = spec_of(id_, MODELS)
        assert spec.id == id_
        assert spec.base
        assert provenance.aligned(spec.origins, "CN") == provenance.aligned(
            provenance.origins(id_, MODELS), "CN"
        )


def test_of_an_unknown_origin_nothing_is_known_to_be_a_taboo() -> None:
    assert provenance.aligned(spec_of("somebody/own-model", MODELS).origins, "CN") is None


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_no_name_and_one_too_long_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        spec_of(name, MODELS)
