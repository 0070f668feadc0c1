"""Routes of temporary conversations: leaving one, and keeping it after all."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request

from . import files
from .memory import MemoryStore
from .record import parents_first, record_of, rows_of
from .routes import Chat, Shared, Who, entry, from_our_page, owned
from .store import Conversation, NotFound
from .store.titles import titled

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])
Owned = Annotated[Conversation, Depends(owned)]


async def passing(chat: Shared, conversation: Owned) -> MemoryStore:
    """The store of the reader's temporary conversation; of a stored one, none."""
    if not isinstance(chat.store, MemoryStore):
        raise NotFound(conversation.id)
    return chat.store


Passing = Annotated[MemoryStore, Depends(passing)]


@router.delete("/conversations/{id_}/temporary")
async def leave(id_: str, store: Passing, chat: Shared) -> dict[str, Any]:
    """Let a temporary conversation go, now."""
    await chat.live.stop(id_)
    await store.drop([id_])
    return {}


@router.post("/conversations/{id_}/temporary/keep")
async def keep(
    conversation: Owned, store: Passing, who: Who, chat: Shared, request: Request
) -> dict[str, Any]:
    """Move a temporary conversation to the stored ones, titled by its first question."""
    if await chat.live.find(conversation.id) or not conversation.turns:
        raise HTTPException(409, chat.view(who).say.temporary_not_now)
    title = titled(conversation.turns[0].question)
    whole = await store.conversation(who.owner, conversation.id, file_texts=True)
    record = (await asyncio.to_thread(record_of, whole)).model_copy(update={"title": title})
    kept = await asyncio.to_thread(rows_of, record, who.owner)
    attached = [file for turn in parents_first(whole) for file in whole.attached(turn)]
    await files.fill(kept, attached, store)
    everyones: Chat = request.app.state.chat
    async with chat.live.alone(conversation.id):
        if not store.holds(conversation.id):  # another page was first
            raise NotFound(conversation.id)
        await everyones.store.add(kept)
        await store.drop([conversation.id])
    return {"conversation": kept.id, **await entry(everyones, who, kept.id)}
