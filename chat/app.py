"""The ASGI app: our routes beside Gradio's page, behind one set of security headers."""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

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
from starlette.routing import Mount, Route

from guard.catalogue import Catalogue
from guard.errors import ConfigError
from guard.pipeline import Guard
from guard.providers.connect import on_offer
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
from .feedback import Feedback
from .figures import Recent
from .imports.files import IMPORT_LIMIT
from .keys import Keys
from .mcp_mount import PATH as MCP_PATH
from .mcp_mount import McpMount
from .memory import Full
from .pages import admin as admin_page
from .pages import audit as audit_page
from .pages import models as models_page
from .pages import shared
from .pages.chat import head, page, theme
from .pages.head import EarlyHead
from .reading import FILE_LIMIT
from .routes import Chat, full, invalid, not_found, router, unreachable
from .security import BodyLimit, OnlyThePage, SecurityHeaders
from .settings import Settings
from .store import UNREACHABLE, NotFound, Store
from .sweep import sweeping
from .switches import Switchboard, Switches
from .telemetry.health import Check, answers, providers
from .telemetry.telemetry import Telemetry
from .telemetry.watching import watched, watching

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
    admin_page.router,
    audit_page.router,
    models_page.router,
)
GZIP_LEVEL = 5
PROVIDERS = "guard.providers"  # imported late: langchain-core takes a second


def build(settings: Settings) -> FastAPI:
    """The whole app.

    Raises:
        ConfigError: `models.yaml`, a topic pack, the audit's summary or a setting is wrong, or a
            secret that one of them needs is not set; nothing is served then.
    """
    models = settings.catalogue()
    connection = settings.connection(models)
    tool_servers = ToolServers(models.tools)
    audit = audit_page.AuditPage(settings.audit or audit_page.SHIPPED, models)
    feedback = feedback_of(settings)
    signs_in = bool(settings.oauth_client_id and settings.on_a_space)
    v1, given = api_app(), settings.api_keys.get_secret_value()
    telemetry = Telemetry.of(settings.telemetry, models, on_offer(models, connection))
    asking, mcp = McpMount(asks=True), McpMount(asks=False)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await Store(settings.database, settings.database_connections).open()
        chat = app.state.chat = Chat(
            store,
            models,
            connection,
            tool_servers,
            can_sign_in=signs_in,
            observers=telemetry.observers,
        )
        switchboard = app.state.switchboard = Switchboard(store, partial(switch, app, models))
        await switchboard.read()
        app.state.figures = Recent(store)
        v1.state.api = api_of(chat.visitors, chat.signed_in, given, Keys(store).find)
        ready = asyncio.create_task(asyncio.to_thread(get_ready, chat.visitors))
        pushed = [feedback.pushing()] if feedback else []
        beside = [sweeping(store), switchboard.follow(), *pushed]
        served = mcp.serving(chat.visitors), asking.serving(chat.visitors)
        async with watching(app, parts(chat), settings.redis_url):
            async with served[0], served[1], in_background(*beside):
                yield
            await ready
            await chat.close()
            await chat.tools.close()
            await close_connections()
            await store.close()

    app = FastAPI(title="Candor", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings, app.state.feedback = settings, feedback
    app.state.audit_page = audit
    offer(app, models)
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
    mount_page(app, collects=feedback is not None)
    app.add_middleware(EarlyHead, head=head())
    app.add_middleware(GZipMiddleware, compresslevel=GZIP_LEVEL)
    app.add_middleware(CORSMiddleware, allow_origins=())  # else Gradio's says yes to every site
    larger = {
        "/candor/import": IMPORT_LIMIT,
        "/candor/files": FILE_LIMIT,
    }
    app.add_middleware(BodyLimit, larger=larger, apart=API)
    app.add_middleware(SecurityHeaders, on_a_space=settings.on_a_space)
    watched(app, telemetry)
    return app


def mount_page(app: FastAPI, *, collects: bool) -> None:
    """Put the page at `/`, and nothing else of Gradio."""
    gr.mount_gradio_app(
        app,
        page(collects=collects),
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        theme=theme(),
        favicon_path=str(STATIC / "favicon.svg"),
    )
    gradio = next(route for route in app.routes if isinstance(route, Mount) and not route.path)
    gradio.app = OnlyThePage(gradio.app)


def parts(chat: Chat) -> dict[str, Check]:
    """What is needed to answer."""
    return {"store": answers(chat.store.ping), "providers": providers(chat.visitors)}


@asynccontextmanager
async def in_background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this until the block ends."""
    tasks = [asyncio.create_task(one) for one in work]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def switch(app: FastAPI, models: Catalogue, switches: Switches) -> None:
    """Let what admins have switched hold from now on."""
    app.state.chat.switch(switches)
    offer(app, models.without(switches.models_off, switches.default))


def offer(app: FastAPI, models: Catalogue) -> None:
    """Let `/models` show these."""
    audit: audit_page.AuditPage = app.state.audit_page
    app.state.models_page = models_page.ModelsPage(models, audit.run, audit.ships)


def feedback_of(settings: Settings) -> Feedback | None:
    """Where readers' ratings go; nowhere unless the operator says so.

    Raises:
        ConfigError: there is no token that could write there.
    """
    if settings.feedback_dataset is None:
        return None
    if settings.token is None:
        raise ConfigError(
            "CANDOR_FEEDBACK_DATASET is set, but no HF_TOKEN: set a token that may write to the "
            "data set",
            key="CANDOR_FEEDBACK_DATASET",
        )
    folder = settings.data / "feedback"
    return Feedback(settings.feedback_dataset, folder, settings.token, endpoint=settings.hub)


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
