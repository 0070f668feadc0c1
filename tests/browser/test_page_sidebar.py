"""The list of conversations: a thousand of them, groups, pins, undo by keys, and the search."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime, timedelta

from browsing import PHONE, PLAIN, Visit, Window, answered, fits, go, reload, unfold
from playwright.sync_api import Locator, Page, expect
from serving import Server

MANY = 1000
MOST = 100  # entries that the first load may hold
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def entry(page: Page, title: str) -> Locator:
    return page.locator('[data-region="sidebar"] .conv').filter(has_text=title)


def results(page: Page) -> Locator:
    return page.locator('[data-region="results"] .conv')


def keep_many(server: Server, window: Window) -> None:
    """A thousand conversations of this window's reader, straight into the store."""
    cookies = {one["name"]: one["value"] for one in window.context.cookies()}
    owner = f"cookie:{cookies['candor_reader']}"
    moments = ((n, str((LONG_AGO + timedelta(hours=n)).replace(tzinfo=None))) for n in range(MANY))
    with sqlite3.connect(server.folder / "candor.sqlite3") as connection:
        connection.executemany(
            "INSERT INTO conversation (id, owner, title, model, mode, withheld, created_at,"
            " updated_at) VALUES (?, ?, ?, 'a/b', 'warn', 0, ?, ?)",
            [(f"{owner[-20:]}{n:012}", owner, f"old {n}", t, f"{t}.000000") for n, t in moments],
        )


def test_a_thousand_conversations_come_as_one_scrolls(visit: Visit, hosted: Server) -> None:
    window = visit(hosted)
    page = window.open()
    keep_many(hosted, window)
    reload(page)
    assert "candor_zone" in {one["name"] for one in window.context.cookies()}
    entries = page.locator('[data-region="sidebar"] .conv')
    expect(entries.first).to_contain_text(f"old {MANY - 1}")
    assert entries.count() <= MOST
    with page.expect_response("**/candor/ask") as asked:
        answered(page, PLAIN)
    assert "old 9" not in json.dumps(asked.value.json())
    assert entries.count() <= MOST + 1
    expect(entries.first).to_contain_text(PLAIN)
    while entries.count() < MANY + 1:
        held = entries.count()
        entries.last.scroll_into_view_if_needed()
        page.wait_for_function(
            "held => document.querySelectorAll('[data-region=sidebar] .conv').length > held",
            arg=held,
        )
    expect(entries.last).to_contain_text("old 0")
    months = page.locator(".day").all_inner_texts()
    assert len(months) == len(set(months))
    assert {"Today", "January 2020", "February 2020"} <= set(months)
    entries.last.get_by_role("link").click()
    expect(entries.last).to_have_class(re.compile(r"\bon\b"))
    expect(entries).to_have_count(MANY + 1)  # the list stays where it is
    expect(entries.last).to_be_in_viewport()


def test_a_pinned_conversation_goes_up_and_back(page: Page) -> None:
    answered(page, "first of two")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    answered(page, "second of two")
    row = entry(page, "first of two")
    row.hover()
    row.get_by_role("button", name="Pin").click()
    groups = page.locator('[data-region="sidebar"] .day')
    expect(groups).to_have_text(["Pinned", "Today"])
    expect(page.locator('[data-group="pinned"] .conv')).to_contain_text(["first of two"])
    expect(row.get_by_role("button", name="Pin")).to_be_focused()
    reload(page)
    expect(groups).to_have_text(["Pinned", "Today"])
    row.hover()
    row.get_by_role("button", name="Pin").click()
    expect(groups).to_have_text(["Today"])
    expect(page.locator('[data-group="today"] .conv').nth(1)).to_contain_text("first of two")


def test_delete_and_undo_by_keys(page: Page) -> None:
    answered(page, "by keys alone")
    row = entry(page, "by keys alone")
    row.get_by_role("link").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    toast = page.get_by_role("status").filter(has_text="Conversation deleted.")
    expect(toast.get_by_role("button", name="Undo")).to_be_focused()
    expect(row).to_have_count(0)
    page.keyboard.press("Enter")
    expect(row.get_by_role("link")).to_be_focused()
    expect(page.locator(".user")).to_have_text("by keys alone")
    expect(toast).to_have_count(0)


def test_the_search_leads_to_the_turn_that_holds_it(page: Page) -> None:
    answered(page, "1989年6月北京发生了什么？")
    for n in range(3):
        answered(page, f"and then, number {n}")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".hello")).to_be_visible()
    field = page.get_by_role("searchbox", name="Search conversations")
    field.fill("绝食")
    expect(results(page)).to_have_count(1)
    expect(results(page).locator("mark")).to_have_text("绝食")
    expect(page.locator('[data-region="found"]')).to_have_text("Found: 1")
    expect(page.locator('[data-region="sidebar"]')).to_be_hidden()
    results(page).get_by_role("link").click()
    expect(page.locator(".reply").filter(has_text="绝食")).to_be_in_viewport()
    expect(page.locator(".reply").last).not_to_be_in_viewport()
    expect(results(page)).to_have_class(re.compile(r"\bon\b"))
    field.fill("nowhere <b>at all</b>")
    expect(page.locator('[data-region="found"]')).to_have_text("Nothing found.")
    expect(results(page)).to_have_count(0)
    field.press("Escape")
    expect(field).to_have_value("")
    expect(page.locator('[data-region="sidebar"] .day').first).to_be_visible()


def test_the_search_shows_a_version_that_was_paged_away(page: Page) -> None:
    answered(page, "a kumquat question")
    page.locator(".asked").hover()
    page.get_by_role("button", name="Edit").click()
    page.locator(".editor textarea").fill("a plain question")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".user")).to_have_text("a plain question")
    expect(page.locator(".box [type=submit]")).to_be_visible()
    page.get_by_role("searchbox", name="Search conversations").fill("kumquat ques")
    results(page).get_by_role("link").click()
    expect(page.locator(".user")).to_have_text("a kumquat question")


def test_search_and_undo_on_a_phone(visit: Visit, hosted: Server) -> None:
    window = visit(hosted, size=PHONE)
    page = window.open()
    answered(page, PLAIN)
    go(page, window.origin)
    page.get_by_role("button", name="Open conversations").tap()
    entry(page, PLAIN).get_by_role("button", name="Delete").tap()
    expect(entry(page, PLAIN)).to_have_count(0)
    expect(page.get_by_text("Your conversations will stand here.")).to_be_visible()
    page.get_by_role("button", name="Undo").tap()
    expect(entry(page, PLAIN)).to_be_visible()
    expect(page.get_by_text("Your conversations will stand here.")).to_be_hidden()
    page.get_by_role("searchbox").fill("soup")
    results(page).get_by_role("link").tap()
    expect(page.locator(".user")).to_have_text(PLAIN)
    expect(page.locator("nav")).to_be_hidden()


def test_a_thousand_conversations_scroll_on_a_phone(visit: Visit, hosted: Server) -> None:
    window = visit(hosted, size=PHONE)
    page = window.open()
    keep_many(hosted, window)
    reload(page)
    unfold(page)
    entries = page.locator('[data-region="sidebar"] .conv')
    expect(entries.first).to_contain_text(f"old {MANY - 1}")
    assert entries.count() <= MOST
    for more in (1, 2):
        held = entries.count()
        entries.last.scroll_into_view_if_needed()
        expect(entries.nth(held)).to_contain_text(f"old {MANY - 1 - held}")
        assert entries.count() <= MOST * (more + 1)
    fits(page)
    entries.last.get_by_role("link").tap()
    expect(page.locator("nav")).to_be_hidden()
