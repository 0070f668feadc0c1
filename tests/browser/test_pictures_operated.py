"""Pictures of what an operator sets and what comes of it: `docs/gallery`, with CANDOR_PICTURES=1.

That each of these states is as it should be is for the other tests to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import replies
from browsing import PHONE, PLAIN, TIANANMEN, Visit, answered, ask, ended, go, unfold
from gallery import (
    ARABIC,
    ARABIC_NIGHT,
    DAY,
    GALLERY,
    NIGHT,
    PHONE_DAY,
    PHONE_NIGHT,
    WANTED,
    Look,
    Scenes,
    picture,
    to,
)
from identity import Provider
from operated import (
    APERTUS,
    as_admin,
    fill,
    section,
    sets,
    without_replies,
)
from playwright.sync_api import Page, expect
from served import QWEN, Site, serving

from chat.settings import Settings

pytestmark = pytest.mark.skipif(not WANTED, reason="CANDOR_PICTURES=1 takes them anew")
ADMINS, READERS, OUTSIDE, BOUNDED = (Scenes() for _ in range(4))
COUNTING = "In how many ways can I count words? Please show markdown."
TOLD = "Tonight from 22:00 to 23:00 UTC the models move to another host. Replies may be cut."
DOWN = "Its host is down until Monday."


def looks(scenes: Scenes) -> Any:
    return pytest.mark.parametrize("look", scenes.looks, ids=lambda look: look.name or "-day")


@pytest.fixture(scope="module", autouse=True)
def _a_name(shared_provider: Provider) -> None:
    shared_provider.claims["name"] = "Ada"


@pytest.fixture(scope="module")
def site(model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app with an admin, and a month behind it."""
    folder = tmp_path_factory.mktemp("operated")
    fill(folder)
    told = Settings(base_url=model_host.base_url, admins="ada", data=folder, timeout=20)
    with serving(told, signs_in=True) as running:
        yield running


# --- the admin page -------------------------------------------------------------------------------


@ADMINS.seen(DAY, NIGHT, PHONE_DAY, PHONE_NIGHT, ARABIC)
def admin_overview(page: Page, _: Site) -> None:
    section(page, "?period=month")


@ADMINS.seen(DAY, NIGHT, PHONE_DAY, ARABIC_NIGHT)
def admin_charts(page: Page, _: Site) -> None:
    section(page, "?period=month")
    page.locator("#by-model").evaluate("heading => heading.scrollIntoView()")
    if page.evaluate("innerWidth") == PHONE[0]:
        page.locator("section:has(#by-model) summary").click()


@ADMINS.seen(DAY, PHONE_NIGHT)
def admin_disputed(page: Page, _: Site) -> None:
    section(page, "/disputed?shown=all")


@ADMINS.seen(DAY, NIGHT, PHONE_DAY)
def admin_dispute(page: Page, _: Site) -> None:
    section(page, "/disputed?shown=all").locator(".disputes a").first.click()
    expect(page.locator(".said mark").first).to_be_visible()


@ADMINS.seen(DAY, PHONE_NIGHT)
def admin_models(page: Page, site: Site) -> None:
    sets(site, "/models", model=APERTUS, on=False, why=DOWN)
    section(page, "/models").locator(".off").scroll_into_view_if_needed()
    page.locator("li:has(.off)").evaluate("row => row.scrollIntoView({block: 'center'})")


@ADMINS.seen(DAY, PHONE_NIGHT)
def admin_limits(page: Page, _: Site) -> None:
    section(page, "/limits").locator('[name="CANDOR_LIMITS"]').fill("20/minute, 500/day, 4 streams")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".told")).to_have_text("Saved")


@ADMINS.seen(DAY, PHONE_NIGHT)
def admin_banner(page: Page, site: Site) -> None:
    sets(site, "/banner", text=TOLD, kind="warning", until="2999-01-01T10:30:00Z")
    section(page, "/banner")


@ADMINS.seen(DAY, PHONE_NIGHT)
def admin_log(page: Page, _: Site) -> None:
    section(page, "/log")


@looks(ADMINS)
def test_gallery_of_admins(visit: Visit, site: Site, look: Look) -> None:
    dispute(visit, site)
    window = as_admin(visit(site, size=look.size, dark=look.dark, language=look.language))
    ADMINS.taken(window, look, partial(go, url=site.url), site)


def dispute(visit: Visit, site: Site) -> None:
    """A reader sends a verdict to the operator."""
    page = visit(site).open(f"/?model={QWEN}")
    answered(page, TIANANMEN)
    page.locator('[data-act="not-withheld"]').last.click()
    expect(page.locator('[data-act="withheld"]')).to_be_visible()


# --- what readers see of it -----------------------------------------------------------------------


@READERS.seen(DAY, NIGHT, PHONE_DAY, ARABIC_NIGHT)
def banner(page: Page, site: Site) -> None:
    arabic = "الليلة من 22:00 إلى 23:00 بالتوقيت العالمي تنتقل النماذج إلى مضيف آخر."
    sets(site, "/banner", text=TOLD, kind="warning", translations={"ar": arabic})
    page.locator("#candor-question").fill(PLAIN)
    page.locator(".box [type=submit]").click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    go(page, page.url)
    expect(page.locator(".banner")).to_be_visible()


@READERS.seen(DAY, PHONE_NIGHT)
def banner_on_the_empty_page(page: Page, site: Site) -> None:
    sets(site, "/banner", text="Candor has moved here. Your conversations came along.")
    go(page, page.url)
    expect(page.locator(".banner")).to_be_visible()


@READERS.seen(DAY, PHONE_NIGHT)
def model_switched_off(page: Page, site: Site) -> None:
    sets(site, "/banner", text="")
    sets(site, "/models", model=APERTUS, on=True)
    go(page, f"{site.url}/?model={APERTUS}")
    answered(page, PLAIN)
    sets(site, "/models", model=APERTUS, on=False, why=DOWN)
    go(page, page.url)
    expect(page.locator(".notice")).not_to_be_empty()


@looks(READERS)
def test_gallery_of_readers(visit: Visit, site: Site, look: Look) -> None:
    window = visit(site, size=look.size, dark=look.dark, language=look.language)
    READERS.taken(window, look, partial(go, url=site.url), site)
    sets(site, "/banner", text="")


@pytest.mark.parametrize("look", [DAY, PHONE_NIGHT], ids=["wide", "phone"])
def test_picture_of_a_reply_that_is_not_stored_yet(visit: Visit, site: Site, look: Look) -> None:
    page = visit(site, size=look.size, dark=look.dark).open()
    ask(page, f"{COUNTING} fault:slow")
    expect(page.locator(".text table")).to_be_visible()
    with without_replies(site):
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".note").last).to_contain_text("not stored yet")
        picture(page, GALLERY / f"not-stored-yet{look.name}.png")


# --- who signs in, and who is bounded -------------------------------------------------------------


@OUTSIDE.seen(DAY, NIGHT, PHONE_DAY, ARABIC_NIGHT)
def sign_in(page: Page, _: Site) -> None:
    page.locator("#candor-question").fill(PLAIN)
    expect(page.locator(".standing a")).to_have_count(2)


@OUTSIDE.seen(PHONE_DAY)
def sign_in_drawer(page: Page, _: Site) -> None:
    unfold(page)


@looks(OUTSIDE)
def test_gallery_of_who_signs_in(visit: Visit, closed: Site, look: Look) -> None:
    window = visit(closed, size=look.size, dark=look.dark, language=look.language)
    OUTSIDE.taken(window, look, partial(go, url=closed.url), closed)


@BOUNDED.seen(DAY, PHONE_NIGHT)
def limit_of_streams(page: Page, site: Site) -> None:
    ask(page, "show many words fault:slow")
    go(page, site.url)
    page.get_by_label("Your question").fill("And how long do they soak?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".standing")).to_contain_text("at the same time")


@BOUNDED.seen(DAY, PHONE_NIGHT, PHONE_DAY)
def limit_and_sign_in(page: Page, _: Site) -> None:
    page.context.clear_cookies()
    go(page, page.url)
    answered(page, PLAIN)
    answered(page, "And how long do they soak?")
    page.get_by_label("Your question").fill("Is that true of all lentils?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".standing a")).to_have_count(1)
    to(page, ".asked")


@looks(BOUNDED)
def test_gallery_of_who_is_bounded(visit: Visit, bounded: Site, look: Look) -> None:
    window = visit(bounded, size=look.size, dark=look.dark, language=look.language)
    BOUNDED.taken(window, look, partial(go, url=bounded.url), bounded)
