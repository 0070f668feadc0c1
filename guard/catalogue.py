"""`models.yaml`: the models on offer, the default, and what the guard does.

A file that names a model it does not list, or lists one twice, is refused as a whole. What the
snapshot beside it knows of lineages is added to what the file itself says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from . import policy, snapshot, topics, yaml_file
from .developers import developer_of
from .errors import ConfigError, UnknownModel, nearest
from .provenance import aligned
from .snapshot import Lineage, Snapshot
from .tools.settings import ToolSettings
from .types import BaseModelRef, Country, Mode, ModelSpec, Score, Value

FILE = Path(__file__).parents[1] / "models.yaml"
ControlPolicy = Literal["off", "on request", "when withheld"]
Place = tuple[str | int, ...]
ADVICE = "No model listed would do: list one made elsewhere, or set 'mode' to warn"


class SecondOpinion(Value):
    """Whom to ask about replies whose score lies in `band`; nobody where no `judges` are named.

    `seconds` bound the wait for one opinion.
    """

    band: tuple[Score, Score] = (0.3, 0.8)  # why: docs/policy.md
    judges: tuple[str, ...] = ()
    seconds: float = Field(default=20, gt=0, le=600)

    @field_validator("band")
    @classmethod
    def rises(cls, band: tuple[float, float]) -> tuple[float, float]:
        if band[0] > band[1]:
            raise ValueError("the lower end of the band comes first")
        return band


class Limits(Value):
    """How far one question may go: models asked, seconds in all, US dollars in all."""

    models: int = Field(default=4, ge=1, le=10)
    seconds: float = Field(default=180, gt=0, le=3600)
    dollars: float | None = Field(default=None, gt=0)


class GuardSettings(Value):
    """What the guard does in this deployment; where no mode is set, all that the chains allow.

    `modes` are those that readers may choose from. `fallbacks` are asked in this order;
    `fallbacks_for` holds other chains, by the jurisdiction of the topic. `control` says when the
    replying model is asked the topic's matched control question.
    """

    mode: Mode = "warn"
    modes: tuple[Mode, ...] = Field(default=get_args(Mode), min_length=1)
    fallbacks: tuple[str, ...] = ()
    fallbacks_for: dict[Country, tuple[str, ...]] = {}
    limits: Limits = Limits()
    second_opinion: SecondOpinion = SecondOpinion()
    control: ControlPolicy = "on request"

    @model_validator(mode="before")
    @classmethod
    def falls_back_where_it_can(cls, given: Any) -> Any:
        if isinstance(given, dict) and "mode" not in given:
            return {**given, "mode": "fall back" if given.get("fallbacks") else "warn"}
        return given

    @property
    def choices(self) -> tuple[Mode, ...]:
        """The modes that a reader may choose from: those that need a fallback only with one."""
        if self.fallbacks or self.fallbacks_for:
            return self.modes
        return tuple(m for m in self.modes if m == self.mode or m not in policy.NEED_SUCCESSORS)

    @model_validator(mode="after")
    def offers_its_mode(self) -> Self:
        if self.mode not in self.modes:
            raise ValueError(f"mode {self.mode!r} is not among 'modes'")
        return self


class Catalogue(BaseModel):
    """All of `models.yaml`. `base_url` sends every model to one OpenAI-compatible server.

    `titles` is a small model that is asked for the titles of conversations; nobody is where it is
    left out. `tools` are those that readers may switch on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    default: str
    titles: str | None = None
    guard: GuardSettings = GuardSettings()
    tools: ToolSettings = ToolSettings()
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    _snapshot: Snapshot = PrivateAttr(default_factory=Snapshot)

    @property
    def snapshot(self) -> Snapshot:
        """What is known of these models and of their ancestors."""
        return self._snapshot

    def lineage(self, model: str) -> Lineage:
        """All that a model on offer was made from; origins that this file states go first.

        Raises:
            UnknownModel: it is not on offer.
        """
        spec = self.get(model)
        traced = self.snapshot.lineage(spec.id, [parent.id for parent in spec.base])
        stated = {parent.id.casefold(): parent.origin for parent in spec.base}
        stated[spec.id.casefold()] = spec.origin
        nodes = (
            node.model_copy(update={"origin": stated.get(node.id.casefold()) or node.origin})
            for node in traced.nodes
        )
        return traced.model_copy(update={"nodes": tuple(nodes)})

    @property
    def by_id(self) -> dict[str, ModelSpec]:
        return {model.id: model for model in self.models}

    def get(self, model: str) -> ModelSpec:
        """The model of that id, whatever the case of its letters.

        Raises:
            UnknownModel: there is none; the error names the nearest.
        """
        folded = {id_.casefold(): spec for id_, spec in self.by_id.items()}
        if model.casefold() not in folded:
            raise UnknownModel(model, self.by_id)
        return folded[model.casefold()]

    def chain(self, jurisdiction: str | None) -> tuple[ModelSpec, ...]:
        """The models that may be asked instead, in their order, about a topic of `jurisdiction`."""
        ids = self.guard.fallbacks_for.get(jurisdiction or "", self.guard.fallbacks)
        return tuple(self.by_id[id_] for id_ in ids)

    def with_default(self, model: str) -> Catalogue:
        """The same catalogue with another default, as `CANDOR_DEFAULT_MODEL` asks for.

        Raises:
            ConfigError: the model is not on offer.
        """
        try:
            return self.model_copy(update={"default": self.get(model).id})
        except UnknownModel as error:
            raise ConfigError(f"CANDOR_DEFAULT_MODEL: {error}") from error

    def without(self, off: Collection[str], default: str | None = None) -> Catalogue:
        """The same with some models off the list, the chains and the judges.

        Args:
            off: their ids; those that are not listed, and that of the default, change nothing.
            default: the id of another default, where it is listed.
        """
        chosen = default if default in self.by_id else self.default
        gone = {*off} - {chosen}

        def left(ids: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(id_ for id_ in ids if id_ not in gone)

        guard = self.guard
        asked = guard.second_opinion
        chains = {
            "fallbacks": left(guard.fallbacks),
            "fallbacks_for": {code: left(ids) for code, ids in guard.fallbacks_for.items()},
            "second_opinion": asked.model_copy(update={"judges": left(asked.judges)}),
        }
        return self.model_copy(
            update={
                "default": chosen,
                "titles": None if self.titles in gone else self.titles,
                "guard": guard.model_copy(update=chains),
                "models": tuple(spec for spec in self.models if spec.id not in gone),
            }
        )

    def with_titles(self, model: str) -> Catalogue:
        """The same catalogue with another model for titles, as `CANDOR_TITLE_MODEL` asks for.

        Raises:
            ConfigError: the model is not on offer.
        """
        try:
            return self.model_copy(update={"titles": self.get(model).id})
        except UnknownModel as error:
            raise ConfigError(f"CANDOR_TITLE_MODEL: {error}") from error


def load(path: Path = FILE) -> Catalogue:
    """Read and check a catalogue, with the lineages of the snapshot beside it.

    Raises:
        ConfigError: a file is wrong; names line, key and the nearest valid word.
    """
    catalogue = joined(read(path), snapshot.load(snapshot.beside(path)))
    refuse_weak_chains(catalogue, path)
    return catalogue


def joined(catalogue: Catalogue, held: Snapshot) -> Catalogue:
    """The catalogue with ancestors that only the snapshot knows, after those it lists itself."""
    models = tuple(with_lineage(model, held) for model in catalogue.models)
    whole = catalogue.model_copy(update={"models": models})
    whole._snapshot = held
    return whole


def with_lineage(model: ModelSpec, held: Snapshot) -> ModelSpec:
    listed = {held.id_of(parent.id).casefold() for parent in model.base}
    lineage = held.lineage(model.id, [parent.id for parent in model.base])
    added = [node for node in lineage.ancestors if node.id.casefold() not in listed]
    base = (*(with_origin(parent) for parent in model.base), *map(reference, added))
    return model.model_copy(update={"base": base})


def with_origin(parent: BaseModelRef) -> BaseModelRef:
    """A parent whose origin is left out has its developer's."""
    developer = None if parent.origin else developer_of(parent.id)
    return parent.model_copy(update={"origin": developer.origin}) if developer else parent


def reference(node: snapshot.Ancestor) -> BaseModelRef:
    return BaseModelRef(id=node.id, origin=node.origin)


def read(path: Path = FILE) -> Catalogue:
    """Read the file alone; raises as `load` does, but for chains, which hang on lineages."""
    catalogue = yaml_file.load(path, Catalogue)
    refuse_twins(catalogue, path)
    refuse_strangers(catalogue, path)
    return catalogue


def chains(settings: GuardSettings) -> dict[Place, tuple[str, ...]]:
    """All chains by their place in the file."""
    by_jurisdiction = settings.fallbacks_for.items()
    return {
        ("guard", "fallbacks"): settings.fallbacks,
        **{("guard", "fallbacks_for", country): ids for country, ids in by_jurisdiction},
    }


def refuse_strangers(catalogue: Catalogue, path: Path) -> None:
    """Every model that is named must be listed, and in a chain once: a second time is a cycle."""
    named: dict[Place, str] = {("default",): catalogue.default}
    named |= {("titles",): catalogue.titles} if catalogue.titles else {}
    judges = enumerate(catalogue.guard.second_opinion.judges)
    named |= {("guard", "second_opinion", "judges", n): id_ for n, id_ in judges}
    for place, ids in chains(catalogue.guard).items():
        named |= {(*place, n): id_ for n, id_ in enumerate(ids)}
        for n, id_ in enumerate(ids):
            if id_ in ids[:n]:
                wrong(f"{id_!r} stands twice in this chain; keep one", (*place, n), path)
    for loc, id_ in named.items():
        if id_ not in catalogue.by_id:
            hint = nearest(id_, catalogue.by_id)
            wrong(f"no model {id_!r} is listed under 'models'.{hint}", loc, path)


def refuse_weak_chains(catalogue: Catalogue, path: Path) -> None:
    """Each model must find somebody to hand a question to, on each taboo of its own origins."""
    for model, jurisdiction in unserved(catalogue):
        would = [s.id for s in policy.successors(model, catalogue.models, jurisdiction)]
        own = jurisdiction in catalogue.guard.fallbacks_for
        place = ("fallbacks_for", jurisdiction) if own else ("fallbacks",)
        wrong(
            f"nobody in this chain may answer for {model.id} on topics of {jurisdiction}: "
            "that takes a model of another origin and lineage, without a stake there. "
            + (f"These would do: {', '.join(would)}" if would else ADVICE),
            ("guard", *place),
            path,
        )


def unserved(catalogue: Catalogue) -> Iterator[tuple[ModelSpec, str]]:
    """Models that find nobody in the chain, each with the country on whose topics; none where the
    guard hands nothing on."""
    settings = catalogue.guard
    if not policy.NEED_SUCCESSORS & {settings.mode, *settings.choices}:
        return
    for model in catalogue.models:
        for jurisdiction in sorted(jurisdictions()):
            if not aligned(model.origins, jurisdiction):
                continue
            if not policy.successors(model, catalogue.chain(jurisdiction), jurisdiction):
                yield model, jurisdiction


@cache
def jurisdictions() -> frozenset[str]:
    """The countries that have topic packs, by the packs' folders."""
    return frozenset(file.parent.name for file in topics.files())


def wrong(message: str, loc: Place, path: Path) -> NoReturn:
    """Refuse the file, for what stands at `loc`."""
    raise ConfigError(
        f"{'.'.join(map(str, loc))}: {message}",
        file=path,
        line=yaml_file.locate(path, loc),
        key=str(loc[0]),
    )


def refuse_twins(catalogue: Catalogue, path: Path) -> None:
    """No id may stand twice, of a model or of a server of tools."""
    listed = {
        ("models",): [model.id for model in catalogue.models],
        ("tools", "servers"): [server.id for server in catalogue.tools.servers],
    }
    for place, ids in listed.items():
        seen: set[str] = set()
        for n, id_ in enumerate(ids):
            if id_.casefold() in seen:
                line = yaml_file.locate(path, (*place, n, "id"))
                raise ConfigError(f"{id_!r} is listed twice", file=path, line=line, key="id")
            seen.add(id_.casefold())
