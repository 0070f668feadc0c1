"""What one can do with a question and its reply."""

from __future__ import annotations

from browsing import (
    PLAIN,
    SIZES,
    TIANANMEN,
    Visit,
    answered,
    ask,
    clipboard,
    ended,
    reload,
    set_mode,
)
from playwright.sync_api import Page, expect
from serving import Server

SLOW = "show many words fault:slow"
SELECT = """(text, words) => {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    while (!walker.nextNode().data.includes(words));
    const begin = walker.currentNode.data.indexOf(words);
    getSelection().setBaseAndExtent(
        walker.currentNode, begin, walker.currentNode, begin + words.length);
}"""
MORPHED = """async () => {
    const script = performance.getEntriesByType('resource').find((one) => /morph/.test(one.name));
    const { morph } = await import(script.name);
    let seed = 1;
    const below = (n) => (seed = seed * 48271 % 2147483647) % n;
    const one = (...of) => of[below(of.length)];
    const some = (make) => Array.from({ length: below(4) }, make).join('');
    const tree = (depth) => some(() => depth ? one(text, element)(depth - 1) : text());
    const text = () => one('a', 'b c', '&lt;', '\\n', '');
    const element = (depth) => {
        const tag = one('p', 'b', 'div', 'button', 'ul');
        const about = one('', ' class="x"', ' class="x y"', ' data-act="copy"', ' data-part="z"',
            ' hidden', ' title="t" lang="de"');
        return `<${tag}${about}>${tree(depth)}</${tag}>`;
    };
    const unlike = [];
    let pairs = 0;
    for (; pairs < 2000; pairs += 1) {
        const [before, after] = [tree(4), tree(4)];
        const shown = Object.assign(document.createElement('div'), { innerHTML: before });
        const wanted = document.createElement('div');
        const parsed = Object.assign(document.createElement('template'), { innerHTML: after });
        wanted.append(parsed.content);
        morph(shown, after);
        if (!shown.isEqualNode(wanted)) unlike.push([before, after, shown.innerHTML]);
    }
    return { pairs, unlike: unlike.slice(0, 3) };
}"""


def test_enter_sends_shift_enter_does_not_and_nothing_is_not_sent(page: Page) -> None:
    box = page.get_by_label("Your question")
    expect(box).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.type("   ")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(0)
    box.fill("")
    page.keyboard.type("one line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("another")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".user")).to_have_text("one line\nanother", use_inner_text=True)
    expect(box).to_have_value("")
    ended(page)


def test_stop_keeps_what_has_come(page: Page) -> None:
    ask(page, SLOW)
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word3")
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(page.locator(".note")).to_have_text("You stopped this reply here.")
    expect(text).to_contain_text("word3")
    expect(text).not_to_contain_text("word599")
    expect(answered(page, PLAIN).locator(".text")).to_contain_text("test host")


def test_retry_keeps_the_first_reply_to_page_back_to(page: Page) -> None:
    set_mode(page, "warn")
    replies = answered(page, PLAIN)
    first = str(replies.get_attribute("data-reply"))
    page.get_by_role("button", name="Retry").click()
    expect(replies).not_to_have_attribute("data-reply", first)
    ended(page)
    pager = replies.locator(".pager")
    expect(pager).to_contain_text("2 of 2")
    expect(pager.get_by_role("button", name="Next version")).to_be_disabled()
    pager.get_by_role("button", name="Previous version").click()
    expect(replies).to_have_attribute("data-reply", first)
    expect(pager).to_contain_text("1 of 2")
    expect(pager.get_by_role("button", name="Previous version")).to_be_disabled()
    reload(page)
    expect(replies).to_have_attribute("data-reply", first)
    pager.get_by_role("button", name="Next version").click()
    expect(pager).to_contain_text("2 of 2")


def test_no_word_is_lost_where_a_reply_is_marked_while_the_next_comes_in(page: Page) -> None:
    set_mode(page, "fall back")
    ask(page, f"{TIANANMEN} fault:slow@Llama")
    first, text = page.locator(".reply").first, page.locator(".reply").nth(1).locator(".text")
    shown = []
    for words in ("In the night", "Troops", "demonstrations", "hunger strike"):
        expect(text).to_contain_text(words)
        first.get_by_role("button", name="Good").click()
        page.wait_for_timeout(300)  # in which the reply goes on
        shown.append(text.inner_text())
    ended(page)
    assert all(map(text.inner_text().startswith, shown))


def test_what_comes_in_stays_out_of_another_version_that_is_shown(page: Page) -> None:
    ask(page, SLOW)
    text = page.locator(".reply .text")
    expect(text).to_contain_text("word3 ")
    page.evaluate("document.querySelector('.turn').dataset.run = 1")  # as paged to
    before = text.inner_text()
    page.wait_for_timeout(500)
    assert text.inner_text() == before
    page.get_by_role("button", name="Stop").click()
    ended(page)
    expect(text).to_contain_text("word5 ")


def test_an_edited_question_branches_and_both_branches_stay(page: Page) -> None:
    answered(page, "first question")
    answered(page, "second question")
    first = page.locator(".turn").first
    first.hover()
    edit = first.get_by_role("button", name="Edit")
    edit.click()
    field = first.get_by_role("textbox", name="Edit")
    expect(field).to_be_focused()
    page.keyboard.type("?")
    expect(field).to_have_value("first question?")
    first.get_by_role("button", name="Cancel").click()
    expect(field).to_be_hidden()
    expect(edit).to_be_focused()
    edit.click()
    expect(field).to_have_value("first question")
    field.fill("changed question")
    first.get_by_role("button", name="Send again").click()
    expect(page.locator(".turn")).to_have_count(1)
    ended(page)
    questions = page.locator(".user")
    expect(questions).to_have_text(["changed question"])
    pager = page.locator(".asked .pager")
    expect(pager).to_contain_text("2 of 2")
    pager.get_by_role("button", name="Previous version").click()
    expect(questions).to_have_text(["first question", "second question"])
    reload(page)
    expect(questions).to_have_text(["first question", "second question"])
    pager.get_by_role("button", name="Next version").click()
    expect(questions).to_have_text(["changed question"])


@SIZES
def test_what_is_typed_into_a_question_stays_while_its_turn_is_drawn_anew(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size).open()
    set_mode(page, "warn")
    ask(page, f"{TIANANMEN} fault:slow")
    asked, field = page.locator(".asked"), page.get_by_role("textbox", name="Edit")
    asked.hover()
    asked.get_by_role("button", name="Edit").click()
    field.fill("And what happened in 1987?")
    field.evaluate("element => element.setSelectionRange(4, 8)")
    ended(page)
    page.keyboard.type("who")
    expect(field).to_have_value("And who happened in 1987?")
    page.get_by_role("button", name="Good", exact=True).click()
    expect(page.get_by_role("button", name="Good", exact=True)).to_be_focused()
    field.focus()
    page.get_by_role("button", name="Retry").dispatch_event("click")
    expect(page.locator(".replies .pager")).to_contain_text("2 of 2")
    ended(page)
    page.get_by_role("button", name="Previous version").dispatch_event("click")
    expect(page.locator(".replies .pager")).to_contain_text("1 of 2")
    expect(field).to_be_focused()
    expect(field).to_have_value("And who happened in 1987?")
    page.get_by_role("button", name="Cancel").click()
    asked.get_by_role("button", name="Edit").click()
    expect(field).to_have_value(f"{TIANANMEN} fault:slow")


def test_what_is_selected_in_a_reply_stays_so_while_more_comes_in_and_when_it_ends(
    page: Page,
) -> None:
    ask(page, f"{PLAIN} fault:slow")
    text = page.locator(".reply .text")
    expect(text).to_contain_text("short answer. It")
    text.evaluate(SELECT, "a short answer.")
    ended(page)
    expect(text).to_contain_text("In the end, check the result.")
    assert page.evaluate("getSelection().toString()") == "a short answer."


def test_whatever_is_shown_becomes_like_whatever_comes(page: Page) -> None:
    found = page.evaluate(MORPHED)
    assert found["pairs"] == 2000
    assert found["unlike"] == []


def test_copy_takes_the_words_of_the_reply_and_of_the_question(page: Page) -> None:
    set_mode(page, "warn")
    reply = answered(page, TIANANMEN)
    button = reply.get_by_role("button", name="Copy")
    button.click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    copied = clipboard(page)
    assert copied.startswith("In the spring and early summer of 1989")
    assert "suppresses" not in copied  # the guard's words are not the reply's
    expect(button).to_be_visible()
    page.locator(".asked").hover()
    page.locator(".asked").get_by_role("button", name="Copy").click()
    expect(page.locator(".asked").get_by_role("button", name="Copied")).to_be_visible()
    assert clipboard(page) == TIANANMEN


def test_copy_takes_the_markdown_as_the_model_wrote_it(page: Page) -> None:
    reply = answered(page, "In how many ways can I count words? Please show markdown.")
    reply.get_by_role("button", name="Copy").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    copied = clipboard(page)
    assert "**bold**" in copied
    assert "```python" in copied


def test_like_and_dislike_toggle_and_are_kept(page: Page) -> None:
    reply = answered(page, PLAIN)
    good = reply.get_by_role("button", name="Good")
    bad = reply.get_by_role("button", name="Bad")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    reload(page)
    expect(good).to_have_attribute("aria-pressed", "true")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "true")
    expect(good).to_have_attribute("aria-pressed", "false")
    bad.click()
    expect(bad).to_have_attribute("aria-pressed", "false")
    reload(page)
    expect(bad).to_have_attribute("aria-pressed", "false")


def test_who_scrolls_up_is_left_where_they_are(page: Page) -> None:
    answered(page, "show markdown")
    answered(page, "show markdown")
    ask(page, SLOW)
    scroll = page.locator(".scroll")
    text = page.locator(".turn").last.locator(".text")
    expect(text).to_be_in_viewport()  # the page follows the reply
    expect(text).to_contain_text("word3 ")
    scroll.evaluate("element => { element.scrollTop = 0; }")
    expect(text).to_contain_text("word30 ")
    assert scroll.evaluate("element => element.scrollTop") == 0
    page.get_by_role("button", name="Stop").click()
    ended(page)
    assert scroll.evaluate("element => element.scrollTop") == 0


def test_updates_of_a_fast_reply_come_at_most_eight_times_a_second(page: Page) -> None:
    page.evaluate(
        """() => {
            const seen = window.seen = {texts: 0, ends: 0, began: 0, ended: 0};
            const listen = EventSource.prototype.addEventListener;
            EventSource.prototype.addEventListener = function (name, take) {
                seen.began ||= performance.now();
                return listen.call(this, name, (event) => {
                    const part = name === "update" ? JSON.parse(event.data).part : "";
                    if (part === "text") seen.texts += 1;
                    if (name === "end") { seen.ends += 1; seen.ended = performance.now(); }
                    take(event);
                });
            };
        }"""
    )
    answered(page, "show many words")
    seen = page.evaluate("window.seen")
    seconds = (seen["ended"] - seen["began"]) / 1000
    assert seen["ends"] == 1
    assert seen["texts"] <= 8 * seconds + 2
    assert seen["texts"] < 100  # the host sent some 300 pieces
