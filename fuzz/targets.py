"""What is fuzzed: a function of bytes for each door through which foreign input comes.

A target returns where the input was dealt with, whether taken or refused, and raises where it was
not. `tests/security/test_fuzzing.py` runs them for a moment with hypothesis, `python -m fuzz` for
long with atheris. What a target has found is a test of its own in `tests/security/test_found.py`.
Not covered: sockets (the bytes enter behind them), Gradio's own routes, pictures and PDF files.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx2
from starlette.applications import Starlette

from chat.api.access import Access
from chat.api.answer import Streamed, whole
from chat.api.app import api_app
from chat.api.asked import Asked, asked
from chat.api.errors import ApiError
from chat.api.openapi import ERRORS
from chat.api.sharing import Api
from chat.api.wire import dumped
from chat.growing import GrowingText
from chat.markdown import blocks
from chat.markdown_export import quoted
from guard import matching, text
from guard.events import Failed
from guard.pipeline import Guard
from guard.plain import one_line, plain
from guard.providers import Connection, transport
from guard.providers.host import Host
from guard.providers.inference import InferenceChat
from guard.providers.relay import Relay
from guard.providers.streamed import StreamedChat
from guard.types import Message, ModelSpec, Span

Target = Callable[[bytes], None]
NOBODY = "http://127.0.0.1:9/v1"  # the port of discard, where nothing listens
QUESTION = "What happened at Tiananmen Square in June 1989?"
ROUTES = ("/chat/completions", "/guard/check")
STATUSES = (200, 200, 200, 200, 400, 401, 429, 503)
UNSAFE = ("<script", "<img", "<style", "<iframe", "<aside", "<form", 'href="javascript', "<svg")
_runner = asyncio.Runner()


class Unpleasant(AssertionError):
    """A promise that an input has broken."""


def promise(kept: object, what: str) -> None:
    """Raise where it is not kept; unlike `assert`, also under `python -O`."""
    if not kept:
        raise Unpleasant(what)


def read_as_text(data: bytes) -> str:
    """Text with half characters in it, as some hosts send them."""
    return data.decode("utf-8", "surrogateescape")


# --- text -----------------------------------------------------------------------------------------


def fuzz_text(data: bytes) -> None:
    """Everything that reads a text keeps its places, and what is shown of it is clean."""
    whole_text = read_as_text(data)
    promise(len(text.fold(whole_text)) == len(whole_text), "folding keeps places")
    text.fold_question(whole_text)
    text.main_script(whole_text)
    text.is_english(whole_text)
    thinking = text.split_thinking(whole_text)
    promise(whole_text[thinking.start :] == thinking.answer, "the answer is where it is said to be")
    ends = [*text.sentence_ends(whole_text)]
    promise(ends == sorted(ends) and all(0 < end <= len(whole_text) for end in ends), "ends")
    for span in text.quotations(whole_text)[:20]:
        around = text.sentence_around(whole_text, span)
        promise(around.start <= span.start and span.end <= around.end, "a sentence holds its part")
    promise("\n" not in one_line(whole_text, 200), "one line is one")
    promise("\x1b" not in plain(whole_text), "no control characters are told")


def fuzz_markdown(data: bytes) -> None:
    """A model's words become HTML in which nothing runs, loads or covers the page."""
    source = read_as_text(data[1:]).encode("utf-8", "replace").decode()
    half = len(source) * (data[0] if data else 0) // 256
    spans = [Span(half // 2, half)] if half > 1 else []
    drawn = blocks(source, spans)
    low = "".join(drawn).lower()
    promise(not any(sign in low for sign in UNSAFE), "no element of the page's own")
    promise("style=" not in low or "position" not in styles(low), "no position")
    growing = GrowingText()
    growing.blocks(source[:half])
    growing.blocks(source)
    quoted(source)


def styles(markup: str) -> str:
    return "".join(part.partition('"')[0] for part in markup.split('style="')[1:])


def fuzz_topics(data: bytes) -> None:
    """A question has topics or none, and a reply to it a verdict."""
    question, _, reply = read_as_text(data).partition("\x1f")
    for found in matching.matches(question):
        promise(0 < found.score <= 1, "a score is between 0 and 1")
    held = guard().check(question, reply, language="en")
    promise(held.status in {"clean", "withheld", "unchecked"}, "a verdict has a status")
    for signal in held.signals:
        within = all(0 <= a <= b <= len(reply) for a, b in signal.spans)
        promise(within, "a signal's spans are within the reply")


# --- what a host sends ----------------------------------------------------------------------------


class Sent:
    """An answer of a host as aiohttp has it: a status, headers, and a body in pieces."""

    def __init__(self, status: int, waits: str, body: bytes, size: int) -> None:
        self.status, self.headers = status, {"retry-after": waits}
        self.parts = [body[at : at + size] for at in range(0, len(body), size)]
        self.content = self

    async def iter_any(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part

    async def read(self, most: int) -> bytes:
        return b"".join(self.parts)[:most]


class Scripted(Relay):
    """A relay whose host has sent."""

    sent: Sent

    @asynccontextmanager
    async def _posted(self) -> AsyncIterator[Sent]:
        yield self.sent


def fuzz_stream(data: bytes) -> None:
    """Whatever a host sends, callers get valid JSON or an error, and no word as the guard's.

    The first byte says which status comes, in which pieces and to whom; a line of `retry-after`
    follows, then the body.
    """
    how, (waits, _, body) = data[0] if data else 0, data[1:].partition(b"\n")
    sent = Sent(STATUSES[how & 7], waits.decode("latin-1"), body, 1 + (how >> 4) * 5)
    _runner.run(relayed(sent, streams=not how & 8))
    _runner.run(spoken(sent) if how & 8 else watched(sent))


async def relayed(sent: Sent, *, streams: bool) -> None:
    """The way of `/v1/chat/completions`."""
    wanted = question(streams)

    def speaking(spec: ModelSpec) -> Relay:
        relay = Scripted(Host(base_url=NOBODY), wanted.body | {"model": spec.id}, 5)
        relay.sent = sent
        return relay

    model, mode = wanted.spec.id, wanted.guarding
    events = guard().stream(wanted.messages, model=model, mode=mode, relaying=speaking)
    told: list[Mapping[str, Any]] = []
    try:
        async with aclosing(events):
            if streams:
                async for chunks in Streamed(wanted).chunks(events):
                    told += chunks
            else:
                told.append((await whole(wanted, events))[0])
    except ApiError as error:
        json.loads(dumped(error.body))
        promise(error.response.status_code in range(400, 600), "an error has a status")
    for one in told:
        part = json.loads(dumped(one)).get("guard") or {"mode": wanted.mode, "attempts": []}
        promise(part["mode"] == wanted.mode and "attempts" in part, "the guard's part is its own")


class Watched(StreamedChat):
    """A chat model of the page's whose host has sent."""

    sent: Sent

    def _relay(self, body: dict[str, Any]) -> Relay:
        relay = Scripted(self.host, body, self.timeout, quoting=False)
        relay.sent = self.sent
        return relay


async def watched(sent: Sent) -> None:
    """The way of the page."""
    chat = Watched(Host(base_url=NOBODY), guard().models.default, 5)
    chat.sent = sent
    await told_by(chat)


async def spoken(sent: Sent) -> None:
    """The page's way where tools are offered: over the client of the Hub."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        headers = {"retry-after": sent.headers["retry-after"].encode("latin-1")}
        clean = {k: v for k, v in headers.items() if v.strip() == v and b"\r" not in v and v}
        return httpx2.Response(sent.status, headers=clean, content=b"".join(sent.parts))

    loop = asyncio.get_running_loop()
    transport._clients[loop] = httpx2.AsyncClient(
        transport=httpx2.MockTransport(answer),
        event_hooks={"response": [transport.watch]},
        trust_env=False,
        verify=False,  # nothing is connected to; certificates take long to read
    )
    await told_by(InferenceChat.at(Host(base_url=NOBODY), guard().models.default, 5))
    await transport.close_shared_client()


async def told_by(chat: StreamedChat | InferenceChat) -> None:
    """What a model says is shown and stored as events."""
    asking = [Message(role="user", text=QUESTION)]
    events = guard().stream(asking, mode="warn", relaying=lambda _: chat)
    async with aclosing(events):
        async for event in events:
            event.model_dump_json()
            unread = isinstance(event, Failed) and "the provider failed" in event.message
            promise(not unread, "what a host sends wrongly is told as the host's fault")


@cache
def question(streams: bool) -> Asked:
    body = {"model": guard().models.default, "stream": streams, "guard": {"mode": "annotate"}}
    return asked(body | {"messages": [{"role": "user", "content": QUESTION}]}, guard().models, "en")


# --- what a caller sends --------------------------------------------------------------------------


def fuzz_body(data: bytes) -> None:
    """Whatever a caller sends, the API answers as its description says, and never with a 500."""
    status, answer = _runner.run(posted(ROUTES[data[0] & 1 if data else 0], data[1:]))
    promise(status == 200 or (str(status) in ERRORS and status != 500), f"{status} is described")
    promise(isinstance(json.loads(answer), dict), "an answer is an object")


async def posted(path: str, body: bytes) -> tuple[int, bytes]:
    """The API's answer."""
    parts: list[dict[str, Any]] = []
    bodies = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        message = next(bodies, None)
        return message or await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Any) -> None:
        parts.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await api()(scope, receive, send)
    answer = b"".join(part.get("body", b"") for part in parts)
    if dict(parts[0]["headers"])[b"content-type"].startswith(b"text/event-stream"):
        events = [one.removeprefix(b"data: ") for one in answer.split(b"\n\n") if one]
        answer = events[0]
    return int(parts[0]["status"]), answer


@cache
def guard() -> Guard:
    """A guard whose hosts are asked once, as often as one likes."""
    from guard.patience import Patience

    return Guard(None, Connection(base_url=NOBODY), Patience(tries=1, faults=10**9))


@cache
def api() -> Starlette:
    return api_app(Api(guard(), guard(), Access(anyone=True)))


# --- what to begin with ---------------------------------------------------------------------------

CHUNK = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"%b"},'
CHUNK += b'"finish_reason":%b}]}\n\n'
STREAM = CHUNK % (b"I cannot discuss <think>", b"null") + CHUNK % (b"", b'"stop"')
STREAM += (
    b'data: {"usage":{"prompt_tokens":3,"completion_tokens":2},"choices":[]}\n\ndata: [DONE]\n'
)
WHOLE = b'{"id":"1","choices":[{"message":{"content":"x","reasoning":"y"},"finish_reason":"stop"}]}'
ASKED = b'{"model":"Qwen/Qwen3-32B:annotated","messages":[{"role":"user","content":[{"type":"text",'
ASKED += b'"text":"soup"}]}],"stream":false,"n":1,"guard":{"mode":"warn","hold":2,"language":"de"}}'
CHECKED = b'{"input":[{"question":"Tiananmen 1989","reply":"No.","model":"Qwen/Qwen3-32B"}]}'

SEEDS: dict[str, tuple[bytes, ...]] = {
    "text": (
        "<think>a</think> „Café“… «ok». 天安門。\n> x\n\u202e\u200b".encode(),
        b'"a" - "b". c! (d) \xed\xa0\x80',
    ),
    "markdown": (
        b"\x80# a\n\n|a|b|\n|:-|-:|\n|<b>|`c`|\n\n[a](javascript:x) ![b](//c) $x^2$ \\(y\\)",
        b"\xff- [a][b]\n  1. ~~x~~\n\n[b]: https://a.example 't'\n\n```py\ndef f(): 1\n```\n> *a",
    ),
    "topics": (
        b"What happened at T1ananm3n Square in 1989?\x1fI cannot discuss this topic.",
        "六四事件是什么？\x1f中国政府始终坚持以人民为中心的发展思想。".encode(),
        b"T i b e t  x@y.org Guantanamo\x1fAs an AI, I must comply with relevant laws.",
    ),
    "stream": (
        b"\x00\n" + CHUNK % (b"half \\ud83d, \\u0000", b"null") + b"data: [\n\n",
        b"\x00\n" + STREAM,
        b"\x18\n" + STREAM,
        b"\x70\n" + STREAM,
        b"\x08\n" + WHOLE,
        b'\x001\ndata: {"error":{"message":"x","code":429}}\n\n',
        b"\x0e" + b"9" * 400 + b"\n{}",
        b"\x0e\xb2\n{}",
        b'\xf8\ndata: {"choices":' + b"[" * 2_000,
        b'\x06Wed, 21 Oct 2026 07:28:00 GMT\n{"error":{"message":"slow"}}',
    ),
    "body": (b"\x00" + ASKED, b"\x01" + CHECKED, b'\x01{"input":{"question":"","reply":""}}'),
}
TARGETS: dict[str, Target] = {
    "text": fuzz_text,
    "markdown": fuzz_markdown,
    "topics": fuzz_topics,
    "stream": fuzz_stream,
    "body": fuzz_body,
}
