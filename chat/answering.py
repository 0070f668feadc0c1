"""Routes that make a model answer, and the one that stops it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import Field
from sqlalchemy.exc import IntegrityError

from guard import policy
from guard.text import split_thinking
from guard.types import Message, Mode, ModelSpec, Options

from . import files, render, tools
from .auth import Reader
from .foreign import ForeignModel, model_of
from .in_place import InPlace, in_place, placed
from .limited import Admitted
from .limiting import Admission
from .personal import options_of
from .reading import MOST_FILES
from .routes import (
    MOST_TOOLS,
    Body,
    Chat,
    Shared,
    Text,
    Who,
    allowed,
    clean,
    from_our_page,
    listed_entry,
    offered,
    refuse_mode,
    whole_turn,
)
from .store import Attachment, NotFound, Reply, Store, Turn, new_id
from .store.files import shows_images
from .store.turns import Added
from .talk import Asked, talk
from .titles import Asker
from .view import View, language_of

TurnId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]

router = APIRouter(prefix="/candor", include_in_schema=False, dependencies=[Depends(from_our_page)])


class Ask(Body):
    """A question, in a conversation or, without one, in a new one; `files` are ids.

    `temporary`: the page has said that it is not stored. `turn` is the id that the question gets:
    put again, as where the connection broke before the answer, it is there once.
    """

    question: Text
    model: str
    mode: Mode
    conversation: str | None = None
    tools: Annotated[list[str], Field(max_length=MOST_TOOLS)] = []
    files: Annotated[list[str], Field(max_length=MOST_FILES)] = []
    temporary: bool = False
    turn: TurnId = Field(default_factory=new_id)


class Edit(Body):
    question: Text
    turn: TurnId = Field(default_factory=new_id)


class Retry(Body):
    """Another run; `model` where another one is to answer, this once.

    The conversation keeps its own: who wants a second view of one question has not said that they
    want to go on with another model. That is what the picker above is for.
    """

    model: str | None = None


@router.post("/ask")
async def ask(body: Ask, who: Who, chat: Shared, admitted: Admitted) -> dict[str, Any]:
    """Put a question; its reply is then read from the conversation's events."""
    view = chat.view(who)
    spec = offered(body.model, view)
    refuse_mode(body.mode, view)
    chosen = tools.listed(body.tools, view)
    question, attached = clean(body.question), [*dict.fromkeys(body.files)]
    id_ = body.conversation
    chat = await chat.aside() if body.temporary and id_ is None else chat.holding(id_)
    if body.temporary and not chat.store.temporary:
        raise NotFound(id_)  # it is gone, and nothing of it may be stored
    await files.refuse(attached, id_, who, chat, spec)
    await admitted.enter(spec, question, id_)
    again = partial(asked_before, chat, who, body.turn, spec, admitted)
    async with chat.live.alone(id_ or body.turn):
        if id_ is None:
            title = view.say.temporary if body.temporary else question
            first = Turn(id=body.turn, question=question, files=attached, replies=[])
            start = chat.store.start(who.owner, title, spec.id, body.mode, chosen, first=first)
            try:
                new = await start
            except IntegrityError:
                return await again()
            added = Added(new, first, [first.id])
            return await run(chat, who, new.id, body.turn, spec, admitted=admitted, added=added)
        last = (await chat.store.heading(who.owner, id_)).leaf_id
        if last == body.turn:
            return await again()
        await chat.live.stop(id_)  # of a run that has just begun, the question follows
        values: dict[str, Any] = {"model": spec.id, "mode": body.mode, "tools": chosen}
        values["turn_id"] = body.turn
        try:
            added = await chat.store.add_turn(who.owner, id_, question, last, attached, **values)
        except IntegrityError:
            return await again()
        return await run(chat, who, id_, body.turn, spec, admitted=admitted, added=added)


@router.post("/conversations/{id_}/turns/{turn_id}/edit")
async def edit(
    id_: str, turn_id: str, body: Edit, who: Who, chat: Shared, *, admitted: Admitted
) -> dict[str, Any]:
    """Ask another question in the place of one, about the same files; the first stays."""
    place = await in_place(chat.store, who.owner, id_, turn_id)
    turn, view = place.turn, chat.view(who)
    spec = offered(place.conversation.model, view)
    files.refuse_blind(place.files, spec, view)
    question = clean(body.question)
    await admitted.enter(spec, question, id_)
    again = partial(asked_before, chat, who, body.turn, spec, admitted)
    async with chat.live.alone(id_):
        if body.turn in place.siblings:
            return await again()
        await chat.live.stop(id_)  # the edited question may follow another run than it shows
        there = turn.parent_id, turn.files
        below: dict[str, Any] = {"parent_run": turn.parent_run, "turn_id": body.turn}
        try:
            added = await chat.store.add_turn(who.owner, id_, question, *there, **below)
        except IntegrityError:
            return await again()
        return await run(chat, who, id_, body.turn, spec, admitted=admitted, added=added)


@router.post("/conversations/{id_}/turns/{turn_id}/retry")
async def retry(
    id_: str, turn_id: str, body: Retry, who: Who, chat: Shared, *, admitted: Admitted
) -> dict[str, Any]:
    """Ask the same question again; the earlier replies stay, with what follows, to page back to."""
    place = await in_place(chat.store, who.owner, id_, turn_id)
    view = chat.view(who)
    spec = offered(body.model or place.conversation.model, view)
    files.refuse_blind(place.files, spec, view)
    await admitted.enter(spec, group=id_)
    async with chat.live.alone(id_):
        await chat.store.end_at(who.owner, id_, turn_id)
        return await run(chat, who, id_, turn_id, spec, admitted=admitted)


@router.post("/conversations/{id_}/turns/{turn_id}/another")
async def another(
    id_: str, turn_id: str, who: Who, chat: Shared, *, admitted: Admitted
) -> dict[str, Any]:
    """Let a model of another origin answer below the reply that is there."""
    view = chat.view(who)
    await chat.store.heading(who.owner, id_)
    async with chat.live.alone(id_):
        place = await in_place(chat.store, who.owner, id_, turn_id)
        shown = place.turn.shown()
        spec = successor(shown, view, seeing=shows_images(place.files))
        if spec is None:
            raise HTTPException(409, view.say.no_successor)
        await admitted.enter(spec, group=id_)
        return await run(chat, who, id_, turn_id, spec, admitted=admitted, below=shown)


@router.post("/conversations/{id_}/stop")
async def stop(id_: str, who: Who, chat: Shared) -> dict[str, Any]:
    """End the running reply where it is."""
    await chat.store.heading(who.owner, id_)
    await chat.live.stop(id_)
    return {}


async def asked_before(
    chat: Chat, who: Reader, turn_id: str, spec: ModelSpec, admitted: Admission
) -> dict[str, Any]:
    """A question that is put again: its turn as it stands; one that nobody answers is answered.

    Raises:
        NotFound: it is somebody else's, or deleted.
    """
    id_ = await chat.store.conversation_of(who.owner, turn_id)
    place = await in_place(chat.store, who.owner, id_, turn_id)
    if not place.turn.replies and await chat.live.find(id_) is None:
        return await run(chat, who, id_, turn_id, spec, admitted=admitted)
    view = chat.view(who)
    return to_show(chat, place, view, await whole_turn(place, view))


def to_show(chat: Chat, place: InPlace, view: View, html: str) -> dict[str, Any]:
    """A turn for the page to show, and what of the rest changes with it."""
    conversation = place.conversation
    return {
        "conversation": conversation.id,
        "turn": place.turn.id,
        "html": html,
        "path": place.path,
        "title": conversation.title,
        "entry": listed_entry(chat, conversation, view),
        "picked": None,
    }


async def run(
    chat: Chat,
    who: Reader,
    conversation_id: str,
    turn_id: str,
    spec: ModelSpec,
    *,
    admitted: Admission,
    added: Added | None = None,
    below: list[Reply] | None = None,
    grows: str | None = None,
) -> dict[str, Any]:
    """Start a run of a turn, or go on with one; returns the turn to show.

    Args:
        admitted: by which the message was let in, and is charged.
        added: the turn, where it has just been stored.
        below: the replies of the run that another model answers below.
        grows: the id of the reply that its model goes on with.
    """
    await chat.live.stop(conversation_id)
    if added:
        place, told = await added_and_told(chat.store, added)
    else:
        place, told = await placed_and_told(chat.store, who.owner, conversation_id, turn_id)
    conversation, turn, view = place.conversation, place.turn, chat.view(who)
    cut = place.reply(grows) if grows else None
    mode = allowed(conversation.mode, view)
    held = await files.held_by(told, who.owner, chat.store)
    own = await options_of(chat.readers, who.owner)
    if below and mode == "compare":
        mode = "fall back"
    if cut:
        mode = mode_of_more(mode, turn)
        number, step = cut.run, cut.step
        cut.state, cut.fault = "streaming", None
    else:
        number, step = below[0].run if below else turn.runs, len(below or [])
    guard, messages = chat.guard(who), history(told, held)
    asked = partial(
        guard.stream,
        messages,
        model=spec.id,
        mode=mode,
        language=language_of(turn.question, who.language),
        token=who.token,
        tools=chat.tools.toolbox(conversation.tools or ()),
        options=lambda asked: own.get(asked.id, Options()),
        goes_on=cut.text if cut else "",
        thoughts=cut.thoughts if cut else None,
        relaying=chat.speaking(who),
    )
    turn.shown_run = number
    html = await whole_turn(place, view)  # while nothing changes it
    source = admitted.metered(asked, messages, guard.models.snapshot)
    live = await chat.live.begin(conversation_id, turn_id, source, run=number, step=step, grows=cut)
    if not chat.store.temporary:
        chat.titles.begin(place, live, Asker(who.owner, guard, who.token, admitted.bill))
    picked = render.picked(spec, view, own) if spec.id == conversation.model else None
    return to_show(chat, place, view, html) | {"picked": picked}


async def placed_and_told(
    store: Store, owner: str, conversation_id: str, turn_id: str
) -> tuple[InPlace, list[Asked]]:
    """A turn as it stands, and all that its models are told, read at once."""
    return await store.read(
        lambda session: (
            placed(session, owner, conversation_id, turn_id),
            talk(session, conversation_id, turn_id),
        )
    )


async def added_and_told(store: Store, added: Added) -> tuple[InPlace, list[Asked]]:
    """The same of a turn that has just been stored, of which nothing is read back."""
    conversation, turn, siblings = added
    if turn.parent_id is None and not turn.files:
        told = [Asked(turn.id, turn.question, [], None)]
    else:
        told = await store.read(lambda session: talk(session, conversation.id, turn.id))
    path = [one.turn for one in told]
    return InPlace(conversation, turn, path, siblings, [*told[-1].files]), told


def mode_of_more(mode: Mode, turn: Turn) -> Mode:
    """What the guard does about a reply that goes on.

    No lane begins beside it; and where others stand in its run, whoever was to answer in place of a
    withheld one has answered, so that the reader is told, and can ask another.
    """
    hands_on = mode == "fall back" and len(turn.shown()) == 1
    return mode if hands_on or mode == "off" else "warn"


def history(told: Sequence[Asked], held: Mapping[str, Attachment]) -> list[Message]:
    """What the model is told: the answered questions up to the last, and that one.

    A question whose reply failed is left out: many models refuse two questions in a row. So is what
    tools returned: it is text from outside, which would otherwise work on in every later turn.
    `held` are the files of these questions with what they hold.
    """
    messages: list[Message] = []
    for one in told[:-1]:
        if one.answer is not None:
            answer = split_thinking(one.answer).answer
            messages += files.asked(one, held), Message(role="assistant", text=answer)
    return [*messages, files.asked(told[-1], held)]


def successor(shown: list[Reply], view: View, *, seeing: bool) -> ModelSpec | None:
    """The next model of another origin that has not answered in this run; one that sees, if so."""
    if not shown:
        return None
    first = model_of(shown[0].model)
    if isinstance(first, ForeignModel):
        return None
    verdict = shown[-1].verdict or {}
    asked = {reply.model["id"] for reply in shown}
    jurisdiction = verdict.get("jurisdiction")
    candidates = policy.successors(first, view.models.chain(jurisdiction), jurisdiction)
    able = (s for s in candidates if s.images or not seeing)
    return next((s for s in able if s.id not in asked and view.serves(s)), None)
