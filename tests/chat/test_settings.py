"""What the environment may say, and what the log says at the start."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from chat.announce import address, announce, without_password
from chat.settings import Settings, load
from guard.errors import ConfigError

OURS = (
    "HOST PORT GRADIO_SERVER_PORT CANDOR_BASE_URL CANDOR_API_KEY HF_TOKEN CANDOR_DEFAULT_MODEL "
    "CANDOR_TITLE_MODEL "
    "CANDOR_LOG_FORMAT CANDOR_LOG_TEXT CANDOR_METRICS_TOKEN OTEL_EXPORTER_OTLP_ENDPOINT "
    "CANDOR_DATABASE_URL CANDOR_DATA CANDOR_MODELS CANDOR_TIMEOUT SPACE_ID OAUTH_CLIENT_ID"
)
SECRET = "hf_SecretSecretSecret"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS.split():
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_is_the_demo_on_this_machine() -> None:
    settings = load()
    models = settings.catalogue()
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert settings.connection(models).kind == "demo"
    assert settings.database.startswith("sqlite+aiosqlite:///")
    assert not settings.on_a_space


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS.split():
        monkeypatch.setenv(name, "")
    settings = load()
    monkeypatch.undo()
    assert settings == Settings()


@pytest.mark.parametrize("name", ["PORT", "GRADIO_SERVER_PORT"])
def test_the_port_has_two_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "8123")
    assert load().port == 8123


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("CANDOR_BASE_URL", "localhost:8000"),
        ("CANDOR_BASE_URL", "ftp://host/v1"),
        ("CANDOR_TRUSTED_PROXIES", "*"),
        ("CANDOR_TRUSTED_PROXIES", "10.0.0.0/8, 10.0.0.1/8"),
        ("CANDOR_TRUSTED_PROXIES", "the proxy"),
        ("CANDOR_TRUSTED_PROXIES", "10.0.0.1, 0.0.0.0/0"),
        ("CANDOR_ANONYMOUS", "maybe"),
        ("CANDOR_SECRET", "short"),
        ("CANDOR_OIDC_ISSUER", "login.example"),
        ("CANDOR_TIMEOUT", "0"),
        ("CANDOR_TIMEOUT", "soon"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=name) as caught:
        load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["CANDOR_API_KEY", "HF_TOKEN"])
def test_secrets_are_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("CANDOR_BASE_URL", "http://user:pa55word@host.example:8000/v1?key=s3cret")
    settings = load()
    with caplog.at_level(logging.DEBUG):
        announce(settings)
    told = caplog.text + repr(settings) + str(settings) + settings.model_dump_json()
    assert "http://host.example:8000/v1" in caplog.text
    assert SECRET not in told
    assert "pa55word" not in caplog.text
    assert "s3cret" not in caplog.text


def test_a_default_model_that_is_not_on_offer_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CANDOR_DEFAULT_MODEL", "meta-llama/Llama-3.3-71B-Instruct")
    with pytest.raises(ConfigError, match=r"CANDOR_DEFAULT_MODEL.*Llama-3\.3-70B-Instruct"):
        load().catalogue()


def test_the_default_model_may_be_set_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDOR_DEFAULT_MODEL", "META-LLAMA/llama-3.3-70b-instruct")
    assert load().catalogue().default == "meta-llama/Llama-3.3-70B-Instruct"


def test_another_catalogue_and_folder_may_be_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "default: a/b\nmodels:\n- {id: a/b, name: B, developer: A, origin: SE, licence: MIT,"
        " context: 1, card: 'https://a.example'}\n"
    )
    monkeypatch.setenv("CANDOR_MODELS", str(file))
    monkeypatch.setenv("CANDOR_DATA", str(tmp_path / "data"))
    settings = load()
    assert settings.catalogue().default == "a/b"
    assert str(tmp_path / "data" / "candor.sqlite3") in settings.database
    monkeypatch.setenv("CANDOR_MODELS", str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load().catalogue()


def test_the_announcement_says_how_to_connect_models(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        announce(Settings(host="0.0.0.0", port=1234))  # noqa: S104
    assert "http://localhost:1234" in caplog.text
    assert "HF_TOKEN" in caplog.text
    assert "CANDOR_BASE_URL" in caplog.text


@pytest.mark.parametrize(
    ("host", "shown"),
    [("::", "localhost"), ("10.0.0.7", "10.0.0.7"), ("fe80::1", "[fe80::1]"), ("box", "box")],
)
def test_an_address_is_shown_as_a_browser_takes_it(host: str, shown: str) -> None:
    assert address(host) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, ""),
        ("https://a.example/v1", "https://a.example/v1"),
        ("https://me:p@ss@a.example:8/v1?k=1#f", "https://a.example:8/v1"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str | None, shown: str) -> None:
    assert without_password(url) == shown


def test_nobody_is_believed_who_may_write_their_own_address() -> None:
    """A Space's proxies stand in private networks; elsewhere uvicorn believes this machine."""
    assert Settings().proxies is None
    on_a_space = Settings(space_id="me/candor").proxies
    assert on_a_space is not None
    trusted = [ip_network(one) for one in on_a_space.split(",")]
    assert all(one.is_private or str(one) == "100.64.0.0/10" for one in trusted)
    assert Settings(space_id="me/candor", trusted_proxies="192.0.2.1").proxies == "192.0.2.1"


def test_replies_have_longer_to_end_where_others_serve_meanwhile() -> None:
    assert Settings().drains < Settings(redis_url=SecretStr("redis://r/0")).drains == 30
    assert Settings(redis_url=SecretStr("redis://r/0"), drain=0.0).drains == 0
