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

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from guard.deployment import listed
from guard.pipeline import Guard
from guard.providers.connect import on_offer

from ..telemetry import logs
from ..telemetry.health import Check, answers, providers
from ..telemetry.settings import TelemetrySettings
from ..telemetry.telemetry import Telemetry
from ..telemetry.watching import watched, watching
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


def build(api: Api, telemetry: Telemetry, redis_url: SecretStr | None = None) -> Starlette:
    """The API at `/v1`, and what machines watch it by."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        warm = asyncio.create_task(asyncio.to_thread(get_ready, api.guard))
        async with watching(app, parts(api), redis_url):
            yield
            await warm
            await close_sessions()

    routes = [Mount(PATH, api_app(api)), Route("/health", health)]
    app = Starlette(routes=routes, lifespan=lifespan)
    watched(app, telemetry)
    return app


def parts(api: Api) -> dict[str, Check]:
    """What is needed to answer; the store where keys are looked up there alone."""
    needed = {"providers": providers(api.guard)}
    if not (api.access.open or api.access.named):
        needed["store"] = answers(lambda: api.access.find(""))
    return needed


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
    settings = TelemetrySettings.from_environment()
    logs.configure(settings)
    models, connection = listed()
    offered = on_offer(models, connection)
    telemetry = Telemetry.of(settings, models, offered)
    guard = Guard(offered, connection, observers=telemetry.observers)
    own = Guard(models, connection, observers=telemetry.observers)
    given = os.environ.get("CANDOR_API_KEYS", "")
    api = api_of(guard, own, given, find_later)
    redis_url = os.environ.get("CANDOR_REDIS_URL")
    return build(api, telemetry, SecretStr(redis_url) if redis_url else None)


async def find_later(hashed: str) -> Key | None:
    """Look a key up; the store is not opened, nor its libraries read, before one is to be found."""
    return await (await asyncio.to_thread(stored_keys))(hashed)


@cache
def stored_keys() -> Find:
    from chat import settings
    from chat.keys import finding

    return finding(settings.load().database)
