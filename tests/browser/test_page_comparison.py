"""A comparison as a reader sees it: parts at one height, the table, the vote, on a phone too."""

from __future__ import annotations

from browsing import PHONE, SIZES, TIANANMEN, WIDE, Visit, answered, fits, reload, set_mode
from playwright.sync_api import Locator, expect
from serving import Server


def top(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"]


@SIZES
def test_two_replies_are_held_against_each_other_and_voted_on(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size, dark=size == PHONE).open()
    set_mode(page, "compare")
    replies = answered(page, TIANANMEN)
    expect(replies).to_have_count(2)
    first, second = replies.all()
    for part in ("text", "strip", "tools"):
        gap = top(first.locator(f'[data-part="{part}"]')) - top(
            second.locator(f'[data-part="{part}"]')
        )
        assert (abs(gap) < 2) == (size == WIDE), part
    table = page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Facts of the topic", "Qwen2.5-72B-Instruct", "Llama-3.3-70B-Instruct"]
    )
    army = table.get_by_role("row", name="People's Liberation Army")
    expect(army.get_by_role("cell")).to_have_text(
        ["does not mention", "mentions People's Liberation Army"]
    )
    fits(page)
    vote = page.get_by_role("group", name="Which answered better?")
    better = vote.get_by_role("button", name="Llama-3.3-70B-Instruct")
    better.focus()
    page.keyboard.press("Enter")
    expect(better).to_have_attribute("aria-pressed", "true")
    expect(better).to_be_focused()
    expect(replies.last.locator(".goes-on")).to_be_visible()
    vote.get_by_role("button", name="Both bad").click()
    expect(vote.get_by_role("button", pressed=True)).to_have_text(["Both bad"])
    reload(page)
    expect(vote.get_by_role("button", pressed=True)).to_have_text(["Both bad"])
    vote.get_by_role("button", name="Both bad").click()
    expect(vote.get_by_role("button", pressed=True)).to_have_count(0)
    page.locator(".comparison summary").click()
    expect(table).to_be_hidden()
    replies.last.get_by_role("button", name="Good").click()
    expect(table).to_be_hidden()
    fits(page)
