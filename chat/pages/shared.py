"""The page of a shared conversation, `/s/<token>`: a copy, for whoever has the address.

It is drawn with the thread's own templates and read without any script. It names no owner, sets no
cookie, and is neither indexed nor kept by a browser, so that a link that is revoked shows nothing.
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from guard.plain import one_line

from .. import render, view
from ..auth import page_language
from ..record import ConversationRecord, rows_of
from ..routes import Shared
from ..store import NotFound, Share
from ..view import View

PAGE = Path(__file__).parent / "shared"
HEADERS = {
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store",
    "vary": "accept-language, cookie",
}

router = APIRouter()


@router.get("/s/{token}", include_in_schema=False)
async def page(token: str, request: Request, chat: Shared) -> HTMLResponse:
    """What was shown of a conversation when its owner shared it."""
    language = page_language(request)
    guard = chat.visitors
    visitor = View(language, guard.models, guard.connection, read_only=True)
    headers = HEADERS | {"content-language": language}
    try:
        share = await chat.store.shared(token)
    except NotFound:
        return HTMLResponse(filled("gone", visitor), 404, headers)
    return HTMLResponse(await asyncio.to_thread(drawn, share, visitor), 200, headers)


def drawn(share: Share, visitor: View) -> str:
    """The whole page."""
    record = ConversationRecord.model_validate(share.snapshot)
    conversation = rows_of(record, owner="")
    thread = render.thread(conversation, visitor, [])
    return filled(
        "page",
        visitor,
        title=one_line(record.title, 200),
        created=share.created_at,
        token=share.id,
        thread=Markup(thread),  # noqa: S704  drawn by the templates
    )


def filled(name: str, visitor: View, **values: object) -> str:
    say, language = visitor.say, visitor.language
    template = templates().get_template(f"{name}.html")
    return template.render(say=say, language=language, **values)


@cache
def templates() -> Environment:
    """The chat's templates and filters, and the page's own."""
    return view.templates().overlay(loader=FileSystemLoader([PAGE, view.TEMPLATES]))
