"""The OpenAPI document of `/v1`, from the same models that requests are read with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from guard import __version__

from .schema import (
    ChatRequest,
    CheckRequest,
    CheckResponse,
    Completion,
    CompletionChunk,
    ErrorBody,
    Model,
    Models,
)

REF = "#/components/schemas/{model}"
Document = dict[str, Any]
IN = (ChatRequest, CheckRequest)
OUT = (CheckResponse, Completion, CompletionChunk, ErrorBody, Model, Models)
ERRORS = {
    "400": "The request is not valid, or the host refused it.",
    "401": "No key, or one that is not known.",
    "402": "The account that pays has no credit left.",
    "404": "No such model is on offer, or its host does not serve it.",
    "405": "Not with this method.",
    "408": "The request came too slowly.",
    "413": "The body is too large.",
    "429": "The key's quota is used up, or the host's; `retry-after` says when to go on.",
    "500": "An internal error.",
    "502": "The host failed, or refused the key of this server.",
    "503": "The host is left alone for a while, none is connected, or keys cannot be looked up.",
    "504": "The host did not answer in time.",
}
ANYONE = ("400", "401", "405", "408", "429", "500", "503")
ABOUT = """\
OpenAI's protocol with a guard: chat completions of models on offer are judged as they come, and a
model of another origin answers where one withholds on a topic that its origin suppresses. What the
guard holds is in the key `guard` of an answer."""
SUFFIXED = (
    "An id of `/v1/models`; `:guarded`, `:annotated` or `:unguarded` at its end sets the guard's"
    " mode for clients that send no `guard`."
)
GUARD_HEADERS = {
    "x-guard-mode": "The mode that was used.",
    "x-guard-verdict": "`clean`, `withheld`, `unchecked`, or `none`; not of a stream.",
    "x-guard-action": "`pass`, `warn` or `fall back`; not of a stream.",
    "x-guard-attempts": "How many models were asked; not of a stream.",
    "x-guard-model": "Whose reply it is; not of a stream.",
    "x-guard-origin": "The country of its developer; not of a stream.",
}


def document() -> Document:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Candor", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/v1"}],
        "security": [{"key": []}],
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def schemas() -> Document:
    read = [(one, "validation") for one in IN]
    told = [(one, "serialization") for one in OUT]
    _, held = models_json_schema([*read, *told], ref_template=REF)  # type: ignore[list-item]
    found: Document = held["$defs"]
    found["ChatRequest"]["properties"]["model"]["description"] = SUFFIXED
    return found


def paths() -> Document:
    stream = {"text/event-stream": {"schema": of(CompletionChunk)}}
    answer = content(Completion) | stream
    guarded = {
        name: {"description": about, "schema": {"type": "string"}}
        for name, about in GUARD_HEADERS.items()
    }
    headed = {"description": "The completion.", "content": answer, "headers": guarded}
    flagged = {
        "x-guard-flagged": {
            "description": "Whether any reply was flagged.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        }
    }
    verdicts = {
        "description": "The verdicts, in the same order.",
        "content": content(CheckResponse),
        "headers": flagged,
    }
    id_ = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/chat/completions": {
            "post": operation(
                "complete", "A chat completion, guarded", headed, [*ERRORS], body=ChatRequest
            )
        },
        "/guard/check": {
            "post": operation(
                "check",
                "Verdicts on finished replies",
                verdicts,
                [*ANYONE, "413"],
                body=CheckRequest,
            )
        },
        "/models": {"get": operation("listModels", "The models on offer", told(Models), [*ANYONE])},
        "/models/{model}": {
            "get": operation("getModel", "A model on offer", told(Model), [*ANYONE, "404"])
            | {"parameters": [id_]}
        },
    }


def operation(
    name: str,
    summary: str,
    answer: Document,
    errors: list[str],
    *,
    body: type[BaseModel] | None = None,
) -> Document:
    """One operation; `errors` are the statuses that it may answer with."""
    failing = {
        status: {"description": ERRORS[status], "content": content(ErrorBody)} for status in errors
    }
    found: Document = {
        "operationId": name,
        "summary": summary,
        "responses": {"200": answer, **failing},
    }
    if body:
        found["requestBody"] = {"required": True, "content": content(body)}
    return found


def told(schema: type[BaseModel]) -> Document:
    return {"description": "As asked.", "content": content(schema)}


def content(schema: type[BaseModel]) -> Document:
    return {"application/json": {"schema": of(schema)}}


def of(schema: type[BaseModel]) -> Document:
    return {"$ref": REF.format(model=schema.__name__)}
