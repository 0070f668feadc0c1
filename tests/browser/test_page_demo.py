"""A first visit without a token: what is said, and what each of the four examples shows."""

from __future__ import annotations

from browsing import PHONE, Visit, answered, ended, fits
from playwright.sync_api import Locator, Page, expect
from serving import Server


def example(page: Page, number: int) -> Locator:
    """Use an example; its replies, once they have ended."""
    page.locator(".examples button").nth(number).click()
    expect(page.locator(".turn")).to_have_count(1)
    return ended(page)


def test_a_newcomer_is_told_that_replies_are_scripted_and_how_to_connect(demo_page: Page) -> None:
    expect(demo_page.get_by_role("heading", level=1)).to_be_visible()
    expect(demo_page.locator(".notice")).to_contain_text("these replies are scripted")
    expect(demo_page.locator(".examples button")).to_have_count(4)
    how = demo_page.get_by_role("button", name="Connect real models")
    how.click()
    dialog = demo_page.get_by_role("dialog", name="Connect real models")
    expect(dialog).to_contain_text("HF_TOKEN=hf_… make run")
    expect(dialog).to_contain_text("CANDOR_BASE_URL=http://localhost:11434/v1 make run")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(how).to_be_focused()
    how.click()
    demo_page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(how).to_be_focused()


def test_first_example_is_withheld_explained_and_answered_by_another_origin(
    demo_page: Page,
) -> None:
    replies = example(demo_page, 0)
    expect(replies).to_have_count(2)
    first, second = replies.nth(0), replies.nth(1)
    expect(first.locator(".chip")).to_contain_text("China")
    expect(first.locator(".chip")).to_contain_text("served by this app (scripted)")
    expect(first.locator(".chip .scripted")).to_have_text("scripted")
    strip = first.get_by_role("note")
    expect(strip).to_have_class("guard amber")
    expect(strip).to_contain_text("one that China suppresses")
    expect(strip).to_contain_text("marked in the reply")
    expect(first.locator(".text mark").first).to_be_visible()
    expect(first.locator(".note")).to_have_text(
        "The guard ended this reply here, because it withholds."
    )
    facts = strip.locator("details")
    assert facts.get_attribute("open") is None
    facts.get_by_text("What independent sources hold").click()
    source = facts.get_by_role("link").first
    expect(source).to_be_visible()
    assert str(source.get_attribute("href")).startswith("https://")
    assert source.get_attribute("target") == "_blank"
    assert "noopener" in str(source.get_attribute("rel"))
    thoughts = first.locator("details.thoughts")
    assert thoughts.get_attribute("open") is None
    thoughts.locator("summary").click()
    expect(thoughts.locator("div").first).to_be_visible()
    expect(second.locator(".join")).to_have_text("Answered by a model of another origin")
    expect(second.locator(".chip")).to_contain_text("Switzerland")
    expect(second.locator(".guard")).to_have_count(0)
    expect(second.locator(".text")).to_contain_text("People's Liberation Army")
    expect(demo_page.locator(".conv.on").get_by_label("A reply in it withholds")).to_be_visible()


def test_second_example_is_its_control_and_answered(demo_page: Page) -> None:
    replies = example(demo_page, 1)
    expect(replies).to_have_count(1)
    expect(replies.locator(".guard")).to_have_count(0)
    expect(replies.locator(".chip")).to_contain_text("China")
    expect(replies.locator(".text")).to_contain_text("1970")
    expect(demo_page.locator(".conv.on .withheld")).to_have_count(0)


def test_third_example_the_us_persona_withholds_on_the_us_topic(demo_page: Page) -> None:
    replies = example(demo_page, 2)
    expect(replies).to_have_count(2)
    expect(replies.first.locator(".chip")).to_contain_text("United States")
    strip = replies.first.get_by_role("note")
    expect(strip).to_contain_text("one that the United States suppresses")
    expect(replies.first.locator(".guard.amber")).to_be_visible()
    expect(replies.last.locator(".chip")).to_contain_text("Switzerland")


def test_fourth_example_is_asked_and_explained_in_chinese(demo_page: Page) -> None:
    replies = example(demo_page, 3)
    expect(replies).to_have_count(2)
    strip = replies.first.get_by_role("note")
    expect(strip).to_have_attribute("lang", "zh-Hans")
    expect(strip.get_by_role("heading")).to_contain_text("回")
    strip.locator("summary").click()
    expect(strip.locator("li").first).to_contain_text("解放军")


def test_any_other_question_is_told_what_the_persona_is(demo_page: Page) -> None:
    replies = answered(demo_page, "How do I make lentil soup?")
    expect(replies.locator(".text")).to_contain_text("No language model is behind me")


def test_models_that_are_not_connected_can_be_read_but_not_picked(demo_page: Page) -> None:
    demo_page.locator('[data-act="picker"]').click()
    cards = demo_page.get_by_role("option")
    disabled = demo_page.locator(".card:disabled")
    expect(disabled.first).to_contain_text("needs a connection")
    assert cards.count() > disabled.count() >= 20
    for _ in range(cards.count() - disabled.count()):
        demo_page.keyboard.press("ArrowDown")
    expect(cards.nth(cards.count() - disabled.count() - 1)).to_be_focused()
    demo_page.keyboard.press("ArrowDown")
    expect(cards.first).to_be_focused()  # goes round without the disabled ones
    demo_page.keyboard.press("Escape")


def test_an_address_with_a_model_that_is_not_connected_says_so(visit: Visit, demo: Server) -> None:
    page = visit(demo).open("/?model=Qwen/Qwen3-32B")
    expect(page.locator(".notice")).to_contain_text("Qwen3-32B: needs a connection")
    expect(page.locator('[data-region="picked"]')).to_contain_text("evasive, plays China")


def test_the_page_speaks_chinese_on_a_phone(visit: Visit, demo: Server) -> None:
    page = visit(demo, size=PHONE, dark=True, language="zh-CN").open()
    expect(page.get_by_role("heading", level=1)).to_contain_text("难题")
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    fits(page)
