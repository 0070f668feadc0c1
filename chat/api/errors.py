"""Errors in OpenAI's shape, so that its clients raise what they always raise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from guard.errors import FaultKind, UnknownModel

from .wire import dumped

GONE = 499  # nobody reads it
INVALID = "invalid_request_error"
STATUSES: dict[FaultKind, int] = {
    "unconnected": 503,
    "unauthorized": 502,
    "payment": 402,
    "not_found": 404,
    "rate_limited": 429,
    "rejected": 400,
    "own_settings": 400,
    "unavailable": 502,
    "resting": 503,
    "timeout": 504,
    "interrupted": 502,
    "malformed": 502,
    "too_long": 502,
    "empty": 502,
}
TYPES = {
    400: INVALID,
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: INVALID,
    405: INVALID,
    413: INVALID,
    415: INVALID,
    429: "rate_limit_error",
}
CODES = {
    402: "insufficient_quota",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    429: "rate_limit_exceeded",
}


class ApiError(Exception):
    """An answer that is an error; `param` is the key of the body that is wrong."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        guard: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param = status, message, param
        self.code, self.headers, self.guard = code or CODES.get(status), headers or {}, guard

    @property
    def body(self) -> dict[str, Any]:
        """The error as clients read it."""
        told = {
            "message": self.message,
            "type": TYPES.get(self.status, "server_error"),
            "param": self.param,
            "code": self.code,
        }
        return {"error": told} | ({"guard": self.guard} if self.guard else {})

    @property
    def response(self) -> Response:
        return Response(
            dumped(self.body), self.status, dict(self.headers), media_type="application/json"
        )


def of_fault(
    kind: FaultKind, message: str, retry_after: float | None, guard: Mapping[str, Any] | None = None
) -> ApiError:
    """The answer where the host of the model failed."""
    waits = {"retry-after": str(math.ceil(retry_after))} if retry_after is not None else {}
    return ApiError(STATUSES[kind], message, code=kind, headers=waits, guard=guard)


def of_invalid(error: ValidationError) -> ApiError:
    """What is wrong with a body, without repeating it."""
    first = error.errors(include_url=False, include_input=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    return ApiError(400, f"{param or 'the body'}: {first['msg']}", param=param)


def of_model(error: UnknownModel) -> ApiError:
    return ApiError(404, str(error), code="model_not_found", param="model")


async def on_error(_: Request, error: Exception) -> Response:
    """Any error as an answer."""
    if isinstance(error, ApiError):
        return error.response
    if isinstance(error, UnknownModel):
        return of_model(error).response
    if isinstance(error, ClientDisconnect):
        return Response(status_code=GONE)
    if isinstance(error, HTTPException):
        return ApiError(error.status_code, str(error.detail), headers=error.headers).response
    return ApiError(500, "an internal error; the server's log has it").response


ERRORS: tuple[type[Exception], ...] = (
    ApiError,
    UnknownModel,
    HTTPException,
    ClientDisconnect,
    Exception,
)
