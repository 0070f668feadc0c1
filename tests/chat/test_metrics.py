"""What `/metrics` counts, whoever makes the guard answer: the page, the API, MCP clients."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from scraping import Scraped, scraped
from served import LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Page, Site, listening, settles
from specs import spec

from chat.api.access import Access
from chat.api.serve import build
from chat.api.sharing import Api
from chat.telemetry.metrics import LIVE, Metrics, allowed, forget_the_dead
from chat.telemetry.settings import TelemetrySettings
from chat.telemetry.telemetry import Telemetry
from guard.catalogue import Catalogue, GuardSettings, joined
from guard.pipeline import Guard
from guard.providers import Connection
from guard.snapshot import HubModel, Offer, Snapshot
from guard.types import Message

SECRET_WORD = "kaleidoscope"
TOKEN = "metrics-token-über"


@pytest.fixture
def before(site: Site) -> Scraped:
    return scraped(site.url)


def completion(site: Site, question: str, **more: Any) -> httpx2.Response:
    body = {"model": QWEN, "messages": [{"role": "user", "content": question}], **more}
    headers = {"authorization": f"Bearer {V1_KEY}"}
    url = f"{site.url}/v1/chat/completions"
    return httpx2.post(url, json=body, headers=headers, trust_env=False, timeout=60)


def mcp_call(site: Site, tool: str, **arguments: str) -> None:
    """Call a tool of the guard's MCP server, as its clients do."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    accept = {"accept": "application/json, text/event-stream"}
    answer = httpx2.post(
        f"{site.url}/mcp",
        json=call | {"params": {"name": tool, "arguments": arguments}},
        headers=accept | {"authorization": f"Bearer {V1_KEY}"},
        trust_env=False,
        timeout=60,
    )
    assert '"isError":false' in answer.raise_for_status().text


def test_a_reply_that_was_handed_on_is_counted_whole(
    page: Page, site: Site, before: Scraped
) -> None:
    page.answered(TIANANMEN, model=QWEN, mode="fall back")
    new = scraped(site.url).since(before)
    assert new.sum("candor_questions_total", mode="fall back") == 1
    assert new.sum("candor_replies_total", model=QWEN, origin="CN", outcome="stopped") == 1
    assert new.sum("candor_replies_total", model=LLAMA, origin="US", outcome="done") == 1
    assert new.sum("candor_fallbacks_total", model=QWEN, to=LLAMA, cause="withheld") == 1
    topic = {"topic": "tiananmen-1989"}
    withheld = {"model": QWEN, "origin": "CN", "conduct": "evaded", "status": "withheld"}
    answered = {"model": LLAMA, "origin": "US", "conduct": "answered", "status": "clean"}
    assert new.sum("candor_verdicts_total", **withheld, **topic) == 1
    assert new.sum("candor_verdicts_total", **answered, **topic) == 1
    assert new.sum("candor_verdicts_total") == 2
    for model in (QWEN, LLAMA):
        assert new.sum("candor_first_token_seconds_count", model=model) == 1
        assert new.sum("candor_reply_seconds_count", model=model) == 1
        assert new.sum("candor_tokens_total", model=model) > 0
    assert new.sum("candor_guard_seconds_count", step="topic") == 1
    assert new.sum("candor_guard_seconds_count", step="growing") >= 1
    assert new.sum("candor_guard_seconds_sum") > 0
    assert scraped(site.url).sum("candor_running_replies") == 0


def test_the_api_and_mcp_clients_are_counted_as_the_page_is(site: Site, before: Scraped) -> None:
    completion(site, TIANANMEN).raise_for_status()
    assert "[DONE]" in completion(site, SOUP, stream=True).text
    mcp_call(site, "ask_guarded", question=TIANANMEN, model=QWEN, mode="fall back")
    mcp_call(site, "check_reply", question=TIANANMEN, reply="I cannot discuss this topic.")
    assert settles(lambda: scraped(site.url).sum("candor_running_replies") == 0)
    new = scraped(site.url).since(before)
    assert new.sum("candor_questions_total") == 3
    assert new.sum("candor_fallbacks_total", cause="withheld") == 2
    assert new.sum("candor_verdicts_total", topic="none", conduct="answered", status="clean") == 1
    assert new.sum("candor_checks_total", topic="tiananmen-1989", status="withheld") == 1
    assert new.sum("candor_guard_seconds_count", step="check") == 1
    route = {"method": "POST", "route": "/v1/chat/completions", "status": "200"}
    assert new.sum("candor_http_requests_total", **route) == 2


def test_a_verdict_that_a_reader_disputes_is_counted_once_and_its_end_too(
    page: Page, site: Site, before: Scraped
) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    reply = page.state(id_)["thread"].partition('data-reply="')[2][:32]
    path = f"/conversations/{id_}/replies/{reply}/rate"
    for marked in (True, True, False):
        page.post(path, not_withheld=marked).raise_for_status()
    page.post(path, feedback="good").raise_for_status()
    new = scraped(site.url).since(before)
    which = {"model": QWEN, "topic": "tiananmen-1989"}
    assert new.sum("candor_disputed_verdicts_total", **which, change="marked") == 1
    assert new.sum("candor_disputed_verdicts_total", **which, change="taken back") == 1


def test_faults_of_hosts_are_counted_by_kind_and_by_whether_they_were_asked_again(
    page: Page, site: Site, before: Scraped
) -> None:
    page.answered(f"{SOUP} fault:503@Llama", mode="warn")
    page.answered(f"{SOUP} fault:401@Llama", mode="warn")
    new = scraped(site.url).since(before)
    errors = "candor_provider_errors_total"
    assert new.sum(errors, model=LLAMA, kind="unavailable", retried="true") == 2
    assert new.sum(errors, model=LLAMA, kind="unavailable", retried="false") == 1
    assert new.sum(errors, model=LLAMA, kind="unauthorized", retried="false") == 1
    assert new.sum("candor_replies_total", model=LLAMA, outcome="failed") == 2
    assert new.sum("candor_first_token_seconds_count") == 0


def test_a_running_reply_is_counted_until_its_reader_leaves(
    page: Page, site: Site, host: replies.Host, before: Scraped
) -> None:
    id_ = str(page.ask(f"{SOUP} fault:stall")["conversation"])
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    assert scraped(site.url).sum("candor_running_replies") == 1
    page.post(f"/conversations/{id_}/stop").raise_for_status()
    new = scraped(site.url).since(before)
    assert scraped(site.url).sum("candor_running_replies") == 0
    assert new.sum("candor_replies_total", model=LLAMA, outcome="left") == 1
    assert new.sum("candor_verdicts_total") == 0


def test_a_client_of_the_api_that_leaves_is_counted_as_that(
    site: Site, host: replies.Host, before: Scraped
) -> None:
    told = {"model": LLAMA, "messages": [{"role": "user", "content": f"{SOUP} fault:stall"}]}
    body = json.dumps(told | {"stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {V1_KEY}\r\n"
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as client:
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert settles(lambda: host.answering == 1)
        assert scraped(site.url).sum("candor_running_replies") == 1
    assert settles(lambda: scraped(site.url).sum("candor_running_replies") == 0)
    new = scraped(site.url).since(before)
    assert new.sum("candor_replies_total", model=LLAMA, outcome="left") == 1


async def test_costs_are_counted_where_prices_are_known(host: replies.Host) -> None:
    model = spec("candid/ch", "CH")
    offer = Offer(provider="127.0.0.1", model="x", input_price=2.0, output_price=10.0)
    held = Snapshot(models={model.id: HubModel(id=model.id, offers=(offer,))})
    settings = GuardSettings(mode="warn")
    catalogue = joined(Catalogue(default=model.id, guard=settings, models=(model,)), held)
    metrics = Metrics([model.id])
    guard = Guard(catalogue, Connection(base_url=host.base_url), observers=[metrics])
    events = [event async for event in guard.stream([Message(role="user", text=SOUP)])]
    of_replies = {"model": model.id, "part": "reply"}
    spent = metrics.registry.get_sample_value("candor_cost_dollars_total", of_replies)
    assert spent == events[-1].dollars  # type: ignore[union-attr]
    assert spent


def test_foreign_words_never_become_labels(page: Page, site: Site, before: Scraped) -> None:
    page.answered(f"{SECRET_WORD} {SOUP}")
    page.http.get(f"/{SECRET_WORD}?{SECRET_WORD}")
    page.http.get(f"/candor/static/{SECRET_WORD}.css")
    page.http.get(f"/candor/shared/{SECRET_WORD}")
    page.http.request("PROPFIND", f"/{SECRET_WORD}")
    checked = {"question": SOUP, "reply": SECRET_WORD, "model": f'{SECRET_WORD}"}} 1\nx'}
    headers = {"authorization": f"Bearer {V1_KEY}"}
    told = page.http.post("/v1/guard/check", json={"input": checked}, headers=headers)
    told.raise_for_status()
    assert SECRET_WORD not in page.http.get("/metrics").text.casefold()
    new = scraped(site.url)
    assert new.values_of("model") <= {*site.app.state.chat.visitors.models.by_id}
    assert new.since(before).sum("candor_http_requests_total", route="unmatched") >= 3
    assert new.since(before).sum("candor_http_requests_total", method="other") == 1


def test_what_is_not_on_offer_or_in_no_pack_is_other() -> None:
    metrics = Metrics(["known/model"])
    metrics.dispute("gone/model", "gone-topic", marked=True)
    labels = {"model": "other", "topic": "other", "change": "marked"}
    assert metrics.registry.get_sample_value("candor_disputed_verdicts_total", labels) == 1


def test_it_speaks_openmetrics_to_who_asks_for_it(site: Site) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    answer = httpx2.get(f"{site.url}/metrics", headers=accept, trust_env=False)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.headers["cache-control"] == "no-store"
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert "candor_running_replies" in families


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    """The API alone, with a token for its metrics."""
    guard = Guard()
    settings = TelemetrySettings.model_validate({"metrics_token": TOKEN})
    app = build(Api(guard, guard, Access(given="open")), Telemetry.of(settings, guard.models))
    with listening(app) as url:
        yield url


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_a_token_that_is_set_must_be_sent(alone: str, sent: str) -> None:
    headers = {"authorization": sent.encode()} if sent else {}
    answer = httpx2.get(f"{alone}/metrics", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "candor_" not in answer.text


def test_who_sends_the_token_reads_the_metrics(alone: str) -> None:
    headers = {"authorization": f"Bearer {TOKEN}".encode()}
    answer = httpx2.get(f"{alone}/metrics", headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert "candor_running_replies" in answer.text


def test_the_live_gauges_of_processes_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    mine, dead, counter = (
        tmp_path / name
        for name in (f"{LIVE}{os.getpid()}.db", f"{LIVE}4194305.db", "counter_4194305.db")
    )
    for file in (mine, dead, counter):
        file.touch()
    forget_the_dead(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, counter])


def test_no_word_passes_for_an_empty_token() -> None:
    assert not allowed("", "")
    assert TelemetrySettings().metrics_token is None
