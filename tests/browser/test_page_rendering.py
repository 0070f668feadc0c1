"""How a reply looks, and that a model's words stay words."""

from __future__ import annotations

import pytest
from browsing import PHONE, PLAIN, SIZES, Visit, answered, fits, set_mode
from playwright.sync_api import Page, expect
from serving import Server

CUT = """text => [...text.querySelectorAll('a, pre, table')].filter((one) => {
    const around = one.parentElement.closest('pre, table, .text').getBoundingClientRect();
    const box = one.getBoundingClientRect();
    return box.top - 4 < around.top || box.bottom + 4 > around.bottom;
}).map((one) => one.outerHTML.slice(0, 80))"""


def test_markdown_tables_code_and_maths(page: Page) -> None:
    text = answered(page, "show markdown").locator(".text")
    expect(text.get_by_role("heading", name="Three ways to count")).to_be_visible()
    expect(text.locator("strong")).to_have_text("bold")
    expect(text.locator("em")).to_have_text("italic")
    expect(text.locator("table td")).to_have_count(6)
    expect(text.locator("ol > li ul > li")).to_have_text("nested")
    expect(text.locator("blockquote")).to_be_visible()
    colours = text.locator("pre code span").evaluate_all(
        "all => [...new Set(all.map(one => getComputedStyle(one).color))]"
    )
    assert len(colours) >= 4
    expect(text.locator("math")).to_have_count(2)
    assert text.locator('math[display="block"]').bounding_box()["height"] > 20  # type: ignore[index]
    link = text.get_by_role("link", name="a link")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")


def test_an_image_is_a_link_and_is_not_loaded(page: Page) -> None:
    text = answered(page, "show markdown").locator(".text")
    expect(text.locator("img")).to_have_count(0)
    expect(text.get_by_role("link", name="[a cat]")).to_be_visible()


def test_a_models_html_stays_text(page: Page) -> None:
    text = answered(page, "show hostile").locator(".text")
    expect(text).to_contain_text('<script>window.harmed = 1</script><img src="https://elsewhere')
    expect(text).to_contain_text('<aside class="guard amber">')
    expect(text.locator("script, img, style, aside, .guard, .fault")).to_have_count(0)
    expect(text.get_by_role("link", name="a trap")).to_have_count(0)
    assert page.evaluate("window.harmed") is None
    expect(page.locator("#candor")).to_be_visible()


def test_a_readers_html_stays_text(page: Page) -> None:
    answered(page, "<img src=x onerror=window.harmed=1> <b>bold</b>")
    expect(page.locator(".user")).to_have_text("<img src=x onerror=window.harmed=1> <b>bold</b>")
    expect(page.locator(".conv.on")).to_contain_text("<img src=x")
    assert page.evaluate("window.harmed") is None


@pytest.mark.parametrize("how", ["think", "reasoning_content"])
def test_reasoning_is_folded_and_opens(page: Page, how: str) -> None:
    set_mode(page, "warn")
    reply = answered(page, f"A question, fault:{how}")
    thoughts = reply.locator("details.thoughts")
    expect(thoughts.locator("summary")).to_have_text("Thoughts")
    assert thoughts.get_attribute("open") is None
    thoughts.locator("summary").click()
    expect(thoughts).to_contain_text("I will say what is known")
    expect(reply.locator(".text")).not_to_contain_text("think")


def test_the_page_is_closed_to_the_outside(page: Page, hosted: Server) -> None:
    response = page.request.get(hosted.url)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    blocked = page.evaluate(
        """() => new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", () => resolve(true));
            const image = new Image();
            image.onload = () => resolve(false);
            image.src = "/candor/static/favicon.svg";
            image.decode().then(() => resolve("own images load"), () => resolve("they do not"));
        })"""
    )
    assert blocked == "own images load"


def test_arabic_runs_from_right_to_left(page: Page) -> None:
    text = answered(page, "show arabic").locator(".text")
    assert text.evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_nothing_is_wider_than_a_phone(visit: Visit, hosted: Server) -> None:
    page = visit(hosted, size=PHONE, dark=True).open()
    fits(page)
    for question in ("show markdown", "show long words", "x" * 400, PLAIN):
        answered(page, question)
        fits(page)
    width = page.locator(".reply").first.evaluate("element => element.clientWidth")
    for wide in page.locator(".text :is(pre, table, math)").all():
        assert wide.bounding_box()["width"] <= width + 1  # type: ignore[index]


@SIZES
def test_what_is_wide_scrolls_in_its_own_box_and_rings_of_focus_are_whole(
    visit: Visit, hosted: Server, size: tuple[int, int]
) -> None:
    page = visit(hosted, size=size).open()
    text = answered(page, "show wide").locator(".text")
    fits(page)
    assert text.evaluate(CUT) == []
    for wide in text.locator("pre, table").all():
        wide.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => document.activeElement.scrollLeft > 0")
        fits(page)
    formula = text.locator("p:has(math)")
    assert formula.evaluate("one => one.scrollWidth > one.clientWidth")
