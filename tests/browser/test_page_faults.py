"""A host that fails: the reader sees what happened and what to do, and goes on."""

from __future__ import annotations

import re

from browsing import PLAIN, TIANANMEN, answered, ask, ended, set_mode
from playwright.sync_api import Locator, Page, expect

# fault, what is told, whether part of the reply had come
FAULTS = [
    ("429", "receiving too many requests", False),
    ("500", "out of order or cannot be reached", False),
    ("401", "did not accept the key", False),
    ("402", "no credit left", False),
    ("hang", "did not answer in time", False),
    ("stall", "did not answer in time", True),
    ("disconnect", "broke before the reply was finished", True),
    ("cut", "broke before the reply was finished", True),
    ("garbage", "cannot be read", True),
    ("empty", "sent an empty reply", False),
    ("huge", "grew past the limit", True),
]
ADVICE = re.compile("Wait|Try again|Check|Add credit|Pick|Ask for")


def told(reply: Locator, words: str) -> None:
    """The fault is named with the model, and an advice follows."""
    fault = reply.locator(".fault")
    expect(fault).to_contain_text(words)
    expect(fault).to_contain_text("Qwen2.5-72B-Instruct")
    expect(fault).to_contain_text(ADVICE)


def test_faults_are_told_and_the_next_message_works(page: Page) -> None:
    set_mode(page, "warn")
    for fault, words, partly in FAULTS:
        reply = answered(page, f"A question, fault:{fault}")
        told(reply, words)
        expect(reply).to_have_attribute("data-state", "failed")
        begun = "The reply broke off" if partly else "No reply"
        expect(reply.locator(".fault b")).to_have_text(begun)
        text = reply.locator(".text")
        if partly:
            expect(text).to_contain_text("Here is a short answer" if fault != "huge" else "word")
        else:
            expect(text).to_be_empty()
            expect(reply.get_by_role("button", name="Copy")).to_have_count(0)
        if fault == "429":
            expect(reply.locator(".fault")).to_contain_text("The host asks to wait 7 seconds.")
        expect(page.locator(".user").last).to_have_text(f"A question, fault:{fault}")
        expect(reply.get_by_role("button", name="Retry")).to_be_visible()
    expect(answered(page, PLAIN).locator(".text")).to_contain_text("test host")


def test_a_filter_of_the_host_is_told_by_the_guard(page: Page) -> None:
    set_mode(page, "warn")
    reply = answered(page, f"{TIANANMEN} fault:filter")
    expect(reply.locator(".guard")).to_contain_text("cut")
    expect(reply.locator(".text")).not_to_be_empty()


def test_a_slow_reply_can_be_stopped_and_retried(page: Page) -> None:
    ask(page, "show many words fault:slow")
    expect(page.locator(".reply .text")).to_contain_text("word2 ")
    page.get_by_role("button", name="Stop").click()
    ended(page)
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    ended(page)


def test_where_the_first_model_fails_the_next_answers(page: Page) -> None:
    replies = answered(page, "A question, fault:500@Qwen")
    expect(replies).to_have_count(2)
    told(replies.first, "out of order")
    expect(replies.last.locator(".join")).to_contain_text("Answered instead")
    expect(replies.last.locator(".text")).to_contain_text("test host")


def test_where_the_fallback_fails_a_further_one_answers(page: Page) -> None:
    replies = answered(page, f"{TIANANMEN} fault:429@Llama")
    expect(replies).to_have_count(3)
    expect(replies.first.locator(".guard.amber")).to_be_visible()
    expect(replies.nth(1).locator(".fault")).to_contain_text("Llama-3.3-70B-Instruct")
    expect(replies.nth(1).locator(".join")).to_have_text("Another model was asked instead")
    expect(replies.last.locator(".chip")).to_contain_text("Mistral")
    expect(replies.last.locator(".text")).to_contain_text("People's Liberation Army")


def test_a_fallback_that_breaks_off_keeps_what_had_come(page: Page) -> None:
    replies = answered(page, f"{TIANANMEN} fault:disconnect@Llama")
    expect(replies).to_have_count(2)
    expect(replies.last.locator(".text")).to_contain_text("In the night of 3 to 4 June")
    expect(replies.last.locator(".fault")).to_contain_text("broke before the reply was finished")
    page.get_by_role("button", name="Retry").click()
    expect(replies).to_have_count(2)
    ended(page)
    expect(replies.last.locator(".pager")).to_contain_text("2 of 2")


def test_where_all_fail_it_is_said(page: Page) -> None:
    replies = answered(page, "A question, fault:500")
    expect(replies.last.locator(".fault")).to_contain_text(
        "As many models were asked as the operator allows"
    )
    expect(page.locator(".user")).to_have_text("A question, fault:500")
    expect(answered(page, PLAIN).locator(".text")).to_contain_text("test host")
