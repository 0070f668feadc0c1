"""Secrets stay where they are. That foreign words make no line of a log: tests/chat/test_logs.py.

Defences: `of_status` and `words_of` (guard/providers/faults.py), `SecretStr` (chat/settings.py),
`refused` (chat/api/access.py), `invalid` (chat/routes.py), `of_invalid` (chat/api/errors.py), and
the store, which finds what is an owner's alone (chat/store/loading.py).
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import replies
from served import API_KEY, HF_TOKEN, LLAMA, SOUP, V1_KEY, Page, Site, page_of

SECRETS = (API_KEY, HF_TOKEN, V1_KEY)
KEY = {"authorization": f"Bearer {V1_KEY}"}
FAULTS = ["error-with-key", "401", "403", "400", "429", "500", "malformed", "cut"]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def everything_of(page: Page, id_: str) -> str:
    """All that this reader is shown or can take away."""
    path = f"/candor/conversations/{id_}"
    shared = page.http.post(f"{path}/shares", json={"thoughts": True}).json().get("path", "/s/x")
    paths = (f"{path}/export.md", f"{path}/export.json", "/candor/export", shared, "/", "/config")
    told = [page.http.get(one).text for one in (*paths, "/models", "/models.json", "/openapi.json")]
    return json.dumps(page.state(id_)) + "".join(told)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_is_told_in_an_error_a_page_an_export_or_a_log(
    page: Page, site: Site, host: replies.Host, log: pytest.LogCaptureFixture, fault: str
) -> None:
    id_ = str(page.ask(f"{SOUP} fault:{fault}")["conversation"])
    told = json.dumps(page.whole(id_)) + everything_of(page, id_)
    body = {"model": LLAMA, "messages": [{"role": "user", "content": f"{SOUP} fault:{fault}"}]}
    told += page.http.post("/v1/chat/completions", json=body, headers=KEY).text
    assert host.asked[-1].headers["authorization"] == f"Bearer {API_KEY}"  # there it belongs
    with sqlite3.connect(site.app.state.settings.data / "candor.sqlite3") as connection:
        told += "".join(connection.iterdump())
    cookie = page.http.cookies["candor_reader"]
    for secret in SECRETS:
        assert secret not in told
        assert secret not in log.text
        assert secret not in repr(site.app.state.settings)
    spoken = [one.getMessage() for one in log.records if one.levelno >= logging.INFO]
    assert cookie not in str(spoken)  # a driver of databases tells all where it is asked to
    assert cookie not in everything_of(page, id_)


@pytest.mark.parametrize("secret", ["candor-WrongWrongWrongWrong", "hf_NotOursNotOursNotOurs"])
def test_a_key_that_is_wrong_is_not_repeated(
    page: Page, log: pytest.LogCaptureFixture, secret: str
) -> None:
    for path in ("/v1/models", "/v1/nothing"):
        answer = page.http.get(path, headers={"authorization": f"Bearer {secret}"})
        assert secret not in answer.text + log.text
    called = page.http.post("/mcp", json={}, headers={"authorization": f"Bearer {secret}"})
    assert called.status_code == 401
    assert secret not in called.text + log.text


@pytest.mark.parametrize("path", ["/candor/ask", "/v1/chat/completions", "/v1/guard/check"])
def test_a_body_that_is_wrong_is_not_repeated(
    page: Page, log: pytest.LogCaptureFixture, path: str
) -> None:
    """What somebody pastes into the wrong field may be a secret."""
    body = {"model": ["sk-pasted"], "question": {"x": "sk-pasted"}, "input": 5, "x": "sk-pasted"}
    answer = page.http.post(path, json=body, headers=KEY)
    assert answer.status_code in {400, 422}
    assert "sk-pasted" not in answer.text + log.text


def test_two_readers_share_no_secret(page: Page, site: Site) -> None:
    """Another reader's conversation, files and links are not there for who guesses."""
    id_ = page.answered(SOUP)
    made = page.http.post("/candor/files", params={"name": "a.md"}, content=b"mine").json()["id"]
    with page_of(site.url) as stranger:
        stranger.state()
        assert stranger.state(id_)["conversation"] is None
        for path in (f"files/{made}", f"conversations/{id_}/export.json", f"conversations/{id_}"):
            assert stranger.http.get(f"/candor/{path}").status_code in {404, 405}


def test_a_page_that_breaks_shows_no_trace(site: Site, page: Page, tmp_path: Path) -> None:
    store = site.app.state.chat.store
    broken = store.preferences

    async def fails(owner: str) -> object:
        raise RuntimeError(f"with a secret {API_KEY}")

    store.preferences = fails
    try:
        answer = page.http.get("/candor/state")
    finally:
        store.preferences = broken
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert API_KEY not in answer.text
