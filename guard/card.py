"""One model as the Hub told it, read with distrust.

Cards are written by strangers: an id that is none, a licence that is a list, a thousand parents,
control characters. What is odd is left out, and told in a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast, get_args

from .plain import one_line
from .snapshot import Gating, HubModel, Offer, Parent, Relation

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

MOST_PARENTS = 50
MOST_DATASETS = 50
LONGEST = 300  # characters of a card's words
RELATIONS = frozenset(get_args(Relation))
GATINGS: dict[Any, Gating] = {False: "no", True: "yes", "auto": "auto", "manual": "manual"}
ID = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
NEVER = re.compile(r"--|\.\.|\.git$")
BASE_TAG = re.compile(r"base_model:(?:(\w+):)?([^:]+)")
FIRST_DAY = date(2022, 3, 2)  # the Hub's date for all that is older


@dataclass
class Card:
    """One model as the Hub told it. What is odd is left out, and told in `warnings`."""

    asked: str
    info: ModelInfo
    warnings: list[str]

    def model(self, today: date, offers: Callable[[str, list[Any]], Iterable[Offer]]) -> HubModel:
        id_ = self.id()
        return HubModel(
            id=id_,
            read=today,
            renamed_from=(self.asked,) if id_.casefold() != self.asked.casefold() else (),
            author=words(self.info.author),
            licence=self.licence(),
            licence_name=words(self.card.get("license_name")),
            licence_link=self.licence_link(id_),
            gated=GATINGS.get(self.info.gated) if isinstance(self.info.gated, bool | str) else None,
            created=day(self.info.created_at),
            modified=day(self.info.last_modified),
            parameters=self.parameters(),
            datasets=self.datasets(),
            parents=self.parents(id_),
            offers=tuple(offers(id_, self.info.inference_provider_mapping or [])),
        )

    @cached_property
    def card(self) -> dict[str, Any]:
        """The card's data; `vars`, since a card's keys overlay the methods of its class."""
        data = self.info.card_data
        if data is None and not self.warnings:
            self.warnings.append("has no card that the Hub can read; its tags were used")
        return dict(vars(data)) if hasattr(data, "__dict__") else {}

    @cached_property
    def tags(self) -> list[str]:
        return self.strings("tags", self.info.tags)

    def id(self) -> str:
        """The Hub's own writing of the id: another one where the model has been renamed."""
        told = fit_id(self.info.id)
        if told and told.casefold() != self.asked.casefold():
            self.warnings.append(f"is called {told} on the Hub now")
        return told or self.asked

    def strings(self, name: str, value: Any) -> list[str]:
        """A list of words; one word is a list of one."""
        if value is None or isinstance(value, str):
            return [value] if value else []
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        self.warnings.append(f"its {name} are of an odd kind and were left out")
        return []

    def licence(self) -> str | None:
        tagged = (tag.removeprefix("license:") for tag in self.tags if tag.startswith("license:"))
        stated = self.strings("licences", self.card.get("license"))
        return words(next(iter(stated), None)) or words(next(tagged, None))

    def licence_link(self, id_: str) -> str | None:
        """An address; a file beside the card has one too."""
        link = words(self.card.get("license_link"))
        if link and re.fullmatch(r"(\./)?[\w.-]+", link):
            return f"https://huggingface.co/{id_}/blob/main/{link.removeprefix('./')}"
        return link if link and re.fullmatch(r"https?://\S+", link) else None

    def parameters(self) -> int | None:
        total = getattr(self.info.safetensors, "total", None)
        return total if isinstance(total, int) and total > 0 else None

    def datasets(self) -> tuple[str, ...]:
        tagged = [tag.removeprefix("dataset:") for tag in self.tags if tag.startswith("dataset:")]
        named = self.strings("datasets", self.card.get("datasets")) or tagged
        cleaned = (words(name) for name in dict.fromkeys(named))
        return tuple(name for name in cleaned if name)[:MOST_DATASETS]

    def parents(self, id_: str) -> tuple[Parent, ...]:
        """What it was made from: as the Hub worked it out, else its tags, else its card."""
        named = self.from_hub() or self.from_tags() or self.from_card()
        stated = relation_of(self.card.get("base_model_relation"))
        found: dict[str, Parent] = {}
        for name, relation in named:
            parent = fit_id(name)
            if parent is None:
                quoted = one_line(str(name))
                self.warnings.append(f"names a base model that is no id on the Hub: {quoted!r}")
            elif parent.casefold() in (id_.casefold(), self.asked.casefold()):
                self.warnings.append("names itself as its base model")
            else:
                found.setdefault(parent.casefold(), Parent(id=parent, relation=stated or relation))
        if len(found) > MOST_PARENTS:
            self.warnings.append(f"names {len(found)} base models; {MOST_PARENTS} were kept")
        return tuple(found.values())[:MOST_PARENTS]

    def from_hub(self) -> list[tuple[Any, Relation | None]]:
        told: Any = self.info.base_models
        if not isinstance(told, dict):
            return []
        relation, models = relation_of(told.get("relation")), told.get("models")
        if not isinstance(models, list):
            self.warnings.append("its base models are of an odd kind and were left out")
            return []
        return [(m.get("id") if isinstance(m, dict) else m, relation) for m in models]

    def from_tags(self) -> list[tuple[Any, Relation | None]]:
        """Tags read `base_model:ID` and `base_model:finetune:ID`; the second says more."""
        found: dict[str, Relation | None] = {}
        for tag in self.tags:
            if match := BASE_TAG.fullmatch(tag):
                found[match[2]] = relation_of(match[1]) or found.get(match[2])
        return list(found.items())

    def from_card(self) -> list[tuple[Any, Relation | None]]:
        return [(name, None) for name in self.strings("base models", self.card.get("base_model"))]


def relation_of(word: Any) -> Relation | None:
    return cast("Relation", word) if isinstance(word, str) and word in RELATIONS else None


def fit_id(word: Any) -> str | None:
    """The word where it can be the id of a model on the Hub."""
    fits = isinstance(word, str) and ID.fullmatch(word) and not NEVER.search(word)
    return word if fits else None


def words(value: Any) -> str | None:
    """Foreign words on one line, without control characters, cut where they are long."""
    return one_line(value, LONGEST) or None if isinstance(value, str) else None


def label(value: Any) -> str | None:
    """Foreign words that are of use only as a whole."""
    return words(value) if isinstance(value, str) and len(value) < LONGEST else None


def day(moment: datetime | None) -> str | None:
    """The date; None for the first that the Hub has, which stands for all before it."""
    return None if moment is None or moment.date() <= FIRST_DAY else moment.date().isoformat()
