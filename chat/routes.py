"""The page's routes: conversations, questions, and the stream of a running reply.

Every change needs the header that only our own script sends, so that no other site can make one in
a reader's name. A reader sees and changes only their own conversations.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from guard.catalogue import Catalogue
from guard.characters import repaired
from guard.errors import ProviderError, UnknownModel
from guard.explain import apart, direction, fault, fill
from guard.observing import Observer
from guard.patience import Patience
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import on_offer
from guard.tools.toolbox import ToolServers
from guard.types import Mode, ModelSpec, Verdict
from guard.verdict import retold

from . import render, shaping, sidebar, texts, tools
from .auth import FAILED, Reader, is_admin, page_language, reader, speaking
from .examples import examples
from .feedback import Feedback
from .in_place import InPlace, in_place, replied
from .left import Left
from .limited import Admitted
from .live import LiveReplies
from .memory import MemoryStore
from .others import Others, Watched
from .personal import conversations_of, options_of
from .store import Conversation, NotFound, Preferences, Reply, Store, Turn, fault_of, now
from .store.indexing import LONG
from .store.titles import on_one_line
from .stream import HEARTBEAT, Watcher, watch
from .switches import Switchboard, Switches, banner_now
from .telemetry.metrics import Metrics
from .titles import Titles
from .view import View, language_of

if TYPE_CHECKING:
    from guard.attempt import Speaking

log = logging.getLogger(__name__)

QUESTION_LIMIT = 100_000  # characters
TITLE_LIMIT = 200
MOST_TOOLS = 20  # servers of tools that a conversation may use
RECONNECTS = (500, 1_500)  # milliseconds until a page asks for the events of a lost stream again
STILL_HERE = b": still here\n\n"  # proxies drop a silent connection


async def from_our_page(x_candor: Annotated[str | None, Header()] = None) -> None:
    """Refuse changes that another site's form or link could have sent."""
    if x_candor is None:
        raise HTTPException(403, "requests that change something need the X-Candor header")


class Chat:
    """What the routes share: the store, the guards and the running replies.

    Temporary conversations have a store of their own (`memory.py`), over which the same runs.
    Where no host is connected, visitors talk to scripted personas; a reader who has signed in
    brings a token of their own, and is offered the real models. `ways` are where one can sign in:
    path and name.
    """

    def __init__(
        self,
        store: Store,
        models: Catalogue,
        connection: Connection,
        tool_servers: ToolServers,
        *,
        observers: Sequence[Observer] = (),
        ways: Sequence[tuple[str, str]] = (),
        others: Others | None = None,
    ) -> None:
        self.store, self.ways = store, ways
        self.readers = store  # what they have set, for temporary conversations too
        self.tools = tool_servers
        self.live = LiveReplies(store, others)
        self.titles = Titles(store)
        patience = Patience(breakers=others.breakers if others else None)
        self.visitors = Guard(
            on_offer(models, connection), connection, patience, observers=observers
        )
        self.signed_in = Guard(models, connection, patience, observers=observers)
        self._listed = [(guard, guard.models) for guard in (self.visitors, self.signed_in)]
        self.back: dict[str, Reader] = {}  # by conversation: who waits for a reply that was left
        self.importing = asyncio.Lock()  # a file that is read takes much memory: one at a time
        self.reading = asyncio.Semaphore(2)  # so do a PDF and a picture
        self._opening = asyncio.Lock()
        self._memory: MemoryStore | None = None
        self._aside: Chat | None = None

    async def aside(self) -> Chat:
        """The same over the temporary conversations' store, which opens when it is first needed."""
        async with self._opening:
            if self._aside is None:
                self._memory = await MemoryStore().open()
                self._aside = copy(self)
                self._aside.store = self._memory
                self._aside.live = LiveReplies(self._memory)
        return self._aside

    def holding(self, id_: str | None) -> Chat:
        """This, or the same aside, by where the conversation or file of that id is."""
        return self._aside if self._aside and self._memory and self._memory.holds(id_) else self

    async def drain(self, seconds: float) -> None:
        """Let what runs come to its end, for so long at most."""
        running = [self.live, *([self._aside.live] if self._aside else [])]
        await asyncio.gather(*(live.drain(seconds) for live in running))

    async def close(self) -> None:
        """End what runs, as the server goes down; temporary conversations are gone then."""
        await self.live.close()
        await self.titles.close()
        if self._aside:
            await self._aside.live.close()
            await self._aside.store.close()

    async def stop_all(self, owner: str) -> None:
        """End all that runs for a reader, and let their temporary conversations go."""
        await self.live.stop_these(await conversations_of(self.store, owner))
        if self._aside and self._memory:
            gone = await conversations_of(self._memory, owner)
            await self._aside.live.stop_these(gone)
            await self._memory.drop(gone)

    def switch(self, switches: Switches) -> None:
        """Offer what admins leave on; what runs goes on."""
        for guard, listed in self._listed:
            guard.models = listed.without(switches.models_off, switches.default)

    def listed(self, model: str) -> ModelSpec | None:
        """The model of that id, also where it is switched off."""
        return next((m.by_id[model] for _, m in self._listed if model in m.by_id), None)

    @property
    def all_models(self) -> list[ModelSpec]:
        """Those that `models.yaml` lists, and the demo's, switched off or not."""
        return [*{spec.id: spec for _, models in self._listed for spec in models.models}.values()]

    @property
    def defaults(self) -> frozenset[str]:
        """The models that answer unless another is picked: visitors and who signed in."""
        return frozenset(guard.models.default for guard, _ in self._listed)

    @property
    def running(self) -> int:
        """Replies that stream in this process, those of temporary conversations too."""
        return len(self.live) + (len(self._aside.live) if self._aside else 0)

    def guard(self, who: Reader) -> Guard:
        return self.signed_in if who.token else self.visitors

    def speaking(self, who: Reader) -> Speaking:
        """What serves models to a reader; it is imported with the first question."""
        from guard.providers.streamed import streamed

        return partial(streamed, connection=self.guard(who).connection, token=who.token)

    def view(self, who: Reader) -> View:
        guard = self.guard(who)
        return View(who.language, guard.models, guard.connection, bool(who.token), who.zone)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


Text = Annotated[str, Field(min_length=1, max_length=QUESTION_LIMIT)]


class Show(Body):
    """What of the alternatives to show: a run of the turn, or another turn in its place."""

    run: int | None = None
    turn: str | None = None


class Choose(Body):
    reply: str


class Rate(Body):
    feedback: Literal["good", "bad"] | None = None
    not_withheld: bool | None = None


class Change(Body):
    title: Annotated[str, Field(min_length=1, max_length=TITLE_LIMIT)] | None = None
    model: str | None = None
    mode: Mode | None = None
    tools: Annotated[list[str], Field(max_length=MOST_TOOLS)] | None = None
    pinned: bool | None = None
    deleted: bool | None = None


def chat_of(request: Request) -> Chat:
    """What the routes share, over the store that holds the conversation of the path."""
    chat: Chat = request.app.state.chat
    return chat.holding(request.path_params.get("id_"))


Who = Annotated[Reader, Depends(reader)]
Shared = Annotated[Chat, Depends(chat_of)]


async def preferences_of(who: Who, chat: Shared) -> Preferences:
    return await chat.store.preferences(who.owner)


Preferred = Annotated[Preferences, Depends(preferences_of)]


async def greeted(who: Who, preferences: Preferred, request: Request, response: Response) -> Reader:
    """The reader, in the language that is stored for them."""
    return speaking(who, request, response, preferences.language)


Greeted = Annotated[Reader, Depends(greeted)]


async def owned(id_: str, who: Who, chat: Shared) -> Conversation:
    """The reader's conversation of that id, before a response begins."""
    return await chat.store.conversation(who.owner, id_)


router = APIRouter(prefix="/candor", include_in_schema=False)
changing = APIRouter(dependencies=[Depends(from_our_page)])


@router.get("/state")
async def state(
    request: Request,
    who: Greeted,
    chat: Shared,
    preferences: Preferred,
    *,
    c: str | None = None,
    model: str = "",
    listed: bool = False,
    temporary: bool = False,
) -> dict[str, Any]:
    """The whole page as it stands: sidebar, thread, model and mode.

    Who has the list of conversations already (`listed`) is not sent it again. `temporary`: the
    page's address says that what is asked on it is not to be stored.
    """
    view, here = chat.view(who), chat.holding(c)
    missing = view.say.sign_in_failed if sign_in_failed(request) else None
    conversation = None
    if c:
        try:
            conversation = await here.store.conversation(who.owner, c)
        except NotFound:
            missing = view.say.temporary_gone if temporary else view.say.not_found
    wanted = conversation.model if conversation else model or preferences.model or ""
    board: Switchboard = request.app.state.switchboard
    spec, unknown = chosen(wanted, view, chat.listed(wanted) if wanted in board.now.off else None)
    own = await options_of(chat.store, who.owner)
    mode = allowed(conversation.mode if conversation else preferences.mode, view)
    return {
        "sidebar": None if listed else await first_page(chat, who, view),
        "thread": await drawn(render.thread, conversation, view, examples(view)),
        "picked": render.picked(spec, view, own),
        "picker": render.picker(spec.id, view, own, preferences.model),
        "model": spec.id,
        "sees": spec.images,
        "default_model": preferences.model,
        "mode": mode,
        "toolbox": tools.menu(conversation, view),
        "modes": view.models.guard.choices,
        "preferred": allowed(preferences.mode, view),
        "language": view.language,
        "direction": direction(view.language),
        "chosen_language": preferences.language,
        "theme": preferences.theme,
        "conversation": conversation.id if conversation else None,
        "title": conversation.title if conversation else None,
        "temporary": here.store.temporary if conversation else temporary,
        "running": bool(conversation and await runs(here, conversation)),
        "notice": missing or unknown,
        "say": view.say.model_dump(),
        "banner": announced(board, view),
        "admin": is_admin(who, request),
        "shares_rated": bool(preferences.share_rated),
        "demo": view.connection.kind == "demo" and not view.signed_in,
        "reader": who.name,
        "sign_in": [
            {"href": path, "label": view.say.sign_in.format(name=apart(label, view.language))}
            for path, label in chat.ways
        ],
        "must_sign_in": who.nobody,
    }


def sign_in_failed(request: Request) -> bool:
    """Whether the reader has just come back from a sign-in that failed; it is told once."""
    session = request.scope.get("session")
    return bool(session and session.pop(FAILED, False))


async def runs(chat: Chat, conversation: Conversation) -> bool:
    """Whether a reply comes in, or will again."""
    found = await chat.live.find(conversation.id)
    return found is not None or (chat.live.shared and any(map(streams, conversation.path())))


def streams(turn: Turn) -> bool:
    """Whether a reply of the turn comes in, by what is stored of it."""
    return any(reply.state == "streaming" for reply in turn.replies)


@router.get("/conversations/{id_}/events")
async def events(id_: str, who: Who, chat: Shared) -> StreamingResponse:
    """What changes in the running turn until it ends; then the turn as it is, and its entry.

    A title that is still being asked for comes last.
    """
    live = await chat.live.find(id_)
    if live is not None:  # before the response begins: whether it is the reader's
        told = telling(chat, who, live, await chat.store.turn(who.owner, id_, live.turn_id))
    else:
        leaf = (await chat.store.heading(who.owner, id_)).leaf_id
        turn = await chat.store.turn(who.owner, id_, leaf) if leaf and chat.live.shared else None
        left = await left_streaming(chat, who, turn)
        told = telling(chat, who, left, turn) if left and turn else ending(chat, who, id_, leaf)
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}  # proxies hold nothing back
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def telling(chat: Chat, who: Reader, live: Watched, turn: Turn) -> AsyncIterator[bytes]:
    """The events of a running turn and of its end, as they go over the wire."""
    yield f"retry: {random.randint(*RECONNECTS)}\n\n".encode()  # noqa: S311 - not all at once
    running: Watched | None = live
    while running is not None and running.turn_id == turn.id:
        live = running
        watcher = Watcher(turn, chat.view(who), max(turn.runs, live.run + 1))
        async for messages in watch(live, watcher):
            which = {"turn": turn.id, "run": live.run}
            told = [event("update", {**which, **message}) for message in messages or ()]
            yield b"".join(told) or STILL_HERE
        running = await gone_on(chat, who, live, turn)
    if not live.kept:  # what the page shows is all there is, until the store takes it
        yield event("end", {"turn": None, "html": "", "entry": None, "titling": True})
        while not await chat.live.stored(live, HEARTBEAT):
            yield STILL_HERE
    async for last in ending(chat, who, live.conversation_id, turn.id):
        yield last


async def gone_on(chat: Chat, who: Reader, live: Watched, turn: Turn) -> Watched | None:
    """The turn in whoever runs it now, after one has ceased to; None where it has ended."""
    if not chat.live.shared or not live.kept:
        return None
    found = await chat.live.find(live.conversation_id)
    if found is not None:
        return found
    return await left_streaming(
        chat, who, await chat.store.turn(who.owner, live.conversation_id, turn.id)
    )


async def left_streaming(chat: Chat, who: Reader, turn: Turn | None) -> Left | None:
    """A turn that nobody runs though it streams; it is the reader's own, who is here to see it."""
    if turn is None or not streams(turn):
        return None
    id_ = turn.conversation_id
    chat.back[id_] = who
    return Left(
        turn,
        look=lambda: chat.store.turn(who.owner, id_, turn.id),
        found=lambda: chat.live.find(id_),
    )


async def ending(chat: Chat, who: Reader, id_: str, ended: str | None) -> AsyncIterator[bytes]:
    """The turn as it has ended, and a title that comes after it; None: there is none to show."""
    if ended is None:
        yield event("end", {"turn": None, "html": "", "entry": None})
        return
    view = chat.view(who)
    titling = chat.titles.coming(id_)  # before the title is read, which may come just then
    place = await in_place(chat.store, who.owner, id_, ended)
    last = {
        "turn": ended,
        "html": await whole_turn(place, view),
        "entry": listed_entry(chat, place.conversation, view),
        "title": place.conversation.title,
        "titling": titling,
    }
    yield event("end", last)
    if titling:
        await chat.titles.wait(id_)
        yield event("titled", await entry(chat, who, id_))


def event(name: str, data: dict[str, Any]) -> bytes:
    """A server-sent event; JSON holds no line breaks, which would end it."""
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {told}\n\n".encode("utf-8", "replace")


@changing.post("/conversations/{id_}/turns/{turn_id}/show")
async def show(id_: str, turn_id: str, body: Show, who: Who, chat: Shared) -> dict[str, Any]:
    """Page to another run of a turn, or to another question in its place."""
    await chat.store.show(who.owner, id_, body.turn or turn_id, body.run)
    view = chat.view(who)
    conversation = await chat.store.conversation(who.owner, id_)
    return {"thread": await drawn(render.thread, conversation, view, [])}


@changing.post("/conversations/{id_}/turns/{turn_id}/choose")
async def choose(id_: str, turn_id: str, body: Choose, who: Who, chat: Shared) -> dict[str, Any]:
    """Go on with another of a turn's replies: it is what the next model is told was said."""
    await chat.store.choose(who.owner, id_, turn_id, body.reply)
    place = await in_place(chat.store, who.owner, id_, turn_id)
    return {"html": await whole_turn(place, chat.view(who))}


@router.get("/conversations/{id_}/replies/{reply_id}")
async def reply(id_: str, reply_id: str, who: Who, chat: Shared) -> dict[str, str]:
    """A reply's words as the model wrote them, to copy."""
    place = await replied(chat.store, who.owner, id_, reply_id)
    return {"markdown": render.said(place.reply(reply_id))}


@changing.post("/conversations/{id_}/replies/{reply_id}/rate")
async def rate(
    id_: str, reply_id: str, body: Rate, *, who: Who, chat: Shared, request: Request
) -> dict[str, Any]:
    """Keep what the reader thinks of a reply, and of the guard's verdict on it."""
    values = body.model_dump(exclude_unset=True)
    if values.get("not_withheld", True) is None:
        raise HTTPException(422, "not_withheld is either true or false")
    was = await chat.store.rate(who.owner, id_, reply_id, **values)
    feedback: Feedback | None = request.app.state.feedback
    if feedback and values and not chat.store.temporary:
        await feedback.note(chat.store, who.owner, reply_id)
    place = await replied(chat.store, who.owner, id_, reply_id)
    if (marked := values.get("not_withheld", was)) != was:
        count_dispute(request.app.state.telemetry.metrics, place.reply(reply_id), marked=marked)
    return {"html": await whole_turn(place, chat.view(who))}


def count_dispute(metrics: Metrics, reply: Reply, *, marked: bool) -> None:
    """Count what a reader thinks of a verdict that was given here."""
    if reply.source is None and reply.verdict:
        metrics.dispute(reply.model["id"], reply.verdict.get("topic"), marked=marked)


@changing.post("/conversations/{id_}/replies/{reply_id}/control")
async def control(
    id_: str, reply_id: str, who: Who, chat: Shared, admitted: Admitted
) -> dict[str, Any]:
    """Ask the same model the topic's matched control question; the verdict keeps what it said."""
    place = await replied(chat.store, who.owner, id_, reply_id)
    turn, asked, view = place.turn, place.reply(reply_id), chat.view(who)
    verdict = Verdict.model_validate(asked.verdict) if asked.verdict else None
    if (
        asked.source
        or verdict is None
        or verdict.topic is None
        or control_is_off(view)
        or shaping.words_unknown(asked)
    ):
        raise HTTPException(409, view.say.failed_request)
    language = language_of(turn.question, who.language)
    model = offered(asked.model["id"], view)
    await admitted.enter(model)
    try:
        found = await chat.guard(who).control(
            turn.question,
            retold(verdict, model.origins, language),
            model=model.id,
            language=language,
            token=who.token,
            options=shaping.options_of(asked),
            billed=admitted.bill,
        )
    except ProviderError as error:
        raise HTTPException(502, " ".join(fault(error.kind, language, model=model.name))) from error
    await chat.store.save_reply(reply_id, verdict=found.model_dump(mode="json"))
    place = await replied(chat.store, who.owner, id_, reply_id)
    return {"html": await whole_turn(place, view)}


@changing.patch("/conversations/{id_}")
async def change(id_: str, body: Change, who: Who, chat: Shared) -> dict[str, Any]:
    """Rename, pin, delete or bring back a conversation, or set its model, mode or tools."""
    values = body.model_dump(exclude_unset=True, exclude_none=True)
    if "model" in values:
        values["model"] = offered(values["model"], chat.view(who)).id
    if "mode" in values:
        refuse_mode(values["mode"], chat.view(who))
    if "tools" in values:
        values["tools"] = tools.listed(values["tools"], chat.view(who))
    if "title" in values:
        values["title"] = on_one_line(clean(values["title"]))
    if "deleted" in values:
        values["deleted_at"] = now() if values.pop("deleted") else None
    if values:
        await chat.store.change(who.owner, id_, **values)
    if values.get("deleted_at"):
        await chat.live.stop(id_)
        return {"entry": None, "title": None}
    return await entry(chat, who, id_)


def offered(model: str, view: View) -> ModelSpec:
    """The model of that id, if it can answer here."""
    try:
        spec = view.models.get(model)
    except UnknownModel as error:
        raise HTTPException(422, str(error)) from error
    if not view.serves(spec):
        raise HTTPException(409, f"{spec.name}: {view.say.needs_connection}")
    return spec


def allowed(mode: str | None, view: View) -> Mode:
    """The mode, where the operator leaves it to readers; else the deployment's."""
    settings = view.models.guard
    return next((one for one in settings.choices if one == mode), settings.mode)


def refuse_mode(mode: Mode, view: View) -> None:
    """Refuse a mode that the operator does not leave to readers."""
    if mode not in view.models.guard.choices:
        offered_modes = ", ".join(view.models.guard.choices)
        raise HTTPException(422, f"the guard's mode {mode!r} is not offered here: {offered_modes}")


def chosen(model: str, view: View, off: ModelSpec | None = None) -> tuple[ModelSpec, str | None]:
    """The model asked for, or the default and a word on why not; `off`: it is switched off."""
    default = view.models.get(view.models.default)
    if not model:
        return default, None
    try:
        spec = view.models.get(model)
    except UnknownModel:
        if off:
            names = {"model": off.name, "other": default.name}
            return default, fill(view.say.model_off, view.language, **names)
        return default, view.say.bad_model.format(model=apart(repr(model[:80]), view.language))
    if not view.serves(spec):
        return default, f"{spec.name}: {view.say.needs_connection}"
    return spec, None


def control_is_off(view: View) -> bool:
    return view.models.guard.control == "off"


def announced(switchboard: Switchboard, view: View) -> dict[str, str] | None:
    """What the operator tells all readers now: plain text, which the page shows as ours."""
    banner = banner_now(switchboard.now)
    if banner is None:
        return None
    return {"id": banner.id, "kind": banner.kind, "text": banner.told(view.language)}


async def first_page(chat: Chat, who: Reader, view: View) -> str:
    found = await chat.store.conversations(who.owner, most=sidebar.PAGE + 1)
    return sidebar.listed(found, view, first=True)


async def entry(chat: Chat, who: Reader, id_: str) -> dict[str, Any]:
    """A conversation's entry in the list, as it is now."""
    heading = await chat.store.heading(who.owner, id_)
    return {"entry": listed_entry(chat, heading, chat.view(who)), "title": heading.title}


def listed_entry(chat: Chat, conversation: Conversation, view: View) -> str | None:
    """A conversation's entry in the list; a temporary one has none."""
    return None if chat.store.temporary else sidebar.listed([conversation], view)


def clean(question: str) -> str:
    """A question without what a database or a model cannot take: NUL and lone surrogates."""
    whole = repaired(question).strip()
    if not whole:
        raise HTTPException(422, "the text is empty")
    return whole


async def drawn(draw: Callable[..., str], *what: Any, little: bool = False) -> str:
    """HTML of much text, which takes seconds at worst: in a thread, so that others do not wait.

    Of a `little` text it takes less than the way to a thread and back, beside other streams.
    """
    return draw(*what) if little else await asyncio.to_thread(draw, *what)


async def whole_turn(place: InPlace, view: View) -> str:
    """The HTML of a turn."""
    turn = place.turn
    told = sum(len(reply.text) + len(reply.thoughts or "") for reply in turn.replies)
    little = len(turn.question) + told < LONG
    return await drawn(render.turn, place, view, little=little)


async def invalid(_: Request, error: Exception) -> JSONResponse:
    """One sentence on what is wrong with a request, without what was sent."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    named = [part for part in first.get("loc", ())[1:] if isinstance(part, str)]
    key = ".".join(named) or "the request's body"
    return JSONResponse({"detail": f"{key}: {first.get('msg', error)}"}, status_code=422)


async def unreachable(_: Request, error: Exception) -> JSONResponse:
    """The database refuses or is gone: say so, and what that means."""
    log.error("the database failed: %s", fault_of(error))
    return JSONResponse({"detail": "the database cannot be written or read now"}, status_code=503)


async def full(request: Request, error: Exception) -> JSONResponse:
    say: Any = texts.texts(page_language(request))
    return JSONResponse({"detail": say.temporary_full}, status_code=503)


async def not_found(request: Request, error: Exception) -> JSONResponse:
    say: Any = texts.texts(page_language(request))
    return JSONResponse({"detail": say.not_found}, status_code=404)


router.include_router(changing)
