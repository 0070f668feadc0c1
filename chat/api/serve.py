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
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from guard.deployment import listed
from guard.pipeline import Guard
from guard.providers.connect import on_offer

from ..counting import Counting
from ..telemetry import logs
from ..telemetry.health import Check, answers, providers
from ..telemetry.settings import TelemetrySettings
from ..telemetry.telemetry import Telemetry
from ..telemetry.watching import watched, watching
from .access import Access, Find, Key
from .app import PATH, api_app
from .sharing import Api

if TYPE_CHECKING:
    from ..limiting import Door

COLLECTING = 20_000, 50, 100  # Python's own looks through all that stays far too often


def api_of(
    guard: Guard,
    own: Guard,
    given: str,
    find: Find,
    *,
    counting: Counting,
    door: Door | None = None,
) -> Api:
    """What the routes share, as this deployment is set.

    Args:
        guard: for who has no Hub token of their own.
        own: for who brings one.
        given: `CANDOR_API_KEYS`.
        find: looks a key up by its SHA-256.
        counting: counts what keys ask for.
        door: bounds addresses.
    """
    connection = guard.connection
    access = Access(
        given=given,
        find=find,
        anyone=connection.kind == "demo",  # scripted replies cost nobody anything
        hub=connection.kind != "openai_compatible",  # the token is for the Hub's router alone
        counting=counting,
    )
    return Api(guard, own, access, door)


def build(api: Api, telemetry: Telemetry) -> Starlette:
    """The API at `/v1`, and what machines watch it by."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        warm = asyncio.create_task(asyncio.to_thread(get_ready, api.guard))
        async with watching(app, parts(api)):
            yield
            await warm
            await close_sessions()
        await api.access.counting.close()

    routes = [Mount(PATH, api_app(api)), Route("/health", health)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.api = api
    watched(app, telemetry)
    return app


def parts(api: Api) -> dict[str, Check]:
    """What is needed to answer; the store where keys are looked up there alone."""
    needed = {"providers": providers(api.guard)}
    if not (api.access.open or api.access.named):
        needed["store"] = answers(lambda: api.access.find(""))
    return needed | redis_part(api.access.counting)


def redis_part(counting: Counting) -> dict[str, Check]:
    """Redis, where replicas share one."""
    return {"redis": answers(counting.ping)} if counting.url else {}


def get_ready(guard: Guard) -> None:
    """What the first completion would wait for."""
    if guard.connection.kind != "demo":
        importlib.import_module("guard.providers.relay")
        importlib.import_module("limits.aio.strategies")
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
    settings = TelemetrySettings.from_environment()
    logs.configure(settings)
    models, connection = listed()
    offered = on_offer(models, connection)
    telemetry = Telemetry.of(settings, models, offered)
    guard = Guard(offered, connection, observers=telemetry.observers)
    own = Guard(models, connection, observers=telemetry.observers)
    given = os.environ.get("CANDOR_API_KEYS", "")
    counting = Counting(os.environ.get("CANDOR_REDIS_URL"))
    if counting.url:
        _ = counting.redis  # an address that cannot be read is told now
    api = api_of(guard, own, given, find_later, counting=counting, door=door_to(counting))
    return build(api, telemetry)


def door_to(counting: Counting) -> Door | None:
    """What bounds the addresses of those whom no key names, where that is asked for.

    Raises:
        ConfigError: a limit is wrong.
    """
    if not os.environ.get("CANDOR_LIMITS_ADDRESS"):
        return None
    from .. import settings
    from ..limiting import Door, Limiter
    from ..limits import limits_now

    limits = limits_now(settings.load())
    return Door(Limiter(counting, lambda: limits))


async def find_later(hashed: str) -> Key | None:
    """Look a key up; the store is not opened, nor its libraries read, before one is to be found."""
    return await (await asyncio.to_thread(stored_keys))(hashed)


@cache
def stored_keys() -> Find:
    from chat import settings
    from chat.keys import finding

    return finding(settings.load().database)
