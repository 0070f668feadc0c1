"""The API alone, without a page: `python -m guard serve`."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from guard.deployment import listed
from guard.pipeline import Guard
from guard.providers.connect import on_offer

from .access import Access, Find, Key
from .app import PATH, api_app
from .sharing import Api

COLLECTING = 20_000, 50, 100  # Python's own looks through all that stays far too often


def api_of(guard: Guard, own: Guard, given: str, find: Find) -> Api:
    """What the routes share, as this deployment is set.

    Args:
        guard: for who has no Hub token of their own.
        own: for who brings one.
        given: `CANDOR_API_KEYS`.
        find: looks a key up by its SHA-256.
    """
    connection = guard.connection
    access = Access(
        given=given,
        find=find,
        anyone=connection.kind == "demo",  # scripted replies cost nobody anything
        hub=connection.kind != "openai_compatible",  # the token is for the Hub's router alone
    )
    return Api(guard, own, access)


def build(api: Api) -> Starlette:
    """The API at `/v1`, and `/health`."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warm = asyncio.create_task(asyncio.to_thread(get_ready, api.guard))
        yield
        await warm
        await close_sessions()

    routes = [Mount(PATH, api_app(api)), Route("/health", health)]
    return Starlette(routes=routes, lifespan=lifespan)


def get_ready(guard: Guard) -> None:
    """What the first completion would wait for."""
    if guard.connection.kind != "demo":
        importlib.import_module("guard.providers.relay")
    guard.warm_up()
    gc.set_threshold(*COLLECTING)


async def close_sessions() -> None:
    """Close what is kept open to hosts, where anything ever was."""
    relay = sys.modules.get("guard.providers.relay")
    if relay is not None:
        await relay.close_shared_session()


async def health(_: Request) -> JSONResponse:
    """Alive."""
    return JSONResponse({"status": "ok"})


def from_environment() -> Starlette:
    """The app as files and environment say; each worker process makes its own.

    Raises:
        ConfigError: one of them is wrong.
    """
    models, connection = listed()
    guard = Guard(on_offer(models, connection), connection)
    given = os.environ.get("CANDOR_API_KEYS", "")
    return build(api_of(guard, Guard(models, connection), given, find_later))


async def find_later(hashed: str) -> Key | None:
    """Look a key up; the store is not opened, nor its libraries read, before one is to be found."""
    return await (await asyncio.to_thread(stored_keys))(hashed)


@cache
def stored_keys() -> Find:
    from chat import settings
    from chat.keys import finding

    return finding(settings.load().database)
