"""Edits the default and the fallback chain in a `models.yaml`, and leaves all else as it was typed.

Only the words that change are put in, so that comments and layout stay; what comes out is read back
and must be what was meant, or nothing is handed out. Not covered: chains by country
(`fallbacks_for`), and a file that has no chain: it stays without one.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from . import catalogue, snapshot, yaml_file
from .entry import read_back, said
from .errors import ConfigError
from .jsonl import whole_file
from .plain import plain

BYTE_ORDER_MARK = "\ufeff"


class Edit(NamedTuple):
    """A file's content before and after."""

    path: Path
    before: bytes
    after: bytes

    def diff(self) -> str:
        """What is taken out and put in, as `diff -u` shows it."""
        before, after = (
            content.decode().splitlines(keepends=True) for content in (self.before, self.after)
        )
        name = str(self.path)
        return plain("".join(difflib.unified_diff(before, after, fromfile=name, tofile=name)))

    def write(self) -> None:
        """Put the new content in the old one's place, whole or not at all.

        Raises:
            ConfigError: the file is no longer what it was.
            OSError: it cannot be written.
        """
        with whole_file(self.path.resolve()) as stream:
            stream.write(self.after)
            shutil.copymode(self.path, stream.name)
            if self.path.read_bytes() != self.before:
                raise ConfigError(
                    "was changed meanwhile, so nothing was written; run it again", file=self.path
                )


class Part(NamedTuple):
    """A stretch of the text, and what shall stand there."""

    start: int
    end: int
    words: str


def edited(path: Path, default: str, fallbacks: Sequence[str]) -> Edit:
    """The file with another default and, where it has a chain, another chain.

    Raises:
        ConfigError: the file is wrong, would not be served afterwards, or is written in a way that
            cannot be edited in place.
    """
    meant = with_models(catalogue.read(path), default, fallbacks)
    before = path.read_bytes()
    text = before.decode()
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    after = (mark + with_parts(text.removeprefix(mark), default, fallbacks)).encode()
    if read_back(after) != meant:
        raise ConfigError(
            "cannot be edited in place; set by hand default: "
            f"{default} and fallbacks: [{', '.join(fallbacks)}]",
            file=path,
        )
    held = snapshot.load(snapshot.beside(path))
    catalogue.refuse_weak_chains(catalogue.joined(meant, held), path)
    return Edit(path, before, after)


def with_models(
    models: catalogue.Catalogue, default: str, fallbacks: Sequence[str]
) -> catalogue.Catalogue:
    """The catalogue with another default and, where it has a chain, another chain."""
    if not models.guard.fallbacks:
        return models.model_copy(update={"default": default})
    guard = models.guard.model_copy(update={"fallbacks": tuple(fallbacks)})
    return models.model_copy(update={"default": default, "guard": guard})


def with_parts(text: str, default: str, fallbacks: Sequence[str]) -> str:
    root = yaml_file.Loader(text).get_single_node()
    own = node_at(root, "default")
    parts = [Part(own.start_mark.index, own.end_mark.index, scalar(default))] if own else []
    chain = node_at(root, "guard", "fallbacks")
    if isinstance(chain, yaml.SequenceNode) and chain.value:
        parts += (
            inline(text, chain, fallbacks) if chain.flow_style else block(text, chain, fallbacks)
        )
    for part in sorted(parts, reverse=True):
        text = text[: part.start] + part.words + text[part.end :]
    return text


def node_at(node: yaml.Node | None, *place: str) -> yaml.Node | None:
    for key in place:
        step = yaml_file.child(node, key)
        node = step[1] if step else None
    return node


def scalar(id_: str) -> str:
    return said(id_).strip()


def inline(text: str, chain: yaml.SequenceNode, ids: Sequence[str]) -> list[Part]:
    """The chain in brackets; nothing where a comment stands among them, which would be lost."""
    start, end = chain.start_mark.index, chain.end_mark.index
    words = f"[{', '.join(map(scalar, ids))}]"
    return [] if "#" in text[start:end] else [Part(start, end, words)]


def block(text: str, chain: yaml.SequenceNode, ids: Sequence[str]) -> list[Part]:
    """The chain with one id a line; an id that stays keeps its line and the comments above it."""
    start = at = text.rfind("\n", 0, chain.start_mark.index) + 1
    indent = text[start : chain.start_mark.index]
    held: dict[str, str] = {}
    for item in chain.value:
        end = text.find("\n", item.end_mark.index) + 1 or len(text)
        held[item.value] = text[at:end]
        at = end
    ending = "\r\n" if text[start:at].endswith("\r\n") else "\n"
    lines = (held.get(id_) or f"{indent}- {scalar(id_)}" for id_ in ids)
    return [Part(start, at, "".join(line.rstrip("\r\n") + ending for line in lines))]
