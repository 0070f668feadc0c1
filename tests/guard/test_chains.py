"""Whom a question may be handed to: what `models.yaml` may say, and what an operator is told.

Any small catalogue is written to a file and read; whether it may be is worked out here a second
time, from what the chains are for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard import catalogue
from guard.catalogue import Catalogue, jurisdictions
from guard.errors import ConfigError
from guard.provenance import EU_MEMBERS

IDS = [f"m/{n}" for n in range(5)]
ORIGINS = ["CN", "US", "FR", "FI", "RU", "CH", "NO"]


def entry(id_: str, origin: str, bases: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "id": id_,
        "name": id_,
        "developer": "Test",
        "origin": origin,
        "licence": "MIT",
        "base": [{"id": base, "origin": from_} for base, from_ in bases],
        "context": 1,
        "card": "https://example.org",
    }


BASES = st.lists(
    st.tuples(st.sampled_from(["m/root", "m/other", *IDS]), st.sampled_from(ORIGINS)), max_size=2
)
CHAINS = st.lists(st.sampled_from(IDS), unique=True, max_size=4)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """`models.yaml` as a mapping: up to five models, chains of those that are listed."""
    count = draw(st.integers(1, len(IDS)))
    models = [entry(id_, draw(st.sampled_from(ORIGINS)), draw(BASES)) for id_ in IDS[:count]]
    listed = IDS[:count]
    by_country = draw(st.dictionaries(st.sampled_from(["CN", "US", "EU"]), CHAINS, max_size=2))
    return {
        "default": "m/0",
        "guard": {
            "mode": draw(st.sampled_from(["off", "warn", "fall back", "compare"])),
            "fallbacks": [id_ for id_ in draw(CHAINS) if id_ in listed],
            "fallbacks_for": {
                country: [id_ for id_ in chain if id_ in listed]
                for country, chain in by_country.items()
            },
        },
        "models": models,
    }


def read(file: dict[str, Any]) -> Catalogue:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(json.dumps(file, indent=1), encoding="utf-8")  # JSON is YAML
        return catalogue.load(path)


def origins(model: dict[str, Any]) -> set[str]:
    return {model["origin"], *(base["origin"] for base in model["base"])}


def lineage(model: dict[str, Any]) -> set[str]:
    return {model["id"], *(base["id"] for base in model["base"])}


def has_stake(model: dict[str, Any], jurisdiction: str) -> bool:
    of_the_union = jurisdiction == "EU" and bool(origins(model) & EU_MEMBERS)
    return jurisdiction in origins(model) or of_the_union


def may_answer(other: dict[str, Any], model: dict[str, Any], jurisdiction: str) -> bool:
    apart = not origins(other) & origins(model) and not lineage(other) & lineage(model)
    return apart and not has_stake(other, jurisdiction)


def lacking(file: dict[str, Any]) -> set[tuple[str, str]]:
    """Pairs of a model and a jurisdiction for which the file's chains hold nobody."""
    settings = file["guard"]
    chained = settings["fallbacks"] or settings["fallbacks_for"]
    if settings["mode"] not in {"fall back", "compare"} and not chained:
        return set()
    by_id = {model["id"]: model for model in file["models"]}
    return {
        (model["id"], jurisdiction)
        for model in file["models"]
        for jurisdiction in jurisdictions()
        if has_stake(model, jurisdiction)
        and not any(
            may_answer(by_id[step], model, jurisdiction)
            for step in settings["fallbacks_for"].get(jurisdiction, settings["fallbacks"])
        )
    }


@settings(max_examples=40)
@given(file=files())
def test_a_file_is_read_when_every_model_finds_an_independent_successor(
    file: dict[str, Any],
) -> None:
    missing = lacking(file)
    if not missing:
        assert read(file).default == "m/0"
        return
    with pytest.raises(ConfigError) as refused:
        read(file)
    told = re.search(r"for (\S+) on topics of (\w\w): .*?(?:do: (.*))?$", str(refused.value))
    assert told is not None, str(refused.value)
    model, jurisdiction, would = told.groups()
    assert (model, jurisdiction) in missing
    by_id = {each["id"]: each for each in file["models"]}
    fit = {id_ for id_ in by_id if may_answer(by_id[id_], by_id[model], jurisdiction)}
    named = set(would.split(", ")) if would and would.startswith("m/") else set()
    assert named == fit, "the error names just those that would do"


@settings(max_examples=40)
@given(file=files())
def test_what_the_error_proposes_mends_that_place(file: dict[str, Any]) -> None:
    tried = set()
    while lacking(file):
        with pytest.raises(ConfigError) as refused:
            read(file)
        told = re.search(r"for (\S+) on topics of (\w\w).*do: (m/\d)", str(refused.value))
        if told is None:
            assert "list one made elsewhere" in str(refused.value)
            return
        model, jurisdiction, proposed = told.groups()
        assert (model, jurisdiction) not in tried
        tried.add((model, jurisdiction))
        settings = file["guard"]
        chain = settings["fallbacks_for"].get(jurisdiction, settings["fallbacks"])
        chain.append(proposed)


def test_the_error_names_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(
        """\
default: m/0
guard:
  mode: fall back
  fallbacks: [m/1]
models:
"""
        + "".join(
            f"  - {json.dumps(entry(f'm/{n}', origin, []))}\n"
            for n, origin in enumerate(["CN", "CN", "CH"])
        ),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as refused:
        catalogue.load(path)
    assert (refused.value.line, refused.value.key) == (4, "guard")
    assert "m/0 on topics of CN" in str(refused.value)
    assert "These would do: m/2" in str(refused.value)


def test_a_chain_holds_no_model_twice() -> None:
    models = [entry(f"m/{n}", origin, []) for n, origin in enumerate(["CN", "CH", "FI"])]
    guard = {"mode": "warn", "fallbacks": ["m/1", "m/2", "m/1"]}
    with pytest.raises(ConfigError, match=r"fallbacks.2: 'm/1' stands twice"):
        read({"default": "m/0", "guard": guard, "models": models})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fallbacks_for": {"CN": ["m/9"]}}, r"fallbacks_for.CN.0: no model 'm/9' is listed"),
        ({"second_opinion": {"judges": ["m/9"]}}, r"judges.0: no model 'm/9' is listed"),
        ({"second_opinion": {"band": [0.7, 0.3]}}, "the lower end of the band comes first"),
        ({"mode": "warn", "modes": ["off"]}, "mode 'warn' is not among 'modes'"),
        ({"modes": []}, "modes"),
        ({"limits": {"models": 0}}, "limits.models"),
        ({"limits": {"euros": 1}}, "unknown key 'euros'"),
        ({"control": "always"}, "control"),
        ({"mode": "comparing"}, "Did you mean 'compare'"),
    ],
)
def test_what_else_is_wrong_with_the_guards_part(changes: dict[str, Any], message: str) -> None:
    models = [entry(f"m/{n}", origin, []) for n, origin in enumerate(["CN", "CH", "FI"])]
    guard = {"mode": "fall back", "fallbacks": ["m/1", "m/0"], **changes}
    with pytest.raises(ConfigError, match=re.escape(message) if "." not in message else message):
        read({"default": "m/0", "guard": guard, "models": models})


def test_the_operator_bounds_what_readers_choose() -> None:
    models = [entry(f"m/{n}", origin, []) for n, origin in enumerate(["CN", "CH"])]
    chain = ["m/1", "m/0"]
    every = {"default": "m/0", "guard": {"fallbacks": chain}, "models": models}
    assert read(every).guard.mode == "fall back"
    assert read(every).guard.choices == ("off", "warn", "fall back", "compare")
    bounded = {"fallbacks": chain, "mode": "warn", "modes": ["warn", "compare"]}
    assert read({**every, "guard": bounded}).guard.choices == ("warn", "compare")
    alone = {"default": "m/0", "guard": {"mode": "warn"}, "models": models}
    assert read(alone).guard.choices == ("off", "warn")


def test_a_topic_of_a_jurisdiction_with_a_chain_of_its_own_follows_that() -> None:
    models = [entry(f"m/{n}", origin, []) for n, origin in enumerate(["CN", "CH", "FI", "US"])]
    guard = {"fallbacks": ["m/1", "m/0"], "fallbacks_for": {"US": ["m/2"]}}
    read_file = read({"default": "m/0", "guard": guard, "models": models})
    assert [spec.id for spec in read_file.chain("US")] == ["m/2"]
    assert [spec.id for spec in read_file.chain("CN")] == ["m/1", "m/0"]
    assert [spec.id for spec in read_file.chain(None)] == ["m/1", "m/0"]
