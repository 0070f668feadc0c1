"""Reading YAML: plain values only, nothing that runs, nothing that grows, errors with a place."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from guard import yaml_file
from guard.errors import ConfigError
from guard.types import Value


class Inner(Value):
    colour: Literal["red", "green"] = "red"
    sizes: tuple[int, ...] = ()


class Outer(Value):
    name: str = ""
    flag: bool = False
    inner: Inner = Inner()
    many: dict[str, Inner] = Field(default_factory=dict)
    anything: Any = None


def load(folder: Path, text: str | bytes) -> Outer:
    path = folder / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return yaml_file.load(path, Outer)


def refused(folder: Path, text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    assert caught.value.file == folder / "file.yaml"
    return caught.value


@pytest.mark.parametrize("word", ["off", "on", "yes", "no", "NO", "Off", "y", "n", "True", "FALSE"])
def test_only_true_and_false_are_booleans(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, f"anything: {word}").anything == word
    assert load(tmp_path, f"name: {word}").name == word


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False)])
def test_true_and_false_are(tmp_path: Path, word: str, value: bool) -> None:
    assert load(tmp_path, f"anything: {word}").anything is value


@pytest.mark.parametrize(
    "text",
    [
        "anything: !!python/object/apply:os.system ['true']",
        "anything: !!python/name:os.system",
        "anything: !!python/object/new:pathlib.Path [x]",
        "anything: !custom {a: 1}",
        "anything: !!binary '%%%'",
    ],
)
def test_tags_that_make_objects_are_refused(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, text).line == 1


def bomb(levels: int = 12, width: int = 12) -> str:
    rows = ["a0: &a0 [boom]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        "anything: &a [*a]",
        "anything: &a {b: *a}",
        "many: &a {x: &b {colour: red}, y: *b}",
        "inner: &a {colour: red}\nmany: {x: {<<: *a}}",
    ],
)
def test_aliases_of_collections_are_refused(tmp_path: Path, text: str) -> None:
    assert "alias" in str(refused(tmp_path, text)).lower()


def test_an_alias_of_a_plain_value_is_read(tmp_path: Path) -> None:
    read = load(tmp_path, "name: &n hello\nanything: *n")
    assert read.anything == "hello"


@pytest.mark.parametrize(
    "text",
    [
        "anything: " + "[" * 100_000 + "]" * 100_000,
        "anything: " + "{a: " * 100_000 + "}" * 100_000,
        "anything: " + "[" * 100_000,
        "anything:\n  " + "- " * 100_000 + "x",
        "".join(f"{' ' * n}a:\n" for n in range(2000)),
    ],
)
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(tmp_path: Path, text: str) -> None:
    assert "nested too deeply" in str(refused(tmp_path, text))


def test_ordinary_nesting_is_read(tmp_path: Path) -> None:
    read = load(tmp_path, "anything: " + "[" * 60 + "]" * 60 + "\nname: '[[['")
    assert read.name == "[[["


@pytest.mark.parametrize(
    "text",
    ["name: 2024-13-45", "name: !!timestamp soon", "anything: !!int many", "anything: !!float x"],
)
def test_a_value_that_cannot_be_made_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    ["name: a\nname: b", "inner: {colour: red, colour: green}", "many:\n  x: {}\n  x: {}"],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    assert "stands twice" in str(refused(tmp_path, text))


@pytest.mark.parametrize("text", ["? [a, b]\n: 1", "? {a: 1}\n: 2", "7: x", "null: x", "~: 1"])
def test_a_key_that_is_no_word_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("name: x\nflga: true", 2, "flag"),
        ("name: x\ninner:\n  color: red", 3, "colour"),
        ("many:\n  one: {}\n  two:\n    size: [1]", 4, "sizes"),
        ("inner:\n  colour: gren", 2, "green"),
    ],
)
def test_slips_are_named_with_line_and_nearest(
    tmp_path: Path, text: str, line: int, hint: str
) -> None:
    error = refused(tmp_path, text)
    assert error.line == line
    assert f"Did you mean {hint!r}?" in str(error)


def test_a_long_wrong_value_is_not_repeated_whole(tmp_path: Path) -> None:
    error = refused(tmp_path, "inner:\n  colour: " + "x" * 5000)
    assert len(str(error)) < 600


def test_values_of_the_place_are_added(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("flag: true", encoding="utf-8")
    assert yaml_file.load(path, Outer, name="x") == Outer(name="x", flag=True)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUIET
@given(value=PLAIN)
def test_what_yaml_writes_is_read_back(tmp_path: Path, value: Any) -> None:
    text = yaml.safe_dump({"anything": value})
    assert load(tmp_path, text).anything == value


@QUIET
@given(data=st.binary(max_size=200) | st.text(alphabet="ab:- []{}&*!|>'\"\n\t#%?,~0", max_size=80))
def test_any_file_is_read_or_refused(tmp_path: Path, data: str | bytes) -> None:
    with contextlib.suppress(ConfigError):  # any other error fails the test
        assert isinstance(load(tmp_path, data), Outer)
