"""What is kept of parsed packs: used while nothing changed, never trusted blindly."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from guard import topics
from guard.errors import ConfigError
from guard.kept import NAME, fingerprint

SOURCE = topics.FOLDER / "CN" / "tiananmen-1989.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "CN").mkdir()
    shutil.copy(SOURCE, tmp_path / "CN" / "one.yaml")
    return tmp_path


def loaded(folder: Path) -> dict[str, topics.Pack]:
    topics.load.cache_clear()
    try:
        return topics.load(folder)
    finally:
        topics.load.cache_clear()


def test_what_is_kept_is_what_was_parsed(folder: Path) -> None:
    parsed = loaded(folder)
    assert (folder / NAME).exists()
    assert loaded(folder) == parsed


def test_a_changed_file_is_parsed_again(folder: Path) -> None:
    loaded(folder)
    file = folder / "CN" / "one.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("May 35th", "May 36th"), "utf-8")
    assert "May 36th" in loaded(folder)["one"].euphemisms["en"]


def test_a_new_and_a_removed_file_are_seen(folder: Path) -> None:
    loaded(folder)
    shutil.copy(SOURCE, folder / "CN" / "two.yaml")
    assert set(loaded(folder)) == {"one", "two"}
    (folder / "CN" / "one.yaml").unlink()
    assert set(loaded(folder)) == {"two"}


def test_changed_code_makes_what_it_made_stale(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("one")
    before = fingerprint(tmp_path, [], topics.Pack, [code])
    code.write_text("other")
    assert fingerprint(tmp_path, [], topics.Pack, [code]) != before


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'["x", []]', b"\xff\xfe"])
def test_a_damaged_copy_is_parsed_again(folder: Path, damage: bytes) -> None:
    parsed = loaded(folder)
    (folder / NAME).write_bytes(damage)
    assert loaded(folder) == parsed


def test_a_wrong_pack_is_told_though_a_right_one_was_kept(folder: Path) -> None:
    loaded(folder)
    file = folder / "CN" / "one.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("anchors:", "anchor:"), "utf-8")
    with pytest.raises(ConfigError, match="Did you mean 'anchors'"):
        loaded(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_read_all_the_same(folder: Path) -> None:
    folder.chmod(0o500)
    assert set(loaded(folder)) == {"one"}
    assert not (folder / NAME).exists()
