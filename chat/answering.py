"""Routes that make a model answer, and the one that stops it."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, HTTPException

from guard import policy
from guard.types import Message, Mode, ModelSpec

from . import render, sidebar
from .auth import Reader
from .foreign import ForeignModel, model_of
from .routes import (
    Body,
    Chat,
    Shared,
    Text,
    Who,
    allowed,
    clean,
    drawn,
    from_our_page,
    offered,
    refuse_mode,
)
from .store import Conversation, Reply, Turn, turn_of
from .titles import Asker
from .view import View, language_of

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])


class Ask(Body):
    """A question, in a conversation or, without one, in a new one."""

    question: Text
    model: str
    mode: Mode
    conversation: str | None = None


class Edit(Body):
    question: Text


class Retry(Body):
    """Another run; `model` where another one is to answer."""

    model: str | None = None


@router.post("/ask")
async def ask(body: Ask, who: Who, chat: Shared) -> dict[str, Any]:
    """Put a question; its reply is then read from the conversation's events."""
    view = chat.view(who)
    spec = offered(body.model, view)
    refuse_mode(body.mode, view)
    question = clean(body.question)
    id_ = body.conversation
    if id_ is None:
        id_ = (await chat.store.start(who.owner, question, spec.id, body.mode)).id
    async with chat.live.alone(id_):
        last = None
        if body.conversation is not None:
            last = (await chat.store.heading(who.owner, id_)).leaf_id
            await chat.store.change(who.owner, id_, model=spec.id, mode=body.mode)
        turn_id = await chat.store.add_turn(who.owner, id_, question, last)
        return await run(chat, who, id_, turn_id, spec)


@router.post("/conversations/{id_}/turns/{turn_id}/edit")
async def edit(id_: str, turn_id: str, body: Edit, who: Who, chat: Shared) -> dict[str, Any]:
    """Ask another question in the place of one; the first stays, to page back to."""
    conversation = await chat.store.conversation(who.owner, id_)
    turn = turn_of(conversation, turn_id)
    spec = offered(conversation.model, chat.view(who))
    question = clean(body.question)
    async with chat.live.alone(id_):
        new = await chat.store.add_turn(who.owner, id_, question, turn.parent_id)
        return await run(chat, who, id_, new, spec)


@router.post("/conversations/{id_}/turns/{turn_id}/retry")
async def retry(id_: str, turn_id: str, body: Retry, who: Who, chat: Shared) -> dict[str, Any]:
    """Ask the same question again; the earlier replies stay, to page back to."""
    conversation = await chat.store.conversation(who.owner, id_)
    turn_of(conversation, turn_id)
    spec = offered(body.model or conversation.model, chat.view(who))
    async with chat.live.alone(id_):
        return await run(chat, who, id_, turn_id, spec)


@router.post("/conversations/{id_}/turns/{turn_id}/another")
async def another(id_: str, turn_id: str, who: Who, chat: Shared) -> dict[str, Any]:
    """Let a model of another origin answer below the reply that is there."""
    view = chat.view(who)
    await chat.store.conversation(who.owner, id_)
    async with chat.live.alone(id_):
        turn = turn_of(await chat.store.conversation(who.owner, id_), turn_id)
        shown = turn.shown()
        spec = successor(shown, view)
        if spec is None:
            raise HTTPException(409, view.say.no_successor)
        return await run(chat, who, id_, turn_id, spec, below=shown)


@router.post("/conversations/{id_}/stop")
async def stop(id_: str, who: Who, chat: Shared) -> dict[str, Any]:
    """End the running reply where it is."""
    await chat.store.heading(who.owner, id_)
    await chat.live.stop(id_)
    return {}


async def run(
    chat: Chat,
    who: Reader,
    conversation_id: str,
    turn_id: str,
    spec: ModelSpec,
    *,
    below: list[Reply] | None = None,
) -> dict[str, Any]:
    """Start a run of a turn, or go on `below` the replies of one; returns the turn to show."""
    await chat.live.stop(conversation_id)
    conversation = await chat.store.conversation(who.owner, conversation_id)
    turn = turn_of(conversation, turn_id)
    view = chat.view(who)
    mode = allowed(conversation.mode, view)
    source = partial(
        chat.guard(who).stream,
        history(conversation, turn),
        model=spec.id,
        mode="fall back" if below and mode == "compare" else mode,
        language=language_of(turn.question, who.language),
        token=who.token,
    )
    number = below[0].run if below else turn.runs
    step = len(below or [])
    live = await chat.live.begin(conversation_id, turn_id, source, run=number, step=step)
    chat.titles.begin(conversation, live, Asker(who.owner, chat.guard(who), who.token))
    turn.shown_run = number
    return {
        "conversation": conversation_id,
        "turn": turn_id,
        "html": await drawn(render.turn, conversation, turn, view),
        "path": [one.id for one in conversation.path()],
        "title": conversation.title,
        "entry": sidebar.listed([conversation], view),
        "picked": render.picked(spec, view) if not below else None,
    }


def history(conversation: Conversation, turn: Turn) -> list[Message]:
    """What the model is told: the answered questions up to this turn, and its own.

    A question whose reply failed is left out: many models refuse two questions in a row.
    """
    by_id = {one.id: one for one in conversation.turns}
    told: list[Message] = [Message(role="user", text=turn.question)]
    before = by_id.get(turn.parent_id or "")
    while before is not None:
        answer = before.answer()
        if answer:
            told.insert(0, Message(role="assistant", text=render.said(answer)))
            told.insert(0, Message(role="user", text=before.question))
        before = by_id.get(before.parent_id or "")
    return told


def successor(shown: list[Reply], view: View) -> ModelSpec | None:
    """The next model of another origin that has not answered in this run yet."""
    if not shown:
        return None
    first = model_of(shown[0].model)
    if isinstance(first, ForeignModel):
        return None
    verdict = shown[-1].verdict or {}
    asked = {reply.model["id"] for reply in shown}
    jurisdiction = verdict.get("jurisdiction")
    candidates = policy.successors(first, view.models.chain(jurisdiction), jurisdiction)
    return next((s for s in candidates if s.id not in asked and view.serves(s)), None)
