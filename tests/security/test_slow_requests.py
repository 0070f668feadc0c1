"""Clients that send a byte now and then: they are told, and let go, before or behind the head.

Defence: `Timely` (chat/timely.py), which both servers are started with.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import replies
import uvicorn
from served import V1_KEY
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chat.api.openapi import document
from chat.api.schema import ErrorBody
from chat.timely import Timely

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
LATE = 20  # seconds, of patience with a busy machine


class Hurried(Timely):
    SECONDS = 0.3
    RATE = 1e9


async def length(request: Request) -> JSONResponse:
    return JSONResponse(len(await request.body()))


async def unread(request: Request) -> JSONResponse:
    return JSONResponse("at once")


@contextmanager
def listening(protocol: type[Timely]) -> Iterator[int]:
    app = Starlette(
        routes=[
            Route("/", length, methods=["POST"]),
            Route("/unread", unread, methods=["POST"]),
        ]
    )
    config = uvicorn.Config(app, port=0, http=protocol, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        yield port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(Hurried) as port:
        yield port


def dribbled(port: int, first: bytes, rest: bytes = b"") -> bytes:
    """What comes back until the server hangs up, while a byte is sent every tenth of a second."""
    with socket.create_connection(("127.0.0.1", port), timeout=LATE) as client:
        client.sendall(first)
        over = threading.Event()

        def send() -> None:
            for at in range(len(rest)):
                if over.wait(0.1):
                    return
                try:
                    client.sendall(rest[at : at + 1])
                except OSError:
                    return

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        parts = []
        try:
            while part := client.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        over.set()
        sending.join(LATE)
        return b"".join(parts)


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"", b""),
        (b"", HEAD * 100),
        (b"\r\n", b"\r\n" * 500),
        (HEAD, b"x-more: 1\r\n" * 100),
        (HEAD + b"content-length: 1000\r\n\r\n", b"x" * 1000),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 200),
    ],
    ids=["silence", "head", "empty lines", "headers", "body", "chunks"],
)
def test_who_is_slow_is_told_and_let_go(port: int, first: bytes, rest: bytes) -> None:
    head, _, body = dribbled(port, first, rest).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    told = json.loads(body)
    assert ErrorBody.model_validate(told).error.message == told["detail"]
    assert "408" in document()["paths"]["/chat/completions"]["post"]["responses"]


def test_a_body_that_nobody_reads_does_not_hold_the_connection(port: int) -> None:
    head = HEAD.replace(b"POST /", b"POST /unread") + b"content-length: 1000\r\n\r\n"
    answer = dribbled(port, head, b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"408" in answer  # and the connection is at its end


def test_a_second_request_on_the_same_connection_is_timed_too(port: int) -> None:
    whole = HEAD + b"content-length: 1\r\n\r\nx"
    answer = dribbled(port, whole + HEAD, b"x-more: 1\r\n" * 100)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408" in answer


def test_who_sends_steadily_has_the_time_that_it_takes() -> None:
    class Fair(Timely):
        SECONDS = 0.5
        RATE = 10.0

    with listening(Fair) as port:
        body = b"x" * 15
        answer = dribbled(port, HEAD + b"connection: close\r\ncontent-length: 15\r\n\r\n", body)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"15")


def test_an_answer_that_takes_longer_is_not_cut() -> None:
    async def thinking(request: Request) -> JSONResponse:
        await request.body()
        import asyncio

        await asyncio.sleep(1)
        return JSONResponse("thought")

    app = Starlette(routes=[Route("/", thinking, methods=["POST"])])
    config = uvicorn.Config(app, port=0, http=Hurried, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        head = HEAD + b"connection: close\r\ncontent-length: 1\r\n\r\nx"
        assert dribbled(port, head).endswith(b'"thought"')


@pytest.mark.parametrize("command", ["app.py", "serve"])
def test_both_servers_are_started_with_it(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """What they hand to uvicorn: waiting for the real time limit would take too long."""
    given: list[uvicorn.Config] = []

    def run(server: uvicorn.Server) -> None:
        given.append(server.config)
        server.started = True

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setenv("CANDOR_DATA", str(tmp_path))
    monkeypatch.setenv("CANDOR_API_KEYS", V1_KEY)
    if command == "serve":
        from chat.commands import serve

        serve(port=0)
    else:
        import gc

        import app

        app.main()
        gc.unfreeze()
    (config,) = given
    config.load()
    assert config.http_protocol_class is Timely
    assert Timely.SECONDS <= 30
