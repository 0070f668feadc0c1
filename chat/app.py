"""The ASGI app: our routes beside Gradio's page, behind one set of security headers."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

# Before gradio and langchain are imported: nothing leaves this machine unasked.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("LANGSMITH_TRACING", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import Response
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from guard.catalogue import Catalogue
from guard.errors import ConfigError
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import on_offer
from guard.tools.toolbox import ToolServers

from . import (
    answering,
    continuing,
    files,
    forks,
    listing,
    preferring,
    sign_in,
    temporary,
    travel,
    voting,
)
from .api.access import Keyed
from .api.app import PATH as API
from .api.app import api_app
from .api.serve import api_of, close_sessions
from .assets import BASE, STATIC, Assets
from .auth import let_in
from .counting import Counting
from .feedback import Feedback
from .figures import Recent
from .imports.files import IMPORT_LIMIT
from .keys import Keys
from .limiting import Door, Limiter, Reached, TooLong, reached, too_long
from .limits import limits_now
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
from .security import BodyLimit, PageOnly, SecurityHeaders
from .settings import Settings
from .store import UNREACHABLE, NotFound, Store
from .sweep import sweeping
from .switches import Switchboard, Switches
from .telemetry.health import Check, answers, providers
from .telemetry.telemetry import Telemetry
from .telemetry.watching import watched, watching

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
    admin_page.router,
    audit_page.router,
    models_page.router,
)
Refusal = Callable[[Request, Any], Coroutine[Any, Any, Response]]
REFUSALS: dict[int | type[Exception], Refusal] = {
    NotFound: not_found,
    Full: full,
    Reached: reached,
    TooLong: too_long,
    RequestValidationError: invalid,
    **dict.fromkeys(UNREACHABLE, unreachable),
}
GZIP_LEVEL = 5
PROVIDERS = "guard.providers"  # imported late: langchain-core takes a second


@dataclass(frozen=True)
class Parts:
    """What the app is made of before it serves; `ways` are where one can sign in, by name."""

    settings: Settings
    models: Catalogue
    connection: Connection
    tool_servers: ToolServers
    telemetry: Telemetry
    limiter: Limiter
    feedback: Feedback | None
    ways: Mapping[str, sign_in.Provider]
    v1: Starlette = field(default_factory=api_app)
    asking: McpMount = field(default_factory=lambda: McpMount(asks=True))
    mcp: McpMount = field(default_factory=lambda: McpMount(asks=False))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The parts as they are set.

        Raises:
            ConfigError: `models.yaml` or a setting is wrong, or a secret that one of them needs is
                not set.
        """
        models = settings.catalogue()
        connection = settings.connection(models)
        return cls(
            settings,
            models,
            connection,
            ToolServers(models.tools),
            Telemetry.of(settings.telemetry, models, on_offer(models, connection)),
            limiter_by(settings),
            feedback_of(settings),
            sign_in.providers(settings),
        )

    @cached_property
    def door(self) -> Door:
        return Door(self.limiter)

    @asynccontextmanager
    async def serving(self, app: FastAPI) -> AsyncIterator[None]:
        """Open the store, run what runs beside requests, and end all of it in turn."""
        settings = self.settings
        store = await Store(settings.database, settings.database_connections).open(alone=False)
        replica = replica_of(settings, store)
        chat = app.state.chat = self.chat(store, replica)
        switchboard = Switchboard(store, partial(switch, app, self.models))
        app.state.switchboard, app.state.figures = switchboard, Recent(store)
        await switchboard.read()
        self.limiter.limits = partial(limits_now, settings, lambda: switchboard.now.limits)
        given = settings.api_keys.get_secret_value()
        api = api_of(chat.visitors, chat.signed_in, given, Keys(store).find)
        self.v1.state.api = replace(api, door=self.door)
        ready = asyncio.create_task(asyncio.to_thread(get_ready, chat.visitors))
        pushed = [self.feedback.pushing()] if self.feedback else []
        async with watching(app, checks(chat), settings.redis_url):
            async with (
                among_others(chat, replica, self.limiter) if replica else store.sole(),
                self.mcp.serving(chat.visitors),
                self.asking.serving(chat.visitors),
                in_background(sweeping(store), switchboard.follow(), *pushed),
            ):
                yield
                stops_at = getattr(app.state, "stops_at", 0.0)
                await chat.drain(max(0.0, stops_at - time.monotonic()))
            await ready
            await chat.close()
            await chat.tools.close()
            await close_connections()
            await store.close()
            await self.limiter.close()

    def chat(self, store: Store, replica: Replica | None) -> Chat:
        ways = [(f"/login/{way}", one.label) for way, one in self.ways.items()]
        return Chat(
            store,
            self.models,
            self.connection,
            self.tool_servers,
            ways=ways,
            observers=self.telemetry.observers,
            others=replica,
        )


def build(settings: Settings) -> FastAPI:
    """The whole app.

    Raises:
        ConfigError: `models.yaml`, a topic pack, the audit's summary or a setting is wrong, or a
            secret that one of them needs is not set; nothing is served then.
    """
    parts = Parts.of(settings)
    app = FastAPI(
        title="Candor",
        lifespan=parts.serving,
        docs_url=None,
        redoc_url=None,
        exception_handlers=REFUSALS,
    )
    app.state.settings, app.state.feedback = settings, parts.feedback
    app.state.limiter, app.state.providers = parts.limiter, parts.ways
    app.state.audit_page = audit_page.AuditPage(settings.audit or audit_page.SHIPPED, parts.models)
    offer(app, parts.models)
    route(app, parts)
    mount_page(app, collects=parts.feedback is not None)
    wrap(app, settings)
    watched(app, parts.telemetry)
    return app


def route(app: FastAPI, parts: Parts) -> None:
    """Add all routes but the page's own."""
    for one in ROUTERS:
        app.include_router(one, dependencies=[Depends(let_in)] if one.prefix else None)
    app.add_api_route("/health", health, include_in_schema=False)
    keyed = Keyed(parts.asking, parts.mcp, lambda: parts.v1.state.api.access, parts.door.count)
    app.routes.append(Route(MCP_PATH, keyed, include_in_schema=False))
    app.mount(BASE, Assets(), name="candor-static")
    app.mount(API, parts.v1, name="api")
    if parts.ways:
        secret, on_a_space = sign_in.secret_of(parts.settings), parts.settings.on_a_space
        ways = [*parts.ways.values()]
        app.include_router(sign_in.sign_in_router(ways, parts.settings.space_host))
        app.add_middleware(sign_in.Sessions, secret, on_a_space)


def wrap(app: FastAPI, settings: Settings) -> None:
    """Put around all routes what bounds, keeps and dresses their answers; the last is outermost."""
    app.add_middleware(EarlyHead, head=head())
    app.add_middleware(GZipMiddleware, compresslevel=GZIP_LEVEL)
    app.add_middleware(CORSMiddleware, allow_origins=())  # else Gradio's says yes to every site
    larger = {"/candor/import": IMPORT_LIMIT, "/candor/files": FILE_LIMIT}
    app.add_middleware(BodyLimit, larger=larger, apart=API)
    app.add_middleware(SecurityHeaders, on_a_space=settings.on_a_space)


def limiter_by(settings: Settings) -> Limiter:
    """What counts readers and addresses.

    Raises:
        ConfigError: a limit is wrong.
    """
    limits_now(settings)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return Limiter(Counting(redis_url), partial(limits_now, settings))


def mount_page(app: FastAPI, *, collects: bool) -> None:
    """Put the page at `/`, and nothing else of Gradio's."""
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
    mounted = next(one for one in reversed(app.routes) if isinstance(one, Mount))
    mounted.app = PageOnly(mounted.app)


def checks(chat: Chat) -> dict[str, Check]:
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
async def among_others(chat: Chat, replica: Replica, limiter: Limiter) -> AsyncIterator[None]:
    """Tell the other replicas, listen to them, and go on with what those leave that are gone."""
    from .replicas.taking import TakingOver

    replica.start()
    taking = asyncio.create_task(TakingOver(chat, replica, limiter).forever())
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
