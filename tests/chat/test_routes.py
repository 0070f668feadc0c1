"""Every route over a real socket: the app, a host with OpenAI's protocol behind it, two readers."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import replies
from served import API_KEY, HF_TOKEN, LLAMA, QWEN, SOUP, TIANANMEN, Page, Site, page_of, settles

from chat.routes import QUESTION_LIMIT
from chat.security import BODY_LIMIT
from guard.types import ModelSpec

STALLS = f"{SOUP} fault:stall"
NOBODY = "0" * 32


def shown(state: dict[str, Any]) -> str:
    return str(state["thread"])


def ids(kind: str, html: str) -> list[str]:
    return re.findall(f'data-{kind}="([0-9a-f]{{32}})"', html)


def begun(page: Page, host: replies.Host, question: str = STALLS) -> str:
    """A conversation whose reply has begun to come in, and stalls."""
    id_ = str(page.ask(question)["conversation"])
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    return id_


def detail(response: httpx2.Response) -> str:
    found = response.json()["detail"]
    assert isinstance(found, str)
    return found


# --- the page as it stands --------------------------------------------------------------------


def test_a_new_reader_sees_the_default_model_and_examples(page: Page) -> None:
    state = page.state()
    assert state["model"] == QWEN
    assert state["mode"] == "fall back"
    assert state["conversation"] is None
    assert state["notice"] is None
    assert not state["running"]
    assert not state["demo"]
    assert shown(state).count("data-question=") == 4
    assert "conversations will stand here" in state["sidebar"]


@pytest.mark.parametrize("asked", [LLAMA, LLAMA.lower()])
def test_a_model_may_be_asked_for_in_the_address(page: Page, asked: str) -> None:
    state = page.state(model=asked)
    assert state["model"] == LLAMA
    assert state["notice"] is None


@pytest.mark.parametrize("asked", ["nobody/nothing", "<b>x</b>", "x" * 5000])
def test_an_unknown_model_in_the_address_is_told_and_the_default_taken(
    page: Page, asked: str
) -> None:
    state = page.state(model=asked)
    assert state["model"] == QWEN
    assert asked[:20] in state["notice"]
    assert len(state["notice"]) < 200


def test_a_conversation_keeps_its_model_whatever_the_address_says(page: Page) -> None:
    id_ = page.answered(SOUP)
    assert page.state(id_, model=QWEN)["model"] == LLAMA


@pytest.mark.parametrize(
    ("header", "word"),
    [("zh-CN,zh;q=0.9", "新对话"), ("fr,de", "Nouvelle conversation"), ("fi,sv", "New chat")],
)
def test_the_page_speaks_the_readers_language(site: Site, header: str, word: str) -> None:
    with page_of(site.url, **{"accept-language": header}) as page:
        assert page.state()["say"]["new_chat"] == word


def test_health_needs_nobody(site: Site) -> None:
    found = httpx2.get(f"{site.url}/health", trust_env=False)
    assert (found.status_code, found.json()) == (200, {"status": "ok"})
    assert "set-cookie" not in found.headers


# --- asking -----------------------------------------------------------------------------------


def test_a_question_is_answered(page: Page, host: replies.Host) -> None:
    begun_with = page.ask(SOUP)
    assert SOUP in begun_with["html"]
    assert begun_with["path"] == [begun_with["turn"]]
    *updates, (last, end) = page.whole(begun_with["conversation"])
    assert {name for name, _ in updates} <= {"update"}  # it may have ended before one listens
    assert last == "end"
    assert "check the result" in end["html"]
    state = page.state(begun_with["conversation"])
    assert "check the result" in shown(state)
    assert not state["running"]
    assert state["title"] == SOUP
    assert [asked.question for asked in host.asked] == [SOUP]


def test_a_withheld_reply_is_told_and_marked(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    state = page.state(id_)
    assert "guard amber" in shown(state)
    assert "<mark>" in shown(state)
    assert 'class="withheld"' in state["sidebar"]


def test_a_withheld_reply_is_handed_on(page: Page, host: replies.Host) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    assert [asked.model for asked in host.asked] == [QWEN, LLAMA]
    thread = shown(page.state(id_))
    assert "people-centered" in thread
    assert "opened fire" in thread


def test_the_host_is_told_the_answers_that_were_chosen(page: Page, host: replies.Host) -> None:
    """The successor's answer goes on, not the withheld one; thinking is left out."""
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    page.answered("And then? fault:think", id_, model=LLAMA, mode="off")
    page.answered(SOUP, id_, model=LLAMA, mode="off")
    told = host.asked[-1].body["messages"]
    assert [message["role"] for message in told] == ["user", "assistant"] * 2 + ["user"]
    assert told[1]["content"] == replies.CANDID["tiananmen", "en"]
    assert told[3]["content"].strip() == replies.CANDID["", "en"]
    assert told[4]["content"] == SOUP


def test_an_edited_question_does_not_know_what_came_after(page: Page, host: replies.Host) -> None:
    id_ = page.answered(SOUP)
    page.answered("And a second one?", id_)
    first, second = ids("turn", shown(page.state(id_)))
    edited = page.post(f"/conversations/{id_}/turns/{second}/edit", question="Another second?")
    page.whole(id_)
    assert [m["content"] for m in host.asked[-1].body["messages"]][-1] == "Another second?"
    assert "And a second one?" not in str(host.asked[-1].body)
    assert edited.json()["path"] == [first, edited.json()["turn"]]
    state = shown(page.state(id_))
    assert "Another second?" in state
    assert "And a second one?" not in state
    back = page.post(f"/conversations/{id_}/turns/{second}/show", turn=second).json()
    assert "And a second one?" in back["thread"]


def test_a_retry_is_another_run_and_the_first_can_be_paged_to(page: Page) -> None:
    id_ = page.answered(SOUP)
    (turn,) = ids("turn", shown(page.state(id_)))
    again = page.post(f"/conversations/{id_}/turns/{turn}/retry", model=QWEN)
    assert again.status_code == 200
    page.whole(id_)
    assert "2 of 2" in shown(page.state(id_))
    first = page.post(f"/conversations/{id_}/turns/{turn}/show", run=0).json()["thread"]
    assert "1 of 2" in first
    assert "1 of 2" in shown(page.state(id_))


def test_another_model_answers_below(page: Page, host: replies.Host) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    (turn,) = ids("turn", shown(page.state(id_)))
    assert page.post(f"/conversations/{id_}/turns/{turn}/another").status_code == 200
    page.whole(id_)
    thread = shown(page.state(id_))
    assert len(ids("reply", thread)) == 2
    assert "people-centered" in thread
    assert "opened fire" in thread
    assert host.asked[-1].model == LLAMA


def test_with_nobody_left_to_ask_the_reader_is_told(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    (turn,) = ids("turn", shown(page.state(id_)))
    for _ in range(20):
        answer = page.post(f"/conversations/{id_}/turns/{turn}/another")
        if answer.status_code != 200:
            break
        page.whole(id_)
    assert answer.status_code == 409
    assert "models.yaml" in detail(answer)


def test_a_host_that_we_leave_alone_is_not_said_to_ask_for_it(page: Page) -> None:
    question = f"{SOUP} fault:500@command"
    for _ in range(3):
        id_ = page.answered(question, model="CohereLabs/c4ai-command-a-03-2025", mode="warn")
    told = page.state(id_)["thread"]
    assert "is left alone for a while. Try again in a few seconds" in told
    assert "asks to wait" not in told


def test_rating_is_kept_and_taken_back(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    (reply,) = ids("reply", shown(page.state(id_)))
    path = f"/conversations/{id_}/replies/{reply}/rate"
    assert 'aria-pressed="true"' in page.post(path, feedback="good").json()["html"]
    assert 'aria-pressed="true"' not in page.post(path, feedback=None).json()["html"]
    assert "You marked this reply" in page.post(path, not_withheld=True).json()["html"]
    assert "<mark>" in page.post(path, not_withheld=False).json()["html"]
    assert page.post(path).status_code == 200
    assert page.post(path, not_withheld=None).status_code == 422


def test_a_conversation_is_renamed_deleted_and_brought_back(page: Page) -> None:
    id_ = page.answered(SOUP)
    renamed = page.patch(f"/conversations/{id_}", title="  Lentils & <b>more</b> ")
    assert "Lentils &amp; &lt;b&gt;more&lt;/b&gt;" in renamed.json()["entry"]
    assert page.state(id_)["title"] == "Lentils & <b>more</b>"
    assert page.patch(f"/conversations/{id_}", deleted=True).json()["entry"] is None
    assert id_ not in page.state()["sidebar"]
    gone = page.state(id_)
    assert gone["conversation"] is None
    assert "not there any more" in gone["notice"]
    assert page.post(f"/conversations/{id_}/stop").status_code == 404
    assert id_ in page.patch(f"/conversations/{id_}", deleted=False).json()["entry"]
    assert id_ in page.state()["sidebar"]
    assert SOUP in shown(page.state(id_))


def test_model_and_mode_of_a_conversation_change(page: Page) -> None:
    id_ = page.answered(SOUP)
    assert page.patch(f"/conversations/{id_}", model=QWEN, mode="off").status_code == 200
    state = page.state(id_)
    assert (state["model"], state["mode"]) == (QWEN, "off")


# --- what is refused ---------------------------------------------------------------------------

CHANGES = [
    ("POST", "/ask"),
    ("POST", "/conversations/{c}/turns/{t}/edit"),
    ("POST", "/conversations/{c}/turns/{t}/retry"),
    ("POST", "/conversations/{c}/turns/{t}/another"),
    ("POST", "/conversations/{c}/turns/{t}/show"),
    ("POST", "/conversations/{c}/turns/{t}/choose"),
    ("POST", "/conversations/{c}/stop"),
    ("POST", "/conversations/{c}/replies/{r}/rate"),
    ("POST", "/conversations/{c}/replies/{r}/control"),
    ("POST", "/conversations/{c}/replies/{r}/continue"),
    ("POST", "/conversations/{c}/replies/{r}/fork"),
    ("POST", "/conversations/{c}/temporary/keep"),
    ("DELETE", "/conversations/{c}/temporary"),
    ("PATCH", "/conversations/{c}"),
]
BODIES: dict[str, dict[str, Any]] = {
    "/ask": {"question": SOUP, "model": LLAMA, "mode": "warn", "conversation": ""},
    "/conversations/{c}/turns/{t}/edit": {"question": "Mine?"},
    "/conversations/{c}/turns/{t}/show": {"run": 0},
    "/conversations/{c}/turns/{t}/choose": {"reply": ""},
    "/conversations/{c}/replies/{r}/rate": {"feedback": "bad"},
    "/conversations/{c}": {"title": "Mine", "deleted": True},
}


def request(page: Page, method: str, path: str, names: dict[str, str], **headers: str) -> Any:
    body = dict(BODIES.get(path, {}))
    for key, name in (("conversation", "c"), ("reply", "r")):
        if key in body:
            body[key] = names[name]
    url = "/candor" + path.format(**names)
    return page.http.request(method, url, json=body, headers=headers)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_every_change_needs_our_header(site: Site, method: str, path: str) -> None:
    with httpx2.Client(base_url=site.url, trust_env=False) as http:
        names = {"c": NOBODY, "t": NOBODY, "r": NOBODY}
        answer = request(Page(http), method, path, names)
    assert answer.status_code == 403
    assert "X-Candor" in detail(answer)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "candor.example"])
@pytest.mark.parametrize("path", ["/candor/ask", "/candor/state", "/gradio_api/info"])
def test_no_other_site_may_send_our_header(page: Page, host: str, path: str) -> None:
    """A browser asks first; nothing in the answer says yes."""
    asks = {
        "host": host,
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-candor, content-type",
    }
    answer = page.http.options(path, headers=asks)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    read = page.http.get(path, headers={"host": host, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in read.headers


def test_nobody_reaches_anothers_conversation(
    page: Page, stranger: Page, host: replies.Host
) -> None:
    """All routes are 404, alike to those of no conversation at all, and nothing is changed."""
    id_ = begun(page, host)
    (turn,) = ids("turn", shown(page.state(id_)))
    (reply,) = ids("reply", shown(page.state(id_)))
    own = {"c": id_, "t": turn, "r": reply}
    for method, path in CHANGES:
        theirs = request(stranger, method, path, own)
        nobodys = request(stranger, method, path, dict.fromkeys("ctr", NOBODY))
        assert theirs.status_code == nobodys.status_code == 404, path
        assert theirs.content == nobodys.content
    events = stranger.http.get(f"/candor/conversations/{id_}/events")
    assert events.status_code == 404
    assert events.headers["content-type"] == "application/json"
    assert SOUP not in events.text
    other = stranger.state(id_)
    assert other["conversation"] is None
    assert SOUP not in json.dumps(other)
    assert page.state(id_)["running"], "another reader stopped the reply"
    assert page.state(id_)["title"] == STALLS
    page.post(f"/conversations/{id_}/stop")


def test_a_turn_or_reply_of_another_conversation_is_not_found(page: Page, stranger: Page) -> None:
    """Not even by way of a conversation of one's own."""
    theirs = stranger.answered(SOUP)
    (turn,) = ids("turn", shown(stranger.state(theirs)))
    (reply,) = ids("reply", shown(stranger.state(theirs)))
    own = page.answered(SOUP)
    (mine,) = ids("turn", shown(page.state(own)))
    for path, body in (
        (f"/turns/{turn}/edit", {"question": "Mine?"}),
        (f"/turns/{turn}/retry", {}),
        (f"/turns/{turn}/another", {}),
        (f"/turns/{turn}/show", {"run": 0}),
        (f"/turns/{mine}/show", {"turn": turn}),
        (f"/turns/{turn}/choose", {"reply": reply}),
        (f"/turns/{mine}/choose", {"reply": reply}),
        (f"/replies/{reply}/rate", {"feedback": "bad"}),
        (f"/replies/{reply}/control", {}),
    ):
        assert page.post(f"/conversations/{own}{path}", **body).status_code == 404, path


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "question"),
        ({"question": ""}, "question"),
        ({"question": " \n\t "}, "empty"),
        ({"question": 7}, "question"),
        ({"question": "x" * (QUESTION_LIMIT + 1)}, "question"),
        ({"question": "x", "mode": "loud"}, "mode"),
        ({"question": "x", "model": "nobody/nothing"}, "nobody/nothing"),
        ({"question": "x", "model": LLAMA.replace("70B", "71B")}, LLAMA),
        ({"question": "x", "colour": "red"}, "colour"),
        ({"question": "x", "conversation": 7}, "conversation"),
    ],
)
def test_a_wrong_question_is_told_in_one_sentence(
    page: Page, body: dict[str, Any], told: str
) -> None:
    answer = page.post("/ask", **{"model": LLAMA, "mode": "warn"} | body)
    assert answer.status_code == 422
    assert told in detail(answer)
    assert len(answer.content) < 300
    assert "Your conversations will stand" in page.state()["sidebar"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"title": ""}, "title"),
        ({"title": "  "}, "empty"),
        ({"title": "x" * 201}, "title"),
        ({"mode": "loud"}, "mode"),
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"owner": "me"}, "owner"),
        ({"deleted": "perhaps"}, "deleted"),
    ],
)
def test_a_wrong_change_is_told_and_changes_nothing(
    page: Page, body: dict[str, Any], told: str
) -> None:
    id_ = page.answered(SOUP)
    answer = page.patch(f"/conversations/{id_}", **body)
    assert answer.status_code == 422
    assert told in detail(answer)
    assert page.state(id_)["title"] == SOUP


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b'{"question":1e999}']
)
def test_a_body_that_is_no_json_object_is_told(page: Page, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = page.http.post("/candor/ask", content=content, headers=headers)
    assert answer.status_code in {400, 422}
    assert detail(answer)


@pytest.mark.parametrize("escaped", [b"a\\u0000b", b"a\\ud800b", b"a\xed\xa0\x80b"])
def test_text_that_no_database_takes_is_made_harmless_or_refused(
    page: Page, escaped: bytes
) -> None:
    asked = b'{"question": "%s", "model": "%s", "mode": "off"}' % (escaped, LLAMA.encode())
    headers = {"content-type": "application/json"}
    answer = page.http.post("/candor/ask", content=asked, headers=headers)
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        page.whole(answer.json()["conversation"])
        assert "a\ufffd" in answer.json()["html"]
    id_ = page.answered(SOUP)
    title = b'{"title": "%s"}' % escaped
    renamed = page.http.patch(f"/candor/conversations/{id_}", content=title, headers=headers)
    assert renamed.status_code in {200, 400, 422}
    assert page.state(id_)["title"]


def test_a_question_as_long_as_may_be_is_answered(page: Page, host: replies.Host) -> None:
    page.answered("𝒜" * QUESTION_LIMIT)
    assert len(host.asked[-1].question) == QUESTION_LIMIT


def test_a_body_that_is_too_large_is_refused(page: Page) -> None:
    def pieces() -> Any:
        for _ in range(BODY_LIMIT // 100_000 + 1):
            yield b"x" * 100_000

    headers = {"content-type": "application/json"}
    for content in (b"x" * (BODY_LIMIT + 1), pieces()):
        answer = page.http.post("/candor/ask", content=content, headers=headers)
        assert answer.status_code == 413
        assert str(BODY_LIMIT) in detail(answer)


def test_nobody_leaves_anything_with_gradio(page: Page) -> None:
    for size, status in ((1, 404), (BODY_LIMIT + 1, 413)):
        files = {"files": ("x.txt", b"x" * size)}
        assert page.http.post("/gradio_api/upload", files=files).status_code == status


# --- cookies and headers ------------------------------------------------------------------------


def test_a_reader_is_known_by_a_cookie_that_no_script_reads(site: Site) -> None:
    with page_of(site.url) as page:
        first = page.http.get("/candor/state").headers["set-cookie"]
        again = page.http.get("/candor/state").headers
    assert re.match(r"candor_reader=[0-9a-f]{32};", first)
    assert "HttpOnly" in first
    assert "samesite=lax" in first.lower()
    assert "Max-Age=31536000" in first
    assert "secure" not in first.lower()
    assert "set-cookie" not in again


@pytest.mark.parametrize("value", ["", "x", "0" * 31, "0" * 33, "g" * 32, "0" * 31 + "\u00e9"])
def test_a_cookie_that_is_not_ours_is_replaced(site: Site, value: str) -> None:
    cookie = f"candor_reader={value}".encode()
    answer = httpx2.get(f"{site.url}/candor/state", headers={b"cookie": cookie}, trust_env=False)
    assert re.match(r"candor_reader=[0-9a-f]{32};", answer.headers["set-cookie"])


@pytest.mark.parametrize(
    "path", ["/", "/health", "/candor/state", "/candor/nothing", "/candor/ask"]
)
def test_every_answer_keeps_the_page_to_itself(page: Page, path: str) -> None:
    headers = page.http.get(path).headers
    rules = headers["content-security-policy"]
    assert "default-src 'self'" in rules
    assert "img-src 'self' data: blob:" in rules
    assert "http" not in rules
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


# --- while a reply runs -------------------------------------------------------------------------


def test_stop_ends_the_request_to_the_host(page: Page, host: replies.Host) -> None:
    id_ = begun(page, host)
    assert page.state(id_)["running"]
    assert page.post(f"/conversations/{id_}/stop").status_code == 200
    assert host.settles(lambda: host.answering == 0)
    state = page.state(id_)
    assert not state["running"]
    assert "You stopped this reply here" in shown(state)
    assert "Here is a short answer" in shown(state)
    assert page.post(f"/conversations/{id_}/stop").status_code == 200


def test_two_tabs_watch_one_reply_and_one_may_leave(page: Page, host: replies.Host) -> None:
    id_ = begun(page, host)
    one, two, three = (page.listen(id_) for _ in range(3))
    for tab in (one, two, three):
        assert "Here is" in next(tab)[1]["html"]
    one.close()
    assert len(host.asked) == 1
    assert page.state(id_)["running"], "a tab that left stopped the reply"
    page.post(f"/conversations/{id_}/stop")
    ends = [list(tab)[-1] for tab in (two, three)]
    assert ends[0] == ends[1]
    assert "You stopped this reply here" in ends[0][1]["html"]


def test_a_reader_who_leaves_finds_the_reply_later(page: Page, host: replies.Host) -> None:
    id_ = str(page.ask(f"{SOUP} fault:slow")["conversation"])
    tab = page.listen(id_)
    next(tab)
    tab.close()
    assert settles(lambda: not page.state(id_)["running"])
    assert "check the result" in shown(page.state(id_))


def test_asking_while_a_reply_runs_stops_it_and_goes_on_from_it(
    page: Page, host: replies.Host
) -> None:
    id_ = begun(page, host)
    page.answered("And then?", id_)
    assert host.settles(lambda: host.answering == 0)
    thread = shown(page.state(id_))
    assert "You stopped this reply here" in thread
    assert len(ids("turn", thread)) == 2
    told = host.asked[-1].body["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"].startswith("Here is")


def test_retries_at_once_are_runs_of_their_own(page: Page, site: Site) -> None:
    id_ = page.answered(SOUP)
    (turn,) = ids("turn", shown(page.state(id_)))
    path = f"/conversations/{id_}/turns/{turn}/retry"
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: page.post(path), range(5)))
    assert {answer.status_code for answer in answers} == {200}
    page.whole(id_)
    thread = shown(page.state(id_))
    assert "6 of 6" in thread
    assert len(ids("reply", thread)) == 1


def test_questions_at_once_each_have_their_turn(page: Page) -> None:
    id_ = page.answered(SOUP)
    with ThreadPoolExecutor(5) as pool:
        asked = list(pool.map(lambda n: page.ask(f"Question {n}?", id_), range(5)))
    page.whole(id_)
    thread = shown(page.state(id_))
    assert set(ids("turn", thread)) >= {one["turn"] for one in asked}
    assert len(ids("reply", thread)) == 6


def test_deleting_stops_what_runs(page: Page, host: replies.Host) -> None:
    id_ = begun(page, host)
    page.patch(f"/conversations/{id_}", deleted=True)
    assert host.settles(lambda: host.answering == 0)


def test_watching_where_nothing_runs_ends_at_once(page: Page) -> None:
    id_ = page.answered(SOUP)
    (only,) = page.whole(id_)
    assert only[0] == "end"
    assert "check the result" in only[1]["html"]


def test_the_stream_is_one_that_no_proxy_holds_back(page: Page, host: replies.Host) -> None:
    id_ = begun(page, host)
    with page.http.stream("GET", f"/candor/conversations/{id_}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] in {"no-cache", "no-store"}
        assert response.headers["x-accel-buffering"] == "no"
    page.post(f"/conversations/{id_}/stop")


def test_finished_replies_are_let_go_of(page: Page, site: Site) -> None:
    for _ in range(3):
        page.answered(SOUP)
    assert settles(lambda: site.running() == 0)


# --- faults and secrets --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["429", "500", "401", "disconnect", "garbage", "empty"])
def test_a_host_that_fails_is_told_and_can_be_asked_again(page: Page, fault: str) -> None:
    id_ = page.answered(f"{SOUP} fault:{fault}")
    assert 'class="fault"' in shown(page.state(id_))
    page.answered(SOUP, id_)
    assert "check the result" in shown(page.state(id_))


@pytest.mark.parametrize("fault", ["error-with-key", "401", "400", "500"])
def test_no_secret_is_told_kept_or_logged(
    page: Page, site: Site, host: replies.Host, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        id_ = str(page.ask(f"{SOUP} fault:{fault}")["conversation"])
        heard = json.dumps(page.whole(id_)) + json.dumps(page.state(id_))
    assert host.asked[-1].headers["authorization"] == f"Bearer {API_KEY}"
    file = site.app.state.settings.data / "candor.sqlite3"
    with sqlite3.connect(file) as connection:
        kept = str(connection.execute("SELECT * FROM reply").fetchall())
    for secret in (API_KEY, HF_TOKEN):
        assert secret not in heard
        assert secret not in kept
        assert secret not in caplog.text
        assert secret not in repr(site.app.state.settings)


def test_a_model_that_is_gone_from_the_catalogue_leaves_its_replies_readable(
    page: Page, site: Site
) -> None:
    id_ = page.answered(SOUP)
    file = site.app.state.settings.data / "candor.sqlite3"
    gone = ModelSpec(
        id="gone/away", name="Gone", developer="Nobody", origin="SE", licence="MIT",
        context=1, card="https://a.example",
    ).model_dump_json()  # fmt: skip
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE conversation SET model = 'gone/away' WHERE id = ?", (id_,))
        connection.execute("UPDATE reply SET model = ?", (gone,))
    state = page.state(id_)
    assert "Gone" in shown(state)
    assert state["model"] == QWEN
    assert "gone/away" in state["notice"]
    (turn,) = ids("turn", shown(state))
    answer = page.post(f"/conversations/{id_}/turns/{turn}/retry")
    assert answer.status_code == 422
    assert "gone/away" in detail(answer)


def test_a_replys_markdown_is_only_for_its_reader(page: Page, stranger: Page) -> None:
    asked = page.ask(SOUP)
    conversation = asked["conversation"]
    list(page.listen(conversation))
    thread = page.state(conversation)["thread"]
    reply = re.search(r'data-reply="(\w+)"', thread)
    assert reply is not None
    path = f"/candor/conversations/{conversation}/replies/{reply[1]}"
    assert page.http.get(path).json()["markdown"].strip()
    assert stranger.http.get(path).status_code == 404
    assert page.http.get(f"{path}x").status_code == 404
