"""Attacks by foreign words, from every place where they stand, as a browser takes them.

Nothing may run, load, cover the page, pass for the guard or lead astray. Defences: Markdown without
HTML and images, cleaned by nh3 (chat/markdown.py); templates that escape (chat/view.py); `one_line`
for what stands on a line (guard/plain.py); `<bdi>` around names; and behind them all the
Content-Security-Policy (chat/security.py), which has a test of its own here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
import said
from browsing import PLAIN, Window, answered, go, set_mode, stands, window
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, Dialog, Page, expect
from playwright.sync_api import Route as Met
from served import listening
from serving import Server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

ELSEWHERE = "https://elsewhere.example"
ATTACKS = {
    "script": (
        "<script>harmed=1;alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>"
        "<details open ontoggle=alert(1)><summary>x</summary></details>"
        '<iframe srcdoc="<script>parent.harmed=1</script>"></iframe>'
        "</textarea></title><body onload=alert(1)> {{7*7}} {% raw %} ${harmed=1}"
    ),
    "link": (
        "[a](javascript:alert(1)) [b](JaVaScRiPt&colon;alert(1)) [c](data:text/html,<b>x)"
        "[d](vbscript:x) <javascript:alert(1)> [e][r] [f](\tjava\nscript:alert(1))"
        "[g](https://elsewhere.example) [h](//elsewhere.example) [i](/candor/export)"
        "\n\n[r]: javascript:alert(1)"
    ),
    "outside": (
        f"![x]({ELSEWHERE}/a.png)<img src={ELSEWHERE}/b.png><link rel=stylesheet href={ELSEWHERE}/>"
        f"<style>@import url({ELSEWHERE}/c)</style><p style='background:url({ELSEWHERE}/d)'>"
        f"<meta http-equiv=refresh content='0;url={ELSEWHERE}'><base href='{ELSEWHERE}/'>"
        f"<video poster={ELSEWHERE}/e></video><a ping={ELSEWHERE}/f href=#>x</a>"
        f"$\\href{{{ELSEWHERE}}}{{x}} \\includegraphics{{{ELSEWHERE}/g.png}}$"
    ),
    "overlay": (
        '<div style="position:fixed;inset:0;z-index:99999;background:red">x</div>'
        "<style>*{display:none}#candor{visibility:hidden}</style>\n\n"
        "$\\style{position:fixed;inset:0}{x} \\class{guard}{x} \\hspace{-99em}x "
        "\\rule{9999em}{9999em} \\raise{-99em}{x}$ " + "Z" + "\u0310" * 200
    ),
    "forged": (
        '<aside class="guard amber" data-part="strip"><h4>◑ This reply is clean</h4></aside>'
        '<div class="fault" role="alert">Sign in again</div><form action="/candor/data">'
        '<button data-act="erase">Go on</button></form><input name=x autofocus>'
        '<a id="candor" name="state" class="guard" data-act="share">x</a> # h {#candor .guard}'
    ),
    "direction": "safe\u202egnp.exe \u2066\u2067\u200b\u2028x\u0000 раypal \x1b[2J",
}
FOREIGN = ".text, .thoughts > div, .user, .outside pre, bdi, .facts, h1"
TAGS = (
    "script, img, svg, iframe, style, form, button, input, link, meta, base, video, aside, .fault"
)
FOUND = """([foreign, tags]) => {
    const places = [...document.querySelectorAll(foreign)];
    const inside = places.flatMap((one) => [...one.querySelectorAll('*')]);
    const told = (ones) => ones.map((one) => one.outerHTML.slice(0, 200));
    const links = inside.filter((one) => one.matches('a[href]'));
    const outOfPlace = (one) => /fixed|sticky|absolute/.test(getComputedStyle(one).position);
    const acts = '[id], [data-act], [data-part], .guard, [style*=":"]:not(td, th)';
    return {
        harmed: window.harmed ?? null,
        elements: told(inside.filter((one) => one.matches(tags))),
        covering: told(inside.filter(outOfPlace)),
        acting: told(inside.filter((one) => one.matches(acts))),
        schemes: links.map((one) => one.protocol).filter((one) => !/^(https?|mailto):$/.test(one)),
        near: links.filter((one) => one.origin === location.origin).map((one) => one.href),
        opener: told(links.filter((one) => one.target && !/noopener/.test(one.rel))),
    };
}"""
NOTHING = ("elements", "covering", "acting", "schemes", "near", "opener")
CLEAN = {"harmed": None} | {kind: [] for kind in NOTHING}
HEADERS = {"x-candor": "1"}
Place = Callable[[Page, str], Iterator[None]]

said.SAID |= {f"show attack {name}": text for name, text in ATTACKS.items()}


@pytest.fixture(scope="module")
def reader(browser: Browser, hosted: Server) -> Iterator[tuple[Window, Page, list[str]]]:
    """A page from which no request to elsewhere comes through; what was tried is listed."""
    opened = window(browser, hosted.url)
    page = opened.open()
    tried: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        tried.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def stopped(route: Met) -> None:
        tried.append(f"a request: {route.request.url}")
        route.abort()

    page.on("dialog", dismissed)
    opened.context.route(lambda url: not url.startswith((hosted.url, "data:", "blob:")), stopped)
    set_mode(page, "warn")
    answered(page, PLAIN)
    yield opened, page, tried
    opened.close()


@pytest.fixture
def page(reader: tuple[Window, Page, list[str]]) -> Iterator[Page]:
    _, page, tried = reader
    tried.clear()
    yield page
    assert tried == []


# --- the places -----------------------------------------------------------------------------------


def origin(page: Page) -> str:
    return page.url[: page.url.index("/", 8)]


def record(page: Page) -> dict[str, Any]:
    """The conversation that the module began with, as a file."""
    listed = page.request.get(f"{origin(page)}/candor/export").text().split("\n")
    return next(one for line in listed if (one := json.loads(line)).get("title") == PLAIN)


def ids(page: Page) -> list[str]:
    listed = page.request.get(f"{origin(page)}/candor/state").json()["sidebar"]
    return re.findall(r"\?c=([0-9a-f]{32})", listed)


def taken_in(page: Page, told: dict[str, Any]) -> str:
    """Import a conversation; its id."""
    before = ids(page)
    told["changed"] = datetime.now(UTC).isoformat()  # so that it is the first of the list
    data = json.dumps(told).encode()
    answer = page.request.post(f"{origin(page)}/candor/import", data=data, headers=HEADERS)
    assert answer.json()["imported"] == 1, answer.text()
    (id_,) = {*ids(page)} - {*before}
    return id_


def attacked(page: Page, attack: str) -> dict[str, Any]:
    """A file in which every word is the attack."""
    told = deepcopy(record(page))
    told["title"] = attack[:200]
    (turn,) = told["turns"][:1]
    told["turns"] = [turn]
    turn["question"] = attack
    turn["files"] = [{"name": f"{attack[:80]}.md", "kind": "text", "text": attack}]
    (reply,) = turn["replies"][:1]
    turn["replies"] = [reply]
    call = {
        "call": 0,
        "server": attack[:300],
        "title": attack[:300],
        "tool": attack[:300],
        "seconds": 1,
    }
    name = attack[:150]
    reply |= {"text": attack, "thoughts": attack, "model": {"id": name, "name": name}}
    reply |= {"calls": [call | {"arguments": attack, "text": attack}], "finish_reason": attack}
    reply["verdict"] |= {"status": "withheld", "explanation": attack, "signals": []}
    reply["served"] |= {"provider": attack}
    return told


def in_words(page: Page, attack: str) -> Iterator[None]:
    """In a question, then in a reply."""
    go(page, origin(page))
    answered(page, attack.replace("\x00", "").replace("\x1b", ""))
    yield
    in_a_reply(page, attack)
    yield


def in_a_reply(page: Page, attack: str) -> None:
    name = next(name for name, text in ATTACKS.items() if text == attack)
    answered(page, f"show attack {name}")


def in_a_title(page: Page, attack: str) -> Iterator[None]:
    id_ = taken_in(page, record(page))
    address = f"{origin(page)}/candor/conversations/{id_}"
    page.request.patch(address, data={"title": attack[:200]}, headers=HEADERS)
    go(page, f"{origin(page)}/?c={id_}")
    yield


def in_a_file(page: Page, attack: str) -> Iterator[None]:
    """In an imported file: its title, question, names, reasoning, calls, model and claims.

    On the screen, then on paper.
    """
    go(page, f"{origin(page)}/?c={taken_in(page, attacked(page, attack))}")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    yield
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    yield


def on_a_shared_page(page: Page, attack: str) -> Iterator[None]:
    id_ = taken_in(page, attacked(page, attack))
    address = f"{origin(page)}/candor/conversations/{id_}/shares"
    made = page.request.post(address, data={"thoughts": True}, headers=HEADERS).json()
    page.goto(origin(page) + made["path"])
    expect(page.locator(".turn")).to_be_visible()
    yield


PLACES: dict[str, Place] = {
    "words": in_words,
    "title": in_a_title,
    "file": in_a_file,
    "shared": on_a_shared_page,
}


# --- the tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("attack", ATTACKS)
def test_foreign_words_stay_words(page: Page, attack: str, place: str) -> None:
    try:
        for _ in PLACES[place](page, ATTACKS[attack]):
            assert page.evaluate(FOUND, [FOREIGN, TAGS]) == CLEAN
            ours = page.locator(".guard:not(.foreign)")
            expect(ours).to_have_count(0)
            title = page.title()
            assert not set(title) & set("\u202e\u2066\u2067\n\x1b"), title
            assert page.url.startswith(origin(page))
    finally:
        page.emulate_media(media="screen")


@pytest.mark.parametrize(
    ("selector", "taken_off"),
    [(".conv.on a span", True), (".chip bdi", False), (".file .name", True), (".user", False)],
)
def test_a_direction_does_not_reach_what_stands_beside(
    page: Page, selector: str, *, taken_off: bool
) -> None:
    """Each foreign name is isolated: an override in it ends with it.

    Off titles and the names of files it is taken. A question is isolated by `dir` and by the style.
    """
    next(in_a_file(page, ATTACKS["direction"]))
    one = page.locator(selector).first
    expect(one).to_be_visible()
    isolated = one.evaluate("(one) => getComputedStyle(one).unicodeBidi")
    assert isolated in {"isolate", "plaintext"}
    assert bool(set(one.inner_text()) & set("\u202e\u2066\u2067")) != taken_off


def test_marks_piled_on_a_letter_do_not_reach_the_guards_words(page: Page) -> None:
    """Letters with hundreds of marks would paint over the lines below."""
    go(page, origin(page))
    in_a_reply(page, ATTACKS["overlay"])
    clipped = page.locator(".text").last.evaluate("(one) => getComputedStyle(one).overflow")
    assert "clip" in clipped


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_exported_file_is_harmless_in_a_viewer_that_takes_html(page: Page, attack: str) -> None:
    id_ = taken_in(page, attacked(page, ATTACKS[attack]))
    address = f"{origin(page)}/candor/conversations/{id_}/export.md"
    written = page.request.get(address)
    assert written.headers["content-disposition"].startswith('attachment; filename="candor-')
    seen = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(written.text())
    page.goto(f"{origin(page)}/health")  # a page of ours, without a script of ours
    page.set_content(f"<div class='text'>{seen}</div>")
    found = page.evaluate(FOUND, [FOREIGN, TAGS])
    found["near"] = found["opener"] = []  # a viewer's own, as links to `/candor` are
    assert found == CLEAN
    go(page, origin(page))


def test_an_exported_json_is_no_page(page: Page) -> None:
    id_ = taken_in(page, attacked(page, ATTACKS["script"]))
    address = f"{origin(page)}/candor/conversations/{id_}/export.json"
    answer = page.request.get(address)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_policy_stops_what_might_yet_get_through(
    reader: tuple[Window, Page, list[str]], hosted: Server
) -> None:
    """Were all else to fail: an image, a frame, a form and a script of elsewhere do not load."""
    opened, page, tried = reader
    go(page, hosted.url)
    opened.may_fail = ("Content Security Policy", "Refused", "Framing")
    tried.clear()
    page.evaluate(
        """(elsewhere) => {
            const made = {img: 'src', script: 'src', iframe: 'src', embed: 'src', video: 'src'};
            const make = (tag, rest) => Object.assign(document.createElement(tag), rest);
            for (const [tag, key] of Object.entries(made)) {
                document.body.append(make(tag, {[key]: `${elsewhere}/${tag}`}));
            }
            fetch(`${elsewhere}/fetch`).catch(() => null);
            navigator.sendBeacon(`${elsewhere}/beacon`);
            const form = make('form', {action: `${elsewhere}/form`});
            document.body.append(form);
            form.submit();
            document.head.prepend(make('base', {href: `${elsewhere}/`}));
        }""",
        ELSEWHERE,
    )
    page.wait_for_timeout(300)
    assert tried == []
    assert page.evaluate("document.baseURI").startswith(hosted.url)
    opened.wrong.clear()
    stands(go(page, hosted.url))
    opened.may_fail = ()


def test_no_other_site_frames_the_page(browser: Browser, hosted: Server) -> None:
    """A page of another origin (another port is one) shows an empty frame."""

    async def framing(_: Request) -> HTMLResponse:
        return HTMLResponse(f"<iframe src='{hosted.url}/'></iframe>")

    with listening(Starlette(routes=[Route("/", framing)])) as attacker:
        context = browser.new_context()
        page = context.new_page()
        page.goto(attacker)
        (frame,) = page.frames[1:]
        assert "candor" not in frame.content()
        context.close()
