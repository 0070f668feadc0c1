"""The routes under `/v1`, as an app that others mount or serve."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .checking import check
from .completions import completions
from .errors import ERRORS, on_error
from .offering import model, models
from .sharing import Api
from .wire import dumped

PATH = "/v1"


async def openapi(_: Request) -> Response:
    """This API, described."""
    from .openapi import document  # seldom asked for

    return Response(dumped(document()), media_type="application/json")


ROUTES = (
    Route("/chat/completions", completions, methods=["POST"]),
    Route("/models", models, methods=["GET"]),
    Route("/models/{model:path}", model, methods=["GET"]),
    Route("/guard/check", check, methods=["POST"]),
    Route("/openapi.json", openapi, methods=["GET"]),
)


def api_app(api: Api | None = None) -> Starlette:
    """The app; where `api` is known later, it is put at `state.api` before the first request."""
    app = Starlette(routes=[*ROUTES], exception_handlers=dict.fromkeys(ERRORS, on_error))
    if api is not None:
        app.state.api = api
    return app
