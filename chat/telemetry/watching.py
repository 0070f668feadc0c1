"""How a deployment's machines watch an app: routes, and what counts and logs its requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from .health import Check, Health, live, ready
from .metrics import metrics
from .requests import Requests
from .telemetry import Telemetry

ROUTES = (
    Route("/health/live", live, include_in_schema=False),
    Route("/health/ready", ready, include_in_schema=False),
    Route("/metrics", metrics, include_in_schema=False),
)


def watched(app: Starlette, telemetry: Telemetry) -> None:
    """Add these routes before all others, and the middleware outside of all others."""
    app.state.telemetry = telemetry
    app.router.routes[:0] = ROUTES
    app.add_middleware(Requests, telemetry=telemetry)


@asynccontextmanager
async def watching(app: Starlette, parts: Mapping[str, Check]) -> AsyncIterator[None]:
    """Tell how a watched app is, by these parts; in the end, what is left of its traces is sent."""
    app.state.health = Health(parts)
    try:
        yield
    finally:
        await app.state.health.close()
        await app.state.telemetry.close()
