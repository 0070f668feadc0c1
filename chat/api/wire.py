"""JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.responses import Response


def loaded(data: bytes) -> Any:
    """JSON as Python has it.

    Raises:
        ValueError: it is none.
    """
    return orjson.loads(data)


def dumped(value: Any) -> bytes:
    """JSON of plain values and of ours; half characters are escaped."""
    try:
        return orjson.dumps(value, default=plain)
    except TypeError:  # orjson writes no half characters
        return json.dumps(value, default=plain).encode()


def plain(value: Any) -> Any:
    """A value of ours as JSON has it.

    Raises:
        TypeError: it is none of ours.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"there is no JSON for a {type(value).__name__}")


def answered(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(dumped(value), headers=headers, media_type="application/json")
