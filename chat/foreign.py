"""The model behind a reply: one that this app knows, or one that only a file names."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from guard.types import ModelSpec, Value


class ForeignModel(Value):
    """A model that an imported file names and that is not on offer here.

    Nothing else is known of it: an origin that a file states would be no more than a claim.
    """

    id: str = Field(min_length=1, max_length=200)
    name: str = Field(min_length=1, max_length=200)


def model_of(dump: dict[str, Any]) -> ModelSpec | ForeignModel:
    """The value that a reply's `model` was dumped from."""
    kind = ModelSpec if "origin" in dump else ForeignModel
    return kind.model_validate(dump)
