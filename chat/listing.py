"""Routes of the sidebar: further pages of the list, and the search."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from . import sidebar
from .limited import COUNTED
from .routes import Shared, Who, drawn
from .search import search
from .words import phrases

QUERY_LIMIT = 200  # characters

router = APIRouter(prefix="/candor", include_in_schema=False)


@router.get("/conversations")
async def conversations(who: Who, chat: Shared, after: str = "") -> dict[str, Any]:
    """The entries of the list that stand behind a place of it."""
    try:
        place = sidebar.read_place(after)
    except ValueError as error:
        raise HTTPException(422, f"after: {error}") from error
    found = await chat.store.conversations(who.owner, after=place, most=sidebar.PAGE + 1)
    return {"sidebar": sidebar.listed(found, chat.view(who))}


@router.get("/search", dependencies=[COUNTED])
async def find(
    who: Who, chat: Shared, q: Annotated[str, Query(max_length=QUERY_LIMIT)]
) -> dict[str, Any]:
    """The reader's conversations that hold what was typed."""
    view = chat.view(who)
    wanted = phrases(q)
    found = await search(chat.store, who.owner, wanted)
    return {
        "results": await drawn(sidebar.results, found, wanted, view),
        "status": view.say.search_found.format(n=len(found)) if found else view.say.search_none,
    }
