"""`models.snapshot.json`: what is known of the models on offer and of all they were made from.

It is written by `python -m guard models refresh`, is read without a network, and is laid out so
that its changes can be reviewed line by line. Not covered: whether a card tells the truth.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from .developers import developer_of
from .errors import ConfigError
from .types import Country, HubId, Value

FILE = Path(__file__).parents[1] / "models.snapshot.json"
Relation = Literal["finetune", "merge", "adapter", "quantized"]
Gating = Literal["no", "yes", "auto", "manual"]  # yes: gated, the Hub does not say how
Origin = Literal["read from the Hub", "entered by hand from the model's card"]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]  # ISO 8601; some know the month only
Words = Annotated[str, Field(max_length=300)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Parent(Value):
    """A model that another was made from, and how; None where nobody says."""

    id: HubId
    relation: Relation | None = None


class Offer(Value):
    """A provider that serves a model.

    `provider` is its name at the Hub's router, `model` the id there. Prices are in US dollars per
    million tokens, `throughput` in tokens a second, `context` in tokens.
    """

    provider: Words
    model: Words
    live: bool = True
    context: int | None = Field(default=None, gt=0)
    input_price: Dollars | None = None
    output_price: Dollars | None = None
    throughput: Dollars | None = None


class HubModel(Value):
    """What is known of one model. What its card does not say is None, or empty.

    `missing`: the Hub has no such model, or does not show it. `renamed_from` are ids by which it
    was asked for. `licence` is the card's own id of it; `datasets` are those the card names as
    training data; `read` is the day of the reading.
    """

    id: HubId
    source: Origin = "read from the Hub"
    read: date | None = None
    missing: bool = False
    renamed_from: tuple[HubId, ...] = ()
    author: Words | None = None
    licence: Words | None = None
    licence_name: Words | None = None
    licence_link: Words | None = None
    gated: Gating | None = None
    created: Day | None = None
    modified: Day | None = None
    parameters: int | None = Field(default=None, gt=0)
    datasets: tuple[Words, ...] = ()
    parents: tuple[Parent, ...] = ()
    offers: tuple[Offer, ...] = ()


class Ancestor(Value):
    """A model in a lineage: `steps` from the model that the lineage is of, which is 0 away.

    `state`: `missing` from the Hub; `unread` where it is named but was never looked up.
    """

    id: HubId
    steps: int
    developer: str | None
    origin: Country | None
    state: Literal["known", "missing", "unread"]


class Descent(Value):
    """One step of a lineage: `child` was made from `parent`."""

    child: HubId
    parent: HubId
    relation: Relation | None


class Lineage(Value):
    """A model and all it was made from, nearest first; the first node is the model itself.

    `cut` are steps that a card claims and that are left out, since they would close a circle.
    """

    nodes: tuple[Ancestor, ...]
    steps: tuple[Descent, ...] = ()
    cut: tuple[Descent, ...] = ()

    @property
    def ancestors(self) -> tuple[Ancestor, ...]:
        return self.nodes[1:]

    @property
    def roots(self) -> tuple[Ancestor, ...]:
        """The ancestors that were made from nothing that is known."""
        made = {step.child for step in self.steps}
        return tuple(node for node in self.nodes if node.id not in made)

    @property
    def origins(self) -> tuple[str, ...]:
        """The countries of all of them that are known, the model's own first, each once."""
        return tuple(dict.fromkeys(node.origin for node in self.nodes if node.origin))


class Snapshot(Value):
    """All that is known of models, as of `taken`, by id. `warnings` tell what could not be read."""

    taken: date | None = None
    warnings: tuple[Words, ...] = ()
    models: dict[HubId, HubModel] = {}

    @model_validator(mode="after")
    def names_each_by_its_id(self) -> Self:
        for key, model in self.models.items():
            if key != model.id:
                raise ValueError(f"the entry {key!r} holds the model {model.id!r}")
        return self

    @cached_property
    def by_name(self) -> dict[str, HubModel]:
        """Each model by its id and former ids, in lower case."""
        former = {old: model for model in self.models.values() for old in model.renamed_from}
        return {id_.casefold(): model for id_, model in (former | self.models).items()}

    def get(self, model: str) -> HubModel | None:
        """What is known of a model, whatever the case of its letters."""
        return self.by_name.get(model.casefold())

    def offer(self, model: str, provider: str) -> Offer | None:
        """What a provider, by its name at the router, asks for a model, where that is known."""
        known = self.get(model)
        offers = known.offers if known else ()
        return next((o for o in offers if o.provider.casefold() == provider.casefold()), None)

    def id_of(self, model: str) -> str:
        """The id by which the model goes now."""
        known = self.get(model)
        return known.id if known else model

    def lineage(self, model: str, also: Iterable[str] = ()) -> Lineage:
        """All that a model was made from, to the roots.

        Args:
            also: parents of the model that are known from elsewhere, as from `models.yaml`.
        """
        return trace(self, model, also)


@dataclass
class Walk:
    """A walk up a lineage, breadth first; `nodes` are by id in lower case."""

    snapshot: Snapshot
    nodes: dict[str, Ancestor] = field(default_factory=dict)
    steps: list[Descent] = field(default_factory=list)
    cut: list[Descent] = field(default_factory=list)

    def climb(self, child: Ancestor) -> None:
        """Take every step from `child` to its roots."""
        self.nodes[child.id.casefold()] = child
        pending = deque([child])
        while pending:
            child = pending.popleft()
            for parent in parents_of(self.snapshot, child.id):
                pending.extend(self.step(child, parent))

    def step(self, child: Ancestor, parent: Parent) -> list[Ancestor]:
        """Take one step; the parent is handed back where it had not been reached before."""
        found = ancestor(self.snapshot, parent.id, child.steps + 1)
        step = Descent(child=child.id, parent=found.id, relation=parent.relation)
        if leads(self.steps, found.id, child.id):
            self.cut.append(step)
            return []
        self.steps.append(step)
        if found.id.casefold() in self.nodes:
            return []
        self.nodes[found.id.casefold()] = found
        return [found]


def trace(snapshot: Snapshot, model: str, also: Iterable[str]) -> Lineage:
    """The lineage as the snapshot has it, then what only `also` names, as parents of the model."""
    walk = Walk(snapshot)
    top = ancestor(snapshot, model, 0)
    walk.climb(top)
    for id_ in also:
        if id_.casefold() not in walk.nodes:
            for found in walk.step(top, Parent(id=id_)):
                walk.climb(found)
    nodes = sorted(walk.nodes.values(), key=lambda node: node.steps)
    return Lineage(nodes=tuple(nodes), steps=tuple(walk.steps), cut=tuple(walk.cut))


def parents_of(snapshot: Snapshot, model: str) -> tuple[Parent, ...]:
    known = snapshot.get(model)
    return known.parents if known else ()


def ancestor(snapshot: Snapshot, model: str, steps: int) -> Ancestor:
    known, id_ = snapshot.get(model), snapshot.id_of(model)
    developer = developer_of(id_)
    return Ancestor(
        id=id_,
        steps=steps,
        developer=developer.name if developer else None,
        origin=developer.origin if developer else None,
        state="unread" if known is None else "missing" if known.missing else "known",
    )


def leads(steps: Iterable[Descent], child: str, to: str) -> bool:
    """Whether `to` is among the ancestors of `child`, or is itself."""
    above: dict[str, list[str]] = {}
    for step in steps:
        above.setdefault(step.child, []).append(step.parent)
    pending, seen = [child], set[str]()
    while pending:
        model = pending.pop()
        if model == to:
            return True
        if model not in seen:
            seen.add(model)
            pending += above.get(model, [])
    return False


class Change(Value):
    """What is otherwise in a newer snapshot; `before` or `after` is empty where there was none."""

    model: str
    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.model}: {self.what}: {self.before or 'none'} → {self.after or 'none'}"


ASPECTS: dict[str, Callable[[HubModel], str]] = {
    "made from": lambda m: ", ".join(f"{p.id} ({p.relation or 'how?'})" for p in m.parents),
    "licence": lambda m: " ".join(filter(None, (m.licence, m.licence_name))),
    "gated": lambda m: m.gated or "",
    "on the Hub": lambda m: "no" if m.missing else "yes",
    "providers": lambda m: ", ".join(offer.provider for offer in m.offers if offer.live),
}


def changes(before: Snapshot, after: Snapshot) -> list[Change]:
    """What a reader of the diff should look at, by model: lineage, licence, gating, providers."""
    found = []
    for id_ in sorted({**before.models, **after.models}, key=str.casefold):
        old, new = before.models.get(id_), after.models.get(id_)
        for what, aspect in ASPECTS.items():
            values = [aspect(model) if model else "" for model in (old, new)]
            if values[0] != values[1]:
                found.append(Change(model=id_, what=what, before=values[0], after=values[1]))
    return found


def beside(models: Path) -> Path:
    """Where the snapshot of a `models.yaml` lies: `models.snapshot.json`."""
    return models.with_name(f"{models.stem}.snapshot.json")


def load(path: Path = FILE) -> Snapshot:
    """Read a snapshot, once for as long as the file stays the same; empty where there is none.

    Raises:
        ConfigError: the file cannot be read; names the place.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return Snapshot()
    except OSError as error:
        raise broken(path, str(error)) from error
    return read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8)
def read(path: Path, changed: int, size: int) -> Snapshot:
    """`changed` and `size` tell one state of the file from another."""
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise broken(path, f"{where}: {first['msg']}" if where else first["msg"], where) from error
    except OSError as error:
        raise broken(path, str(error)) from error


def broken(path: Path, message: str, key: str = "") -> ConfigError:
    advice = "run `python -m guard models refresh` to write it anew, or delete it"
    return ConfigError(f"{message[:300]}; {advice}", file=path, key=key or None)


def written(snapshot: Snapshot) -> str:
    """The text of the file: models by id, one value a line."""
    ordered = dict(sorted(snapshot.models.items(), key=lambda item: item[0].casefold()))
    values = snapshot.model_copy(update={"models": ordered})
    shown = values.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def write(path: Path, snapshot: Snapshot) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    from .jsonl import whole_file

    with whole_file(path) as stream:
        stream.write(written(snapshot).encode())
