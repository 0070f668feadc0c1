"""Every language says the same things, with the same gaps to fill."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from chat import texts
from guard import explain, yaml_file
from guard.errors import FaultKind

SCRIPTS = Path(texts.__file__).parent / "static"
TEMPLATES = Path(texts.__file__).parent / "templates"
PAGES = Path(texts.__file__).parent / "pages"


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Texts by dotted key."""
    if not isinstance(value, dict):
        return {name: value}
    parts = (flat(inner, f"{name}.{key}".strip(".")) for key, inner in value.items())
    return {key: text for part in parts for key, text in part.items()}


def gaps(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w*)\}", text))


FOLDERS = {"page": texts.FOLDER, "guard": explain.FOLDER}
OTHERS = [
    (folder, path.stem)
    for folder in FOLDERS.values()
    for path in sorted(folder.glob("*.yaml"))
    if path.stem != "en"
]


def said(folder: Path, language: str) -> dict[str, str]:
    return flat(yaml_file.read(folder / f"{language}.yaml"))


@pytest.mark.parametrize(("folder", "language"), OTHERS)
def test_every_language_says_the_same_things(folder: Path, language: str) -> None:
    english, other = said(folder, "en"), said(folder, language)
    assert other.keys() == english.keys()
    assert {k: gaps(v) for k, v in other.items()} == {k: gaps(v) for k, v in english.items()}


@pytest.mark.parametrize(("folder", "language"), [(f, "en") for f in FOLDERS.values()] + OTHERS)
def test_no_text_is_empty_or_holds_markup(folder: Path, language: str) -> None:
    for key, text in said(folder, language).items():
        assert isinstance(text, str), key
        assert text.strip(), key
        assert not re.search("[<>]", text), key


def test_french_sets_no_break_spaces_before_its_double_marks() -> None:
    for key, text in said(texts.FOLDER, "fr").items():
        assert not re.search("(?:^|[^\u00a0])[;:?!»]|«[^\u00a0]", text.replace("://", "")), key


def test_both_speak_the_same_languages() -> None:
    assert set(texts.languages()) == set(explain.languages())
    assert len(texts.languages()) >= 2


@pytest.mark.parametrize("language", texts.languages())
def test_every_language_loads(language: str) -> None:
    assert texts.texts(language).model_dump().keys() == texts.texts("en").model_dump().keys()
    assert explain.sentences(language)


@pytest.mark.parametrize("language", texts.languages())
@pytest.mark.parametrize("kind", FaultKind.__args__)  # type: ignore[attr-defined]
def test_every_fault_is_told_with_advice(language: str, kind: str) -> None:
    happened, advice = explain.fault(kind, language, model="A model")
    assert happened
    assert advice
    assert "{" not in happened + advice


ADMIN = "section period cause unanswered shown decision scope limit kind action".split()


def test_every_text_is_used_and_none_is_missing() -> None:
    """Templates, pages, code and script name their texts; English has those and no more."""
    html = [*TEMPLATES.glob("*.html"), *PAGES.rglob("*.html")]
    files = [*SCRIPTS.glob("*.js"), *html, *SCRIPTS.parent.glob("*.py"), *PAGES.glob("*.py")]
    source = "\n".join(path.read_text() for path in files)
    named = set(re.findall(r"\bsay\.([a-z_]+)", source))
    named |= set(re.findall(r'data-say(?:-\w+)?="([a-z_]+)"', source))
    keys = set(said(texts.FOLDER, "en"))
    assert named - keys <= {"model_dump"}
    unused = {key for key in keys - named if not re.search(rf"\b{key}\b", source)}
    composed = ("mode_", "bound_", "conduct_", "exhausted_")  # and what the guard's values say
    composed += ("import_from_", "import_left_", "import_not_", "files_kind_", "files_not_")
    composed += ("tools_fault_",)
    composed += tuple(f"admin_{kind}_" for kind in ADMIN)
    assert {key for key in unused if not key.startswith(composed)} == set()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-Hans-HK", "zh-Hans"),
        ("zh-TW,zh;q=0.9", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-Hant-TW", "zh-Hant"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr-CA", "fr"),
        ("es-419,es;q=0.9", "es"),
        ("fi-FI,fi;q=0.9,zh;q=0.5", "zh-Hans"),
        ("fi,sv", "en"),
        ("en;q=0.1, fr;q=0.4, AR-eg;q=0.9", "ar"),
        ("de;q=0.5,fr;q=0.5", "de"),
        ("de;q=0,fr;q=0.001", "fr"),
        ("de;q=0", "en"),
        ("de;q=five,fr;q=2,es ; q = 0.2", "es"),
        ("zh-tw", "zh-Hant"),
        ("ar-EG-u-nu-arab", "ar"),
        ("*;q=0.5,de;q=0.2", "en"),
        ("*", "en"),
        (";;,,=q", "en"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_language_that_a_browser_likes_best_is_taken(header: str, language: str) -> None:
    assert texts.accepted(header) == language
