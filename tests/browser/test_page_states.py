"""What stands in the way is told at the composer, and nothing that was typed is lost.

Limits of a proxy and faults of the app cannot be ordered: their answers are put in at the network's
edge, as a proxy before it would send them. The app's own limits: `test_page_people.py`.
"""

from __future__ import annotations

from typing import Any

from browsing import PLAIN, SIZES, Visit, answered, ask, ended, fits, reload
from playwright.sync_api import Locator, Page, Route, expect
from serving import Server


def refusing(page: Page, path: str, status: int, **body: Any) -> None:
    headers = body.pop("headers", {})

    def refuse(route: Route) -> None:
        route.fulfill(status=status, json=body, headers=headers)

    page.route(path, refuse)


WAYS = [{"href": "/login/huggingface", "label": "Sign in with Hugging Face"}]


def standing(page: Page) -> Locator:
    return page.locator(".standing")


def put(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send", exact=True).first.click()


@SIZES
def test_a_lost_connection_stays_told_until_it_is_back(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    window = visit(hosted, size=size)
    window.may_fail = ("ERR_INTERNET_DISCONNECTED", "Failed to load resource")
    page = window.open()
    answered(page, PLAIN)
    window.context.set_offline(True)
    expect(standing(page)).to_contain_text("The connection to the app is lost.")
    fits(page)
    put(page, "Still there?")
    standing(page).get_by_role("button", name="Try again").click()
    expect(page.get_by_label("Your question")).to_have_value("Still there?")
    expect(standing(page)).to_contain_text("is lost")
    window.context.set_offline(False)
    expect(standing(page)).to_contain_text("The connection is back.")
    expect(page.locator(".user")).to_have_text(PLAIN)
    standing(page).get_by_role("button", name="Send").click()
    expect(page.locator(".user")).to_have_text([PLAIN, "Still there?"])
    expect(standing(page)).to_be_hidden()
    ended(page)
    window.context.set_offline(True)
    expect(standing(page)).to_be_visible()
    window.context.set_offline(False)
    expect(standing(page)).to_be_hidden()  # with nothing to send, it just goes


def test_a_reply_that_came_in_meanwhile_is_there_afterwards(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("ERR_", "Failed to load resource")
    page = window.open()
    refusing(page, "**/events", 502)  # for good, as by a proxy that loses its app
    ask(page, "show many words fault:slow")
    expect(standing(page)).to_contain_text("is lost")
    page.unroute("**/events")
    expect(page.locator(".text")).to_contain_text("word30 ")
    expect(standing(page)).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    ended(page)


def test_a_limit_counts_down_and_lets_one_go_on(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("429",)
    page = window.open()
    page.clock.install()
    refusing(page, "**/candor/ask", 429, detail="Ten questions an hour.", retry_after=754)
    put(page, PLAIN)
    expect(standing(page)).to_contain_text("Ten questions an hour. You can go on in 12:34.")
    expect(page.get_by_label("Your question")).to_have_value(PLAIN)
    page.clock.run_for(60_000)
    expect(standing(page)).to_contain_text("You can go on in 11:34.")
    page.clock.run_for(700_000)
    expect(standing(page)).to_contain_text("You can go on now.")
    page.unroute("**/candor/ask")
    standing(page).get_by_role("button", name="Send").click()
    expect(page.locator(".user")).to_have_text(PLAIN)
    expect(standing(page)).to_be_hidden()


def test_odd_limits_are_told_as_far_as_they_can_be(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    window.may_fail = ("429",)
    page = window.open()
    told = "A limit is reached for now."
    for body, words in (
        ({"headers": {"Retry-After": "3700"}, "detail": "Wait."}, "Wait. You can go on in 1:01:"),
        ({"detail": {"no": "sentence"}}, told),
        ({"detail": "<b>Wait</b>", "retry_after": "soon"}, "<b>Wait</b>"),
        ({"retry_after": -5}, told),
        ({"retry_after": 1e12}, told),
    ):
        refusing(page, "**/candor/ask", 429, **body)
        put(page, PLAIN)
        expect(standing(page)).to_contain_text(words)
        expect(standing(page).locator("b")).to_have_count(0)
        page.unroute("**/candor/ask")


@SIZES
def test_a_fault_of_the_app_says_what_to_do(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    window = visit(hosted, size=size)
    window.may_fail = ("503", "422")
    page = window.open()
    refusing(page, "**/candor/ask", 503, detail="the database cannot be written or read now")
    put(page, PLAIN)
    expect(standing(page)).to_contain_text("What you typed is kept. Try again in a moment")
    expect(standing(page)).to_contain_text("(the database cannot be written or read now)")
    fits(page)
    page.unroute("**/candor/ask")
    standing(page).get_by_role("button", name="Try again").click()
    expect(page.locator(".user")).to_have_text(PLAIN)
    ended(page)
    refusing(page, "**/candor/ask", 422, detail="question: too long")
    put(page, "and now?")
    expect(page.locator(".toast")).to_contain_text("question: too long")
    expect(standing(page)).to_be_hidden()


@SIZES
def test_a_session_that_ended_is_told_with_the_way_back(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    window = visit(hosted, size=size)
    window.may_fail = ("404",)
    page = window.open()
    names = ["Ada", None]

    def reading(route: Route) -> None:
        now = route.fetch().json()
        route.fulfill(json=now | {"reader": names[0], "sign_in": WAYS})

    page.route("**/candor/state?*", reading)
    reload(page)
    expect(page.locator('[data-region="reader"]')).to_contain_text("Signed in as")
    names.pop(0)
    refusing(page, "**/candor/ask", 404, detail="That conversation is not there any more.")
    put(page, PLAIN)
    expect(standing(page)).to_contain_text("You are signed out. Sign in again")
    fits(page)
    way = standing(page).get_by_role("link", name="Sign in")
    expect(way).to_have_attribute("href", "/login/huggingface")
    expect(page.get_by_label("Your question")).to_have_value(PLAIN)


def test_what_is_typed_outlives_a_reload_until_it_is_sent(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open()
    box = page.get_by_label("Your question")
    box.fill("one\n\ntwo\nthree")
    tall = box.evaluate("one => one.offsetHeight")
    reload(page)
    expect(box).to_have_value("one\n\ntwo\nthree")
    assert box.evaluate("one => one.offsetHeight") == tall
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    reload(page)
    expect(box).to_have_value("")


@SIZES
def test_the_page_stands_before_its_state_is_there(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size).open()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/candor/state?*", hold)
    page.reload(wait_until="commit")
    expect(page.get_by_label("Your question")).to_be_visible()
    expect(page.locator('[data-region="thread"]')).to_have_attribute("aria-busy", "true")
    fits(page)
    box = page.locator(".box").bounding_box()
    page.wait_for_function("() => document.querySelector('#candor .box')")
    held.pop().continue_()
    expect(page.locator(".hello")).to_be_visible()
    assert page.locator(".box").bounding_box() == box
