"""`models.yaml`: what ships, and what an operator is told who gets it wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guard import catalogue, snapshot
from guard.catalogue import Catalogue
from guard.errors import ConfigError, UnknownModel
from guard.snapshot import HubModel, Parent, Snapshot
from guard.types import ModelSpec

SHIPPED = catalogue.load()
VALID = """\
default: acme/One
guard:
  mode: warn
  fallbacks: [acme/Two, acme/One]
models:
  - id: acme/One
    name: One
    developer: Acme
    origin: NO
    licence: MIT
    base:
      - {id: acme/Root, origin: CN}
    context: 4096
    card: https://example.org/one
  - id: acme/Two
    name: Two
    developer: Acme
    origin: FI
    licence: MIT
    context: 8192
    reasoning: true
    card: https://example.org/two
"""


def load(folder: Path, text: str | bytes) -> Catalogue:
    path = folder / "models.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return catalogue.load(path)


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


def refused(folder: Path, text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert str(folder / "models.yaml") in str(caught.value)
    return caught.value


# What ships


def test_enough_models_of_enough_origins() -> None:
    assert len(SHIPPED.models) >= 16
    assert len({model.origin for model in SHIPPED.models}) >= 7


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        (r"Qwen/Qwen2\.5-72B-Instruct", "CN"),
        (r"Qwen/QwQ-32B", "CN"),
        (r"Qwen/Qwen3-.*", "CN"),
        (r"deepseek-ai/DeepSeek-R1", "CN"),
        (r"deepseek-ai/DeepSeek-V3.*", "CN"),
        (r"zai-org/GLM-.*", "CN"),
        (r"moonshotai/Kimi-.*", "CN"),
        (r"meta-llama/Llama-3\.3-70B-Instruct", "US"),
        (r"openai/gpt-oss-120b", "US"),
        (r"google/gemma-.*", "US"),
        (r"mistralai/.*", "FR"),
        (r"HuggingFaceTB/SmolLM3-3B", "US"),
        (r"CohereLabs/.*command-a.*", "CA"),
        (r"LGAI-EXAONE/.*", "KR"),
        (r"tiiuae/Falcon.*", "AE"),
        (r"swiss-ai/Apertus-.*", "CH"),
        (r"perplexity-ai/r1-1776", "US"),
    ],
)
def test_the_models_one_expects_are_on_offer(pattern: str, origin: str) -> None:
    found = [model for model in SHIPPED.models if re.fullmatch(pattern, model.id)]
    assert found
    assert {model.origin for model in found} == {origin}


def test_the_default_and_the_fallbacks() -> None:
    assert SHIPPED.default == "Qwen/Qwen2.5-72B-Instruct"
    assert SHIPPED.guard.mode == "fall back"
    default = SHIPPED.get(SHIPPED.default)
    assert all(not {*f.origins} & {*default.origins} for f in SHIPPED.chain("CN"))
    assert len({f.origin for f in SHIPPED.chain(None)}) >= 3


def test_r1_1776_carries_its_lineage() -> None:
    model = SHIPPED.get("perplexity-ai/r1-1776")
    assert model.base[0].id == "deepseek-ai/DeepSeek-R1"
    assert model.origins == ("US", "CN")


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.id)
def test_each_entry_is_plausible(model: ModelSpec) -> None:
    assert model.card == f"https://huggingface.co/{model.id}"
    assert 1024 <= model.context <= 2_000_000
    assert model.id not in {parent.id for parent in model.base}
    assert model.name.strip() == model.name


@pytest.mark.parametrize("model", SHIPPED.models, ids=lambda model: model.id)
def test_a_lineage_holds_its_parents_own_lineage(model: ModelSpec) -> None:
    listed = {parent.id for parent in model.base}
    for parent in model.base:
        if parent.id in SHIPPED.by_id:
            known = SHIPPED.by_id[parent.id]
            assert parent.origin == known.origin
            assert {p.id for p in known.base} <= listed


# Reading


def test_a_valid_file(tmp_path: Path) -> None:
    models = load(tmp_path, VALID)
    assert models.get("acme/One").origin == "NO", "Norway is no boolean"
    assert models.get("ACME/one").id == "acme/One"
    assert models.get("acme/One").origins == ("NO", "CN")
    assert [f.id for f in models.chain(None)] == ["acme/Two", "acme/One"]


@pytest.mark.parametrize("written", ["off", "'off'", '"off"'])
def test_off_needs_no_quotes(tmp_path: Path, written: str) -> None:
    assert load(tmp_path, VALID.replace("mode: warn", f"mode: {written}")).guard.mode == "off"


def test_the_guards_part_may_be_left_out(tmp_path: Path) -> None:
    text = re.sub(r"guard:\n.*\n.*\n", "", VALID)
    models = load(tmp_path, text)
    assert (models.guard.mode, models.chain(None)) == ("warn", ())
    assert models.guard.choices == ("off", "warn"), "nobody is there to fall back to"


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + VALID.replace("\n", "\r\n")
    assert load(tmp_path, text.encode()).default == "acme/One"


# The snapshot beside it


def holding(folder: Path, *models: HubModel) -> None:
    held = Snapshot(models={model.id: model for model in models})
    snapshot.write(folder / "models.snapshot.json", held)


def test_ancestors_that_only_the_snapshot_knows_come_after_those_listed(tmp_path: Path) -> None:
    root = HubModel(id="acme/Root", parents=(Parent(id="meta-llama/Old"), Parent(id="who/Knows")))
    holding(tmp_path, HubModel(id="acme/One", parents=(Parent(id="acme/root"),)), root)
    one = load(tmp_path, VALID).get("acme/One")
    assert [(parent.id, parent.origin) for parent in one.base] == [
        ("acme/Root", "CN"),
        ("meta-llama/Old", "US"),
        ("who/Knows", None),
    ]
    assert one.origins == ("NO", "CN", "US"), "who is not known has no origin"


def test_a_lineage_has_the_origins_that_the_file_states(tmp_path: Path) -> None:
    root = HubModel(id="acme/Root", parents=(Parent(id="meta-llama/Old", relation="merge"),))
    holding(tmp_path, HubModel(id="acme/One"), root)
    models = load(tmp_path, VALID)
    for held in (models, models.with_default("acme/Two")):
        lineage = held.lineage("ACME/one")
        assert [(node.id, node.origin, node.state) for node in lineage.nodes] == [
            ("acme/One", "NO", "known"),
            ("acme/Root", "CN", "known"),
            ("meta-llama/Old", "US", "unread"),
        ]
    with pytest.raises(UnknownModel):
        models.lineage("acme/Three")


def test_a_renamed_parent_is_not_listed_twice(tmp_path: Path) -> None:
    renamed = HubModel(id="acme/Trunk", renamed_from=("acme/Root",))
    holding(tmp_path, HubModel(id="acme/One", parents=(Parent(id="acme/Trunk"),)), renamed)
    assert [parent.id for parent in load(tmp_path, VALID).get("acme/One").base] == ["acme/Root"]


def test_a_chain_that_lineage_makes_weak_is_refused(tmp_path: Path) -> None:
    load(tmp_path, VALID)
    kin = HubModel(id="acme/Two", parents=(Parent(id="acme/Root"),))
    holding(tmp_path, HubModel(id="acme/One"), kin)
    assert "nobody in this chain may answer for acme/One" in str(refused(tmp_path, VALID))


def test_a_circle_in_the_snapshot_does_no_harm(tmp_path: Path) -> None:
    two = HubModel(id="acme/Two", parents=(Parent(id="acme/One"),))
    holding(tmp_path, HubModel(id="acme/One", parents=(Parent(id="acme/Two"),)), two)
    models = load(tmp_path, VALID.replace("mode: warn", "mode: warn\n  modes: [warn]"))
    assert [parent.id for parent in models.get("acme/One").base] == ["acme/Root", "acme/Two"]
    assert "acme/Two" not in [parent.id for parent in models.get("acme/Two").base]


@pytest.mark.parametrize(("parent", "origin"), [("qwen/Root", "CN"), ("who/Knows", None)])
def test_an_origin_that_is_left_out_is_the_developers(
    tmp_path: Path, parent: str, origin: str | None
) -> None:
    text = VALID.replace("{id: acme/Root, origin: CN}", f"{{id: {parent}}}")
    (base,) = load(tmp_path, text).get("acme/One").base
    assert (base.id, base.origin) == (parent, origin)


def test_a_broken_snapshot_is_named_and_the_file_alone_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "models.snapshot.json").write_text("{")
    with pytest.raises(ConfigError, match=r"models\.snapshot\.json.*models refresh"):
        load(tmp_path, VALID)
    assert catalogue.read(tmp_path / "models.yaml").default == "acme/One"


# Errors: file, line, key, nearest


@pytest.mark.parametrize(
    ("old", "new", "key", "hint"),
    [
        (
            "developer: Acme\n    origin: NO",
            "develper: Acme\n    origin: NO",
            "develper",
            "developer",
        ),
        ("    licence: MIT\n    base", "    license: MIT\n    base", "license", "licence"),
        ("default: acme/One", "defualt: acme/One", "defualt", "default"),
        ("  fallbacks:", "  fallback:", "fallback", "fallbacks"),
        ("{id: acme/Root, origin", "{id: acme/Root, orign", "orign", "origin"),
        ("mode: warn", "mode: wran", "mode", "warn"),
        ("mode: warn", "mode: fallback", "mode", "fall back"),
        ("default: acme/One", "default: acme/Oen", "default", "acme/One"),
        ("fallbacks: [acme/Two, acme/One]", "fallbacks: [acme/Tow]", "fallbacks", "acme/Two"),
    ],
)
def test_a_slip_of_the_pen_is_named_with_its_line_and_the_nearest_word(
    tmp_path: Path, old: str, new: str, key: str, hint: str
) -> None:
    assert old in VALID
    text = VALID.replace(old, new, 1)
    error = refused(tmp_path, text)
    place = new.splitlines()[0].strip() if "\n" not in old else f"{key}:"
    assert error.line == line_of(text, place)
    assert error.key == key or key in str(error)
    assert f"Did you mean {hint!r}?" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("origin: FI", "origin: Finland", "origin"),
        ("origin: FI", "origin: fi", "origin"),
        ("origin: FI", "origin: true", "origin"),
        ("context: 8192", "context: many", "context"),
        ("context: 8192", "context: -1", "context"),
        ("reasoning: true", "reasoning: perhaps", "reasoning"),
        ("id: acme/Two\n", "id: Two\n", "id"),
        ("card: https://example.org/two", "card: example.org/two", "card"),
        ("mode: warn", "mode: 7", "mode"),
        ("fallbacks: [acme/Two, acme/One]", "fallbacks: acme/Two", "fallbacks"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in VALID
    text = VALID.replace(old, new)
    error = refused(tmp_path, text)
    assert error.line == line_of(text, new.strip())
    assert said in str(error)


def test_twins_are_refused_whatever_their_case(tmp_path: Path) -> None:
    text = VALID.replace("id: acme/Two\n", "id: ACME/ONE\n").replace("[acme/Two]", "[]")
    error = refused(tmp_path, text)
    assert "listed twice" in str(error)
    assert error.line == line_of(text, "ACME/ONE")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path, VALID.replace("    context: 8192\n", ""))
    assert "'context' is missing" in str(error)
    assert error.line == line_of(VALID, "id: acme/Two"), "the line of its entry"


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = VALID.replace("    name: Two\n", "    name: Two\n    name: Deux\n")
    error = refused(tmp_path, text)
    assert "'name' stands twice" in str(error)
    assert error.line == line_of(text, "Deux")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# only a comment\n",
        "models: []\ndefault: a/b\n",
        "- a\n- b\n",
        "just words",
        "7",
    ],
)
def test_a_file_without_models_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        VALID.replace("guard:", "guard: ["),
        VALID.replace("  mode: warn", "\tmode: warn"),
        VALID + "  - : :\n - {",
        VALID.replace("default: acme/One", "default: 'acme/One"),
        "%YAML 9.9\n---\n" + VALID,
        VALID + "---\n" + VALID,
        "default: *nobody\n",
        "\x00",
    ],
)
def test_what_is_not_yaml_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize("data", [b"\xff\xfe\xfa", VALID.encode("utf-16"), b"name: caf\xe9\n"])
def test_what_is_not_utf_8_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "cannot be read" in str(refused(tmp_path, data))


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            catalogue.load(path)


# CANDOR_DEFAULT_MODEL


def test_another_default() -> None:
    other = SHIPPED.with_default("meta-llama/llama-3.3-70b-instruct")
    assert other.default == "meta-llama/Llama-3.3-70B-Instruct"
    assert other.models == SHIPPED.models
    assert SHIPPED.default == "Qwen/Qwen2.5-72B-Instruct", "the file's own stays as it was"


def test_a_default_that_is_not_on_offer_names_the_variable_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match="CANDOR_DEFAULT_MODEL") as caught:
        SHIPPED.with_default("Qwen/QwQ-23B")
    assert "Did you mean 'Qwen/QwQ-32B'?" in str(caught.value)


@pytest.mark.parametrize("model", ["", " ", "nobody", "Qwen/", "\x00", "Qwen/QwQ-32B\n"])
def test_an_id_that_is_none_is_unknown(model: str) -> None:
    with pytest.raises(UnknownModel):
        SHIPPED.get(model)
