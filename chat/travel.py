"""Routes by which conversations leave and come: shared links, exports, imports.

Each asks for the reader's own conversation. What a link shows is a page of its own
(`pages/shared.py`), which asks for nothing but the link.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from guard.errors import UnknownModel
from guard.types import ModelSpec

from . import imports, render
from .limited import COUNTED
from .markdown_export import written
from .record import ConversationRecord, record_of, rows_of, snapshot_of
from .routes import (
    Body,
    Chat,
    Shared,
    Who,
    allowed,
    drawn,
    first_page,
    from_our_page,
    owned,
)
from .store import Conversation, NotFound, TooMany, now
from .view import View


async def stored(chat: Shared) -> None:
    """A temporary conversation leaves in no way."""
    if chat.store.temporary:
        raise NotFound


router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(stored)])
changing = APIRouter(dependencies=[Depends(from_our_page)])
Owned = Annotated[Conversation, Depends(owned)]


class MakeShare(Body):
    """A link to what is shown now; `thoughts` where the models' reasoning is to be in it."""

    thoughts: bool = False


# --- shared links ---------------------------------------------------------------------------------


@router.get("/conversations/{id_}/shares")
async def shares(conversation: Owned, who: Who, chat: Shared) -> dict[str, Any]:
    """The links to a conversation."""
    return await shares_of(conversation.id, who.owner, chat, chat.view(who))


@changing.post("/conversations/{id_}/shares", dependencies=[COUNTED])
async def share(body: MakeShare, conversation: Owned, who: Who, chat: Shared) -> dict[str, Any]:
    """Copy what is shown now to an address that nobody guesses."""
    view = chat.view(who)
    if await chat.live.find(conversation.id) or not conversation.path():
        raise HTTPException(409, view.say.share_not_now)
    snapshot = await asyncio.to_thread(snapshot_of, conversation, thoughts=body.thoughts)
    try:
        made = await chat.store.share(who.owner, conversation.id, snapshot.model_dump(mode="json"))
    except TooMany as error:
        raise HTTPException(409, view.say.share_too_many) from error
    found = await shares_of(conversation.id, who.owner, chat, view)
    return {"path": f"/s/{made.id}", **found}


@changing.delete("/conversations/{id_}/shares/{token}")
async def revoke(token: str, conversation: Owned, who: Who, chat: Shared) -> dict[str, Any]:
    """Remove a link and the copy behind it."""
    await chat.store.revoke(who.owner, conversation.id, token)
    return await shares_of(conversation.id, who.owner, chat, chat.view(who))


async def shares_of(id_: str, owner: str, chat: Chat, view: View) -> dict[str, Any]:
    return {"shares": render.shares(await chat.store.shares(owner, id_), view)}


@changing.post("/shares/{token}/continue", dependencies=[COUNTED])
async def go_on(token: str, who: Who, chat: Shared) -> dict[str, Any]:
    """Copy a shared conversation to the reader's own.

    What a model said here and what this app held of it never left the database, so it stays what
    it was; what came from a file goes on saying so.
    """
    snapshot = (await chat.store.shared(token)).snapshot
    view = chat.view(who)
    record = await asyncio.to_thread(ConversationRecord.model_validate, snapshot)
    spec = known(view)(record.model)
    moment = now()
    mine = record.model_copy(
        update={
            "model": spec.id if spec else view.models.default,
            "mode": allowed(record.mode, view),
            "begun": moment,
            "changed": moment,
        }
    )
    conversation = rows_of(mine, who.owner)
    await chat.store.add(conversation)
    return {"conversation": conversation.id}


# --- exports --------------------------------------------------------------------------------------


@router.get("/conversations/{id_}/export.md")
async def markdown(conversation: Owned, who: Who, chat: Shared) -> Response:
    """What is shown of a conversation, to read elsewhere."""
    text = await drawn(written, conversation, chat.view(who))
    return file(text, "text/markdown; charset=utf-8", "md")


@router.get("/conversations/{id_}/export.json")
async def whole(id_: str, who: Who, chat: Shared) -> Response:
    """All of a conversation, to keep and to import."""
    conversation = await chat.store.conversation(who.owner, id_, file_texts=True)
    text = await asyncio.to_thread(dumped, conversation, 2)
    return file(text, "application/json", "json")


@router.get("/export", dependencies=[COUNTED])
async def everything(who: Who, chat: Shared) -> Response:
    """All of the reader's conversations, each in a line of its own."""
    ids = [one.id for one in await chat.store.conversations(who.owner)]
    headers = attached("jsonl")
    return StreamingResponse(
        lines(who.owner, ids, chat), media_type="application/x-ndjson", headers=headers
    )


async def lines(owner: str, ids: list[str], chat: Chat) -> AsyncIterator[str]:
    """One conversation after another, so that never more than one is held."""
    for id_ in ids:
        try:
            conversation = await chat.store.conversation(owner, id_, file_texts=True)
        except NotFound:  # deleted meanwhile
            continue
        yield await asyncio.to_thread(dumped, conversation, None) + "\n"


def dumped(conversation: Conversation, indent: int | None) -> str:
    return record_of(conversation).model_dump_json(indent=indent)


def file(text: str, kind: str, ending: str) -> Response:
    return Response(text, media_type=kind, headers=attached(ending))


def attached(ending: str) -> dict[str, str]:
    """A download with a name of ours: a title may hold anything."""
    name = f"candor-{now().date()}.{ending}"
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


# --- imports --------------------------------------------------------------------------------------


@changing.post("/import", dependencies=[COUNTED])
async def take_in(request: Request, who: Who, chat: Shared) -> dict[str, Any]:
    """Import a file: each of its conversations whole, in a transaction of its own, or not at all.

    A file that breaks off keeps what stood before the break, and the answer says so.
    """
    view = chat.view(who)
    preferred = (await chat.store.preferences(who.owner)).mode
    data = await request.body()
    left: Counter[str] = Counter()
    found = imports.conversations(
        data,
        left,
        known=known(view),
        mode=allowed(preferred, view),
        model=view.models.default,
        placeholder=view.say.import_placeholder,
    )
    taken = 0
    async with chat.importing:
        try:
            async for record in in_a_thread(found):
                await chat.store.add(await asyncio.to_thread(rows_of, record, who.owner))
                taken += 1
        except imports.Unreadable as error:
            reason = str(getattr(view.say, f"import_not_{error.reason}"))
            if not taken:
                raise HTTPException(422, reason) from error
            left["rest"] += 1
    return {
        "imported": taken,
        "said": list(told(taken, left, view)),
        "sidebar": await first_page(chat, who, view),
    }


async def in_a_thread(found: Iterator[ConversationRecord]) -> AsyncIterator[ConversationRecord]:
    """An iterator's members, each worked out beside the event loop."""
    while (record := await asyncio.to_thread(partial(next, found, None))) is not None:
        yield record


def told(taken: int, left: Counter[str], view: View) -> Iterator[str]:
    """What was imported, and what was left out and why, in sentences."""
    yield str(view.say.import_done.format(n=taken))
    for reason, number in left.items():
        if number:
            yield str(getattr(view.say, f"import_left_{reason}").format(n=number))


def known(view: View) -> Callable[[str], ModelSpec | None]:
    """The model on offer of an id, whatever the case of its letters."""

    def find(model: str) -> ModelSpec | None:
        try:
            return view.models.get(model)
        except UnknownModel:
            return None

    return find


router.include_router(changing)
