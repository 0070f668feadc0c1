"""`/v1/chat/completions`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from guard.pipeline import Guard
from guard.providers.connect import connect, host_of, is_demo
from guard.types import ModelSpec

from .answer import Chunk, Streamed, whole
from .asked import Asked, asked, refuse_mode
from .errors import ApiError
from .schema import GuardPart
from .sharing import api_of, body_of, language_of, unless_gone
from .wire import answered, dumped

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from guard.providers.relay import Relay

log = logging.getLogger(__name__)
DONE = b"data: [DONE]\n\n"
EVENT = b"data: %b\n\n"


async def completions(request: Request) -> Response:
    """A chat completion, guarded."""
    guard, caller = await api_of(request).entered(request)
    wanted = asked(await body_of(request), guard.models, language_of(request))
    refuse_mode(wanted.mode, guard.models.guard)
    if not guard.connection.serves(wanted.spec, signed_in=bool(caller.token)):
        raise ApiError(503, f"nothing is connected that serves {wanted.spec.id}")
    source = partial(
        guard.stream,
        wanted.messages,
        model=wanted.spec.id,
        mode=wanted.guarding,
        language=wanted.language,
        token=caller.token,
        relaying=partial(speaking, guard, wanted, caller.token),
        returned=wanted.returned,
    )
    api, spec = api_of(request), wanted.spec
    events = (await api.metered(request, caller, spec, source, wanted.messages))()
    if wanted.streams:
        chunks = Streamed(wanted).chunks(events)
        first = await unless_gone(request, anext(chunks))
        return Events(first, chunks, headers_of_stream(wanted, first))
    async with aclosing(events):
        answer, part = await unless_gone(request, whole(wanted, events))
    return answered(answer, headers_of(part))


def speaking(
    guard: Guard, wanted: Asked, token: str | None, spec: ModelSpec
) -> BaseChatModel | Relay:
    """What answers for a model: a relay of its host, or a scripted persona."""
    if is_demo(spec):
        return connect(spec, guard.connection)
    from guard.providers.relay import Relay

    body = wanted.body | {"model": spec.id}
    return Relay(host_of(spec, guard.connection, token), body, guard.connection.timeout)


def headers_of(part: GuardPart) -> dict[str, str]:
    """What a proxy or a log may want to know of an answer."""
    held = part.verdict
    told = {
        "x-guard-mode": part.mode,
        "x-guard-action": part.action,
        "x-guard-attempts": str(len(part.attempts)),
        "x-guard-verdict": held.status if held else "none",
    }
    if part.answer is not None:
        answering = part.attempts[part.answer]
        told |= {"x-guard-model": answering.model, "x-guard-origin": answering.origin or ""}
    return told


def headers_of_stream(wanted: Asked, first: Sequence[Chunk]) -> dict[str, str]:
    """What is known when a stream begins: who speaks first."""
    return {
        "x-guard-mode": wanted.mode,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",  # proxies hold nothing back
    }


class Events(Response):
    """Chunks as server-sent events. A client that leaves ends them, and with them the host's."""

    media_type = "text/event-stream"

    def __init__(
        self,
        first: Sequence[Chunk],
        chunks: AsyncGenerator[Sequence[Chunk], None],
        headers: dict[str, str],
    ) -> None:
        self.first, self.chunks = first, chunks
        self.status_code, self.background = 200, None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.chunks), anyio.create_task_group() as tasks:
            tasks.start_soon(self.leave, receive, tasks.cancel_scope)
            await self.tell(send)
            tasks.cancel_scope.cancel()

    async def leave(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def tell(self, send: Send) -> None:
        start: Any = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await send(body(self.first))
        try:
            async for chunks in self.chunks:
                await send(body(chunks))
            last = DONE
        except ApiError as error:
            last = EVENT % dumped(error.body)
        except Exception:
            log.exception("a streamed completion broke")
            last = EVENT % dumped(ApiError(500, "an internal error").body)
        await send({"type": "http.response.body", "body": last, "more_body": False})


def body(chunks: Sequence[Chunk]) -> Any:
    """Chunks that go together."""
    data = b"".join(EVENT % dumped(chunk) for chunk in chunks)
    return {"type": "http.response.body", "body": data, "more_body": True}
