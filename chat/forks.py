"""The route that forks a conversation: a new one that begins with what is shown down to a reply.

It takes what the reader sees, as other front ends do unless told otherwise: of each question the
run that is shown, with all its replies, verdicts and the reader's own marks. Other runs and
branches stay in the first conversation, which is not touched: whoever wants those too exports it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, HTTPException

from . import files
from .limited import COUNTED
from .record import ConversationRecord, file_record, rows_of, shown_of
from .routes import TITLE_LIMIT, Shared, Who, entry, from_our_page
from .store import Conversation, now
from .store.loading import reply_of
from .store.titles import shortened
from .view import View

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])


@router.post("/conversations/{id_}/replies/{reply_id}/fork", dependencies=[COUNTED])
async def fork(id_: str, reply_id: str, who: Who, chat: Shared) -> dict[str, Any]:
    """Copy the way to a reply to a new conversation, which goes on with that reply."""
    conversation = await chat.store.conversation(who.owner, id_, file_texts=True)
    view = chat.view(who)
    turn, reply = reply_of(conversation, reply_id)
    turn.shown_run = reply.run
    conversation.show(turn)
    if any(each.state == "streaming" for one in conversation.path() for each in one.shown()):
        raise HTTPException(409, view.say.fork_not_now)
    if reply.text.strip():
        turn.chosen = reply_id
    record = await asyncio.to_thread(forked, conversation, view)
    fresh = await asyncio.to_thread(rows_of, record, who.owner)
    attached = [file for one in conversation.path() for file in conversation.attached(one)]
    await files.fill(fresh, attached, chat.store)
    await chat.store.add(fresh)
    return {"conversation": fresh.id, **await entry(chat, who, fresh.id)}


def forked(conversation: Conversation, view: View) -> ConversationRecord:
    """What is shown of a conversation, as one that begins now and is marked as a fork.

    What a reply's `source` says is in it: a fork makes no imported reply ours.
    """
    moment = now()
    return shown_of(conversation, file=file_record).model_copy(
        update={"title": marked(conversation.title, view), "begun": moment, "changed": moment}
    )


def marked(title: str, view: View) -> str:
    """A title that says that this is a fork; that of a fork says so already."""
    before, _, after = str(view.say.fork_title).partition("{title}")
    bare = title.removeprefix(before).removesuffix(after)
    room = TITLE_LIMIT - len(before) - len(after)
    return before + shortened(bare, room) + after
