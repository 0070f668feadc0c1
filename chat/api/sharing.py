"""What the routes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from guard import explain
from guard.events import Event
from guard.pipeline import Guard
from guard.types import Message, ModelSpec

from .access import Access, Caller
from .errors import ApiError
from .wire import loaded

if TYPE_CHECKING:  # the API alone has none, and starts without it
    from ..limiting import Door

BODY_LIMIT = 20_000_000  # bytes: a question with pictures
T = TypeVar("T")
Source = Callable[[], AsyncGenerator[Event, None]]


@dataclass(frozen=True)
class Api:
    """The guards, and who may ask them.

    `guard` is for who has no Hub token of their own, `own` for who brings one. `door` bounds those
    whom no key names, where anything does.
    """

    guard: Guard
    own: Guard
    access: Access
    door: Door | None = None

    async def entered(self, request: Request) -> tuple[Guard, Caller]:
        """The guard for who calls.

        Raises:
            ApiError: they are not let in, or their address has used up what it may.
        """
        sent = request.headers.get("authorization", "")
        caller = await self.access.entered(sent, partial(self.count, request))
        return (self.own if caller.token else self.guard), caller

    async def count(self, request: Request) -> None:
        """Count a request of somebody whom no key names.

        Raises:
            ApiError: their address has used up what it may.
        """
        if self.door:
            await self.door.count(request.scope)

    async def metered(
        self,
        request: Request,
        caller: Caller,
        spec: ModelSpec,
        source: Source,
        messages: Sequence[Message],
    ) -> Source:
        """The events of a reply, counted where no key says who calls.

        Raises:
            ApiError: the address has used up what it may.
        """
        if self.door is None or caller.known:
            return source
        guard = self.own if caller.token else self.guard
        pays = partial(guard.connection.pays, caller.token)
        admitted = await self.door.message(request.scope, spec, pays)
        return admitted.metered(source, messages, guard.models.snapshot)


def api_of(request: Request) -> Api:
    api: Api = request.app.state.api
    return api


def language_of(request: Request) -> str:
    """The language of explanations: the first that the caller reads and the guard speaks."""
    accepted = request.headers.get("accept-language", "").split(",")
    tags = [one.partition(";")[0].strip() for one in accepted]
    known = explain.languages()
    spoken = (explain.nearest_language(tag, known) for tag in tags if tag[:2].isalpha())
    return next(iter(spoken), explain.FALLBACK)


async def body_of(request: Request) -> dict[str, Any]:
    """The body's JSON object.

    Raises:
        ApiError: it is none, or too large.
    """
    parts, length = [], 0
    async for part in request.stream():
        parts.append(part)
        length += len(part)
        if length > BODY_LIMIT:
            raise ApiError(413, f"a request may bring at most {BODY_LIMIT} bytes")
    try:
        told = loaded(b"".join(parts))
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "the body is not valid JSON") from error
    if not isinstance(told, dict):
        raise ApiError(400, "the body is not a JSON object")
    return told


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What comes of `work`, which is cancelled as soon as the client leaves.

    Raises:
        ClientDisconnect: it has left.
    """
    task, left = asyncio.current_task(), False

    def leave(ended: asyncio.Task[None]) -> None:
        nonlocal left
        left = task is not None and not ended.cancelled() and task.cancel()

    leaving = asyncio.create_task(gone(request))
    leaving.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and task is not None and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        leaving.remove_done_callback(leave)
        leaving.cancel()


async def gone(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
