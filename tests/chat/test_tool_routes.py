"""Tools from switch to page: what a reader chooses, what a reply keeps, and what travels along."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
import replies
import yaml
from served import LLAMA, SOUP, TIANANMEN, Page, Site, page_of, serving, settles
from tool_servers import FORGED, STATE_MEDIA, TOKEN, ToolHost

from chat.app import build
from chat.record import CallRecord, ConversationRecord
from chat.settings import Settings
from chat.texts import texts
from guard import catalogue
from guard.errors import ConfigError
from guard.types import ToolFault

CALL = "use:search=lentils"


def with_tools(folder: Path, url: str) -> Path:
    """The shipped models with two servers of tools, one of which is never there."""
    kept = yaml.safe_load(catalogue.FILE.read_text())
    server = {"id": "web", "title": "Web search", "url": url, "search": True, "seconds": 3}
    gone = {"id": "gone", "title": "Gone <b>", "url": "http://127.0.0.1:9/mcp", "seconds": 3}
    servers = [server | {"token_env": "TOOLS_TOKEN"}, gone]
    kept["tools"] = {"servers": servers, "limits": {"characters": 1000}}
    path = folder / "models.yaml"
    path.write_text(json.dumps(kept))
    return path


@pytest.fixture(scope="module")
def tools_site(
    shared_host: replies.Host,
    shared_tool_host: ToolHost,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tools")
    settings = Settings(
        base_url=shared_host.base_url,
        data=folder,
        models=with_tools(folder, shared_tool_host.url),
        timeout=20,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLS_TOKEN", TOKEN)
        with serving(settings) as site:
            yield site


@pytest.fixture
def page(tools_site: Site, host: replies.Host, tool_host: ToolHost) -> Iterator[Page]:
    with page_of(tools_site.url) as page:
        yield page
    assert settles(lambda: tools_site.running() == 0)
    assert settles(lambda: not tools_site.app.state.chat.tools.going)


def thread(page: Page, conversation: str) -> str:
    return str(page.state(conversation)["thread"])


def chosen(page: Page, conversation: str = "") -> list[str]:
    menu = page.state(conversation)["toolbox"]
    return re.findall(r'data-tool="(\w+)"[^>]*aria-checked="true"', menu)


def exported(page: Page, conversation: str) -> dict[str, Any]:
    found = page.http.get(f"/candor/conversations/{conversation}/export.json")
    return dict(found.raise_for_status().json())


def test_the_page_offers_what_the_operator_lists_and_says_where_words_go(page: Page) -> None:
    menu = page.state()["toolbox"]
    assert chosen(page) == []
    assert "Web search" in menu
    assert "may send words of this conversation to <bdi>127.0.0.1</bdi>" in menu
    assert "Gone &lt;b&gt;" in menu


def test_without_servers_nothing_is_offered(site: Site) -> None:
    with page_of(site.url) as plain:
        assert plain.state()["toolbox"] is None
        refused = plain.post("/ask", question=SOUP, model=LLAMA, mode="warn", tools=["web"])
    assert refused.status_code == 422
    assert refused.json()["detail"] == "These tools are no longer offered here: web."


def test_the_choice_stays_with_the_conversation(
    page: Page, host: replies.Host, tool_host: ToolHost
) -> None:
    id_ = page.answered(SOUP, tools=["web", "web"])
    assert chosen(page, id_) == ["web"]
    assert chosen(page) == []
    turn = page.state(id_)["thread"].partition('data-turn="')[2].partition('"')[0]
    for path, body in ((f"turns/{turn}/retry", {}), (f"turns/{turn}/edit", {"question": CALL})):
        page.post(f"/conversations/{id_}/{path}", **body).raise_for_status()
        page.whole(id_)
    assert all("tools" in asked.body for asked in host.asked[:3])
    assert tool_host.calls == [("search", {"query": "lentils"})]
    page.patch(f"/conversations/{id_}", tools=[]).raise_for_status()
    assert chosen(page, id_) == []
    host.asked.clear()
    page.post(f"/conversations/{id_}/turns/{turn}/retry").raise_for_status()
    page.whole(id_)
    assert "tools" not in host.asked[0].body


@pytest.mark.parametrize("wrong", [["nobody"], ["x" * 5000], ["web"] * 30, "web", [1]])
def test_tools_that_nobody_lists_are_refused(page: Page, wrong: Any) -> None:
    refused = page.post("/ask", question=SOUP, model=LLAMA, mode="warn", tools=wrong)
    assert refused.status_code == 422
    assert len(refused.text) < 300


def test_another_reader_cannot_switch_tools(page: Page, tools_site: Site) -> None:
    id_ = page.answered(SOUP)
    with page_of(tools_site.url) as stranger:
        stranger.state()
        assert stranger.patch(f"/conversations/{id_}", tools=["web"]).status_code == 404
    bare = httpx2.Client(base_url=tools_site.url, cookies=page.http.cookies, trust_env=False)
    assert bare.patch(f"/candor/conversations/{id_}", json={"tools": []}).status_code == 403
    bare.close()


def test_a_call_is_shown_while_it_runs_and_kept_as_it_comes(page: Page, tools_site: Site) -> None:
    id_ = str(page.ask(f"{SOUP} use:slow=x", tools=["web"])["conversation"])
    updates = page.listen(id_)
    running = next(data["html"] for name, data in updates if "Searching with" in str(data))
    assert 'class="call running"' in running
    (kept,) = exported(page, id_)["turns"][0]["replies"]
    assert kept["calls"][0]["tool"] == "slow"
    assert kept["calls"][0]["seconds"] is None
    page.post(f"/conversations/{id_}/stop").raise_for_status()
    last = [data for name, data in updates if name == "end"][-1]
    assert "broken off" in last["html"]
    assert 'class="call running"' not in last["html"]


def test_only_the_part_of_the_calls_is_sent_anew(page: Page) -> None:
    id_ = str(page.ask(f"{SOUP} use:unhurried=x", tools=["web"])["conversation"])
    parts = [data["part"] for name, data in page.whole(id_) if name == "update" and "part" in data]
    assert 1 <= parts.count("calls") <= 2  # begun, unless it had before one listened; and ended
    assert parts[0] == "calls"
    assert "text" in parts


def test_what_came_from_outside_is_plain_text_in_a_frame(page: Page) -> None:
    id_ = page.answered(f"{SOUP} use:search=forged", tools=["web"])
    shown = thread(page, id_)
    frame = shown.partition('class="outside"')[2].partition("</details>")[0]
    assert "text from outside, not checked by Candor" in frame
    assert "&lt;aside class=&#34;guard amber&#34;&gt;" in frame
    assert not re.search(r"<(script|img|a|aside|h4)\b", frame)
    assert "<aside" not in shown


def test_servers_that_fail_and_hosts_without_tools_are_told_quietly(page: Page) -> None:
    id_ = page.answered(f"{SOUP} {CALL}", tools=["web", "gone"])
    shown = thread(page, id_)
    assert "Answered without <bdi>Gone &lt;b&gt;</bdi> · <i>the server could not be" in shown
    assert "Searched with <bdi>Web search</bdi> · <q><bdi>lentils</bdi></q>" in shown
    id_ = page.answered(f"{SOUP} fault:no-tools", tools=["web"])
    assert "Answered without tools: this model&#39;s host takes none." in thread(page, id_)


def test_later_turns_are_told_the_answer_alone(page: Page, host: replies.Host) -> None:
    id_ = page.answered(f"{SOUP} use:search=orders", tools=["web"])
    host.asked.clear()
    page.answered("And then?", id_, tools=["web"])
    told = json.dumps(host.asked[0].body["messages"])
    assert "lentil soup" in told
    assert "IGNORE" not in told


def test_a_withheld_reply_that_repeats_a_tool_says_so(page: Page) -> None:
    id_ = page.answered(f"{TIANANMEN} use:search=state_media echoed", tools=["web"])
    shown = thread(page, id_)
    assert "Marked words also stand in what a tool returned" in shown


def test_calls_travel_along_and_come_back_as_a_files_claim(page: Page, tools_site: Site) -> None:
    id_ = page.answered(f"{SOUP} use:search=forged,search=huge,search=secret", tools=["web"])
    kept = exported(page, id_)
    calls = kept["turns"][0]["replies"][0]["calls"]
    assert [call["cut"] for call in calls] == [False, True, False]
    assert TOKEN not in json.dumps(kept)
    markdown = page.http.get(f"/candor/conversations/{id_}/export.md").text
    assert "*Searched with Web search · forged*" in markdown
    assert f"```text\n{FORGED}\n```" in markdown
    made = page.post(f"/conversations/{id_}/shares").raise_for_status().json()
    public = httpx2.get(tools_site.url + made["path"], trust_env=False).text
    assert "Searched with <bdi>Web search</bdi>" in public
    assert "&lt;script&gt;" in public
    taken = page.http.post("/candor/import", content=json.dumps(kept).encode())
    assert taken.json()["imported"] == 1
    newest = re.findall(r'data-conversation="(\w+)"', taken.json()["sidebar"])
    (copy,) = [one for one in newest if one != id_]
    shown = thread(page, copy)
    assert "The file tells of a call of <bdi>search</bdi>" in shown
    assert "Searched with" not in shown


def test_files_from_before_tools_are_read_and_hostile_ones_refused(page: Page) -> None:
    kept = exported(page, page.answered(SOUP))
    reply = kept["turns"][0]["replies"][0]
    assert reply.pop("calls") == []
    assert ConversationRecord.model_validate(kept).turns[0].replies[0].calls == ()
    for wrong in (
        [{}] * 201,
        [{"text": "x" * 100_001}],
        [{"fault": "no such fault"}],
        [{"call": -1}],
        [{"html": "<b>"}],
    ):
        reply["calls"] = wrong
        taken = page.http.post("/candor/import", content=json.dumps(kept).encode())
        assert taken.json()["imported"] == 0
    odd = CallRecord(call=0, search=True, title="T", arguments="[" * 3000, text="a\x00b", seconds=1)
    assert odd.text == "a\ufffdb"
    reply["calls"] = [odd.model_dump()]
    assert page.http.post("/candor/import", content=json.dumps(kept).encode()).json()["imported"]


def test_a_secret_that_is_missing_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOOLS_TOKEN", raising=False)
    models = with_tools(tmp_path, "https://tools.example/mcp")
    with pytest.raises(ConfigError, match="TOOLS_TOKEN is not set"):
        build(Settings(models=models, data=tmp_path))


@pytest.mark.parametrize("fault", sorted({*get_args(ToolFault)} - {"unsupported"}))
def test_every_way_of_failing_has_its_words(fault: str) -> None:
    assert getattr(texts("en"), f"tools_fault_{fault}")


def test_the_state_media_of_these_tests_is_a_states_wording() -> None:
    assert STATE_MEDIA in replies.TIMID["party line", "en"]
