"""Bodies that are too large, too deep, twice the same or of another kind: a 4xx, and no more.

Defences: `BodyLimit` (chat/security.py), `body_of` (chat/api/sharing.py), `extra="forbid"` of
`Body` (chat/routes.py); where a parser's own stack ends, FastAPI's and orjson's refusal.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
import replies
from served import LLAMA, SOUP, V1_KEY, Page, Site

from chat.api.sharing import BODY_LIMIT as API_LIMIT
from chat.imports.files import IMPORT_LIMIT
from chat.reading import FILE_LIMIT
from chat.security import BODY_LIMIT

DEPTH = 100_000
KEY = {"authorization": f"Bearer {V1_KEY}"}
DOORS = {
    "page": ("/candor/ask", {}),
    "api": ("/v1/chat/completions", KEY),
    "check": ("/v1/guard/check", KEY),
    "mcp": ("/mcp", {"accept": "application/json, text/event-stream"}),
    "import": ("/candor/import", {}),
}
QUESTION = {"question": SOUP, "model": LLAMA, "mode": "warn"}
CHAT = {"model": LLAMA, "messages": [{"role": "user", "content": SOUP}]}
HOSTILE = {
    "arrays": b"[" * DEPTH,
    "closed arrays": b"[" * DEPTH + b"]" * DEPTH,
    "objects": b'{"a":' * DEPTH,
    "in a field": b'{"question":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "a number without end": b'{"run":' + b"9" * 10_000 + b"}",
    "infinity": b'{"question":1e99999}',
    "not a number": b'{"question":NaN}',
    "half a character": b'{"question":"\\ud800"}',
    "no UTF-8": b'{"question":"\xff\xfe"}',
    "UTF-16": '{"question":"x"}'.encode("utf-16"),
    "NUL": b'{"question":"\x00"}',
    "a word": b'"question"',
    "nothing": b"",
}


def sent(page: Page, door: str, body: bytes) -> httpx2.Response:
    path, headers = DOORS[door]
    json_headers = {"content-type": "application/json"} | headers
    return page.http.post(path, content=body, headers=json_headers)


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("door", DOORS)
def test_a_hostile_body_is_refused_in_words(page: Page, door: str, kind: str) -> None:
    # of the API's two refusals of what is no object, `body_of` and the schema, either will do
    answer = sent(page, door, HOSTILE[kind])
    if door == "import" and answer.status_code == 200:  # a line that is no conversation
        assert answer.json()["imported"] == 0
    else:
        assert answer.status_code in {400, 422}, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert "Traceback" not in answer.text
    assert page.state()["sidebar"]  # and the app goes on


LIMITS = {
    "/candor/ask": BODY_LIMIT,
    "/candor/files": FILE_LIMIT,
    "/candor/import": IMPORT_LIMIT,
    "/mcp": BODY_LIMIT,
    "/v1/guard/check": API_LIMIT,
}


@pytest.mark.parametrize("path", LIMITS)
def test_a_body_beyond_the_bound_is_refused(page: Page, path: str) -> None:
    """Where its length is not told: once so much has come."""
    piece = b" " * 1_000_000

    def pieces() -> Iterator[bytes]:
        for _ in range(LIMITS[path] // len(piece)):
            yield piece
        yield b" "

    headers = {"content-type": "application/json"} | KEY
    try:
        answer = page.http.post(path, content=pieces(), headers=headers)
    except (httpx2.WriteError, httpx2.RemoteProtocolError):  # it hung up while we still sent
        answer = None
    assert answer is None or answer.status_code == 413
    assert page.state()["sidebar"]


@pytest.mark.parametrize("path", [path for path in LIMITS if not path.startswith("/v1/")])
def test_a_length_beyond_the_bound_is_refused_before_anything_comes(site: Site, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {LIMITS[path] + 1}\r\n\r\n"
    address = urlsplit(site.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(head.encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("key", ["__proto__", "constructor", "prototype", "__class__", "owner"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/candor/ask"), ("PATCH", "/candor/preferences")]
)
def test_a_key_that_is_not_asked_for_is_refused(
    page: Page, method: str, path: str, key: str
) -> None:
    body = (QUESTION if path.endswith("ask") else {}) | {key: {"polluted": True}}
    answer = page.http.request(method, path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(key)


def test_what_the_guard_reads_of_twin_keys_is_what_the_host_gets(
    page: Page, host: replies.Host
) -> None:
    """Two readers of one body that took different twins would let a question past the guard."""
    twin = json.dumps([{"role": "user", "content": "What happened at Tiananmen Square in 1989?"}])
    body = json.dumps(CHAT)[:-1] + f', "messages": {twin}}}'
    answer = sent(page, "api", body.encode())
    assert answer.json()["guard"]["verdict"]["topic"] == "tiananmen-1989"
    assert host.asked[-1].body["messages"] == json.loads(twin)


@pytest.mark.parametrize("key", ["__proto__", "constructor", "polluted"])
def test_a_key_for_the_host_goes_on_as_it_is(page: Page, host: replies.Host, key: str) -> None:
    answer = sent(page, "api", json.dumps(CHAT | {key: {"x": 1}}).encode())
    assert answer.status_code == 200
    assert host.asked[-1].body[key] == {"x": 1}


def test_the_guards_part_of_a_body_is_not_the_hosts(page: Page, host: replies.Host) -> None:
    sent(page, "api", json.dumps(CHAT | {"guard": {"mode": "warn"}}).encode())
    assert "guard" not in host.asked[-1].body
