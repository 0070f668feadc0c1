"""The admin page, `/admin`: figures, disputed verdicts, models, limits, a banner, and who did what.

It is for signed-in readers whom `CANDOR_ADMINS` lists; for others nothing is there. Every change
needs the header that only our own script sends, and is noted with who made it. What readers, models
and other admins wrote is outside text here as anywhere.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

from babel.dates import format_datetime
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment
from markupsafe import Markup
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError
from sqlalchemy import select

from guard import explain
from guard.types import Verdict
from guard.verdict import retold

from .. import disputes, render, texts
from ..auth import Reader, is_admin
from ..disputes import Decision, Filter, Shown
from ..figures import Period, Recent
from ..markdown import blocks
from ..routes import Body, Chat, Shared, Who, from_our_page
from ..store import NotFound, Store
from ..store.tables import AdminAction
from ..switches import (
    BANNER,
    DEFAULT,
    LIMIT,
    LIMITS,
    MODEL,
    Banner,
    Default,
    Limit,
    Plain,
    Switchboard,
    Why,
    Words,
)
from . import about
from .about import answered

PAGE = Path(__file__).parent / "admin"
SECTIONS = ("overview", "disputed", "models", "limits", "banner", "log")
ACTIONS = 100  # shown, newest first
DETAILS = 300  # characters of an action that are kept

Note = Annotated[Plain, Field(max_length=2000)]
Short = Annotated[str, StringConstraints(max_length=256)]


async def admin(who: Who, request: Request) -> Reader:
    """The reader, if they are an admin; for others there is no such page."""
    if not is_admin(who, request):
        raise HTTPException(404)
    return who


async def switchboard_of(request: Request) -> Switchboard:
    board: Switchboard = request.app.state.switchboard
    return board


Admin = Annotated[Reader, Depends(admin)]
Board = Annotated[Switchboard, Depends(switchboard_of)]

router = APIRouter(include_in_schema=False)
changing = APIRouter(prefix="/candor/admin", dependencies=[Depends(from_our_page)])


class Decide(Body):
    """None takes a decision back."""

    decision: Decision | Literal[""]
    note: Note = ""


class Switch(Body):
    model: Short
    on: bool
    why: Words = ""


class MakeDefault(Body):
    """An empty model: as `models.yaml` and the environment have it."""

    model: Short


class SetLimits(Body):
    """Limits by variable, as they were typed: nothing for what the environment has."""

    limits: dict[Literal[LIMITS], Annotated[str, StringConstraints(max_length=300)]]  # type: ignore[valid-type]


class Announce(Body):
    """A banner; without a text it is taken down."""

    text: Words
    translations: dict[Short, Words] = {}
    kind: Literal["info", "warning"] = "info"
    until: AwareDatetime | None = None


@router.get("/admin")
async def overview(
    request: Request, who: Admin, chat: Shared, period: Period = "day"
) -> HTMLResponse:
    """The figures of a period."""
    recent: Recent = request.app.state.figures
    found = await recent.figures(period)
    own = {"figures": found, "period": period, "coming": max(found.coming, chat.running)}
    return await page(request, who, "overview", **own)


@router.get("/admin/disputed")
async def disputed(
    request: Request,
    who: Admin,
    chat: Shared,
    *,
    shown: Shown = "open",
    model: Short = "",
    topic: Short = "",
    sent: AwareDatetime | None = None,
    id_: Annotated[str, Query(alias="id", max_length=64)] = "",
) -> HTMLResponse:
    """What readers sent as not withheld; `sent` and `id` are those of the last one shown."""
    which = Filter(shown, model, topic)
    found = await disputes.listed(chat.store, which, (sent, id_) if sent else None)
    models, topics = await disputes.choices(chat.store)
    rows, further = found[: disputes.PAGE], found[disputes.PAGE :]
    own = {"rows": rows, "which": which, "models": models, "topics": topics}
    return await page(request, who, "disputed", **own, last=rows[-1] if further else None)


@router.get("/admin/disputed.jsonl")
async def export(who: Admin, chat: Shared) -> StreamingResponse:
    """The decided ones as labelled rows, one a line."""
    await note(chat.store, done(who, "export"))
    name = "candor-disputed.jsonl"
    return StreamingResponse(
        lines(chat.store),
        media_type="application/x-ndjson",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "no-store",
        },
    )


@router.get("/admin/disputed/{id_}")
async def dispute(id_: str, request: Request, who: Admin) -> HTMLResponse:
    """One dispute: the question, the reply with what the guard marked in it, and the verdict."""
    chat: Chat = request.app.state.chat
    one = await disputes.sent(chat.store, id_)
    html = await asyncio.to_thread(marked, one.reply, one.verdict)
    held = explained(one, chat, who.language)
    return await page(request, who, "dispute", one=one, reply=Markup(html), held=held)  # noqa: S704


@router.get("/admin/models")
async def models(request: Request, who: Admin, chat: Shared, board: Board) -> HTMLResponse:
    """The models, and which of them are on."""
    own = {"models": chat.all_models, "defaults": chat.defaults, "switches": board.now}
    return await page(request, who, "models", **own)


@router.get("/admin/limits")
async def limits(request: Request, who: Admin, board: Board) -> HTMLResponse:
    """The limits that take the place of the environment's."""
    return await page(request, who, "limits", typed=board.now.limits, names=LIMITS)


@router.get("/admin/banner")
async def banner(request: Request, who: Admin, board: Board) -> HTMLResponse:
    """What all readers are told."""
    return await page(request, who, "banner", banner=board.now.banner, languages=texts.named())


@router.get("/admin/log")
async def log(request: Request, who: Admin, chat: Shared) -> HTMLResponse:
    """What admins did."""
    query = select(AdminAction).order_by(AdminAction.created_at.desc()).limit(ACTIONS)
    actions = await chat.store.read(lambda session: session.scalars(query).all())
    return await page(request, who, "log", actions=actions)


@changing.post("/disputed/{id_}")
async def decide(id_: str, body: Decide, who: Admin, request: Request) -> dict[str, Any]:
    """Keep what an admin holds of a dispute."""
    chat: Chat = request.app.state.chat
    action = done(who, "decision", id_, f"{body.decision} {body.note}")
    await disputes.decide(chat.store, id_, body.decision or None, body.note, action)
    return {}


@changing.post("/models")
async def switch(body: Switch, who: Admin, chat: Shared, board: Board) -> dict[str, Any]:
    """Switch a model on or off."""
    if chat.listed(body.model) is None:
        raise NotFound(body.model)
    if not body.on and body.model in chat.defaults:
        raise HTTPException(409, chat.view(who).say.admin_default_stays)
    value = None if body.on else Why(why=body.why).model_dump()
    action = done(who, "model on" if body.on else "model off", body.model, body.why)
    await board.change({MODEL + body.model: value}, action)
    return {}


@changing.post("/default")
async def make_default(body: MakeDefault, who: Admin, chat: Shared, board: Board) -> dict[str, Any]:
    """Let another model answer unless one is picked."""
    if body.model in board.now.off:
        raise HTTPException(409, chat.view(who).say.admin_default_off)
    if body.model and chat.listed(body.model) is None:
        raise NotFound(body.model)
    value = Default(model=body.model).model_dump() if body.model else None
    await board.change({DEFAULT: value}, done(who, "default", body.model))
    return {}


@changing.post("/limits")
async def set_limits(body: SetLimits, who: Admin, chat: Shared, board: Board) -> dict[str, Any]:
    """Set limits, or leave them to the environment again."""
    values = {name: limit_of(name, typed, chat, who) for name, typed in body.limits.items()}
    held = board.now.limits
    changed = {
        name: limit
        for name, limit in values.items()
        if (limit.text if limit else None) != held.get(name)
    }
    if changed:
        told = "; ".join(
            f"{name}: {limit.text if limit else '-'}" for name, limit in changed.items()
        )
        rows = {LIMIT + name: limit and limit.model_dump() for name, limit in changed.items()}
        await board.change(rows, done(who, "limits", details=told))
    return {}


@changing.post("/banner")
async def announce(body: Announce, who: Admin, board: Board) -> dict[str, Any]:
    """Tell all readers something, or no more."""
    if unknown := body.translations.keys() - {*texts.languages()}:
        raise HTTPException(422, f"the page does not speak {min(unknown)[:40]!r}")
    if not body.text:
        await board.change({BANNER: None}, done(who, "banner off"))
        return {}
    banner = Banner(
        text=body.text,
        translations={tag: text for tag, text in body.translations.items() if text},
        kind=body.kind,
        until=body.until,
    )
    await board.change({BANNER: banner.model_dump(mode="json")}, done(who, "banner", "", body.text))
    return {}


def limit_of(name: str, typed: str, chat: Chat, who: Reader) -> Limit | None:
    """Limits as an admin types them; None: as the environment has them."""
    words = " ".join(typed.casefold().split())
    if not words:
        return None
    try:
        return Limit(text=words)
    except ValidationError as error:
        wrong = chat.view(who).say.admin_limit_wrong.format(name=name)
        raise HTTPException(422, wrong) from error


def done(who: Reader, action: str, subject: str = "", details: str = "") -> AdminAction:
    """A note of what an admin does."""
    told = details.strip()[:DETAILS]
    return AdminAction(admin=min(who.accounts), action=action, subject=subject, details=told)


async def note(store: Store, action: AdminAction) -> None:
    await store.write(lambda session: session.add(action))


async def lines(store: Store) -> AsyncIterator[str]:
    """Labelled rows as JSON lines."""
    async for row in disputes.labelled(store):
        yield row.model_dump_json() + "\n"


def marked(reply: str, verdict: Verdict | None) -> str:
    """A model's words as safe HTML, with what the verdict rests on marked."""
    spans = render.joined(verdict, 0) if verdict else []
    return "".join(blocks(reply, spans))


def explained(one: disputes.Sent, chat: Chat, language: str) -> str:
    """What the guard said of the reply, in the admin's language."""
    if one.verdict is None:
        return ""
    spec = chat.listed(one.model)
    return retold(one.verdict, spec.origins if spec else (), language).explanation


async def page(request: Request, who: Reader, name: str, **values: Any) -> HTMLResponse:
    """A section of the page, for nobody to keep."""
    drawing = partial(drawn, f"{name}.html", who=who, section=name, **values)
    response = await answered(request, drawing)
    response.headers["cache-control"] = "no-store"
    return response


@cache
def templates() -> Environment:
    return about.templates(PAGE, topic=explain.topic_name, share=share)


def drawn(template: str, language: str, *, who: Reader, **values: Any) -> str:
    say: Any = texts.texts(language)
    return (
        templates()
        .get_template(template)
        .render(
            language=language,
            say=say,
            sections=SECTIONS,
            moment=partial(moment, who=who, language=language),
            named=partial(named, say=say),
            **values,
        )
    )


def moment(when: datetime, who: Reader, language: str, form: str = "medium") -> str:
    """A time as the admin's clock shows it."""
    locale = language.replace("-", "_")
    return str(format_datetime(when, form, tzinfo=who.zone, locale=locale))


def named(kind: str, value: str, say: Any) -> str:
    """What a value of ours is called on the page; one that is not known stands as it is."""
    return str(getattr(say, f"admin_{kind}_{value}".replace(" ", "_"), value))


def share(part: float, whole: float) -> float:
    """A part in 100 of a whole, to draw it."""
    return round(100 * part / whole, 2) if whole and math.isfinite(part) else 0


router.include_router(changing)
