"""Who is to sign in, or has reached a limit, is told what can be done; at both sizes."""

from __future__ import annotations

import re

from browsing import PLAIN, SIZES, Visit, answered, ask, ended, fits, go, stands, unfold
from identity import Provider
from playwright.sync_api import Locator, Page, expect
from served import Site
from soundness import sound


def standing(page: Page) -> Locator:
    return page.locator(".standing")


def put(page: Page, question: str) -> None:
    """Try to ask, where it may be refused."""
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send", exact=True).click()


@SIZES
def test_both_ways_in_are_offered(visit: Visit, closed: Site, size: tuple[int, int]) -> None:
    page = visit(closed, size=size).open()
    expect(standing(page)).to_contain_text("Sign in to ask.")
    ways = ["Sign in with Hugging Face", "Sign in with Our house"]
    expect(standing(page).get_by_role("link")).to_have_text(ways)
    fits(page)
    sound(page, "ways in", within=".box")
    unfold(page)
    expect(page.locator('nav [data-region="reader"] a')).to_have_text(ways)
    fits(page)
    sound(page, "ways in, beside", within="nav")


@SIZES
def test_who_reached_the_small_limit_may_sign_in_and_go_on(
    visit: Visit, bounded: Site, provider: Provider, size: tuple[int, int]
) -> None:
    window = visit(bounded, size=size)
    window.may_fail = ("429",)
    page = window.open()
    answered(page, PLAIN)
    answered(page, "And then?")
    put(page, "And at last?")
    told = "The limit for messages is reached: 2 an hour for each person."
    expect(standing(page)).to_contain_text(told)
    expect(standing(page)).to_contain_text("You can go on in")
    fits(page)
    sound(page, "a limit and the way in", within=".box")
    with page.expect_navigation(url=re.compile("/$")):
        standing(page).get_by_role("link", name="Sign in with Our house").click()
    stands(page)
    expect(standing(page)).to_be_hidden()
    expect(page.get_by_label("Your question")).to_have_value("And at last?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    window.wrong[:] = [one for one in window.wrong if provider.issuer not in one]


@SIZES
def test_a_second_reply_waits_until_the_first_has_ended(
    visit: Visit, bounded: Site, size: tuple[int, int]
) -> None:
    window = visit(bounded, size=size)
    window.may_fail = ("429",)
    page = window.open()
    ask(page, "show many words fault:slow")
    first = page.url
    go(page, bounded.url)
    put(page, PLAIN)
    expect(standing(page)).to_contain_text("replies at the same time is reached: 1 for each person")
    expect(standing(page)).to_contain_text("The next question is taken when one has ended.")
    expect(standing(page)).not_to_contain_text("You can go on in")  # nobody knows
    fits(page)
    other = window.open(first.removeprefix(bounded.url))
    other.get_by_role("button", name="Stop").click()
    ended(other)
    standing(page).get_by_role("button", name="Try again").click()
    expect(page.locator(".user")).to_have_text(PLAIN)
    expect(standing(page)).to_be_hidden()
    ended(page)
