"""One line, one count and, where traces are asked for, one span for each request.

Requests are told by their route (`/candor/conversations/{id_}`): a path can hold ids and the
secret of a shared link, a query what a reader searches for. Who asks is not told.
"""

from __future__ import annotations

import inspect
import logging
import re
import secrets
import time
from contextlib import nullcontext

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .logs import REQUEST
from .telemetry import Telemetry

log = logging.getLogger("candor.requests")

ID = "x-request-id"
TAKEN = re.compile(r"[\w.-]{1,64}", re.ASCII)  # ids that others may give
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OFTEN = {"/health", "/health/live", "/health/ready", "/metrics"}  # asked by machines all the time
UNMATCHED, OTHER = "unmatched", "other"
MOST_ROUTES = 400  # different ones that are told; far more than there are
GONE, BROKEN = 499, 500


class Requests:
    """ASGI middleware, outside of all others."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app, self.telemetry = app, telemetry
        self.routes: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, traces = Headers(scope=scope), self.telemetry.traces
        method = scope["method"] if scope["method"] in METHODS else OTHER
        given, status, began = headers.get(ID, ""), GONE, time.monotonic()
        known = {"request_id": given if TAKEN.fullmatch(given) else secrets.token_hex(8)}

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault(ID, known["request_id"])
            await send(message)

        traced = traces is not None and scope["path"] not in OFTEN
        with traces.request(method, headers) if traces and traced else nullcontext() as span:
            if traces and span:
                known["trace_id"] = traces.id_of(span)
            token = REQUEST.set(known)
            try:
                await self.app(scope, receive, noted)
            except Exception:
                status = BROKEN
                raise
            finally:
                route = self.route(scope, status)
                if traces and span:
                    traces.answered(span, method, route, status)
                self.tell(method, route, status, time.monotonic() - began)
                REQUEST.reset(token)

    def route(self, scope: Scope, status: int) -> str:
        """The route of a request that was answered, bounded in number."""
        told = template(scope, status)
        if told not in self.routes and len(self.routes) >= MOST_ROUTES:
            return OTHER
        self.routes.add(told)
        return told

    def tell(self, method: str, route: str, status: int, seconds: float) -> None:
        self.telemetry.metrics.requests.labels(method, route, str(status)).inc()
        if self.telemetry.settings.log_format != "json" or route in OFTEN:
            return
        fields = {"method": method, "route": route, "status": status, "seconds": round(seconds, 3)}
        log.info("request", extra={"fields": fields})


def template(scope: Scope, status: int) -> str:
    """The path with names in place of what it holds; one word where no route of ours took it."""
    endpoint = scope.get("endpoint")
    if endpoint is None or (status >= 400 and not inspect.isroutine(endpoint)):
        return UNMATCHED
    path = str(scope["path"])
    for name, value in scope.get("path_params", {}).items():
        if value:
            path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path
