"""Routes of the settings: what a reader prefers, per model too, what is kept, and its deletion."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BeforeValidator, field_validator

from guard.types import Mode, Options

from . import render, texts
from .auth import COOKIE, LANGUAGE, ZONE, give_cookie, speaking
from .personal import erase, keep_options, options_of, stored
from .record import tame_each
from .routes import Body, Greeted, Preferred, Shared, Who, from_our_page, offered, refuse_mode
from .view import fill

router = APIRouter(prefix="/candor", include_in_schema=False)
changing = APIRouter(dependencies=[Depends(from_our_page)])


def of_the_page(language: str) -> str:
    if language not in texts.languages():
        raise ValueError(f"the page speaks {', '.join(texts.languages())}")
    return language


class Prefer(Body):
    """What the reader sets, and no more than that is kept.

    `mode` is what the guard does in new conversations; `language` is of the page, None for the
    browser's; `theme` is `system` where it follows the system; `model` answers in new
    conversations, None for the operator's default; `share_rated` lets their rated replies go to the
    operator's data set.
    """

    mode: Mode | None = None
    language: Annotated[str, AfterValidator(of_the_page)] | None = None
    theme: Literal["light", "dark", "system"] = "system"
    model: str | None = None
    share_rated: bool = False

    @field_validator("mode")
    @classmethod
    def is_a_mode(cls, mode: Mode | None) -> Mode:
        if mode is None:
            raise ValueError("is a mode of the guard's")
        return mode


class SetOptions(Body):
    """What holds for a model from now on; all of it."""

    model: str
    options: Annotated[Options, BeforeValidator(tame_each)]


@changing.patch("/preferences")
async def prefer(
    body: Prefer, who: Who, chat: Shared, request: Request, response: Response
) -> dict[str, Any]:
    """Keep what the reader prefers; what they ask for next is in the language they chose."""
    values = body.model_dump(exclude_unset=True)
    if body.mode:
        refuse_mode(body.mode, chat.view(who))
    if body.model is not None:
        values["model"] = offered(body.model, chat.view(who)).id
    if values:
        await chat.store.prefer(who.owner, **values)
    if "language" in values:
        speaking(who, request, response, body.language)
    return {"preferred": body.mode} if body.mode else {}


@router.get("/settings")
async def settings(who: Greeted, chat: Shared, preferences: Preferred) -> dict[str, Any]:
    """The models to choose from in the settings, and what is set for each."""
    view = chat.view(who)
    own = await options_of(chat.store, who.owner)
    return {
        "defaults": render.default_models(preferences.model, view),
        "models": render.settable_models(own, view),
        "options": {model: one.model_dump() for model, one in own.items()},
    }


@changing.put("/settings/model")
async def set_options(body: SetOptions, who: Who, chat: Shared) -> dict[str, Any]:
    """Keep a system prompt and parameters for a model; what is emptied is forgotten."""
    view = chat.view(who)
    if body.options != Options():  # what is set for a model that is gone can be taken back
        offered(body.model, view)
    await keep_options(chat.store, who.owner, body.model, body.options)
    own = await options_of(chat.store, who.owner)
    return {"models": render.settable_models(own, view), "shaped": [*own]}


@router.get("/stored")
async def kept(who: Greeted, chat: Shared) -> dict[str, Any]:
    """What is kept of the reader, counted now."""
    found = await stored(chat.store, who.owner)
    return {"stored": fill("stored", chat.view(who), stored=found)}


@changing.delete("/data")
async def delete_all(
    who: Who, chat: Shared, request: Request, response: Response
) -> dict[str, Any]:
    """Remove all that is kept of the reader, at once and for good; they begin anew.

    A reply that is running is stopped first; one that began in between is stopped after.
    """
    await chat.stop_all(who.owner)
    await chat.live.stop_these(await erase(chat.store, who.owner))
    for name in (COOKIE, LANGUAGE, ZONE):
        give_cookie(request, response, name, None)
    return {}


router.include_router(changing)
