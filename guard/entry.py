"""Proposes an entry for `models.yaml` from what the Hub says of a model.

What nobody says is left empty, with a comment: a person fills it in from the card. Not covered:
whether the card is right, and what a provider serves in the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from . import catalogue, licences
from .catalogue import Catalogue
from .developers import developer_of
from .errors import ConfigError, InputError
from .hub import MALFORMED, Hub, refresh
from .jsonl import whole_file
from .plain import one_line
from .snapshot import Ancestor, HubModel, Lineage, Snapshot

CARD = "https://huggingface.co/{}"
LENGTHS = ("max_position_embeddings", "max_seq_len", "seq_length", "n_positions")
THINKING = ("<think>", "enable_thinking", "reasoning_content", "reasoning_effort")
MOST_CONTEXT = 100_000_000  # tokens; more is a mistake


class Line(NamedTuple):
    """One key of an entry; `value` is None where nobody says, `note` what to look at."""

    key: str
    value: str | int | bool | None
    note: str = ""


class Entry(NamedTuple):
    """A proposed entry; `read` is the reading of the Hub that it rests on."""

    id: str
    lines: tuple[Line, ...]
    lineage: Lineage
    read: Snapshot

    @property
    def missing(self) -> list[str]:
        """The keys that a person must fill in before the entry can stand."""
        return [line.key for line in self.lines if line.value is None]

    @property
    def checks(self) -> list[str]:
        """What a person should look at, a sentence each."""
        noted = [f"{line.key}: {line.note}" for line in self.lines if line.note]
        return [*noted, *(f"base: {note(node)}" for node in doubtful(self.lineage)), *self.told]

    @property
    def told(self) -> tuple[str, ...]:
        return tuple(said for said in self.read.warnings if said.startswith(f"{self.id}: "))

    def values(self) -> dict[str, Any]:
        """The entry as `models.yaml` would hold it."""
        base = [{"id": node.id, "origin": node.origin} for node in self.lineage.ancestors]
        found = {line.key: line.value for line in self.lines}
        return {**found, **({"base": base} if base else {})}

    def yaml(self) -> str:
        """The entry as a list item of `models`, with a comment at what is not known."""
        lines = [f"{line.key}:{said(line.value)}{comment(line.note)}" for line in self.lines]
        if self.lineage.ancestors:
            place = next(n for n, line in enumerate(self.lines) if line.key == "licence") + 1
            lines[place:place] = ["base:", *map(parent, self.lineage.ancestors)]
        return (
            "\n".join(f"{'  - ' if n == 0 else '    '}{text}" for n, text in enumerate(lines))
            + "\n"
        )


def propose(model: str, hub: Hub, today: date) -> Entry:
    """Read a model, and make an entry of it.

    Raises:
        InputError: the Hub does not show it, or cannot be asked.
    """
    done = refresh([model], Snapshot(), hub=hub, today=today)
    found = done.snapshot.get(model)
    if found is None or found.missing:
        told = [said for said in done.snapshot.warnings if said.startswith(model)]
        raise InputError("; ".join(told) or f"{one_line(model)} could not be read")
    return entry_of(found, done.snapshot, hub)


def entry_of(model: HubModel, read: Snapshot, hub: Hub) -> Entry:
    config = configuration(hub, model.id)
    lines = (
        Line("id", model.id),
        Line("name", model.id.rpartition("/")[2]),
        *made_by(model),
        licence(model),
        context(model, config),
        reasoning(chat_template(hub, model.id)),
        *images(config),
        Line("card", CARD.format(model.id)),
    )
    return Entry(model.id, lines, read.lineage(model.id), read)


def made_by(model: HubModel) -> tuple[Line, Line]:
    developer = developer_of(model.id)
    if developer:
        return Line("developer", developer.name), Line("origin", developer.origin)
    unknown = "not listed in guard/data/developers.yaml; see the card for who this is"
    country = "not known; the code of the country where the developer is established"
    return Line("developer", model.author or None, unknown), Line("origin", None, country)


def licence(model: HubModel) -> Line:
    stated = model.licence_name or model.licence
    known = licences.of(model.licence_name) or licences.of(model.licence)
    if known and known.url:
        return Line("licence", known.name)
    return Line(
        "licence", stated, "not known to the guard; read its text" if stated else "not known"
    )


def context(model: HubModel, config: dict[str, Any]) -> Line:
    """As the configuration says, else as the providers do."""
    nested = config.get("text_config")
    places = (config, nested if isinstance(nested, dict) else {})
    told = [place.get(name) for place in places for name in LENGTHS]
    sound = [n for n in told if type(n) is int and 0 < n <= MOST_CONTEXT]
    if sound:
        return Line("context", max(sound), "as its configuration says; compare with the card")
    offered = [offer.context for offer in model.offers if offer.context]
    if offered:
        return Line("context", max(offered), "the most that a provider serves; see the card")
    return Line("context", None, "not known; tokens, as the card says")


def reasoning(template: str) -> Line:
    found = [mark for mark in THINKING if mark in template]
    if found:
        return Line("reasoning", True, f"its chat template holds {found[0]}; see the card")
    return Line(
        "reasoning", False, "" if template else "not known; its chat template was not shown"
    )


def images(config: dict[str, Any]) -> list[Line]:
    """One line for a model that sees; the others need none."""
    note = "its configuration holds a vision_config; see the card"
    return [Line("images", True, note)] if "vision_config" in config else []


def configuration(hub: Hub, model: str) -> dict[str, Any]:
    """The model's `config.json`; empty where it is not to be had, as of a gated model."""
    return plain_dict(asked(lambda: hub.configuration(model)))


def chat_template(hub: Hub, model: str) -> str:
    """Its chat templates, one after the other."""
    info = asked(lambda: hub.model(model, ["config"]))
    config = plain_dict(getattr(info, "config", None))
    tokenizer = plain_dict(config.get("tokenizer_config"))
    return " ".join(
        str(t) for t in (config.get("chat_template_jinja"), tokenizer.get("chat_template")) if t
    )


def asked(ask: Callable[[], Any]) -> Any:
    """What the Hub says; None where it does not."""
    import httpx2

    try:
        return ask()
    except (httpx2.HTTPError, OSError, *MALFORMED):
        return None


def plain_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def doubtful(lineage: Lineage) -> list[Ancestor]:
    return [node for node in lineage.ancestors if note(node)]


def note(node: Ancestor) -> str:
    """What is not known of a parent."""
    gone = f"{node.id} is not on the Hub, or not shown" if node.state == "missing" else ""
    return f"where {node.id} was made is not known" if node.origin is None else gone


def parent(node: Ancestor) -> str:
    origin = f", origin: {said(node.origin).strip()}" if node.origin else ""
    return f"  - {{id: {node.id}{origin}}}{comment(note(node))}"


def comment(note: str) -> str:
    return f" # {one_line(note)}" if note else ""


def said(value: str | int | bool | None) -> str:
    """A value as YAML; nothing for None."""
    if value is None:
        return ""
    return (
        " " + yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    )


def append(entry: Entry, path: Path) -> None:
    """Add the entry at the end of a `models.yaml`.

    Raises:
        InputError: the entry is not whole, or the model is listed already.
        ConfigError: the file is wrong, or its end is not the end of its models, or no fallback may
            answer for the model.
        OSError: the file cannot be written.
    """
    before = catalogue.read(path)
    if entry.id.casefold() in map(str.casefold, before.by_id):
        raise InputError(f"{entry.id} is listed in {path} already")
    if entry.missing:
        raise InputError(f"fill in {', '.join(entry.missing)} by hand; nothing was written")
    text = path.read_bytes().decode()
    grown = f"{text.rstrip()}\n\n{entry.yaml()}".encode()
    after = read_back(grown)
    if after is None or after.models[:-1] != before.models:
        message = "the entry cannot be added at its end; add it under 'models' by hand"
        raise ConfigError(message, file=path)
    catalogue.refuse_weak_chains(catalogue.joined(after, entry.read), path)
    with whole_file(path.resolve()) as stream:
        stream.write(grown)


def read_back(content: bytes) -> Catalogue | None:
    """The catalogue in a file of that content; None where it would be wrong."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "models.yaml"
        trial.write_bytes(content)
        try:
            return catalogue.read(trial)
        except ConfigError:
            return None
