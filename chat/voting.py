"""The route by which a reader says which of two replies side by side is the better one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from .in_place import in_place
from .routes import Body, Shared, Who, from_our_page, whole_turn
from .store.tables import Vote

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])


class Cast(Body):
    """A vote on the run that is shown; None takes it back."""

    run: int
    vote: Vote | None


@router.post("/conversations/{id_}/turns/{turn_id}/vote")
async def vote(id_: str, turn_id: str, body: Cast, who: Who, chat: Shared) -> dict[str, Any]:
    """Keep a vote. It is the reader's note: the conversation goes on with the same reply."""
    await chat.store.vote(who.owner, id_, turn_id, body.run, body.vote)
    place = await in_place(chat.store, who.owner, id_, turn_id)
    return {"html": await whole_turn(place, chat.view(who))}
