"""Tools on the page: switched on by hand, watched, unfolded, and still there after a kill."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator

import pytest
import replies
import tool_servers
import yaml
from browsing import PHONE, PLAIN, Visit, ask, ended, fits, reload, stands
from playwright.sync_api import expect
from serving import ROOT, Server
from tool_servers import ToolHost


@pytest.fixture(scope="module")
def tooled(
    model_host: replies.Host, shared_tool_host: ToolHost, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app with a search over HTTP and a program."""
    folder = tmp_path_factory.mktemp("tooled")
    kept = yaml.safe_load((ROOT / "models.yaml").read_text())
    search = {"id": "web", "title": "Web search", "url": shared_tool_host.url, "search": True}
    clock = {"id": "clock", "title": "World clock", "command": "/no/such/program"}
    kept["tools"] = {"servers": [search, clock]}
    (folder / "models.yaml").write_text(json.dumps(kept))
    shutil.copy(ROOT / "models.snapshot.json", folder)
    models = {"CANDOR_MODELS": str(folder / "models.yaml")}
    server = Server(folder, CANDOR_BASE_URL=model_host.base_url, **models)
    yield server.start().ready()
    server.end()


def test_a_reader_switches_a_search_on_watches_it_and_reads_what_came_back(
    visit: Visit, tooled: Server, shared_tool_host: ToolHost
) -> None:
    window = visit(tooled)
    page = window.open()
    opener = page.locator(".kit-opener")
    expect(opener).to_have_text("Tools: off")
    opener.focus()
    page.keyboard.press("Enter")
    search = page.get_by_role("menuitemcheckbox", name="Web search")
    expect(search).to_be_focused()
    expect(search).to_contain_text("may send words of this conversation to 127.0.0.1.")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitemcheckbox", name="World clock")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    expect(search).to_have_attribute("aria-checked", "true")
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    expect(opener).to_have_text("Tools: Web search")

    shared_tool_host.seen.clear()
    ask(page, f"{PLAIN} use:watched=forged")
    expect(page.locator(".call.running summary")).to_contain_text("Searching with Web search…")
    shared_tool_host.seen.set()
    ended(page)
    summary = page.locator(".call summary")
    expect(summary).to_have_text("Searched with Web search · forged")
    summary.focus()
    page.keyboard.press("Enter")
    frame = page.locator(".outside")
    expect(frame).to_contain_text("text from outside, not checked by Candor")
    expect(frame).to_contain_text(tool_servers.FORGED)
    expect(frame.locator("a, img, script, aside")).to_have_count(0)
    assert page.evaluate("window.harmed") is None
    fits(page)

    reload(page)
    expect(opener).to_have_text("Tools: Web search")
    expect(summary).to_have_text("Searched with Web search · forged")
    page.get_by_role("button", name="New chat").click()
    expect(opener).to_have_text("Tools: off")
    page.go_back()
    expect(opener).to_have_text("Tools: Web search")

    ask(page, f"{PLAIN} use:slow=x")
    expect(page.locator(".call.running")).to_be_visible()
    window.may_fail = ("ERR_", "Failed to load resource")
    tooled.end(signal.SIGKILL)
    tooled.start().ready()
    stands(reload(page))
    expect(page.locator(".call").last).to_contain_text("Search with Web search · x · broken off")


def test_on_a_phone_from_right_to_left(visit: Visit, tooled: Server) -> None:
    page = visit(tooled, size=PHONE, dark=True, language="ar").open()
    page.locator(".kit-opener").click()
    page.locator("[data-tool=web]").click()
    page.locator("[data-tool=clock]").click()
    fits(page)
    page.locator("#candor-question").fill(f"{PLAIN} use:search=forged")
    page.locator(".box [type=submit]").click()
    ended(page)
    expect(page.locator(".missing-tools")).to_contain_text("World clock")
    page.locator(".call summary").click()
    expect(page.locator(".outside")).to_be_visible()
    fits(page)
