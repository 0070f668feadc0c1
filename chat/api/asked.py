"""From the body of a request to what the guard is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from guard.catalogue import Catalogue, GuardSettings
from guard.errors import UnknownModel
from guard.types import Image, Message, Mode, ModelSpec

from .errors import ApiError, of_invalid, of_model
from .schema import ApiMode, ChatMessage, ChatRequest, Unguarded

MODES: dict[ApiMode, Mode] = {
    "off": "off",
    "warn": "warn",
    "fallback": "fall back",
    "annotate": "warn",
}
DEFAULTS: dict[Mode, ApiMode] = {
    "off": "off",
    "warn": "warn",
    "fall back": "fallback",
    "compare": "fallback",
}
SUFFIXES: dict[str, ApiMode | None] = {  # of a model's id; None: as the operator guards
    ":guarded": None,
    ":annotated": "annotate",
    ":unguarded": "off",
}
SPEAKERS: dict[str, Literal["system", "user", "assistant"]] = {
    "developer": "system",
    "system": "system",
    "user": "user",
    "assistant": "assistant",
}
UNSEEN = Image(name="image", media_type="image/png", base64="")  # the host gets the body's own
OURS = "guard"
B = TypeVar("B", bound=BaseModel)


class Asked(NamedTuple):
    """A chat completion that is asked for.

    `body` is what the host is sent, but for the model's id; `messages` are what the guard reads,
    `returned` what tools have returned.
    `mode` is the request's, `guarding` the guard's own; `hold` counts characters. `plain` says that
    the text may be added to.
    """

    spec: ModelSpec
    body: dict[str, Any]
    messages: tuple[Message, ...]
    returned: tuple[str, ...]
    mode: ApiMode
    guarding: Mode
    unguarded: Unguarded | None
    hold: int
    language: str
    plain: bool

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))


def valid(schema: type[B], told: Any) -> B:
    """A body by its schema.

    Raises:
        ApiError: it is not valid.
    """
    try:
        return schema.model_validate(told)
    except ValidationError as error:
        raise of_invalid(error) from error


def asked(told: Any, models: Catalogue, language: str) -> Asked:
    """What a body asks for.

    Args:
        told: the body's JSON.
        models: on offer.
        language: of explanations, where the body names none.

    Raises:
        ApiError: it is not valid, no such model is on offer, or the operator does not offer the
            mode.
    """
    request = valid(ChatRequest, told)
    spec, suffix = named(request.model, models)
    wanted = request.guard
    mode = wanted.mode if wanted and wanted.mode else suffix_mode(suffix, models.guard)
    unguarded = why_unguarded(request, mode)
    return Asked(
        spec=spec,
        body=body_of(told),
        messages=tuple(message_of(one) for one in request.messages if one.role in SPEAKERS),
        returned=tuple(one.text for one in request.messages if one.role not in SPEAKERS),
        mode=mode,
        guarding="off" if unguarded else MODES[mode],
        unguarded=unguarded,
        hold=wanted.hold if wanted and mode == "fallback" else 0,
        language=(wanted.language if wanted else None) or language,
        plain=not request.response_format or request.response_format.get("type") == "text",
    )


def named(model: str, models: Catalogue) -> tuple[ModelSpec, str]:
    """The model of an id, and the suffix that its id has here."""
    suffix = next((one for one in SUFFIXES if model.endswith(one)), "")
    if suffix and model not in models.by_id:
        model = model.removesuffix(suffix)
    else:
        suffix = ""
    try:
        return models.get(model), suffix
    except UnknownModel as error:
        raise of_model(error) from error


def suffix_mode(suffix: str, settings: GuardSettings) -> ApiMode:
    """The mode that a suffix asks for; without one, the deployment's."""
    asked_for = SUFFIXES[suffix] if suffix else DEFAULTS[settings.mode]
    if asked_for:
        return asked_for
    guarding: tuple[Mode, ...] = (settings.mode, "fall back", "warn")
    offered = (one for one in guarding if one != "off" and one in settings.choices)
    return DEFAULTS[next(offered, settings.mode)]


def refuse_mode(mode: ApiMode, settings: GuardSettings) -> None:
    """Refuse a mode that the operator does not leave to callers; its own is always offered.

    Raises:
        ApiError: it is not offered.
    """
    offered = [one for one in MODES if MODES[one] in settings.choices]
    offered += [DEFAULTS[settings.mode]]
    if mode not in offered:
        names = ", ".join(dict.fromkeys(offered))
        raise ApiError(400, f"guard.mode {mode!r} is not offered here: {names}", param="guard.mode")


def why_unguarded(request: ChatRequest, mode: ApiMode) -> Unguarded | None:
    """Why the answer cannot be judged, if it cannot."""
    if mode == "off":
        return "off"
    if "audio" in (request.modalities or ()):
        return "audio"
    return "choices" if (request.n or 1) > 1 else None


def body_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The body without our part."""
    return {key: value for key, value in told.items() if key != OURS}


def message_of(message: ChatMessage) -> Message:
    """A message as the guard reads it."""
    role = SPEAKERS[message.role]
    return Message(role=role, text=message.text, images=(UNSEEN,) * message.images)
