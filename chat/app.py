"""The ASGI app: our routes beside Gradio's page, behind one set of security headers."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any

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
from starlette.routing import Mount, Route

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
from .assets import BASE, STATIC, Assets
from .auth import let_in
from .imports.files import IMPORT_LIMIT
from .limiting import Reached, TooLong, reached, too_long
from .mcp_mount import PATH as MCP_PATH
from .memory import Full
from .pages import admin as admin_page
from .pages import audit as audit_page
from .pages import models as models_page
from .pages import shared
from .pages.chat import head, page, theme
from .pages.head import EarlyHead
from .parts import Parts, offer
from .reading import FILE_LIMIT
from .routes import full, invalid, not_found, router, unreachable
from .security import BodyLimit, PageOnly, SecurityHeaders
from .settings import Settings
from .store import UNREACHABLE, NotFound
from .telemetry.watching import watched

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


async def health() -> dict[str, str]:
    """Alive, and done loading."""
    return {"status": "ok"}
