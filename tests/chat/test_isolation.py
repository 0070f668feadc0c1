"""Nobody reads, lists, changes, stops or tells apart what is another's, by guessing ids.

Every route of the app is in one of the tables below; a new one fails until it is. Those that take
an id are asked by strangers of each kind for another reader's, and for one that nobody has: status,
body and the number of statements in the database are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import replies
from accounts import HTTPS, Browser, on_a_space, set_up
from fastapi.routing import iter_route_contexts
from identity import Provider
from pydantic import SecretStr
from served import LLAMA, SOUP, Site, serving, settles
from sqlalchemy import event
from sqlalchemy.engine import Engine
from starlette.routing import BaseRoute, Mount

from chat.store import new_id

Ids = dict[str, str]
CHANGED = {"title": "Mine now"}
ASKED = {"question": SOUP, "model": LLAMA, "mode": "warn"}

# Routes of one reader's things: what a request brings beside the ids in its path.
OWNED: dict[str, dict[str, Any]] = {
    "GET /candor/conversations/{id_}/events": {},
    "GET /candor/conversations/{id_}/replies/{reply_id}": {},
    "POST /candor/conversations/{id_}/turns/{turn_id}/show": {"json": {"run": 0}},
    "POST /candor/conversations/{id_}/turns/{turn_id}/choose": {"json": {"reply": "{reply_id}"}},
    "POST /candor/conversations/{id_}/replies/{reply_id}/rate": {"json": {"feedback": "bad"}},
    "POST /candor/conversations/{id_}/replies/{reply_id}/control": {},
    "PATCH /candor/conversations/{id_}": {"json": CHANGED},
    "POST /candor/conversations/{id_}/turns/{turn_id}/edit": {"json": {"question": "Mine?"}},
    "POST /candor/conversations/{id_}/turns/{turn_id}/retry": {"json": {}},
    "POST /candor/conversations/{id_}/turns/{turn_id}/another": {},
    "POST /candor/conversations/{id_}/stop": {},
    "POST /candor/conversations/{id_}/replies/{reply_id}/continue": {},
    "POST /candor/conversations/{id_}/replies/{reply_id}/fork": {},
    "DELETE /candor/conversations/{id_}/temporary": {},
    "POST /candor/conversations/{id_}/temporary/keep": {},
    "GET /candor/conversations/{id_}/shares": {},
    "POST /candor/conversations/{id_}/shares": {"json": {}},
    "DELETE /candor/conversations/{id_}/shares/{token}": {},
    "GET /candor/conversations/{id_}/export.md": {},
    "GET /candor/conversations/{id_}/export.json": {},
    "POST /candor/conversations/{id_}/turns/{turn_id}/vote": {"json": {"run": 0, "vote": "first"}},
    "GET /candor/files/{file_id}": {},
    "DELETE /candor/files/{file_id}": {},
    # ids outside of the path
    "GET /candor/state": {"params": {"c": "{id_}"}},
    "GET /candor/state ": {"params": {"c": "{id_}", "temporary": "true"}},
    "POST /candor/ask": {"json": ASKED | {"conversation": "{id_}"}},
    "POST /candor/ask ": {"json": ASKED | {"conversation": "{id_}", "temporary": True}},
    "POST /candor/ask  ": {"json": ASKED | {"files": ["{file_id}"]}},
}
# Routes that take no id of a reader's thing, and show the reader's own or everyone's.
WITHOUT = {
    "POST /candor/files",
    "GET /candor/conversations",
    "GET /candor/search",
    "GET /candor/settings",
    "GET /candor/stored",
    "PATCH /candor/preferences",
    "PUT /candor/settings/model",
    "DELETE /candor/data",
    "GET /candor/export",
    "POST /candor/import",
    "POST /candor/sign-out",
    "GET /audit",
    "GET /audit/example",
    "GET /audit.json",
    "GET /audit/pictures/{name}",  # files that ship, by name
    "GET /models",
    "GET /models.json",
    "GET /health",
    "ANY /mcp",
    "POST /v1/chat/completions",
    "GET /v1/models",
    "GET /v1/models/{model:path}",  # models on offer, by their ids
    "POST /v1/guard/check",
    "GET /v1/openapi.json",
    "GET /openapi.json",
    "GET /login/oidc",
    "GET /login/oidc/callback",
    "GET /login/huggingface",
    "GET /login/callback",
    *(f"GET /admin{path}" for path in ("", "/models", "/limits", "/banner", "/log")),  # admins
    *(f"GET /admin/disputed{path}" for path in ("", ".jsonl", "/{id_}")),
    *(f"POST /candor/admin/{what}" for what in ("models", "default", "limits", "banner")),
    "POST /candor/admin/disputed/{id_}",
    *(f"GET {path}" for path in ("/health/live", "/health/ready", "/metrics")),
}
# A link of 192 random bits that its owner has given away: whoever has it may read the copy.
GIVEN_AWAY = {"GET /s/{token}", "POST /candor/shares/{token}/continue"}
# What the page fetches of Gradio's; all else of it answers 404 (`security.PageOnly`).
GRADIOS = {
    "GET /",
    "GET /theme.css",
    "GET /favicon.ico",
    "GET /robots.txt",
    "GET /assets/{path:path}",
    "GET /static/{path:path}",
    "GET /svelte/{path:path}",
}


@dataclass
class Known:
    """The app, and what its readers have: `ids` of the victim, `running` and `passing` ones too."""

    site: Site
    victim: Browser
    strangers: dict[str, Browser]
    ids: Ids
    running: Ids
    passing: Ids


def had(browser: Browser, words: bytes = b"a file", **changes: Any) -> Ids:
    """A conversation of that reader with a file, and the ids of all that is in it."""
    file = browser.send("POST", "/candor/files?name=mine.txt", content=words)
    body = ASKED | {"files": [file.json()["id"]]} | changes
    if changes.get("temporary"):
        body["files"] = []
    asked = browser.send("POST", "/candor/ask", json=body).raise_for_status().json()
    ids = {"id_": asked["conversation"], "turn_id": asked["turn"], "file_id": file.json()["id"]}
    return ids | {"reply_id": "", "token": ""}


def finished(browser: Browser, ids: Ids) -> Ids:
    ended = browser.get(f"/candor/conversations/{ids['id_']}/events").text
    ids["reply_id"] = re.findall(r'data-reply=\\"([0-9a-f]{32})', ended)[-1]
    return ids


@pytest.fixture(scope="module")
def known(
    shared_provider: Provider, shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Known]:
    """On a Space, where one can sign in both ways, with no limit in the way."""
    settings = set_up(
        shared_provider,
        tmp_path_factory.mktemp("isolation"),
        base_url=shared_host.base_url,
        **on_a_space(shared_provider),
        api_keys=SecretStr("open"),
        timeout=3600,  # the reply that hangs is still running at the end
        limits="none",
        limits_anonymous="none",
        limits_address="none",
    )
    with serving(settings) as site:

        def arrived(way: str | None, subject: str) -> Browser:
            shared_provider.subject = subject
            browser = Browser(site.url, headers=dict(HTTPS))
            if way:
                browser.sign_in(way)
                assert browser.reader
            browser.state()
            return browser

        victim = arrived("oidc", "victim")
        strangers = {
            "a cookie": arrived(None, ""),
            "another account": arrived("oidc", "stranger"),
            "the same name elsewhere": arrived("huggingface", "victim"),
        }
        ids = finished(victim, had(victim, b"the victim's own words"))
        made = victim.send("POST", f"/candor/conversations/{ids['id_']}/shares", json={})
        ids["token"] = made.json()["path"].removeprefix("/s/")
        passing = finished(victim, had(victim, temporary=True))
        running = had(victim, question="fault:hang")
        assert settles(lambda: shared_host.answering)
        found = Known(site, victim, strangers, ids, running, passing)
        yield found
        victim.send("POST", f"/candor/conversations/{found.running['id_']}/stop")
        assert settles(lambda: site.running() == 0)


def walked(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """All routes of an app and of those mounted in it: method and path, and whose it is."""
    for one in iter_route_contexts([*routes]):
        inner = getattr(one, "original_route", one)
        path = prefix + str(getattr(one, "path", ""))
        if isinstance(inner, Mount):
            yield from walked(inner.routes, path)
        else:
            module = str(getattr(getattr(one, "endpoint", None), "__module__", ""))
            methods = (getattr(one, "methods", None) or {"ANY"}) - {"HEAD"} or {"HEAD"}
            yield from ((f"{method} {path}", module) for method in methods)


def test_every_route_is_known(known: Known) -> None:
    """A new route is put into a table of this file: into `OWNED`, if it takes an id."""
    found = dict(walked(known.site.app.routes))
    ours = {route for route, module in found.items() if not module.startswith("gradio")}
    named = {re.sub("{file_id}", "{id_}", route.strip()) for route in OWNED}
    assert ours == named | WITHOUT | GIVEN_AWAY
    assert len(found) > len(ours) + len(GRADIOS)


def filled(told: Any, ids: Ids) -> Any:
    """What a request brings, with ids in their places."""
    if isinstance(told, dict):
        return {key: filled(one, ids) for key, one in told.items()}
    if isinstance(told, list):
        return [filled(one, ids) for one in told]
    return told.format(**ids) if isinstance(told, str) else told


def asked(browser: Browser, route: str, ids: Ids) -> httpx2.Response:
    method, path = route.split()
    values = filled(OWNED[route], ids)
    query = "&".join(f"{key}={one}" for key, one in values.pop("params", {}).items())
    return browser.send(method, f"{path.format(**ids)}?{query}", **values)


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile."""
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def nobodys(ids: Ids) -> Ids:
    """Ids of the same form that nobody has."""
    return {name: ("A" * 32 if name == "token" else new_id()) for name in ids}


def masked(answer: httpx2.Response, *of: Ids) -> tuple[int, str]:
    text = answer.text
    for name, id_ in ((name, id_) for ids in of for name, id_ in ids.items() if id_):
        text = text.replace(id_, name)
    return answer.status_code, text


@pytest.mark.parametrize("stranger", ["a cookie", "another account", "the same name elsewhere"])
@pytest.mark.parametrize("route", OWNED)
def test_an_id_of_another_is_as_good_as_none(known: Known, route: str, stranger: str) -> None:
    browser = known.strangers[stranger]
    all_of_them = [known.ids, known.running, known.passing]
    for has in all_of_them if stranger == "another account" else all_of_them[:1]:
        theirs = {name: one or new_id() for name, one in has.items()}
        none = nobodys(theirs)
        with statements() as of_theirs:
            found = masked(asked(browser, route, theirs), theirs)
        with statements() as of_none:
            missing = masked(asked(browser, route, none), none)
        assert found == missing
        assert found[0] in (404, 409) or "/state" in route
        assert "victim's own words" not in found[1]
        assert abs(len(of_theirs) - len(of_none)) <= 1


INNER = re.compile("{(turn_id|reply_id|token|file_id)}")


@pytest.mark.parametrize("route", [one for one in OWNED if INNER.search(f"{one} {OWNED[one]}")])
def test_ones_own_conversation_opens_nothing_of_another(known: Known, route: str) -> None:
    """A turn, a reply, a link or a file of another, in a conversation of one's own."""
    browser = known.strangers["another account"]
    mine = finished(browser, had(browser))
    mixed = known.ids | {"id_": mine["id_"]}
    none = nobodys(known.ids) | {"id_": mine["id_"]}
    found, missing = asked(browser, route, mixed), asked(browser, route, none)
    assert masked(found, mixed) == masked(missing, none)
    assert found.status_code in (404, 409)


def test_nothing_of_another_is_listed(known: Known) -> None:
    everything = [*known.ids.values(), *known.running.values(), "victim's own words"]
    everything = [one for one in everything if one]
    for browser in known.strangers.values():
        for path in (
            "/candor/state",
            "/candor/conversations?after=1,2999-01-01T00:00:00.000000%2B00:00," + "f" * 32,
            f"/candor/conversations?after=0,2999-01-01T00:00:00.000000%2B00:00,{known.ids['id_']}",
            "/candor/search?q=soup",
            "/candor/search?q=victim",
            "/candor/settings",
            "/candor/stored",
            "/candor/export",
            "/models.json",
            "/v1/models",
        ):
            told = browser.get(path).raise_for_status().text
            assert not [one for one in everything if one in told], path


def test_what_strangers_delete_and_import_is_their_own(known: Known) -> None:
    browser = Browser(known.site.url, headers=dict(HTTPS))
    browser.state()
    export = known.victim.get(f"/candor/conversations/{known.ids['id_']}/export.json")
    imported = browser.send("POST", "/candor/import", content=export.content).json()
    assert imported["imported"] == 1  # a copy: even the ids of the file are not taken over
    assert known.ids["id_"] not in browser.get("/candor/export").text
    assert browser.send("DELETE", "/candor/data").status_code == 200
    assert known.victim.sees(known.ids["id_"])


def test_a_link_shows_the_copy_and_no_more(known: Known) -> None:
    token = known.ids["token"]
    browser = known.strangers["a cookie"]
    told = browser.get(f"/s/{token}").text
    hidden = [known.ids[name] for name in ("id_", "file_id")]
    assert not [one for one in hidden if one in told]
    copied = browser.send("POST", f"/candor/shares/{token}/continue").json()["conversation"]
    assert copied not in known.ids.values()
    assert not known.victim.sees(copied)
    for wrong in ("A" * 32, token[:-1], f"{token}%00", known.ids["id_"]):
        assert browser.get(f"/s/{wrong}").status_code == 404
        assert browser.send("POST", f"/candor/shares/{wrong}/continue").status_code == 404


@pytest.mark.parametrize("path", ["..%2f..%2fapp.py", "../../app.py", "%2fetc%2fpasswd", "a%00b"])
@pytest.mark.parametrize("folder", ["/assets/", "/static/", "/svelte/", "/candor/static/"])
def test_no_path_leaves_the_folders(known: Known, folder: str, path: str) -> None:
    answer = known.strangers["a cookie"].get(folder + path)
    assert answer.status_code in (400, 403, 404)
    assert "root:" not in answer.text
    assert "uvicorn" not in answer.text


def test_nothing_of_gradios_answers_but_what_the_page_fetches(known: Known) -> None:
    browser = known.victim
    every = {route for route, module in walked(known.site.app.routes) if "gradio" in module}
    others = every - GRADIOS - {"HEAD /"}
    assert len(others) > 50
    for route in sorted(others):
        method, path = route.split()
        for id_ in (known.ids["file_id"], new_id()):
            answer = browser.send(method, re.sub(r"{[^}]+}", id_, path))
            assert answer.status_code in (404, 405), route
            assert id_ not in answer.text
    for path in ("candor.sqlite3", "app.py", "/etc/passwd"):
        assert browser.get(f"/gradio_api/file={path}").status_code == 404
    for route in GRADIOS - {"GET /robots.txt"}:
        if "{" not in route:
            assert browser.get(route.split()[1]).status_code == 200, route


def test_after_all_that_the_victim_has_all_of_it(known: Known) -> None:
    """This one stands last: nothing was changed, stopped or taken away."""
    victim, ids = known.victim, known.ids
    told = victim.get(f"/candor/conversations/{ids['id_']}/export.json").json()
    assert told["title"] == SOUP
    assert len(told["turns"]) == 1
    assert len(told["turns"][0]["replies"]) == 1
    assert told["turns"][0]["replies"][0].get("feedback") is None
    assert b"victim's own words" in victim.get(f"/candor/files/{ids['file_id']}").content
    assert victim.get(f"/s/{ids['token']}").status_code == 200
    assert victim.sees(known.passing["id_"])
    running = victim.get(f"/candor/state?c={known.running['id_']}").json()
    assert running["running"]
    listed = victim.get("/candor/export").text.splitlines()
    assert len(listed) == 2
