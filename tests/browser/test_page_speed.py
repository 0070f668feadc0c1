"""What makes the page quick: what it fetches, when, and how often."""

from __future__ import annotations

from browsing import PLAIN, Visit, answered, go
from serving import Server

SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => { for (const one of list.getEntries()) shifts += one.value; })
        .observe({ type: "layout-shift" });
}"""
OURS = """() => performance.getEntriesByType('resource')
    .filter((one) => one.name.includes('/candor/'))
    .map((one) => [new URL(one.name).pathname, one.transferSize])"""


def test_our_files_come_beside_gradios_once_and_are_kept(hosted: Server, visit: Visit) -> None:
    window = visit(hosted)
    asked: list[str] = []
    window.context.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    page = window.open()
    scripts = [name for name in asked if name in {"candor.js", "sidebar.js", "travel.js"}]
    frame = next(n for n, name in enumerate(asked) if name.startswith("Blocks-"))
    assert sorted(scripts) == ["candor.js", "sidebar.js", "travel.js"]
    assert all(asked.index(name) < frame for name in [*scripts, "candor.css"])
    go(page, window.origin)
    again = dict(page.evaluate(OURS))
    assert {path for path, size in again.items() if size} == {"/candor/state"}


def test_nothing_jumps_while_a_reply_streams(hosted: Server, visit: Visit) -> None:
    page = visit(hosted).open()
    answered(page, PLAIN)
    page.evaluate(SHIFTS)
    reply = answered(page, PLAIN)
    assert "check the result" in reply.inner_text()
    assert page.evaluate("shifts") < 0.1  # what browsers call good
