"""What the reader may have the guard do, over a real socket: modes, the chosen reply, evidence.

The app's operator has set chains, limits and a judge of their own; the models are the test host's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import replies
from served import (
    LLAMA,
    QWEN,
    SOUP,
    TIANANMEN,
    Page,
    Site,
    page_of,
    reader_of,
    serving,
    settings_of,
)

from chat.settings import Settings

HEDGES, JUDGE, WITHHOLDS, CH = "hedges/cn", "judge/fair", "withholds/fi", "candid/ch"


def entry(id_: str, origin: str) -> str:
    return (
        f"  - {{id: {id_}, name: {id_}, developer: Test, origin: {origin}, licence: MIT, "
        "context: 4096, card: 'https://example.org'}\n"
    )


MODELS = {QWEN: "CN", HEDGES: "CN", WITHHOLDS: "FI", CH: "CH", LLAMA: "US", JUDGE: "SE"}
ENTRIES = "".join(entry(id_, origin) for id_, origin in MODELS.items())
OPERATED = f"""\
default: {QWEN}
guard:
  mode: fall back
  modes: [warn, fall back, compare]
  fallbacks: [{WITHHOLDS}, {CH}, {LLAMA}]
  limits: {{models: 2}}
  second_opinion: {{judges: [{JUDGE}]}}
models:
{ENTRIES}"""


@pytest.fixture(scope="module")
def operated_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("operated")
    (folder / "models.yaml").write_text(OPERATED)
    models = folder / "models.yaml"
    with serving(settings_of(shared_host.base_url, folder, models=models)) as site:
        yield site


@pytest.fixture
def operated(operated_site: Site, host: replies.Host) -> Iterator[Page]:
    """A reader of an app whose operator has set more than ours."""
    with reader_of(operated_site) as page:
        yield page


def shown(page: Page, id_: str) -> str:
    return str(page.state(id_)["thread"])


def articles(thread: str) -> list[str]:
    return re.findall(r"<article.*?</article>", thread, re.DOTALL)


def ids(kind: str, html: str) -> list[str]:
    return re.findall(f'data-{kind}="([0-9a-f]{{32}})"', html)


# Modes


def test_a_reader_sets_the_mode_of_new_conversations(page: Page, site: Site) -> None:
    before = page.answered(SOUP, mode="off")
    assert page.patch("/preferences", mode="compare").json() == {"preferred": "compare"}
    state = page.state()
    assert (state["mode"], state["preferred"]) == ("compare", "compare")
    assert page.state(before)["mode"] == "off", "a conversation keeps its own"
    with page_of(site.url) as other:
        assert other.state()["mode"] == "fall back"


def test_the_operator_bounds_the_readers_choice(operated: Page) -> None:
    assert operated.state()["modes"] == ["warn", "fall back", "compare"]
    body = {"question": SOUP, "model": LLAMA, "mode": "off"}
    for refused in (
        operated.post("/ask", **body),
        operated.patch("/preferences", mode="off"),
        operated.patch(f"/conversations/{operated.answered(SOUP)}", mode="off"),
    ):
        assert refused.status_code == 422
        assert "warn, fall back, compare" in refused.json()["detail"]


@pytest.mark.parametrize("mode", ["", "both", None, 3])
def test_what_is_no_mode_is_refused(page: Page, mode: Any) -> None:
    answer = page.patch("/preferences", mode=mode)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("mode: ")


def test_compare_shows_two_of_different_origins_side_by_side(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="compare")
    first, second = articles(shown(page, id_))
    assert 'data-lane="0"' in first
    assert 'data-lane="1"' in second
    assert "guard amber" in first
    assert "guard" not in second.replace("data-part", "")
    assert "people-centered" in first
    assert "opened fire" in second


def test_another_model_below_a_comparison_is_one_more(page: Page, host: replies.Host) -> None:
    """Not two more: it answers below what stands there."""
    id_ = page.answered(TIANANMEN, model=QWEN, mode="compare")
    (turn,) = ids("turn", shown(page, id_))
    assert page.post(f"/conversations/{id_}/turns/{turn}/another").status_code == 200
    page.whole(id_)
    assert len(articles(shown(page, id_))) == 3
    assert len(host.asked) == 3


# Which reply the conversation goes on with


@pytest.mark.parametrize("mode", ["fall back", "compare"])
def test_the_reader_chooses_the_reply_to_go_on_with(
    page: Page, host: replies.Host, mode: str
) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode=mode)
    thread = shown(page, id_)
    (turn,) = ids("turn", thread)
    withheld, answer = ids("reply", thread)
    first, second = articles(thread)
    assert "goes on with this reply" in second
    assert "Go on with this reply" in first
    chosen = page.post(f"/conversations/{id_}/turns/{turn}/choose", reply=withheld)
    first, second = articles(chosen.json()["html"])
    assert "goes on with this reply" in first
    page.answered("And then?", id_, model=LLAMA, mode="off")
    told = host.asked[-1].body["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"].startswith("In the spring and early summer")
    page.post(f"/conversations/{id_}/turns/{turn}/choose", reply=answer)
    page.answered("And then?", id_, model=LLAMA, mode="off")
    assert host.asked[-1].body["messages"][1]["content"] == replies.CANDID["tiananmen", "en"]


def test_a_reply_alone_needs_no_choice(page: Page) -> None:
    thread = shown(page, page.answered(SOUP))
    assert "go on with this reply" not in thread.lower()


# Limits


def test_the_operators_limit_is_told(operated: Page, host: replies.Host) -> None:
    id_ = operated.answered(TIANANMEN, model=QWEN, mode="fall back")
    thread = shown(operated, id_)
    assert [asked.model for asked in host.asked] == [QWEN, WITHHOLDS]
    assert "As many models were asked as the operator allows" in thread


# Who serves


def test_a_change_of_the_provider_is_shown(page: Page) -> None:
    id_ = page.answered(SOUP)
    page.answered(f"{SOUP} fault:routed", id_)
    first, second = articles(shown(page, id_))
    assert "before:" not in first
    assert "Novita AI</bdi>, United States" in second
    assert "before: <bdi>127.0.0.1</bdi>" in second


def test_what_a_reply_took_is_shown(page: Page) -> None:
    (reply,) = articles(shown(page, page.answered(SOUP)))
    said = len(replies.pieces_of(replies.CANDID["", "en"]))
    took = re.search(r'class="took">([\d.]+) s · (\d+) tokens', reply)
    assert took is not None
    assert int(took[2]) == said


# Evidence


def test_an_unsure_verdict_shows_who_was_asked_and_what_it_said(
    operated: Page, host: replies.Host
) -> None:
    id_ = operated.answered(TIANANMEN, model=HEDGES, mode="warn")
    (reply,) = articles(shown(operated, id_))
    assert [asked.model for asked in host.asked] == [HEDGES, JUDGE]
    assert "judge/fair from Sweden" in reply
    assert re.search(r"<blockquote[^>]*>The words show it.</blockquote>", reply)
    assert 'class="withheld"' in operated.state(id_)["sidebar"]


def test_a_judges_words_are_quoted_and_escaped(
    shared_host: replies.Host, tmp_path: Path, host: replies.Host
) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(OPERATED.replace(JUDGE, "judge/hostile"))
    settings = Settings(base_url=host.base_url, data=tmp_path, models=path, timeout=20)
    with serving(settings) as site, page_of(site.url) as page:
        (reply,) = articles(shown(page, page.answered(TIANANMEN, model=HEDGES, mode="warn")))
    assert "<script" not in reply
    assert "&lt;script&gt;" in reply
    assert "<img" not in reply
    assert len(reply) < 6000


def test_one_click_asks_the_matched_control(page: Page, host: replies.Host) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    (reply,) = ids("reply", shown(page, id_))
    thread = page.post(f"/conversations/{id_}/replies/{reply}/control").json()["html"]
    size = len(replies.CANDID["kent state", "en"])
    assert f"Asked about the Kent State shootings of 1970, the same model answered in {size}" in (
        thread
    )
    assert "<b>evaded</b>" in thread
    assert f"<b>answered</b> · {size} characters" in thread
    assert host.asked[-1].model == QWEN
    assert [m["role"] for m in host.asked[-1].body["messages"]] == ["user"]
    again = shown(page, id_)
    assert "Kent State" in again, "it is kept as part of the verdict"
    assert 'data-act="control"' not in again


def test_a_control_of_a_reply_without_a_topic_is_refused(page: Page, host: replies.Host) -> None:
    id_ = page.answered(SOUP)
    (reply,) = ids("reply", shown(page, id_))
    assert page.post(f"/conversations/{id_}/replies/{reply}/control").status_code == 409
    assert len(host.asked) == 1


def test_a_host_that_fails_at_the_control_leaves_the_verdict(
    page: Page, host: replies.Host
) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    (reply,) = ids("reply", shown(page, id_))
    before = shown(page, id_)
    with host.failing("500"):
        answer = page.post(f"/conversations/{id_}/replies/{reply}/control")
    assert answer.status_code == 502
    assert "out of order" in answer.json()["detail"]
    assert shown(page, id_) == before
