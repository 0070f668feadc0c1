"""`models.yaml`: the models on offer, the default, and what the guard does.

A file that names a model it does not list, or lists one twice, is refused as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from . import yaml_file
from .errors import ConfigError, UnknownModel, nearest
from .types import Country, Mode, ModelSpec, Score, Value

FILE = Path(__file__).parents[1] / "models.yaml"
ControlPolicy = Literal["off", "on request", "when withheld"]


class SecondOpinion(Value):
    """Whom to ask about replies whose score lies in `band`; nobody where no `judges` are named.

    `seconds` bound the wait for one opinion.
    """

    band: tuple[Score, Score] = (0.3, 0.7)
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
    """What the guard does in this deployment.

    `modes` are those that readers may choose from. `fallbacks` are asked in this order;
    `fallbacks_for` holds other chains, by the jurisdiction of the topic. `control` says when the
    replying model is asked the topic's matched control question.
    """

    mode: Mode = "fall back"
    modes: tuple[Mode, ...] = Field(default=get_args(Mode), min_length=1)
    fallbacks: tuple[str, ...] = ()
    fallbacks_for: dict[Country, tuple[str, ...]] = {}
    limits: Limits = Limits()
    second_opinion: SecondOpinion = SecondOpinion()
    control: ControlPolicy = "on request"

    @model_validator(mode="after")
    def offers_its_mode(self) -> Self:
        if self.mode not in self.modes:
            raise ValueError(f"mode {self.mode!r} is not among 'modes'")
        return self


class Catalogue(BaseModel):
    """All of `models.yaml`. `base_url` sends every model to one OpenAI-compatible server."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    default: str
    guard: GuardSettings = GuardSettings()
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    models: tuple[ModelSpec, ...] = Field(min_length=1)

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

    @property
    def fallbacks(self) -> tuple[ModelSpec, ...]:
        return tuple(self.by_id[id_] for id_ in self.guard.fallbacks)

    def with_default(self, model: str) -> Catalogue:
        """The same catalogue with another default, as `CANDOR_DEFAULT_MODEL` asks for.

        Raises:
            ConfigError: the model is not on offer.
        """
        try:
            return self.model_copy(update={"default": self.get(model).id})
        except UnknownModel as error:
            raise ConfigError(f"CANDOR_DEFAULT_MODEL: {error}") from error


def load(path: Path = FILE) -> Catalogue:
    """Read and check a catalogue.

    Raises:
        ConfigError: the file is wrong; names line, key and the nearest valid word.
    """
    catalogue = yaml_file.load(path, Catalogue)
    refuse_twins(catalogue, path)
    named: dict[tuple[str | int, ...], str] = {("default",): catalogue.default}
    named |= {("guard", "fallbacks", n): id_ for n, id_ in enumerate(catalogue.guard.fallbacks)}
    for loc, id_ in named.items():
        if id_ not in catalogue.by_id:
            raise ConfigError(
                f"{'.'.join(map(str, loc))}: no model {id_!r} is listed under 'models'."
                + nearest(id_, catalogue.by_id),
                file=path,
                line=yaml_file.locate(path, loc),
                key=str(loc[0]),
            )
    return catalogue


def refuse_twins(catalogue: Catalogue, path: Path) -> None:
    seen: set[str] = set()
    for n, model in enumerate(catalogue.models):
        if model.id.casefold() in seen:
            line = yaml_file.locate(path, ("models", n, "id"))
            raise ConfigError(f"model {model.id!r} is listed twice", file=path, line=line, key="id")
        seen.add(model.id.casefold())
