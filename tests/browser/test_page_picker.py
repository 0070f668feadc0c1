"""The picker of models: cards, search, keys, and `?model=` in the address."""

from __future__ import annotations

import pytest
from browsing import PLAIN, Visit, answered, go, pick, reload
from playwright.sync_api import Locator, Page, expect
from serving import Server


@pytest.fixture
def dialog(page: Page) -> Locator:
    """The open picker."""
    page.locator('[data-act="picker"]').click()
    found = page.get_by_role("dialog", name="Choose a model")
    expect(found).to_be_visible()
    return found


def picked(page: Page) -> Locator:
    return page.locator('[data-region="picked"]')


def test_a_card_tells_what_a_reader_chooses_by(dialog: Locator) -> None:
    card = dialog.get_by_role("option").filter(has_text="DeepSeek-R1-Distill-Llama-70B")
    for words in ("China", "DeepSeek", "MIT", "131,072 tokens", "built on", "reasoning"):
        expect(card).to_contain_text(words)
    default = dialog.get_by_role("option", selected=True)
    expect(default).to_have_count(1)
    expect(default).to_contain_text("default")


def test_search_narrows_by_name_country_and_licence(page: Page, dialog: Locator) -> None:
    search = dialog.get_by_role("searchbox")
    expect(search).to_be_focused()
    search.fill("france apache")
    expect(dialog.get_by_role("option")).to_have_count(1)
    expect(dialog.get_by_role("option")).to_contain_text("Mistral")
    search.fill("no such model")
    expect(dialog.get_by_role("option")).to_have_count(0)
    expect(dialog.get_by_text("No model fits.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    search.fill("")
    assert dialog.get_by_role("option").count() > 20


def test_arrows_and_enter_pick_and_the_question_has_the_focus(page: Page, dialog: Locator) -> None:
    page.keyboard.type("switzerland")
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("option")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(picked(page)).to_contain_text("Apertus-70B-Instruct-2509")
    expect(page.get_by_label("Your question")).to_be_focused()
    reply = answered(page, PLAIN)
    expect(reply.locator(".chip")).to_contain_text("Apertus-70B-Instruct-2509")
    expect(reply.locator(".chip")).to_contain_text("Switzerland")
    expect(reply.locator(".chip")).to_contain_text("served by")


def test_arrow_up_begins_at_the_end(page: Page, dialog: Locator) -> None:
    page.keyboard.press("ArrowUp")
    expect(dialog.get_by_role("option").last).to_be_focused()


def test_escape_and_a_click_beside_leave_the_choice(page: Page, dialog: Locator) -> None:
    before = picked(page).inner_text()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator('[data-act="picker"]')).to_be_focused()
    page.locator('[data-act="picker"]').click()
    page.mouse.click(20, 700)
    expect(dialog).to_be_hidden()
    assert picked(page).inner_text() == before


def test_a_click_picks_and_the_conversation_keeps_its_model(page: Page) -> None:
    answered(page, PLAIN)
    page.locator('[data-act="picker"]').click()
    page.get_by_role("option").filter(has_text="Command A").click()
    expect(picked(page)).to_contain_text("Command A")
    reload(page)
    expect(picked(page)).to_contain_text("Command A")
    expect(answered(page, "And now?").locator(".chip")).to_contain_text("Canada")


def test_the_address_can_name_a_model(visit: Visit, hosted: Server) -> None:
    page = visit(hosted).open("/?model=google/gemma-3-27b-it")
    expect(picked(page)).to_contain_text("Gemma-3-27B-it")
    go(page, f"{hosted.url}/?model=nobody/<b>Nothing")
    expect(page.locator(".notice")).to_have_text("There is no model 'nobody/<b>Nothing' here.")
    expect(picked(page)).to_contain_text("Qwen2.5-72B-Instruct")


def test_a_new_chat_keeps_the_model(page: Page) -> None:
    pick(page, "Apertus")
    page.get_by_role("button", name="New chat").click()
    expect(picked(page)).to_contain_text("Apertus")
