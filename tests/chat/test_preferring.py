"""The settings over a real socket: preferences, options of models, what is stored, deletion."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, Site, page_of

PROMPT = "Answer as a librarian <b>would</b>, {n} & all."
BRIEF = {"system": PROMPT, "temperature": 0.25, "max_tokens": 300}
GEMMA = "google/gemma-3-27b-it"


@pytest.fixture
def reader(site: Site) -> Iterator[Page]:
    """A reader who has just come, and whose settings go with them."""
    with page_of(site.url) as page:
        page.state()
        yield page


def set_options(page: Page, model: str, **options: Any) -> Any:
    return page.http.put("/candor/settings/model", json={"model": model, "options": options})


def settings(page: Page) -> dict[str, Any]:
    return dict(page.http.get("/candor/settings").raise_for_status().json())


def stored(page: Page) -> list[str]:
    html = page.http.get("/candor/stored").raise_for_status().json()["stored"]
    return re.findall(r"<dd>(.*?)</dd>", html)


def ids(kind: str, html: str) -> list[str]:
    return re.findall(rf'data-{kind}="(\w+)"', html)


def body_of(host: replies.Host, model: str) -> dict[str, Any]:
    return [asked.body for asked in host.asked if asked.model == model][-1]


# --- preferences ----------------------------------------------------------------------------------


def test_a_default_model_holds_for_new_conversations(reader: Page) -> None:
    before = reader.answered(SOUP, model=LLAMA)
    assert reader.state()["model"] == QWEN
    assert reader.patch("/preferences", model=GEMMA).status_code == 200
    now = reader.state()
    assert (now["model"], now["default_model"], now["notice"]) == (GEMMA, GEMMA, None)
    assert reader.state(model=LLAMA)["model"] == LLAMA, "an address leads"
    assert reader.state(before)["model"] == LLAMA, "a conversation keeps its own"
    assert now["picker"].count("your default") == 1
    assert f'value="{GEMMA}" selected' in settings(reader)["defaults"]
    assert reader.patch("/preferences", model=None).status_code == 200
    assert reader.state()["model"] == QWEN
    assert "As the operator set: Qwen2.5-72B-Instruct" in settings(reader)["defaults"]


def test_a_default_that_is_no_longer_on_offer_is_told(reader: Page, site: Site) -> None:
    """As after the operator's next models.yaml: the row is there, the model is not."""
    reader.patch("/preferences", model=GEMMA)
    owner = f"cookie:{reader.http.cookies['candor_reader']}"
    with sqlite3.connect(site.app.state.settings.data / "candor.sqlite3") as connection:
        gone = ("gone/<b>Away", owner)
        connection.execute("UPDATE preferences SET model = ? WHERE owner = ?", gone)
    now = reader.state()
    assert now["model"] == QWEN
    assert now["notice"] == "There is no model 'gone/<b>Away' here."
    assert "gone/&lt;b&gt;Away (no longer on offer)" in settings(reader)["defaults"]


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({"model": "no/such"}, "No model 'no/such' is on offer."),
        ({"model": 3}, "model: "),
        ({"theme": "sepia"}, "theme: "),
        ({"theme": None}, "theme: "),
        ({"language": "xx"}, "language: "),
        ({"owner": "cookie:other"}, "owner: "),
    ],
)
def test_what_cannot_be_preferred_is_refused(reader: Page, body: Any, about: str) -> None:
    answer = reader.patch("/preferences", **body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(about)
    assert (reader.state()["default_model"], reader.state()["theme"]) == (None, None)


def test_the_theme_goes_to_another_device(reader: Page, site: Site) -> None:
    assert reader.state()["theme"] is None
    reader.patch("/preferences", theme="dark")
    with page_of(site.url) as elsewhere:
        assert elsewhere.state()["theme"] is None
        elsewhere.http.cookies.clear()
        elsewhere.http.cookies.update(reader.http.cookies)  # as a sign-in names the same reader
        assert elsewhere.state()["theme"] == "dark"


# --- options of a model ---------------------------------------------------------------------------


def test_options_go_with_questions_to_their_model_and_a_fallback_has_its_own(
    reader: Page, host: replies.Host
) -> None:
    answer = set_options(reader, QWEN, **BRIEF)
    assert answer.json()["shaped"] == [QWEN]
    set_options(reader, LLAMA, top_p=0.5)
    id_ = reader.answered(TIANANMEN, model=QWEN, mode="fall back")
    asked = body_of(host, QWEN)
    assert asked["messages"][0] == {"role": "system", "content": PROMPT}
    assert (asked["temperature"], asked["max_tokens"], "top_p" in asked) == (0.25, 300, False)
    instead = body_of(host, LLAMA)
    assert [message["role"] for message in instead["messages"]] == ["user"]
    assert (instead["top_p"], "temperature" in instead) == (0.5, False)
    thread = reader.state(id_)["thread"]
    first, second = re.findall(r"<article.*?</article>", thread, re.DOTALL)
    assert "your settings: system prompt · temperature 0.25 · at most 300 tokens" in first
    assert "A system prompt of yours was in force." in first
    assert "your settings: top-p 0.5" in second
    assert "librarian" not in thread


def test_the_page_marks_where_a_system_prompt_is_in_force(reader: Page, site: Site) -> None:
    mark = "Your system prompt is in force"
    assert mark not in reader.state()["picked"]
    set_options(reader, QWEN, temperature=1)
    assert mark not in reader.state()["picked"], "parameters alone say nothing else"
    set_options(reader, QWEN, **BRIEF)
    assert mark in reader.state()["picked"]
    assert reader.state()["picker"].count("own settings") == 1
    assert mark in reader.ask(SOUP, model=QWEN)["picked"]
    with page_of(site.url) as other:
        assert mark not in other.state()["picked"]
        assert settings(other)["options"] == {}
    reader.whole(ids("conversation", reader.state()["sidebar"])[0])


def test_what_is_set_stays_until_it_is_emptied(reader: Page) -> None:
    set_options(reader, QWEN, **BRIEF)
    assert settings(reader)["options"] == {QWEN: BRIEF | {"top_p": None}}
    assert "Qwen2.5-72B-Instruct · own settings" in settings(reader)["models"]
    assert set_options(reader, QWEN, system="").json()["shaped"] == []
    assert settings(reader)["options"] == {}


@pytest.mark.parametrize(
    ("model", "options", "status", "about"),
    [
        (QWEN, {"temperature": 2.5}, 422, "options.temperature: "),
        (QWEN, {"temperature": "warm"}, 422, "options.temperature: "),
        (QWEN, {"top_p": 0}, 422, "options.top_p: "),
        (QWEN, {"max_tokens": 0}, 422, "options.max_tokens: "),
        (QWEN, {"max_tokens": 10**9}, 422, "options.max_tokens: "),
        (QWEN, {"system": "x" * 8001}, 422, "options.system: "),
        (QWEN, {"stop": "."}, 422, "options.stop: "),
        ("no/such", {"system": "x"}, 422, "No model 'no/such' is on offer."),
    ],
)
def test_options_out_of_bounds_are_refused_and_nothing_is_lost(
    reader: Page, model: str, options: Any, status: int, about: str
) -> None:
    set_options(reader, QWEN, top_p=0.5)
    answer = set_options(reader, model, **options)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(about)
    assert settings(reader)["options"][QWEN]["top_p"] == 0.5


def test_a_prompt_of_odd_characters_is_kept_as_text(reader: Page, host: replies.Host) -> None:
    said = r"a\u0000b\ud800 \u202e</textarea>"
    raw = f'{{"model": "{QWEN}", "options": {{"system": "{said}"}}}}'
    answer = reader.http.put(
        "/candor/settings/model", content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200
    assert settings(reader)["options"][QWEN]["system"] == "a\ufffdb\ufffd \u202e</textarea>"
    reader.answered(SOUP, model=QWEN)
    assert body_of(host, QWEN)["messages"][0]["content"].startswith("a\ufffdb\ufffd")


def test_a_host_that_refuses_a_parameter_is_told_with_what_to_do(reader: Page) -> None:
    set_options(reader, QWEN, temperature=2)
    thread = reader.state(reader.answered("Why? fault:400", model=QWEN))["thread"]
    assert "which carried settings of your own" in thread
    assert "clear what you have set for this model" in thread


def test_the_control_question_is_asked_under_the_same_prompt(
    reader: Page, host: replies.Host
) -> None:
    set_options(reader, QWEN, **BRIEF)
    id_ = reader.answered(TIANANMEN, model=QWEN)
    set_options(reader, QWEN)  # what was in force then holds, not what is set now
    (reply,) = ids("reply", reader.state(id_)["thread"])
    assert reader.post(f"/conversations/{id_}/replies/{reply}/control").status_code == 200
    asked = body_of(host, QWEN)
    assert "Kent State" in asked["messages"][-1]["content"]
    assert asked["messages"][0]["content"] == PROMPT


# --- where a reply goes ---------------------------------------------------------------------------


def test_a_link_says_that_a_prompt_was_in_force_and_holds_none_of_its_words(
    reader: Page, site: Site
) -> None:
    set_options(reader, QWEN, **BRIEF)
    id_ = reader.answered(TIANANMEN, model=QWEN)
    path = reader.post(f"/conversations/{id_}/shares").json()["path"]
    with page_of(site.url) as visitor:
        found = visitor.http.get(path).text
        assert "settings of who asked: system prompt · temperature 0.25" in found
        assert "A system prompt of whoever asked was in force." in found
        assert "librarian" not in found
        copied = visitor.post(f"/shares/{path.removeprefix('/s/')}/continue").json()
        thread = visitor.state(copied["conversation"])["thread"]
        assert "A system prompt of whoever asked was in force." in thread
        assert "Ask the control question" not in thread, "it could not be asked as this one was"
        (reply,) = ids("reply", thread)
        way = f"/conversations/{copied['conversation']}/replies/{reply}/control"
        assert visitor.post(way).status_code == 409


def test_exports_carry_the_fact_and_the_json_its_words(reader: Page) -> None:
    set_options(reader, QWEN, **BRIEF)
    id_ = reader.answered(TIANANMEN, model=QWEN)
    record = reader.http.get(f"/candor/conversations/{id_}/export.json").json()
    (reply,) = record["turns"][0]["replies"]
    assert reply["prompted"]
    assert reply["options"] == BRIEF | {"top_p": None}
    text = reader.http.get(f"/candor/conversations/{id_}/export.md").text
    assert "your settings: system prompt · temperature 0.25" in text
    assert "A system prompt of yours was in force." in text
    assert "librarian" not in text
    reader.http.post("/candor/import", content=json.dumps(record)).raise_for_status()
    (copy,) = {*ids("conversation", reader.state()["sidebar"])} - {id_}
    imported = reader.state(copy)["thread"]
    assert "settings of who asked: system prompt" in imported
    assert "A system prompt of whoever asked was in force." in imported


def test_an_export_of_an_earlier_candor_still_comes_in(reader: Page) -> None:
    id_ = reader.answered(TIANANMEN, model=QWEN)
    record = reader.http.get(f"/candor/conversations/{id_}/export.json").json()
    for turn in record["turns"]:
        del turn["votes"]
        for reply in turn["replies"]:
            del reply["options"], reply["prompted"]
    answer = reader.http.post("/candor/import", content=json.dumps(record)).json()
    assert answer["imported"] == 1


# --- what is stored, and deletion -----------------------------------------------------------------


def test_what_is_stored_is_told_in_figures(reader: Page) -> None:
    assert stored(reader) == ["0"] * 7
    id_ = reader.answered(SOUP, model=QWEN)
    reader.patch("/preferences", theme="dark")
    said = reader.state(id_)["thread"]
    (reply,) = ids("reply", said)
    words = reader.http.get(f"/candor/conversations/{id_}/replies/{reply}").json()["markdown"]
    conversations, messages, characters, *rest = stored(reader)[:7]
    assert (conversations, messages) == ("1", "2")
    assert int(characters.replace(",", "")) == len(SOUP) + len(words)
    assert rest == ["0", "0", "0", "1"]


def test_all_of_a_readers_data_goes_at_once(reader: Page, stranger: Page, site: Site) -> None:
    theirs = stranger.answered(SOUP)
    set_options(reader, QWEN, **BRIEF)
    reader.patch("/preferences", theme="dark", language="de", model=GEMMA)
    id_ = reader.answered(SOUP, model=LLAMA)
    path = reader.post(f"/conversations/{id_}/shares").json()["path"]
    running = reader.ask("show many words fault:slow", model=LLAMA)["conversation"]
    assert site.running() == 1
    before = reader.http.cookies["candor_reader"]
    answer = reader.http.delete("/candor/data")
    assert answer.status_code == 200
    assert site.running() == 0, "what ran was stopped"
    assert "candor_reader" not in reader.http.cookies
    assert "candor_language" not in reader.http.cookies
    assert reader.http.get(path).status_code == 404
    for cookies in ({}, {"candor_reader": before}):  # as a new reader, and as who kept the cookie
        reader.http.cookies.clear()
        reader.http.cookies.update(cookies)
        now = reader.state(running)
        assert (now["conversation"], now["theme"], now["language"]) == (None, None, "en")
        assert now["default_model"] is None
        assert ids("conversation", now["sidebar"]) == []
        assert stored(reader) == ["0"] * 7
    assert stranger.state(theirs)["conversation"] == theirs


def test_nothing_is_changed_without_the_pages_header(reader: Page) -> None:
    set_options(reader, QWEN, **BRIEF)
    for method, path, body in (
        ("DELETE", "/data", None),
        ("PUT", "/settings/model", {"model": QWEN, "options": {}}),
        ("PATCH", "/preferences", {"theme": "dark"}),
    ):
        request = reader.http.build_request(method, f"/candor{path}", json=body)
        del request.headers["x-candor"]
        assert reader.http.send(request).status_code == 403
    assert settings(reader)["options"][QWEN]["temperature"] == 0.25
