"""Requests that another site's page makes in a reader's name, and what it may read of the answers.

Defences: `from_our_page` (chat/routes.py), keys in place of cookies (chat/api/access.py), `refusal`
(chat/mcp_mount.py), `CORSMiddleware` with no origin and `PageOnly` (chat/app.py,
chat/security.py), `SecurityHeaders`, `give_cookie` and `TOKEN` (chat/auth.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from fastapi.routing import APIRoute
from served import SOUP, Page, Site
from starlette.routing import Mount, Route

EVIL = "https://evil.example"
SAFE = {"GET", "HEAD", "OPTIONS"}
NO_COOKIE = ("/v1/", "/mcp")  # a key is asked for, which no browser sends by itself
GRADIO = """
/gradio_api/upload /gradio_api/queue/join /gradio_api/queue/data /gradio_api/run/predict
/gradio_api/call/x /gradio_api/call/v2/x /gradio_api/api/x /gradio_api/reset /gradio_api/cancel
/gradio_api/component_server /gradio_api/vibe-edit /gradio_api/vibe-code /gradio_api/undo-vibe-edit
/gradio_api/process_recording /gradio_api/stream/x /gradio_api/file=/etc/passwd
/gradio_api/proxy=https://x.hf.space/ /gradio_api/heartbeat/x /gradio_api/runs /gradio_api/info
/gradio_api/openapi.json /gradio_api/deep_link /monitoring /login /login_check /token /user /app_id
/gradio_api/custom_component/1/client/x/y /gradio_api/upload_progress /dev/reload /pwa_icon
""".split()


def routes_of(routes: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each method and address of the app, but for Gradio's."""
    for route in routes:  # type: ignore[attr-defined]
        included = getattr(route, "include_context", None)  # a router of FastAPI's
        if included:
            yield from routes_of(route.original_router.routes, prefix + included.prefix)
        elif isinstance(route, Mount) and route.path and hasattr(route.app, "routes"):
            yield from routes_of(route.app.routes, prefix + route.path)
        elif isinstance(route, APIRoute | Route):
            path = re.sub(r"\{[^}]*\}", "x", prefix + route.path)
            yield from ((method, path) for method in route.methods or {"POST"})


def test_every_change_asks_for_our_own_header(site: Site, page: Page) -> None:
    """A form or a script of another site cannot send it; the cookie alone changes nothing."""
    cookies = dict(page.http.cookies)
    changes = [one for one in routes_of(site.app.routes) if one[0] not in SAFE]
    assert len(changes) >= 25
    with httpx2.Client(base_url=site.url, cookies=cookies, trust_env=False) as http:
        for method, path in changes:
            headers = {"content-type": "text/plain", "origin": EVIL}
            answer = http.request(method, path, content=b"{}", headers=headers)
            wanted = 401 if path.startswith("/v1/") else 403
            assert answer.status_code == wanted, (method, path, answer.text)


def test_the_header_alone_is_not_enough_for_another_origin(site: Site) -> None:
    """A script that adds it must ask first, and is told no; nothing it may read is let out."""
    for method, path in routes_of(site.app.routes):
        asking = {
            "origin": EVIL,
            "access-control-request-method": method,
            "access-control-request-headers": "x-candor,authorization,content-type",
        }
        answer = httpx2.options(f"{site.url}{path}", headers=asking, trust_env=False)
        assert answer.status_code == 400, path
        assert "access-control-allow-origin" not in answer.headers, path


@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1.evil.example"])
def test_no_answer_is_let_out_to_another_origin(page: Page, origin: str) -> None:
    for path in (
        "/",
        "/config",
        "/candor/state",
        "/candor/export",
        "/models",
        "/v1/models",
        "/s/x",
    ):
        # by a name of its own: Gradio's answers say yes to all but where the name is this machine's
        answer = page.http.get(path, headers={"origin": origin, "host": "candor.example"})
        assert "access-control-allow-origin" not in answer.headers, path
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"], path
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", path


@pytest.mark.parametrize("path", GRADIO)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_of_gradio_but_its_page_is_reached(page: Page, method: str, path: str) -> None:
    """It would take files of anyone, serve them from our address, and fetch others'."""
    body = {"files": ("x.html", b"<script>1</script>")} if method == "POST" else None
    answer = page.http.request(method, path, files=body)
    assert answer.status_code == 404


def test_what_is_one_readers_is_not_kept_by_browsers_or_proxies(page: Page) -> None:
    id_ = page.answered(SOUP)
    for path in ("/candor/state", f"/candor/state?c={id_}", "/candor/export", "/v1/models", "/mcp"):
        assert page.http.get(path).headers["cache-control"] == "no-store", path
    for path in ("/", "/config"):
        assert page.http.get(path).headers["cache-control"] == "private, no-cache", path


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "x",
        "0" * 31,
        "0" * 33,
        "G" * 32,
        "0" * 32 + "%0d%0aset-cookie:a=b",
        "../" * 10,
        "é" * 32,
    ],
)
def test_a_cookie_that_is_none_of_ours_names_nobody(site: Site, cookie: str) -> None:
    """Who has another's session fixed by a cookie of their choice must know one that we make."""
    sent = {"cookie": f"candor_reader={cookie}".encode()}
    answer = httpx2.get(f"{site.url}/candor/state", headers=sent, trust_env=False)
    told = answer.headers["set-cookie"]
    assert re.match(
        r"candor_reader=[0-9a-f]{32}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax", told
    )


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1@evil.example"])
def test_a_host_header_leads_nobody_elsewhere(page: Page, host: str) -> None:
    """Links are made without it, so that a poisoned one is nowhere stored or sent."""
    id_ = page.answered(SOUP)
    fixed = {"host": host, "x-forwarded-host": host, "x-forwarded-proto": "https"}
    made = page.http.post(f"/candor/conversations/{id_}/shares", json={}, headers=fixed)
    assert made.json()["path"].startswith("/s/")
    assert "evil" not in made.text
    for path in (made.json()["path"], f"/candor/state?c={id_}", "/models", "/candor/export"):
        answer = page.http.get(path, headers=fixed)
        assert "evil" not in answer.text, path
        assert "evil" not in str(answer.headers), path


NAMES = {
    "lines": 'a\r\nset-cookie: owned=1\r\n\r\n<script>".md',
    "quotes": '"; filename="evil.html',
    "direction": "report\u202efdp.exe",
    "hidden": "pay\u200bp\u2066al\ufeff.md",
    "folders": "../../etc/passwd",
    "long": "x" * 900 + ".md",
    "null": "a\x00b.md",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_file_name_adds_no_header_and_hides_nothing(page: Page, name: str) -> None:
    made = page.http.post("/candor/files", params={"name": name}, content=b"# words")
    answer = page.http.get(f"/candor/files/{made.json()['id']}")
    told = answer.headers["content-disposition"]
    assert "set-cookie" not in answer.headers
    assert re.fullmatch(r"inline; filename\*=UTF-8''[\w.%~-]{1,900}", told)
    assert not re.search("%0[AaDd]|%00|%E2%80%AE|%E2%81%A6|%2F|%5C", told)
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
