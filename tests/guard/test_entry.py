"""Entries for `models.yaml` as they are proposed, with a real server in the Hub's place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from guard import catalogue, entry
from guard.entry import Entry
from guard.errors import ConfigError, InputError
from tests import hub as playing
from tests.hub import Host

TODAY = date(2026, 11, 22)
MODELS = """\
default: acme/One # a comment that stays

models:
  - id: acme/One
    name: One
    developer: Acme
    origin: NO
    licence: MIT
    context: 4096
    card: https://example.org/one
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with playing.running() as running:
        yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.yaml"
    path.write_text(MODELS)
    return path


def propose(host: Host, model: str) -> Entry:
    return entry.propose(model, host.hub, TODAY)


def test_a_whole_entry(host: Host) -> None:
    proposed = propose(host, "Qwen/Test-Thinker")
    assert proposed.missing == []
    assert yaml.safe_load(proposed.yaml()) == [
        {
            "id": "Qwen/Test-Thinker",
            "name": "Test-Thinker",
            "developer": "Alibaba (Qwen)",
            "origin": "CN",
            "licence": "Llama 3.3",
            "base": [
                {"id": "acme/Tuned-7B"},
                {"id": "Qwen/Test-7B-Instruct", "origin": "CN"},
                {"id": "Qwen/Test-7B", "origin": "CN"},
            ],
            "context": 40960,
            "reasoning": True,
            "card": "https://huggingface.co/Qwen/Test-Thinker",
        }
    ]
    said = " ".join(proposed.checks)
    for word in ("context", "reasoning", "<think>", "acme/Tuned-7B"):
        assert word in said


def test_what_nobody_says_is_empty_and_has_a_comment(host: Host) -> None:
    proposed = propose(host, "acme/No-card")
    assert proposed.missing == ["origin", "context"]
    lines = {line.split(":")[0].strip(" -"): line for line in proposed.yaml().splitlines()}
    for key in ("developer", "origin", "context"):
        assert " # " in lines[key]
    assert lines["origin"].split("#")[0].strip() == "origin:"
    assert "reasoning: false # not known" in proposed.yaml()


@pytest.mark.parametrize(
    ("model", "context"), [("mistralai/Test-7B", 131072), ("acme/Tuned-7B", 32768)]
)
def test_the_context_is_the_configurations_else_the_providers(
    host: Host, model: str, context: int
) -> None:
    assert propose(host, model).values()["context"] == context


@pytest.mark.parametrize(("model", "sees"), [("mistralai/Test-7B", True), ("acme/Tuned-7B", None)])
def test_a_model_sees_if_its_configuration_says_how(
    host: Host, model: str, sees: bool | None
) -> None:
    assert propose(host, model).values().get("images") is sees


def test_hostile_words_stay_on_their_line(host: Host) -> None:
    proposed = propose(host, "acme/Hostile")
    (held,) = yaml.safe_load(proposed.yaml())
    assert set(held) <= {*catalogue.ModelSpec.model_fields}
    assert "\x1b" not in proposed.yaml()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("acme/Gone", "not on the Hub"),
        ("meta-llama/Test-7B", "gated"),
        ("busy/Never", "status 500"),
        ("../../etc/passwd", "could not be read"),
        ("", "could not be read"),
        ("a b\n", "could not be read"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused(host: Host, model: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        propose(host, model)


def test_an_entry_is_added_at_the_end(host: Host, models: Path) -> None:
    entry.append(propose(host, "Qwen/Test-Thinker"), models)
    assert models.read_text().startswith(MODELS), "what was there stays as it was"
    assert list(catalogue.read(models).by_id) == ["acme/One", "Qwen/Test-Thinker"]
    with pytest.raises(InputError, match="already"):
        entry.append(propose(host, "QWEN/test-thinker"), models)


def test_an_entry_with_gaps_is_not_added(host: Host, models: Path) -> None:
    with pytest.raises(InputError, match="origin, context"):
        entry.append(propose(host, "acme/No-card"), models)
    assert models.read_text() == MODELS


def test_a_model_that_no_fallback_may_answer_for_is_not_added(host: Host, models: Path) -> None:
    top = "guard: {mode: fall back, fallbacks: [acme/Two]}\n"
    two = MODELS.partition("models:\n")[2].replace("acme/One", "acme/Two").replace("NO", "CH")
    kin = two.replace("    context", "    base: [{id: Qwen/Test-7B, origin: CH}]\n    context")
    models.write_text(top + MODELS + kin)
    before = models.read_bytes()
    with pytest.raises(ConfigError, match="nobody in this chain may answer for Qwen/Test-Thinker"):
        entry.append(propose(host, "Qwen/Test-Thinker"), models)
    assert models.read_bytes() == before


def test_a_file_whose_models_do_not_stand_at_its_end_is_left_as_it_is(
    host: Host, models: Path
) -> None:
    turned = (
        MODELS.replace("default: acme/One # a comment that stays\n\n", "") + "default: acme/One\n"
    )
    models.write_text(turned)
    with pytest.raises(ConfigError, match="by hand"):
        entry.append(propose(host, "Qwen/Test-Thinker"), models)
    assert models.read_text() == turned
