"""Signing in and out at a real provider, and limits of the app's own, as a reader meets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import replies
from browsing import PLAIN, SIZES, Visit, Window, ask, ended, fits, reload, stands, unfold
from identity import CLIENT, SECRET, Provider
from playwright.sync_api import Page, expect
from serving import Server


@pytest.fixture(scope="module")
def house(
    shared_provider: Provider, model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app of a house whose people sign in, and ask little a day."""
    told = {
        "CANDOR_BASE_URL": model_host.base_url,
        "CANDOR_OIDC_ISSUER": shared_provider.issuer,
        "CANDOR_OIDC_CLIENT_ID": CLIENT,
        "CANDOR_OIDC_CLIENT_SECRET": SECRET,
        "CANDOR_OIDC_NAME": "Our house",
        "CANDOR_SECRET": "a long word that signs",
        "CANDOR_ANONYMOUS": "no",
        "CANDOR_LIMITS": "1/minute, 2/day",
    }
    server = Server(tmp_path_factory.mktemp("house"), **told)
    yield server.start().ready()
    server.end()


@pytest.fixture
def open_page(visit: Visit, house: Server, provider: Provider) -> Iterator[Callable[..., Page]]:
    def opening(**options: object) -> Page:
        windows.append(visit(house, **options))
        windows[-1].may_fail = ("401", "429")
        return windows[-1].open()

    windows: list[Window] = []
    yield opening
    for window in windows:  # the browser goes to the provider, and nowhere else
        window.wrong[:] = [one for one in window.wrong if provider.issuer not in one]


def sign_in(page: Page) -> None:
    with page.expect_navigation(url=re.compile("/$")):
        page.locator(".standing").get_by_role("link", name="Sign in with Our house").click()
    stands(page)


@SIZES
def test_who_is_to_sign_in_is_told_and_keeps_what_was_typed(
    open_page: Callable[..., Page], provider: Provider, size: tuple[int, int]
) -> None:
    provider.subject = f"typist of {size}"
    page = open_page(size=size)
    expect(page.locator(".standing")).to_contain_text("Sign in to ask. What you typed is kept.")
    fits(page)
    page.get_by_label("Your question").fill(PLAIN)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_label("Your question")).to_have_value(PLAIN)
    expect(page.locator(".turn")).to_have_count(0)
    sign_in(page)
    expect(page.locator('[data-region="reader"]')).to_contain_text("of the tests")
    expect(page.locator(".standing")).to_be_hidden()
    expect(page.get_by_label("Your question")).to_have_value(PLAIN)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    unfold(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".standing")).to_contain_text("Sign in to ask")
    expect(page.locator(".turn")).to_have_count(0)


def test_a_sign_in_that_fails_says_so_once(
    open_page: Callable[..., Page], provider: Provider
) -> None:
    provider.claims["nonce"] = "another"
    page = open_page()
    sign_in(page)
    notice = page.locator('[data-region="notice"]')
    expect(notice).to_have_text("The sign-in did not succeed. Try again.")
    reload(page)
    expect(notice).to_be_empty()


@SIZES
def test_a_limit_of_the_apps_own_keeps_the_question(
    open_page: Callable[..., Page], provider: Provider, size: tuple[int, int]
) -> None:
    provider.subject = f"reader of {size}"
    page = open_page(size=size)
    sign_in(page)
    ask(page, PLAIN)
    ended(page)
    page.get_by_label("Your question").fill("And how long do they soak?")
    page.get_by_role("button", name="Send", exact=True).click()
    standing = page.locator(".standing")
    expect(standing).to_contain_text(
        "The limit for messages is reached: 1 a minute for each person."
    )
    expect(standing).to_contain_text("You can go on in 0:")
    expect(page.get_by_label("Your question")).to_have_value("And how long do they soak?")
    expect(page.locator(".turn")).to_have_count(1)
    fits(page)
