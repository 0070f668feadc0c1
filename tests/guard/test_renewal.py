"""`models refresh` and `models add`, in processes of their own, with a host that plays the Hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard import catalogue, snapshot
from guard.snapshot import HubModel, Parent, Snapshot
from tests import hub as playing
from tests.hub import Host

ENTRY = """\
  - id: {id}
    name: {id}
    developer: Acme
    origin: {origin}
    licence: MIT
    context: 4096
    card: https://huggingface.co/{id}
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with playing.running() as running:
        yield running


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return offering(tmp_path, "acme/Tuned-7B", "acme/Adapter")


def offering(folder: Path, *ids: str) -> Path:
    path = folder / "models.yaml"
    entries = "".join(ENTRY.format(id=id_, origin="US") for id_ in ids)
    path.write_text(f"default: {ids[0]}\nmodels:\n{entries}")
    return path


def run(
    host: Host, models: Path, *arguments: str, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    addresses = {"HF_ENDPOINT": host.endpoint, "CANDOR_ROUTER": f"{host.endpoint}/v1/"}
    done = subprocess.run(
        [sys.executable, "-m", "guard", "models", *arguments],
        env={**os.environ, **addresses, "CANDOR_MODELS": str(models)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def held_beside(models: Path) -> Snapshot:
    return snapshot.load(models.with_name("models.snapshot.json"))


def test_all_models_and_their_ancestors_are_read_and_what_is_new_is_told(
    host: Host, models: Path
) -> None:
    done = run(host, models, "refresh")
    held = held_beside(models)
    assert set(held.models) == {
        *("acme/Tuned-7B", "acme/Adapter", "Qwen/Test-7B-Instruct", "Qwen/Test-7B"),
    }
    assert "acme/Adapter: made from: none → Qwen/Test-7B (adapter)" in done.stdout
    assert "acme/Tuned-7B: providers: none → novita, scaleway" in done.stdout
    assert str(models.with_name("models.snapshot.json")) in done.stderr
    assert catalogue.load(models).get("acme/Adapter").origins == ("US", "CN")
    assert "nothing has changed" in run(host, models, "refresh").stdout


def test_the_list_names_an_ancestor_without_an_origin(host: Host, models: Path) -> None:
    parents = (Parent(id="who/Knows-7B", relation="finetune"),)
    model = HubModel(id="acme/Adapter", parents=parents)
    snapshot.write(models.with_name("models.snapshot.json"), Snapshot(models={model.id: model}))
    assert "who/Knows-7B (?)" in run(host, models).stdout


def test_only_the_models_that_are_named_are_renewed(host: Host, models: Path) -> None:
    run(host, models, "refresh")
    host.asked.clear()
    changed = json.loads(run(host, models, "refresh", "ACME/adapter", "--json").stdout)
    assert changed["changes"] == changed["unread"] == []
    assert host.asked.keys() == {"router", "acme/Adapter"}
    assert set(held_beside(models).models) > {"acme/Tuned-7B", "acme/Adapter"}


@pytest.mark.parametrize(
    ("id_", "said"), [("acme/Adaptor", "Did you mean 'acme/Adapter'?"), ("zzz/9", "models add")]
)
def test_a_model_that_is_not_on_offer_is_a_wrong_argument(
    host: Host, models: Path, id_: str, said: str
) -> None:
    assert said in run(host, models, "refresh", id_, expect=2).stderr
    assert not host.asked


def test_a_model_that_cannot_be_read_ends_with_1_and_is_named(host: Host, tmp_path: Path) -> None:
    models = offering(tmp_path, "acme/Adapter", "busy/Never", "acme/Gone")
    done = run(host, models, "refresh", expect=1)
    assert "warning: busy/Never: could not be read: status 500" in done.stderr
    assert "warning: acme/Gone: is not on the Hub" in done.stderr
    assert held_beside(models).models["acme/Gone"].missing
    assert "Qwen/Test-7B" in held_beside(models).models


def test_where_nothing_can_be_read_the_snapshot_stays(host: Host, tmp_path: Path) -> None:
    models = offering(tmp_path, "busy/Never")
    before = Snapshot(models={"busy/Never": HubModel(id="busy/Never", licence="mit")})
    place = models.with_name("models.snapshot.json")
    snapshot.write(place, before)
    written = place.read_bytes()
    done = run(host, models, "refresh", expect=1)
    assert "nothing could be read" in done.stderr
    assert place.read_bytes() == written


def test_a_broken_snapshot_is_made_anew_but_not_in_part(host: Host, models: Path) -> None:
    place = models.with_name("models.snapshot.json")
    place.write_text("{")
    assert "models refresh" in run(host, models, expect=2).stderr
    assert "models refresh" in run(host, models, "refresh", "acme/Adapter", expect=2).stderr
    run(host, models, "refresh")
    assert len(held_beside(models).models) == 4


def test_a_malformed_card_is_a_warning_and_no_failure(host: Host, tmp_path: Path) -> None:
    models = offering(tmp_path, "acme/Broken-card")
    done = run(host, models, "refresh")
    assert "warning: acme/Broken-card: " in done.stderr
    assert "Qwen/Test-7B (finetune)" in done.stdout


def test_an_entry_is_proposed_and_not_written(host: Host, models: Path) -> None:
    before = models.read_bytes()
    done = run(host, models, "add", "Qwen/Test-Thinker")
    assert done.stdout.startswith("  - id: Qwen/Test-Thinker\n    name: Test-Thinker\n")
    assert "check reasoning: " in done.stderr
    assert models.read_bytes() == before
    listed = json.loads(run(host, models, "add", "Qwen/Test-Thinker", "--json").stdout)
    assert listed["developer"] == "Alibaba (Qwen)"


def test_an_entry_is_written_with_what_was_read(host: Host, models: Path) -> None:
    run(host, models, "add", "Qwen/Test-Thinker", "--write")
    spec = catalogue.load(models).get("Qwen/Test-Thinker")
    assert [parent.id for parent in spec.base] == [
        *("acme/Tuned-7B", "Qwen/Test-7B-Instruct", "Qwen/Test-7B"),
    ]
    assert "Qwen/Test-Thinker" in held_beside(models).models


def test_what_cannot_be_added_ends_with_2(host: Host, models: Path) -> None:
    assert "origin" in run(host, models, "add", "acme/No-card", "--write", expect=2).stderr
    assert "not on the Hub" in run(host, models, "add", "acme/Gone", expect=2).stderr
    assert "already" in run(host, models, "add", "acme/Tuned-7B", "--write", expect=2).stderr
