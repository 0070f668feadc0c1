"""Renews the snapshot of a deployment's models, and tells what has become otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from . import catalogue, hub, snapshot
from .errors import ConfigError, InputError, nearest
from .hub import Advance, Hub
from .snapshot import Change, Snapshot


class Renewed(NamedTuple):
    """What a reading brought; `after` is `before` where `nothing` could be read."""

    place: Path
    before: Snapshot
    after: Snapshot
    unread: tuple[str, ...]
    nothing: bool

    @property
    def changes(self) -> list[Change]:
        return snapshot.changes(self.before, self.after)

    @property
    def summary(self) -> str:
        """What was done, in a sentence."""
        if self.nothing:
            return f"nothing could be read; {self.place} stays as it is"
        unread = f", of {', '.join(self.unread)} nothing new" if self.unread else ""
        return f"{len(self.after.models)} models in {self.place}, ancestors included{unread}"

    def facts(self) -> dict[str, Any]:
        return {
            "file": str(self.place),
            "changes": [change.model_dump() for change in self.changes],
            "warnings": list(self.after.warnings),
            "unread": list(self.unread),
        }


def today() -> date:
    return datetime.now(UTC).date()


def chosen(models: Path, ids: Sequence[str]) -> list[str]:
    """The ids to read: those given, else all that are on offer and all they name as their base.

    Raises:
        InputError: one is neither on offer nor an ancestor.
        ConfigError: a file is wrong.
    """
    offered = catalogue.read(models)
    named = [id_ for spec in offered.models for id_ in (spec.id, *(p.id for p in spec.base))]
    if not ids:
        return named
    known = {
        id_.casefold(): id_ for id_ in (*snapshot.load(snapshot.beside(models)).models, *named)
    }
    for id_ in ids:
        if id_.casefold() not in known:
            hint = nearest(id_, known.values()) or " `models add` proposes an entry for it."
            raise InputError(f"{id_!r} is not on offer.{hint}")
    return [known[id_.casefold()] for id_ in ids]


def renew(models: Path, ids: Sequence[str], of: Hub, advance: Advance, *, whole: bool) -> Renewed:
    """Read models, and write the snapshot beside `models`.

    Args:
        whole: whether models that nothing leads to any more are left out.

    Raises:
        ConfigError: the snapshot as it is cannot be read, and part of it is to be kept.
        OSError: the snapshot cannot be written.
    """
    place = snapshot.beside(models)
    before = earlier(place, whole)
    done = hub.refresh(ids, before, hub=of, today=today(), keep=not whole, advance=advance)
    nothing = set(ids) <= {*done.failed}
    if not nothing:
        snapshot.write(place, done.snapshot)
    after = before.model_copy(update={"warnings": done.snapshot.warnings})
    unread = tuple(dict.fromkeys((*done.failed, *done.missing)))
    return Renewed(place, before, after if nothing else done.snapshot, unread, nothing)


def earlier(place: Path, whole: bool) -> Snapshot:
    """The snapshot as it is; one that cannot be read is no hindrance to making it anew."""
    try:
        return snapshot.load(place)
    except ConfigError:
        if not whole:
            raise
        return Snapshot()


def keep(models: Path, read: Snapshot) -> None:
    """Add what was read of some models to the snapshot beside `models`.

    Raises:
        ConfigError: the snapshot as it is cannot be read.
        OSError: it cannot be written.
    """
    place = snapshot.beside(models)
    held = snapshot.load(place)
    grown = {"taken": read.taken, "models": {**held.models, **read.models}}
    warnings = tuple(dict.fromkeys((*held.warnings, *read.warnings)))
    snapshot.write(place, held.model_copy(update={**grown, "warnings": warnings}))
