"""Sign-in at a real OpenID Connect provider over a real socket, and all that must not sign in."""

from __future__ import annotations

import json
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import identity
import pytest
from accounts import HTTPS, Browser, on_a_space, set_up
from identity import Provider
from itsdangerous import TimestampSigner
from pydantic import SecretStr
from served import Site, serving

from chat.app import build
from chat.settings import Settings
from chat.sign_in import COOKIE, own, providers, secret_of
from guard.errors import ConfigError


@pytest.fixture(scope="module")
def shared(shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oidc")
    with serving(set_up(shared_provider, folder, oidc_name="Our house")) as site:
        yield site


@pytest.fixture
def browser(shared: Site, provider: Provider) -> Browser:
    return Browser(shared.url)


def test_one_signs_in_and_out(browser: Browser, provider: Provider) -> None:
    before = browser.state()
    assert before["reader"] is None
    [way] = before["sign_in"]
    assert way["href"] == "/login/oidc"
    assert way["label"].replace("\u2068", "").replace("\u2069", "") == "Sign in with Our house"
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.reader == "ada of the tests"
    browser.headers["x-candor"] = ""
    browser.send("POST", "/candor/sign-out", json={})
    assert COOKIE not in browser.cookies
    assert browser.reader is None
    [asked] = provider.asked
    assert asked["code_challenge_method"] == "S256"
    assert "openid" in asked["scope"].split()


def test_another_site_signs_nobody_out(browser: Browser) -> None:
    browser.sign_in()
    answer = httpx2.post(f"{browser.url}/candor/sign-out", cookies=browser.cookies, trust_env=False)
    assert answer.status_code == 403
    assert browser.get("/logout").status_code != 200
    assert browser.reader


def test_an_account_is_the_same_everywhere_and_no_other(
    browser: Browser, provider: Provider
) -> None:
    browser.sign_in()
    mine = browser.begin()
    elsewhere, other = Browser(browser.url), Browser(browser.url)
    elsewhere.sign_in()
    assert elsewhere.sees(mine)
    provider.subject = "ben"
    other.sign_in()
    assert not other.sees(mine)


def test_what_a_browser_had_before_waits_until_one_signs_out(browser: Browser) -> None:
    before = browser.begin()
    browser.sign_in()
    assert not browser.sees(before)
    browser.send("POST", "/candor/sign-out", json={})
    assert browser.sees(before)


# --- what must not sign in ------------------------------------------------------------------------


def refused(browser: Browser, url: str) -> None:
    """The answer of the provider at that address signs nobody in, and the page says so, once."""
    answer = browser.get(url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    told = browser.state()
    assert told["reader"] is None
    assert told["notice"] == "The sign-in did not succeed. Try again."
    assert browser.state()["notice"] is None


def forged(url: str, **values: str) -> str:
    parts = urlsplit(url)
    query = {key: one for key, [one] in parse_qs(parts.query).items()} | values
    return f"{parts.path}?" + "&".join(f"{key}={value}" for key, value in query.items())


def test_a_forged_state(browser: Browser) -> None:
    refused(browser, forged(browser.to_the_provider(), state="A" * 30))


def test_the_answer_to_another_browser(browser: Browser) -> None:
    """An attacker's own answer, which a link would bring to a victim."""
    attacker = Browser(browser.url)
    refused(browser, attacker.to_the_provider())
    browser.to_the_provider()
    refused(browser, attacker.to_the_provider())


def test_an_answer_that_comes_twice(browser: Browser, provider: Provider) -> None:
    url = browser.to_the_provider()
    browser.get(url)
    assert browser.reader
    browser.send("POST", "/candor/sign-out", json={})
    refused(browser, url)


def test_a_code_that_was_used_already(browser: Browser, provider: Provider) -> None:
    first = browser.to_the_provider()
    code = parse_qs(urlsplit(first).query)["code"][0]
    browser.get(first)
    other = Browser(browser.url)
    refused(other, forged(other.to_the_provider(), code=code))
    assert provider.refused == ["invalid_grant"]


def test_a_code_that_was_given_to_another(browser: Browser, provider: Provider) -> None:
    """PKCE: without the verifier of whoever began, a stolen code is worth nothing."""
    victim = Browser(browser.url)
    code = parse_qs(urlsplit(victim.to_the_provider()).query)["code"][0]
    refused(browser, forged(browser.to_the_provider(), code=code))
    assert provider.refused == ["invalid_grant"]


def test_a_refusal_of_the_provider(browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.to_the_provider()).query)["state"][0]
    refused(browser, f"/login/oidc/callback?error=access_denied&state={state}")


def test_no_answer_at_all(browser: Browser) -> None:
    for url in ("", "?code=1", "?state=1", "?code=&state=", "?code=%00&state=%ff", "?iss=x"):
        refused(browser, f"/login/oidc/callback{url}")


PAST = 1_700_000_000  # seconds since 1970


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["another-client", "a-third"]},
        {"aud": None},
        {"azp": "another-client"},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": PAST, "iat": PAST - 60},
        {"exp": None},
        {"iat": None},
        {"iat": -PAST, "nbf": PAST * 2},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_token_that_says_something_else(
    browser: Browser, provider: Provider, claims: dict[str, Any]
) -> None:
    provider.claims.update(claims)
    refused(browser, browser.to_the_provider())
    provider.claims.clear()
    browser.sign_in()
    assert browser.reader


@pytest.mark.parametrize("signing", ["none", "HS256", "another key"])
@pytest.mark.parametrize("told", [["RS256"], ["RS256", "none", "HS256"]], ids=["", "told"])
def test_a_token_that_the_provider_did_not_sign(
    browser: Browser, provider: Provider, signing: identity.Signing, told: list[str]
) -> None:
    provider.signing = signing
    provider.described["id_token_signing_alg_values_supported"] = told
    with_fresh_metadata(browser)
    refused(browser, browser.to_the_provider())


@pytest.mark.parametrize("id_token", [None, "", "no.token.atall", "a" * 5000, 7])
def test_an_answer_without_a_token(browser: Browser, provider: Provider, id_token: Any) -> None:
    provider.tokens["id_token"] = id_token
    refused(browser, browser.to_the_provider())


def test_an_answer_of_another_provider(browser: Browser, provider: Provider) -> None:
    """RFC 9207: the attacker's provider answers, with a code of the honest one."""
    provider.answers_as = "https://elsewhere.example"
    refused(browser, browser.to_the_provider())
    provider.answers_as = provider.issuer
    browser.sign_in()
    assert browser.reader


def with_fresh_metadata(browser: Browser) -> None:
    """What a provider says of itself is read once; here it is to be read again."""
    for known in CLIENTS:
        known.server_metadata.clear()


CLIENTS: list[Any] = []


@pytest.fixture(autouse=True)
def _clients_are_known(shared: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    CLIENTS[:] = [one.client for one in shared.app.state.providers.values()]
    yield
    with_fresh_metadata(Browser(""))


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"token_endpoint": None},
    ],
    ids=str,
)
def test_a_provider_that_says_it_is_another(
    browser: Browser, provider: Provider, described: dict[str, Any]
) -> None:
    provider.described.update(described)
    with_fresh_metadata(browser)
    there = browser.get("/login/oidc")
    url = browser.to_the_provider() if there.status_code == 302 else "/login/oidc"
    refused(browser, url)


def test_a_provider_that_must_name_itself_and_does_not(
    browser: Browser, provider: Provider
) -> None:
    provider.described["authorization_response_iss_parameter_supported"] = True
    with_fresh_metadata(browser)
    refused(browser, browser.to_the_provider())


def test_a_provider_that_is_away(tmp_path: Path) -> None:
    settings = set_up(Provider(issuer="http://127.0.0.1:9"), tmp_path)
    with serving(settings) as site:
        browser = Browser(site.url)
        refused(browser, "/login/oidc")
        browser.begin()


# --- the session ----------------------------------------------------------------------------------


def test_the_cookie_is_for_this_site_and_no_script(browser: Browser) -> None:
    browser.sign_in()
    assert "httponly" in browser.flags[COOKIE]
    assert "samesite=lax" in browser.flags[COOKIE]
    assert "secure" not in browser.flags[COOKIE]
    secure = Browser(browser.url, headers=HTTPS)
    secure.sign_in()
    flags = secure.flags[f"__Host-{COOKIE}"]
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(re.split(r";\s*", flags.strip()))
    assert secure.reader


def test_a_sign_in_begins_a_new_session(browser: Browser, provider: Provider) -> None:
    """A session that someone else has put into the browser is not gone on with."""
    attacker = Browser(browser.url)
    attacker.sign_in()
    browser.cookies[COOKIE] = attacker.cookies[COOKIE]
    provider.subject = "victim"
    browser.sign_in()
    assert browser.cookies[COOKIE] != attacker.cookies[COOKIE]
    assert held_by(browser).keys() == {"reader"}
    assert browser.reader == "victim of the tests"
    assert attacker.reader == "ada of the tests"


def held_by(browser: Browser) -> dict[str, Any]:
    return dict(json.loads(b64decode(browser.cookies[COOKIE].split(".")[0])))


def test_a_session_holds_no_secret_of_the_provider(browser: Browser) -> None:
    browser.sign_in()
    held = held_by(browser)["reader"]
    assert held["token"] is None
    assert held["until"] > time.time() + 6 * 24 * 3600


@pytest.mark.parametrize(
    "session",
    [
        {"reader": {"owner": "oidc:x:ada", "name": "Ada", "until": 1.0}},
        {"reader": {"owner": "oidc:x:ada"}},
        {"reader": "ada"},
        {"oauth_info": {"userinfo": {"sub": "ada"}, "access_token": "hf_old"}},
        [],
    ],
    ids=str,
)
def test_a_session_that_is_over_or_of_another_form(browser: Browser, session: Any) -> None:
    signer = TimestampSigner(secret_of(Settings(secret=SecretStr("a long word that signs"))))
    packed = b64encode(json.dumps(session).encode())
    browser.cookies[COOKIE] = signer.sign(packed).decode()
    assert browser.reader is None


def test_a_session_that_nobody_signed(browser: Browser) -> None:
    browser.sign_in()
    good = browser.cookies[COOKIE]
    payload, stamp, signature = good.split(".")
    reader = held_by(browser)["reader"] | {"owner": "oidc:other:ben"}
    other = b64encode(json.dumps({"reader": reader}).encode()).decode()
    for word in (f"{other}.{stamp}.{signature}", payload, f"{payload}.{stamp}.", "x", "a.b.c"):
        browser.cookies[COOKIE] = word
        assert browser.reader is None
    browser.cookies[COOKIE] = good
    assert browser.reader


def test_replicas_with_one_secret_know_each_others_sessions(
    browser: Browser, provider: Provider, tmp_path: Path
) -> None:
    browser.sign_in()
    with serving(set_up(provider, tmp_path)) as other:
        assert Browser(other.url, cookies=browser.cookies).reader
    with serving(set_up(provider, tmp_path, secret=None)) as other:
        assert Browser(other.url, cookies=browser.cookies).reader is None


def test_without_a_secret_it_is_random_and_said(caplog: pytest.LogCaptureFixture) -> None:
    assert secret_of(Settings()) != secret_of(Settings())
    assert "CANDOR_SECRET is not set" in caplog.text
    caplog.clear()
    set_ = Settings(secret=SecretStr("x" * 16))
    assert secret_of(set_) == secret_of(set_) != secret_of(Settings(secret=SecretStr("y" * 16)))
    assert "CANDOR_SECRET" not in caplog.text


# --- with Hugging Face ----------------------------------------------------------------------------


def test_hugging_face_signs_in_beside_another_provider(provider: Provider, tmp_path: Path) -> None:
    """On a Space, where the Hub tells the app by its environment who it is."""
    settings = set_up(
        provider,
        tmp_path,
        **on_a_space(provider),
        oauth_scopes="openid profile inference-api",
        space_host="me-candor.hf.space",
    )
    with serving(settings) as site:
        browser = Browser(site.url, headers=HTTPS)
        ways = browser.state()["sign_in"]
        assert [one["href"] for one in ways] == ["/login/huggingface", "/login/oidc"]
        browser.sign_in("huggingface")
        assert provider.asked[-1]["redirect_uri"] == "https://me-candor.hf.space/login/callback"
        assert "inference-api" in provider.asked[-1]["scope"]
        assert browser.reader == "ada of the tests"
        assert "samesite=none" in browser.flags[f"__Host-{COOKIE}"]
        mine = browser.begin()
        assert browser.state()["demo"] is False  # real models, on their own account
        other = Browser(site.url, headers=HTTPS)
        other.sign_in("oidc")
        assert other.reader == browser.reader
        assert not other.sees(mine)  # the same subject elsewhere is another


def test_a_token_of_the_hub_ends_the_session_with_it(provider: Provider, tmp_path: Path) -> None:
    provider.tokens["expires_in"] = 1
    provider.tokens["expires_at"] = time.time() - 1
    settings = set_up(provider, tmp_path, **on_a_space(provider))
    with serving(settings) as site:
        browser = Browser(site.url)
        browser.sign_in("huggingface")
        assert browser.reader is None


# --- where a sign-in is asked for -----------------------------------------------------------------


def test_who_has_not_signed_in_gets_no_further_than_the_page(
    provider: Provider, tmp_path: Path
) -> None:
    with serving(set_up(provider, tmp_path)) as site:
        before = Browser(site.url)
        theirs = before.begin()
    closed = set_up(provider, tmp_path, anonymous="no", api_keys=SecretStr("open"))
    with serving(closed) as site:
        browser = Browser(site.url, cookies=before.cookies)
        told = browser.state()
        assert told["must_sign_in"]
        assert not browser.sees(theirs)
        fresh = Browser(site.url)
        fresh.state()
        assert not fresh.cookies
        for method, path in (
            ("POST", "/candor/ask"),
            ("GET", f"/candor/conversations/{theirs}/events"),
            ("GET", "/candor/export"),
            ("GET", "/candor/search?q=soup"),
            ("POST", "/candor/files"),
            ("PATCH", "/candor/preferences"),
        ):
            refused = browser.send(method, path, **({"json": {}} if method != "GET" else {}))
            assert refused.status_code == 401, path
            assert refused.json() == {"detail": "Sign in to ask. What you typed is kept."}
        assert browser.get("/").status_code == 200
        assert browser.get("/models").status_code == 200
        assert browser.get("/v1/models").status_code == 200
        browser.sign_in()
        told = browser.state()
        assert not told["must_sign_in"]
        assert browser.sees(browser.begin())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"anonymous": "no"}, "CANDOR_ANONYMOUS=no lets nobody in"),
        ({"oidc_issuer": "https://a.example"}, "set CANDOR_OIDC_CLIENT_ID too"),
    ],
)
def test_half_a_setting_is_an_error(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(Settings(**values))


@pytest.mark.parametrize(
    ("issuer", "owner"),
    [
        ("https://login.example", "oidc:login.example"),
        ("https://login.example/", "oidc:login.example"),
        ("https://login.example:8443/realms/a", "oidc:login.example%3A8443/realms/a"),
        ("https://user:word@login.example", "oidc:login.example"),
        ("https://login.example/a:b", "oidc:login.example/a%3Ab"),
    ],
)
def test_accounts_of_two_providers_never_meet(issuer: str, owner: str) -> None:
    provider = own(Settings(oidc_issuer=issuer, oidc_client_id="x"))
    assert provider is not None
    assert provider.owner == owner
    assert provider.owner.count(":") == 1
    assert "word" not in provider.label


def test_off_a_space_nobody_signs_in_with_hugging_face() -> None:
    assert providers(Settings(oauth_client_id="x", space_id=None)) == {}
