"""`models.snapshot.json`: what ships, how a lineage is walked, and what a broken file is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from guard import catalogue, snapshot
from guard.errors import ConfigError
from guard.snapshot import HubModel, Offer, Parent, Snapshot
from guard.types import ModelSpec

SHIPPED = snapshot.load()
ROOT = Parent(id="b/root", relation="merge")
MODELS = catalogue.read().models


def holding(parents: dict[str, list[str]]) -> Snapshot:
    """A snapshot of models by their parents; each step is a fine-tune."""
    models = {
        id_: HubModel(id=id_, parents=tuple(Parent(id=p, relation="finetune") for p in above))
        for id_, above in parents.items()
    }
    return Snapshot(models=models)


def walked(held: Snapshot, model: str, *also: str) -> list[str]:
    return [f"{node.steps} {node.id}" for node in held.lineage(model, also).nodes]


# What ships


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_each_model_on_offer_is_there(model: ModelSpec) -> None:
    held = SHIPPED.models[model.id]
    assert held.licence
    assert held.author == model.id.partition("/")[0]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_models_yaml_and_the_snapshot_tell_one_lineage(model: ModelSpec) -> None:
    lineage = SHIPPED.lineage(model.id)
    assert {node.id for node in lineage.ancestors} == {parent.id for parent in model.base}
    assert all(node.state == "known" for node in lineage.nodes)
    assert {node.origin for node in lineage.ancestors} == {p.origin for p in model.base}


def test_it_says_how_it_came_to_be() -> None:
    assert SHIPPED.taken is not None
    for model in SHIPPED.models.values():
        by_hand = model.source == "entered by hand from the model's card"
        assert by_hand == (model.read is None)
        assert not (by_hand and model.offers), "prices are not remembered, they are read"


def test_the_file_is_laid_out_as_it_would_be_written() -> None:
    assert snapshot.FILE.read_text(encoding="utf-8") == snapshot.written(SHIPPED)


# Lineage


def test_a_chain_is_followed_to_its_root() -> None:
    held = holding({"a/one": ["b/two"], "b/two": ["c/three"], "c/three": []})
    assert walked(held, "a/one") == ["0 a/one", "1 b/two", "2 c/three"]
    lineage = held.lineage("A/ONE")
    assert lineage.nodes[0].id == "a/one", "as the snapshot writes it"
    assert [root.id for root in lineage.roots] == ["c/three"]
    assert [(s.child, s.parent, s.relation) for s in lineage.steps] == [
        ("a/one", "b/two", "finetune"),
        ("b/two", "c/three", "finetune"),
    ]


def test_several_parents_and_a_common_root_are_no_circle() -> None:
    held = holding({"a/m": ["b/x", "b/y"], "b/x": ["c/r"], "b/y": ["c/r", "d/s"], "c/r": []})
    lineage = held.lineage("a/m")
    assert walked(held, "a/m") == ["0 a/m", "1 b/x", "1 b/y", "2 c/r", "2 d/s"]
    assert not lineage.cut
    assert len(lineage.steps) == 5
    assert {root.id for root in lineage.roots} == {"c/r", "d/s"}


@pytest.mark.parametrize(
    ("parents", "cut"),
    [
        ({"a/x": ["a/x"]}, [("a/x", "a/x")]),
        ({"a/x": ["A/X"]}, [("a/x", "a/x")]),
        ({"a/x": ["a/y"], "a/y": ["a/x"]}, [("a/y", "a/x")]),
        ({"a/x": ["a/y"], "a/y": ["a/z"], "a/z": ["a/y"]}, [("a/z", "a/y")]),
        ({"a/x": ["a/y", "a/z"], "a/y": ["a/z"], "a/z": ["a/y"]}, [("a/z", "a/y")]),
    ],
)
def test_a_circle_is_cut_and_noted(
    parents: dict[str, list[str]], cut: list[tuple[str, str]]
) -> None:
    lineage = holding(parents).lineage("a/x")
    assert [(step.child, step.parent) for step in lineage.cut] == cut
    assert len(lineage.nodes) == len(parents)


def test_missing_and_unread_parents_keep_their_place() -> None:
    models = {
        "a/one": HubModel(id="a/one", parents=(Parent(id="qwen/gone"), Parent(id="who/unread"))),
        "qwen/gone": HubModel(id="qwen/gone", missing=True),
    }
    nodes = Snapshot(models=models).lineage("a/one").nodes
    assert [(n.id, n.state, n.origin) for n in nodes] == [
        ("a/one", "known", None),
        ("qwen/gone", "missing", "CN"),
        ("who/unread", "unread", None),
    ]


def test_a_model_that_is_not_held_is_a_lineage_of_its_own() -> None:
    lineage = Snapshot().lineage("deepseek-ai/new")
    assert [(n.developer, n.state) for n in lineage.nodes] == [("DeepSeek", "unread")]
    assert lineage.origins == ("CN",)


def test_parents_known_from_elsewhere_come_along_with_their_own() -> None:
    held = holding({"a/one": ["b/two"], "b/two": [], "c/other": ["c/root"]})
    assert walked(held, "a/one", "b/two", "c/other") == [
        *("0 a/one", "1 b/two", "1 c/other", "2 c/root"),
    ]


def test_an_offer_is_found_by_model_and_provider() -> None:
    offers = (Offer(provider="groq", model="x"), Offer(provider="novita", model="y"))
    held = Snapshot(models={"a/one": HubModel(id="a/one", offers=offers)})
    assert held.offer("A/one", "Novita") == offers[1]
    assert held.offer("a/one", "together") is None
    assert held.offer("a/two", "groq") is None


def test_a_former_name_finds_the_model() -> None:
    model = HubModel(id="zai-org/GLM", renamed_from=("THUDM/GLM",))
    held = Snapshot(
        models={model.id: model, "a/b": HubModel(id="a/b", parents=(Parent(id="thudm/glm"),))}
    )
    assert held.get("THUDM/glm") is model
    assert walked(held, "a/b") == ["0 a/b", "1 zai-org/GLM"]


# What has changed


def test_changes_tell_what_a_reviewer_should_look_at() -> None:
    offers = (Offer(provider="groq", model="x"), Offer(provider="novita", model="y", live=False))
    old = HubModel(id="a/one", licence="mit", gated="no", modified="2025-01-01")
    new = HubModel(id="a/one", licence="other", licence_name="own", gated="auto", offers=offers)
    before = Snapshot(models={"a/one": old, "a/gone": HubModel(id="a/gone")})
    after = Snapshot(models={"a/one": new, "a/new": HubModel(id="a/new", parents=(ROOT,))})
    assert [str(change) for change in snapshot.changes(before, after)] == [
        "a/gone: on the Hub: yes → none",
        "a/new: made from: none → b/root (merge)",
        "a/new: on the Hub: none → yes",
        "a/one: licence: mit → other own",
        "a/one: gated: no → auto",
        "a/one: providers: none → groq",
    ]
    assert snapshot.changes(after, after) == []


# The file


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    offer = Offer(provider="novita", model="x", context=8192, input_price=0.1, output_price=0.4)
    model = HubModel(id="b/two", licence="mit", gated="auto", created="2025-01", offers=(offer,))
    held = Snapshot(
        taken=date(2026, 1, 2),
        warnings=("one",),
        models={"b/two": model, "A/one": HubModel(id="A/one", missing=True)},
    )
    path = tmp_path / "models.snapshot.json"
    snapshot.write(path, held)
    assert snapshot.load(path) == held
    assert list(snapshot.load(path).models) == ["A/one", "b/two"]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "models.snapshot.json"
    assert snapshot.load(path) == Snapshot()
    snapshot.write(path, holding({"a/one": []}))
    assert list(snapshot.load(path).models) == ["a/one"]
    snapshot.write(path, holding({"a/one": [], "b/two": []}))
    assert list(snapshot.load(path).models) == ["a/one", "b/two"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "object"),
        (b'{"takn": "2026-01-01"}', "takn"),
        (b'{"taken": "yesterday"}', "taken"),
        (b'{"models": {"a/b": {"id": "a/b", "gated": "perhaps"}}}', "models.a/b.gated"),
        (b'{"models": {"a/b": {"id": "a/c"}}}', "models"),
        (b'{"models": {"a b": {"id": "a b"}}}', "models.a b"),
        (b'{"models": {"a/b": {"id": "a/b", "parameters": -1}}}', "models.a/b.parameters"),
    ],
)
def test_a_broken_file_names_its_place_and_what_to_do(
    tmp_path: Path, content: bytes, place: str
) -> None:
    path = tmp_path / "models.snapshot.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        snapshot.load(path)
    said = str(caught.value)
    assert str(path) in said
    assert place in said
    assert "python -m guard models refresh" in said


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="refresh"):
        snapshot.load(tmp_path)


def test_it_lies_beside_its_models() -> None:
    assert snapshot.beside(catalogue.FILE) == snapshot.FILE
    assert snapshot.beside(Path("/etc/own.yaml")) == Path("/etc/own.snapshot.json")
