"""What a screen reader is told, where focus goes, and what the page is made of for both."""

from __future__ import annotations

from typing import Any

from browsing import PLAIN, TIANANMEN, Visit, answered, ended, fits, set_mode
from playwright.sync_api import Page, expect
from serving import Server

LISTEN = """() => {
    const place = document.querySelector('[data-region="heard"]');
    window.heard = [];
    const note = () => window.heard.push(...[...place.children].map((one) => one.innerText));
    new MutationObserver(note).observe(place, {childList: true});
}"""
HEADINGS = """() => [...document.querySelectorAll('.scroll :is(h1, h2, h3, h4, h5, h6)')]
    .filter((one) => one.checkVisibility())
    .map((one) => [one.getAttribute('aria-level') ?? one.tagName[1], one.innerText.trim()])
    .map(([level, text]) => [Number(level), text])"""


def heard(page: Page, last: str) -> list[str]:
    """All that was said, once the last has come."""
    page.wait_for_function("words => window.heard.some((one) => one.includes(words))", arg=last)
    return list(page.evaluate("window.heard.splice(0)"))


def headings(page: Page) -> list[Any]:
    return list(page.evaluate(HEADINGS))


def test_a_reply_is_told_in_short_and_once(page: Page) -> None:
    page.evaluate(LISTEN)
    answered(page, f"{TIANANMEN} fault:slow@Qwen")  # else it may be whole before it is judged
    told = heard(page, "Complete, words: 106.")
    assert len(told) == len(set(told)) == 5
    assert told[0] == "Qwen2.5-72B-Instruct answers."
    assert "Answered by a model of another origin. Llama-3.3-70B-Instruct answers." in told
    assert "The guard ended this reply here, because it withholds." in told
    assert sum("one that China suppresses" in one for one in told) == 1
    assert "Complete, words: 106. In the night of 3 to 4 June 1989" in " ".join(told)
    set_mode(page, "warn")
    answered(page, TIANANMEN)
    last = heard(page, "Complete, words:")
    assert [one.partition(".")[0] for one in last][1:] == [
        "This reply seems to withhold",
        last[-1].partition(".")[0],
    ]
    answered(page, "A question, fault:401")
    assert sum("did not accept the key" in one for one in heard(page, "accept the key")) == 1
    page.locator('[data-act="copy"]').first.click()
    assert heard(page, "Copied") == ["Copied"]


def test_one_can_go_from_message_to_message(page: Page) -> None:
    assert headings(page)[0] == [1, "Ask open models hard questions"]
    answered(page, TIANANMEN)
    answered(page, "show markdown")
    found = headings(page)
    assert found[0] == [1, TIANANMEN]
    assert [text for level, text in found if level == 2] == [TIANANMEN, "show markdown"]
    assert [text for level, text in found if level == 3] == [
        "Qwen2.5-72B-Instruct",
        "Llama-3.3-70B-Instruct",
        "Qwen2.5-72B-Instruct",
    ]
    assert [5, "Three ways to count"] in found, "a model's headings stand below its name"
    expect(page.get_by_role("navigation", name="Conversations")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("form", name="Ask anything")).to_have_count(1)
    replies = page.locator(".reply .text")
    expect(replies.first).to_have_attribute("lang", "en")
    expect(page.locator(".guard").first).to_have_attribute("dir", "ltr")
    answered(page, "1989年6月北京发生了什么？")
    expect(page.locator(".user").last).to_have_attribute("lang", "zh")
    expect(page.locator(".guard").last).to_have_attribute("lang", "zh-Hans")


def test_focus_stays_where_one_was(page: Page) -> None:
    box = page.get_by_label("Your question")
    page.get_by_role("button", name="Send", exact=True).focus()
    answered(page, TIANANMEN)
    expect(box).to_be_focused()  # the button that was pressed is hidden meanwhile
    first, second = page.locator(".reply").nth(0), page.locator(".reply").nth(1)
    for name in ("Good", "Not withheld"):
        first.get_by_role("button", name=name).press("Enter")
        there = "Take back" if name == "Not withheld" else name
        expect(first.get_by_role("button", name=there)).to_be_focused()
    page.keyboard.press("Enter")
    expect(first.locator(".guard :focus")).to_have_count(1)
    first.get_by_role("button", name="Ask the control question").press("Enter")
    expect(first.locator(".control")).to_be_visible()
    expect(first.locator(".guard :focus")).to_have_count(1)
    first.get_by_role("button", name="Go on with this reply").press("Enter")
    expect(first.locator(".goes-on")).to_be_visible()
    expect(first.get_by_role("button", name="Copy")).to_be_focused()
    second.get_by_role("button", name="Retry").press("Enter")
    pager = page.locator(".replies .pager")
    expect(pager).to_contain_text("2 of 2")
    ended(page)
    pager.get_by_role("button", name="Previous version").press("Enter")
    expect(pager).to_contain_text("1 of 2")
    expect(pager.get_by_role("button", name="Next version")).to_be_focused()
    page.locator(".asked").get_by_role("button", name="Edit").press("Enter")
    page.locator(".editor textarea").fill(PLAIN)
    page.get_by_role("button", name="Send again").press("Enter")
    expect(page.locator(".user")).to_have_text(PLAIN)
    ended(page)
    expect(box).to_be_focused()
    pager = page.locator(".asked .pager")
    pager.get_by_role("button", name="Previous version").press("Enter")
    expect(page.locator(".user")).to_have_text(TIANANMEN)
    expect(pager.get_by_role("button", name="Next version")).to_be_focused()
    page.locator(".scroll").click(position={"x": 5, "y": 300})  # who leaves is not called back
    page.keyboard.press("Shift+Escape")
    expect(box).to_be_focused()


def test_focus_goes_back_to_what_comes_again_unless_one_has_gone_on(page: Page) -> None:
    reply = answered(page, PLAIN)
    reply.get_by_role("button", name="Retry").press("Enter")
    expect(reply.locator(".pager")).to_contain_text("2 of 2")
    ended(page)
    previous = reply.get_by_role("button", name="Previous version")
    for pressed, comes_back in ((None, True), ("Shift", False)):
        previous.focus()
        page.evaluate("window.pager = document.querySelector('.replies .pager'); pager.remove()")
        expect(reply.locator(".tools :focus")).to_have_count(1)  # one beside it stands in
        if pressed:
            page.keyboard.press(pressed)
        page.evaluate("document.querySelector('.replies .tools').append(pager)")
        if comes_back:
            expect(previous).to_be_focused()
        else:
            expect(previous).to_be_visible()
            expect(previous).not_to_be_focused()


def test_nothing_is_lost_at_twice_the_size_and_on_the_narrowest(
    visit: Visit, hosted: Server
) -> None:
    for size in ((640, 450), (320, 640)):
        page = visit(hosted, size=size).open()
        fits(page)
        answered(page, TIANANMEN)
        fits(page)
        for button in ("Share", "Guard:", "Send"):
            expect(page.get_by_role("button", name=button).last).to_be_in_viewport(ratio=1)
        room = page.locator(".scroll").bounding_box()
        assert room is not None
        assert room["height"] > 150
        page.get_by_role("button", name="Open conversations").click()
        expect(page.get_by_role("button", name="Open conversations")).to_have_attribute(
            "aria-expanded", "true"
        )
        settings = page.get_by_role("button", name="Settings")
        settings.click()
        close = page.get_by_role("dialog", name="Settings").get_by_role("button", name="Close")
        close.scroll_into_view_if_needed()
        expect(close).to_be_in_viewport(ratio=1)
        close.click()
        expect(settings).to_be_focused()


def test_the_systems_own_colours_show_what_is_what(page: Page) -> None:
    answered(page, TIANANMEN)
    page.emulate_media(forced_colors="active")
    for selector in ("button.send", ".mode", ".user", ".guard", ".conv.on"):
        width = page.locator(selector).first.evaluate("one => getComputedStyle(one).borderTopWidth")
        assert width != "0px", selector
    page.emulate_media(forced_colors="none")
