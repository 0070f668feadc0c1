"""Traces as a collector receives them: request, guarded reply, attempt at a host."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
from collector import Collector, Span, collecting
from served import LLAMA, QWEN, SOUP, TIANANMEN, listening, page_of, serving

from chat.api.access import Access
from chat.api.serve import build
from chat.api.sharing import Api
from chat.settings import Settings
from chat.telemetry.settings import TelemetrySettings
from chat.telemetry.telemetry import Telemetry
from guard import load_catalogue
from guard.pipeline import Guard
from guard.providers import Connection

ROOT = Path(__file__).parents[2]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ABOVE = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
WITHOUT = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from guard.__main__ import *
from chat import commands
from guard.cli import app, main
commands.add_to(app)
sys.argv = ["guard", "serve", "--port", "0"]
main()
"""
UNASKED = """
import sys
from chat.api.serve import from_environment
from_environment()
print(sorted(name for name in sys.modules if name.startswith("opentelemetry.exporter")))
"""


@contextmanager
def traced(host: replies.Host, **settings: Any) -> Iterator[tuple[str, Collector]]:
    """The API alone, which sends its spans as it goes down; the collector has them then."""
    with collecting() as collector:
        told = TelemetrySettings(otlp_endpoint=collector.url, **settings)
        models = load_catalogue()
        telemetry = Telemetry.of(told, models)
        connection = Connection(base_url=host.base_url, timeout=10)
        guard = Guard(models, connection, observers=telemetry.observers)
        app = build(Api(guard, guard, Access(given="open")), telemetry)
        with listening(app) as url:
            yield url, collector


def completion(
    url: str, question: str, model: str = QWEN, *, stream: bool = False, **headers: str
) -> httpx2.Response:
    asked = {"messages": [{"role": "user", "content": question}]}
    body = asked | {"model": model, "stream": stream}
    where = f"{url}/v1/chat/completions"
    return httpx2.post(where, json=body, headers=headers, trust_env=False, timeout=60)


def only(spans: list[Span]) -> Span:
    (span,) = spans
    return span


def test_a_guarded_reply_is_a_tree_within_the_caller_s_trace(host: replies.Host) -> None:
    with traced(host) as (url, collector):
        completion(url, TIANANMEN, stream=True, **ABOVE).raise_for_status()
    request = only(collector.named("POST /v1/chat/completions"))
    whole = only(collector.named("guarded reply"))
    first, second = only(collector.named(f"chat {QWEN}")), only(collector.named(f"chat {LLAMA}"))
    assert collector.service == "candor"
    assert {span.trace for span in (request, whole, first, second)} == {TRACE}
    assert request.parent == PARENT
    assert whole.parent == request.id
    assert first.parent == second.parent == whole.id
    assert request.begin <= whole.begin <= first.begin <= first.end <= second.begin
    assert second.begin <= second.end <= whole.end
    assert request.attributes["http.route"] == "/v1/chat/completions"
    assert request.attributes["http.response.status_code"] == 200
    assert whole.attributes["candor.mode"] == "fall back"
    assert whole.attributes["candor.fallbacks"] == 1
    assert whole.attributes["candor.guard.seconds"] > 0
    assert first.attributes["gen_ai.request.model"] == QWEN
    assert first.attributes["gen_ai.provider.name"]
    assert first.attributes["candor.origin"] == "CN"
    assert first.attributes["candor.outcome"] == "stopped"
    assert first.attributes["candor.verdict.status"] == "withheld"
    assert first.attributes["candor.verdict.topic"] == "tiananmen-1989"
    assert first.attributes["candor.verdict.conduct"] == "evaded"
    assert second.attributes["candor.cause"] == "withheld"
    assert second.attributes["gen_ai.usage.output_tokens"] > 0
    assert first.events == ["first token"]
    assert [first.failed, second.failed] == [False, False]


def test_no_span_holds_a_word_of_what_is_asked_and_answered(host: replies.Host) -> None:
    with traced(host) as (url, collector):
        completion(url, TIANANMEN)
        completion(url, "a kaleidoscope?kaleidoscope=1 fault:400")
        httpx2.get(f"{url}/kaleidoscope?q=kaleidoscope", trust_env=False)
    told = repr(collector.spans).casefold()
    assert len(collector.spans) >= 5
    for word in ("what happened", "hu yaobang", "people-centered", "kaleidoscope"):
        assert word not in told


def test_where_the_operator_sets_it_texts_are_told(host: replies.Host) -> None:
    with traced(host, log_text=True) as (url, collector):
        completion(url, TIANANMEN, LLAMA).raise_for_status()
    assert only(collector.named("guarded reply")).attributes["candor.question"] == TIANANMEN
    told = only(collector.named(f"chat {LLAMA}")).attributes["candor.reply"]
    assert told == replies.reply_of(LLAMA, TIANANMEN)


def test_a_host_that_fails_is_an_error_with_its_tries(host: replies.Host) -> None:
    with traced(host) as (url, collector):
        assert completion(url, f"{SOUP} fault:503").status_code == 502
    failed = collector.named(f"chat {QWEN}")[0]
    assert failed.failed
    assert failed.attributes["error.type"] == "unavailable"
    assert failed.attributes["candor.tries"] == 3
    assert only(collector.named("POST /v1/chat/completions")).failed


@pytest.mark.parametrize("given", ["", "00-zz-1-01", "\\x00" * 40, f"00-{'0' * 32}-{PARENT}-01"])
def test_a_traceparent_that_is_none_begins_a_new_trace(host: replies.Host, given: str) -> None:
    with traced(host) as (url, collector):
        httpx2.get(f"{url}/v1/models", headers={"traceparent": given}, trust_env=False)
    span = only(collector.named("GET /v1/models"))
    assert span.parent == ""
    assert len(span.trace) == 32
    assert span.trace != "0" * 32


def test_checks_have_spans_and_probes_have_none(host: replies.Host) -> None:
    with traced(host) as (url, collector):
        told = {"input": {"question": TIANANMEN, "reply": "I cannot discuss this topic."}}
        httpx2.post(f"{url}/v1/guard/check", json=told, trust_env=False).raise_for_status()
        for path in ("/health", "/health/live", "/health/ready", "/metrics"):
            httpx2.get(f"{url}{path}", trust_env=False)
    check = only(collector.named("guard check"))
    request = only(collector.named("POST /v1/guard/check"))
    assert check.parent == request.id
    assert check.attributes["candor.verdict.status"] == "withheld"
    assert len(collector.spans) == 2


def test_a_question_on_the_page_is_within_its_request(host: replies.Host, tmp_path: Path) -> None:
    with collecting() as collector:
        telemetry = TelemetrySettings(otlp_traces_endpoint=f"{collector.url}/v1/traces")
        settings = Settings(base_url=host.base_url, data=tmp_path, telemetry=telemetry)
        with serving(settings) as site, page_of(site.url, **ABOVE) as page:
            page.answered(SOUP)
    request, whole = (
        only(collector.named("POST /candor/ask")),
        only(collector.named("guarded reply")),
    )
    assert request.trace == whole.trace == TRACE
    assert whole.parent == request.id
    assert collector.named("GET /candor/conversations/{id_}/events")


def test_a_collector_that_is_away_keeps_nobody(host: replies.Host) -> None:
    telemetry = Telemetry.of(TelemetrySettings(otlp_endpoint="http://127.0.0.1:9"))
    connection = Connection(base_url=host.base_url, timeout=10)
    guard = Guard(load_catalogue(), connection, observers=telemetry.observers)
    app = build(Api(guard, guard, Access(given="open")), telemetry)
    with listening(app) as url:
        completion(url, SOUP).raise_for_status()


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_without_opentelemetry_the_operator_is_told_what_to_install() -> None:
    told = run(WITHOUT, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert told.returncode == 2
    assert "requirements-otel.txt" in told.stderr
    assert "Traceback" not in told.stderr


def test_nothing_of_it_is_loaded_unasked() -> None:
    assert json.loads(run(UNASKED).stdout.replace("'", '"')) == []
