"""The ASGI app: our routes beside Gradio's page, behind one set of security headers."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

# Before gradio and langchain are imported: nothing leaves this machine unasked.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from gradio.oauth import attach_oauth
from starlette.routing import Route

from guard.pipeline import Guard
from guard.tools.toolbox import ToolServers

from . import (
    answering,
    continuing,
    files,
    forks,
    listing,
    preferring,
    temporary,
    travel,
    voting,
)
from .api.access import Keyed
from .api.app import PATH as API
from .api.app import api_app
from .api.serve import api_of, close_sessions
from .assets import BASE, STATIC, Assets
from .imports.files import IMPORT_LIMIT
from .keys import Keys
from .mcp_mount import PATH as MCP_PATH
from .mcp_mount import McpMount
from .memory import Full
from .pages import audit as audit_page
from .pages import models as models_page
from .pages import shared
from .pages.chat import head, page, theme
from .pages.head import EarlyHead
from .reading import FILE_LIMIT
from .routes import Chat, full, invalid, not_found, router, unreachable
from .security import BodyLimit, SecurityHeaders
from .settings import Settings
from .store import UNREACHABLE, NotFound, Store
from .sweep import sweeping

if TYPE_CHECKING:
    from .replicas.replica import Replica

ROUTERS = (
    router,
    answering.router,
    continuing.router,
    files.router,
    forks.router,
    listing.router,
    preferring.router,
    temporary.router,
    travel.router,
    voting.router,
    shared.router,
    audit_page.router,
    models_page.router,
)
GZIP_LEVEL = 5
PROVIDERS = "guard.providers"  # imported late: langchain-core takes a second


def build(settings: Settings) -> FastAPI:
    """The whole app.

    Raises:
        ConfigError: `models.yaml`, a topic pack, the audit's summary or a setting is wrong, or a
            secret of a tool server is not set; nothing is served then.
    """
    models = settings.catalogue()
    connection = settings.connection(models)
    tool_servers = ToolServers(models.tools)
    audit = audit_page.AuditPage(settings.audit or audit_page.SHIPPED, models)
    signs_in = bool(settings.oauth_client_id and settings.on_a_space)
    v1, given = api_app(), settings.api_keys.get_secret_value()
    asking, mcp = McpMount(asks=True), McpMount(asks=False)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await Store(settings.database).open(alone=False)
        replica = replica_of(settings, store)
        chat = app.state.chat = Chat(
            store, models, connection, tool_servers, can_sign_in=signs_in, others=replica
        )
        v1.state.api = api_of(chat.visitors, chat.signed_in, given, Keys(store).find)
        ready = asyncio.create_task(asyncio.to_thread(get_ready, chat.visitors))
        swept = asyncio.create_task(sweeping(store))
        async with (
            beside(chat, replica) if replica else store.sole(),
            mcp.serving(chat.visitors),
            asking.serving(chat.visitors),
        ):
            yield
            stops_at = getattr(app.state, "stops_at", 0.0)
            await chat.drain(max(0.0, stops_at - time.monotonic()))
        swept.cancel()
        await asyncio.wait([swept])
        await ready
        await chat.close()
        await chat.tools.close()
        await close_connections()
        await store.close()

    app = FastAPI(title="Candor", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.audit_page = audit
    app.state.models_page = models_page.ModelsPage(models, audit.run, audit.ships)
    for one in ROUTERS:
        app.include_router(one)
    app.add_exception_handler(NotFound, not_found)
    app.add_exception_handler(Full, full)
    app.add_exception_handler(RequestValidationError, invalid)
    for error in UNREACHABLE:
        app.add_exception_handler(error, unreachable)
    app.add_api_route("/health", health, include_in_schema=False)
    keyed = Keyed(asking, mcp, lambda: v1.state.api.access)
    app.routes.append(Route(MCP_PATH, keyed, include_in_schema=False))
    app.mount(BASE, Assets(), name="candor-static")
    app.mount(API, v1, name="api")
    if signs_in:
        attach_oauth(app)
    app = gr.mount_gradio_app(
        app,
        page(),
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        theme=theme(),
        favicon_path=str(STATIC / "favicon.svg"),
    )
    app.add_middleware(EarlyHead, head=head())
    app.add_middleware(GZipMiddleware, compresslevel=GZIP_LEVEL)
    app.add_middleware(CORSMiddleware, allow_origins=())  # else Gradio's says yes to every site
    larger = {
        "/candor/import": IMPORT_LIMIT,
        "/candor/files": FILE_LIMIT,
    }
    app.add_middleware(BodyLimit, larger=larger, apart=API)
    app.add_middleware(SecurityHeaders, on_a_space=settings.on_a_space)
    return app


def replica_of(settings: Settings, store: Store) -> Replica | None:
    """This process among others, where the operator names their Redis.

    Raises:
        ConfigError: its address cannot be read.
    """
    if settings.redis_url is None:
        return None
    from .replicas.link import Link
    from .replicas.replica import Replica

    return Replica(Link(settings.redis_url.get_secret_value()), store)


@asynccontextmanager
async def beside(chat: Chat, replica: Replica) -> AsyncIterator[None]:
    """Tell the other replicas, listen to them, and go on with what those leave that are gone."""
    from .replicas.taking import TakingOver

    replica.start()
    taking = asyncio.create_task(TakingOver(chat, replica).forever())
    try:
        yield
    finally:
        taking.cancel()
        await asyncio.wait([taking])


def get_ready(guard: Guard) -> None:
    """What takes two seconds and no page needs: done when the page is up, before a question."""
    importlib.import_module(f"{PROVIDERS}.inference")
    importlib.import_module(f"{PROVIDERS}.relay")
    guard.warm_up()
    if guard.models.tools.servers:
        importlib.import_module("mcp")


async def close_connections() -> None:
    """Close what the providers keep open to their hosts."""
    await importlib.import_module(f"{PROVIDERS}.transport").close_shared_client()
    await close_sessions()


async def health() -> dict[str, str]:
    """Alive, and done loading."""
    return {"status": "ok"}
