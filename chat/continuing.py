"""The route by which a reply that was cut goes on where it ended; see `Reply.cut` for which.

What is there stays as it is, and what comes is added to the same reply: a fault, a stop or a killed
process leaves the longer text. The verdict is on the whole, once there is a new one. The tokens and
the price of the second part include reading the first again. Not covered: the chip names who served
the last part.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, HTTPException

from . import render
from .answering import run
from .in_place import replied
from .limited import Admitted
from .routes import Shared, Who, from_our_page, offered

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])


@router.post("/conversations/{id_}/replies/{reply_id}/continue")
async def go_on(
    id_: str, reply_id: str, who: Who, chat: Shared, admitted: Admitted
) -> dict[str, Any]:
    """Let the same model go on with its reply, at the end of what is shown."""
    view = chat.view(who)
    await chat.store.heading(who.owner, id_)
    async with chat.live.alone(id_):
        place = await replied(chat.store, who.owner, id_, reply_id)
        reply = place.reply(reply_id)
        if await chat.live.find(id_) or not render.continues(place, reply, view):
            raise HTTPException(409, view.say.continue_not_now)
        spec = offered(reply.model["id"], view)
        await admitted.enter(spec, group=id_)
        return await run(chat, who, id_, place.turn.id, spec, admitted=admitted, grows=reply_id)
