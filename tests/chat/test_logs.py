"""Lines of the log: what they hold, what they never hold, and that nobody can forge one."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from served import (
    API_KEY,
    HF_TOKEN,
    LLAMA,
    QWEN,
    SOUP,
    TIANANMEN,
    V1_KEY,
    Page,
    Site,
    page_of,
    serving,
    settles,
)
from sqlalchemy import text

from chat.settings import Settings
from chat.store import UNREACHABLE, Store, fault_of
from chat.telemetry.logs import JsonLines, ReplyLog, TextLines, hashed
from chat.telemetry.settings import TelemetrySettings
from guard.errors import ConfigError, ProviderError
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.transport import close_shared_client
from guard.types import Message

SECRET_WORD = "kaleidoscope"
FORGED = "fine\nERROR candor: all is lost\r\x1b[2J\x1b]0;owned\x07\u2028\u202eevil\u0085\ud800"


def record(message: str, *args: Any, error: BaseException | None = None) -> logging.LogRecord:
    raised = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("candor", logging.WARNING, "here.py", 1, message, args, raised)


def thrown(make: Callable[[], Exception]) -> Exception:
    """An exception that was raised while another was met."""
    try:
        try:
            raise ValueError(SECRET_WORD)  # noqa: TRY301
        except ValueError as error:
            raise make() from error
    except Exception as error:
        return error


# --- one record, one line -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TextLines, JsonLines])
def test_what_is_logged_begins_no_line_and_steers_no_terminal(
    kind: type[logging.Formatter],
) -> None:
    told = kind().format(record("asked for %s", FORGED))
    assert len(told.splitlines()) == 1
    assert told.isprintable()
    assert "evil" in told


@given(st.text())
def test_whatever_is_logged_is_one_line_of_json_that_holds_it(words: str) -> None:
    told = JsonLines().format(record("%s", words))
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told)["message"] == words


@given(st.text())
def test_whatever_is_logged_is_one_line_of_text(words: str) -> None:
    told = TextLines().format(record("%s", words))
    assert told.splitlines() == [told]
    assert "\x1b" not in told
    told.encode()


def test_an_exception_is_indented_below_its_line_and_cannot_forge_another() -> None:
    error = thrown(lambda: RuntimeError(FORGED))
    first, *rest = TextLines(texts=True).format(record("it broke", error=error)).split("\n")
    assert first == "WARNING candor: it broke"
    assert all(line.startswith("    ") for line in rest)
    assert any("evil" in line for line in rest)


@pytest.mark.parametrize("kind", [TextLines, JsonLines])
def test_exceptions_are_told_by_type_and_place_alone(kind: type[TextLines | JsonLines]) -> None:
    error = thrown(lambda: ProviderError("malformed", SECRET_WORD))
    told = kind().format(record("it broke", error=error))
    assert SECRET_WORD not in told
    assert "builtins.ValueError" in told
    assert "guard.errors.ProviderError" in told
    assert Path(__file__).name in told
    assert SECRET_WORD in kind(texts=True).format(record("it broke", error=error))


def test_of_groups_each_exception_is_told() -> None:
    error = thrown(lambda: ExceptionGroup(SECRET_WORD, [KeyError(SECRET_WORD), OSError("full")]))
    told = json.loads(JsonLines().format(record("it broke", error=error)))["exception"]
    assert SECRET_WORD not in repr(told)
    assert "  builtins.KeyError" in told
    assert "  builtins.OSError: full" in told


def test_exceptions_without_end_end() -> None:
    error = RuntimeError()
    error.__context__ = other = ValueError()
    other.__context__ = error
    assert len(JsonLines().format(record("it broke", error=error))) < 10_000


def test_what_asyncio_tells_of_a_lost_task_is_cut() -> None:
    lost = record(f"Task exception was never retrieved\nfuture: {SECRET_WORD}")
    lost.name = "asyncio"
    assert SECRET_WORD not in TextLines().format(lost)
    assert json.loads(JsonLines().format(lost))["message"] == "Task exception was never retrieved"


def test_a_json_line_has_time_level_and_logger() -> None:
    told = json.loads(JsonLines().format(record("fine")))
    assert told["time"].endswith("+00:00")
    assert (told["level"], told["logger"], told["message"]) == ("warning", "candor", "fine")


async def test_a_database_s_error_is_told_without_the_values_it_was_given(postgresql: str) -> None:
    store = Store(postgresql)
    query = text("SELECT CAST(:given AS integer)"), {"given": SECRET_WORD}
    with pytest.raises(UNREACHABLE) as caught:
        await store.read(lambda session: session.execute(*query))
    await store.close()
    assert SECRET_WORD in str(caught.value)
    assert SECRET_WORD not in fault_of(caught.value)
    assert fault_of(OSError("no space left")) == "OSError: no space left"


# --- a deployment that logs in JSON -------------------------------------------------------------


@pytest.fixture(scope="module")
def logging_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = Settings(
        base_url=shared_host.base_url,
        api_key=API_KEY,
        token=HF_TOKEN,
        api_keys=SecretStr(V1_KEY),
        data=tmp_path_factory.mktemp("data"),
        telemetry=TelemetrySettings(log_format="json"),
        timeout=20,
    )
    with serving(settings) as site:
        yield site


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the process logs, as JSON and as text."""
    streams = []
    root, level = logging.getLogger(), logging.getLogger().level
    client = logging.getLogger("httpx2")  # the test's own
    client.setLevel(logging.WARNING)
    for kind in (JsonLines, TextLines):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(kind())
        root.addHandler(handler)
        streams.append((stream, handler))
    root.setLevel(logging.INFO)

    def told() -> list[dict[str, Any]]:
        for stream, _ in streams:
            assert SECRET_WORD not in stream.getvalue().casefold()
            for secret in (API_KEY, HF_TOKEN, V1_KEY):
                assert secret not in stream.getvalue()
        return [json.loads(line) for line in streams[0][0].getvalue().splitlines()]

    yield told
    root.setLevel(level)
    client.setLevel(logging.NOTSET)
    for _, handler in streams:
        root.removeHandler(handler)


Lines = Callable[[], list[dict[str, Any]]]


def of(lines: Lines, message: str) -> list[dict[str, Any]]:
    assert settles(lambda: any(line["message"] == message for line in lines()))
    return [line for line in lines() if line["message"] == message]


def test_a_reply_is_told_with_model_verdict_and_seconds(logging_site: Site, lines: Lines) -> None:
    with page_of(logging_site.url, **{"x-request-id": "abc-1"}) as page:
        page.answered(f"{TIANANMEN} {SECRET_WORD}", model=QWEN, mode="fall back")
    first, second = of(lines, "reply")
    assert first["logger"] == "candor.replies"
    assert (first["model"], first["origin"], first["outcome"]) == (QWEN, "CN", "stopped")
    assert (first["verdict"], first["conduct"]) == ("withheld", "evaded")
    assert (second["model"], second["cause"], second["verdict"]) == (LLAMA, "withheld", "clean")
    assert first["seconds"] >= first["first_token_seconds"] >= 0
    assert second["tokens"] > 0
    assert {first["request_id"], second["request_id"]} == {"abc-1"}
    assert not {"question", "reply", "topic"} & {*first, *second}


def test_a_request_is_told_by_its_route_without_ids_queries_and_who_asks(
    logging_site: Site, lines: Lines
) -> None:
    with page_of(logging_site.url) as page:
        id_ = page.answered(f"{SECRET_WORD} {SOUP}")
        page.http.get("/candor/search", params={"q": SECRET_WORD})
        page.http.get(f"/candor/shared/{SECRET_WORD}")
        page.http.get("/health/ready")
        cookie = page.http.cookies["candor_reader"]
    told = of(lines, "request")
    routes = {line["route"] for line in told}
    assert {"/candor/ask", "/candor/conversations/{id_}/events"} <= routes
    assert "/health/ready" not in routes
    asked = next(line for line in told if line["route"] == "/candor/ask")
    assert (asked["method"], asked["status"], asked["level"]) == ("POST", 200, "info")
    assert asked["seconds"] >= 0
    assert len({line["request_id"] for line in told}) == len(told)
    for private in (id_, cookie, "127.0.0.1"):
        assert private not in repr(told)


@pytest.mark.parametrize(
    "fault", ["400", "401", "500", "malformed", "error-first", "error-later", "cut", "empty"]
)
def test_no_fault_of_a_host_brings_a_text_or_a_secret_into_the_log(
    logging_site: Site, lines: Lines, fault: str
) -> None:
    with page_of(logging_site.url) as page:
        page.whole(str(page.ask(f"{SECRET_WORD} {SOUP} fault:{fault}")["conversation"]))
        body = {"messages": [{"role": "user", "content": f"{SECRET_WORD} fault:{fault}"}]}
        headers = {"authorization": f"Bearer {V1_KEY}"}
        asked = body | {"model": LLAMA, "stream": True}
        page.http.post("/v1/chat/completions", json=asked, headers=headers)
        page.http.post("/v1/chat/completions", content=SECRET_WORD, headers=headers)
        page.post("/ask", question=SECRET_WORD)
    assert {line["model"] for line in of(lines, "reply")} >= {LLAMA}
    assert len(of(lines, "request")) == 5


def test_a_check_is_told_without_its_texts(logging_site: Site, lines: Lines) -> None:
    told = {"input": {"question": TIANANMEN, "reply": f"I cannot discuss this. {SECRET_WORD}"}}
    headers = {"authorization": f"Bearer {V1_KEY}"}
    url = f"{logging_site.url}/v1/guard/check"
    httpx2.post(url, json=told, headers=headers, trust_env=False).raise_for_status()
    (line,) = of(lines, "check")
    assert (line["verdict"], line["conduct"]) == ("withheld", "refused")


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "é", '"}{"', "a\tb"])
def test_an_id_that_is_none_is_given_anew(logging_site: Site, sent: str) -> None:
    headers = {"x-request-id": sent.encode()}
    answer = httpx2.get(f"{logging_site.url}/health/live", headers=headers, trust_env=False)
    given = answer.headers["x-request-id"]
    assert given != sent
    assert len(given) == 16


def test_an_id_of_a_proxy_is_kept(logging_site: Site) -> None:
    headers = {"x-request-id": "7f3a.b-1_c"}
    answer = httpx2.get(f"{logging_site.url}/health/live", headers=headers, trust_env=False)
    assert answer.headers["x-request-id"] == "7f3a.b-1_c"


def test_by_default_neither_requests_nor_replies_are_lines(page: Page, lines: Lines) -> None:
    page.answered(SOUP)
    assert not [line for line in lines() if line["logger"].startswith("candor.re")]


async def test_where_the_operator_sets_it_texts_and_topics_are_told(
    host: replies.Host, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(base_url=host.base_url, timeout=10)
    guard = Guard(connection=connection, observers=[ReplyLog(texts=True)])
    asked = [Message(role="user", text=TIANANMEN)]
    with caplog.at_level(logging.INFO, "candor.replies"):
        async for _ in guard.stream(asked, model=LLAMA, mode="warn"):
            pass
    (line,) = (json.loads(JsonLines().format(record)) for record in caplog.records)
    assert (line["question"], line["topic"]) == (TIANANMEN, "tiananmen-1989")
    assert line["reply"] == replies.reply_of(LLAMA, TIANANMEN)
    await close_shared_client()


def test_a_conversation_is_told_by_a_hash() -> None:
    assert hashed("a" * 32) != hashed("b" * 32)
    assert len(hashed("a" * 32)) == 16
    assert "a" * 8 not in hashed("a" * 32)


# --- what the environment says ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CANDOR_LOG_FORMAT", "xml"),
        ("CANDOR_LOG_TEXT", "perhaps"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://kaleidoscope"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "kaleidoscope"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable) as caught:
        TelemetrySettings.from_environment()
    assert SECRET_WORD not in str(caught.value)


def test_what_is_set_is_read_and_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDOR_LOG_FORMAT", "json")
    monkeypatch.setenv("CANDOR_LOG_TEXT", "1")
    monkeypatch.setenv("CANDOR_METRICS_TOKEN", SECRET_WORD)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://me:{SECRET_WORD}@collector/")
    found = Settings().telemetry
    assert (found.log_format, found.log_text) == ("json", True)
    assert found.traces_to == f"https://me:{SECRET_WORD}@collector/v1/traces"
    assert SECRET_WORD not in repr(found)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://elsewhere/x")
    assert Settings().telemetry.traces_to == "https://elsewhere/x"
    assert TelemetrySettings().traces_to is None
