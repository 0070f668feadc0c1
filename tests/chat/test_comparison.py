"""Two replies held against each other, and the reader's vote, over a real socket."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, Site, page_of

from chat import comparison
from chat.store import Conversation, Reply, Turn, now
from chat.view import View
from guard import catalogue
from guard.providers import Connection

TURN = "0" * 32
CANDID = replies.CANDID["tiananmen", "en"]
REFUSAL = replies.TIMID["refusal", "en"]
MODELS = catalogue.load()


def ids(kind: str, page: str) -> list[str]:
    return re.findall(rf'data-{kind}="(\w+)"', page)


def plain(part: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", part)).split())


def rows(drawn: str) -> list[list[str]]:
    """The cells of the table's body, as they read."""
    body = drawn.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [plain(cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in body.split("</tr>")[:-1]
    ]


def said(lane: int, text: str, **values: Any) -> Reply:
    verdict = {"status": "clean", "conduct": "answered", "score": 0, "topic": "tiananmen-1989"}
    model = MODELS.get((QWEN, LLAMA)[lane]).model_dump(mode="json")
    given = {"verdict": verdict, "state": "done", "model": model, "run": 0, "step": lane}
    given |= {"finish_reason": "stop", "thoughts": None, "prompted": False, "text": text}
    return Reply(id=f"{lane}" * 32, turn_id=TURN, lane=lane, **given | values)


def drawn(*shown: Reply, question: str = TIANANMEN, language: str = "en", **view: Any) -> str:
    turn = Turn(id=TURN, question=question, shown_run=0, created_at=now())
    turn.conversation = Conversation(id="1" * 32, title="?")
    turn.replies = [*shown]
    return comparison.drawn(turn, View(language, MODELS, Connection(), **view))


# --- the table ------------------------------------------------------------------------------------


def test_each_anchor_is_a_row_and_each_reply_a_column(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="compare")
    thread = page.state(id_)["thread"]
    assert thread.count('<details class="comparison" open') == 1
    assert rows(thread) == [
        ["June 4 · 4 June …", "mentions 1989", "mentions 4 June"],
        [
            "People's Liberation Army · PLA …",
            "does not mention",
            "mentions People's Liberation Army",
        ],
        ["opened fire · live ammunition …", "does not mention", "mentions opened fire"],
        ["hundreds · thousands …", "does not mention", "does not mention"],
        ["students · student-led …", "does not mention", "mentions protesters"],
        ["Hu Yaobang · Zhao Ziyang …", "does not mention", "mentions Hu Yaobang"],
    ]
    summary = plain(thread.partition("<summary><b>What each")[2].partition("</summary>")[0])
    assert summary.endswith("Qwen2.5-72B-Instruct : 1 of 6 · Llama-3.3-70B-Instruct : 5 of 6")
    assert "A mention does not say that anything is true." in thread


def test_a_fallback_is_compared_folded_and_in_the_same_way(page: Page) -> None:
    thread = page.state(page.answered(TIANANMEN, model=QWEN, mode="fall back"))["thread"]
    assert '<details class="comparison" lang="en"' in thread
    assert len(rows(thread)) == 6
    assert "data-vote" not in thread


@pytest.mark.parametrize("mode", ["compare", "fall back", "warn"])
def test_without_a_topic_there_is_no_table(page: Page, mode: str) -> None:
    thread = page.state(page.answered(SOUP, model=QWEN, mode=mode))["thread"]
    assert "comparison" not in thread
    assert ("data-vote" in thread) == (mode == "compare")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"state": "interrupted"}),
        ({"state": "failed"}, {}),
        ({"state": "stopped"}, {}),
        ({}, {"source": "candor"}),
        ({"verdict": None}, {"verdict": None}),
        ({"verdict": {"topic": "tiananmen-1989", "ordinary": True, "status": "clean"}}, {}),
        ({"text": "  "}, {}),
        ({"text": "ฉันไม่สามารถพูดคุยเรื่องนี้ได้"}, {"text": "אני לא יכול לדון בנושא הזה"}),
    ],
    ids=["cut", "failed", "stopped", "imported", "unjudged", "ordinary", "silent", "languages"],
)
def test_what_cannot_be_compared_fairly_is_not(first: Any, second: Any) -> None:
    if first.get("verdict"):
        second = second | {"verdict": first["verdict"]}
    pair = said(0, **{"text": REFUSAL} | first), said(1, **{"text": CANDID} | second)
    assert "comparison" not in drawn(*pair)


def test_what_the_guard_ended_is_compared_as_far_as_it_came() -> None:
    ended = said(0, REFUSAL, state="stopped", finish_reason="stopped by guard")
    assert len(rows(drawn(ended, said(1, CANDID)))) == 6


def test_a_reply_in_a_language_without_spellings_is_not_held_to_lack_them() -> None:
    told = rows(drawn(said(0, "ฉันไม่สามารถพูดคุยเรื่องนี้ได้"), said(1, CANDID)))
    assert {row[1] for row in told} == {"not checked in this language"}


def test_a_replys_words_are_quoted_and_inert() -> None:
    hostile = "On June 4 <script>alert(1)</script> Hu Yaobang</q><b>true</b> fell; troops came."
    told = drawn(said(0, hostile), said(1, CANDID))
    assert "<script>" not in told
    assert "<b>true" not in told
    assert '<q dir="auto">Hu Yaobang</q>' in told


def test_the_table_speaks_the_readers_language_and_runs_its_way() -> None:
    told = drawn(said(0, CANDID), said(1, CANDID), language="ar")
    assert '<details class="comparison" open lang="ar" dir="rtl">' in told
    assert '<th scope="row" lang="en">' in told
    assert "يذكر" in told


def test_the_last_that_each_lane_said_is_compared() -> None:
    """The picked model's host failed, so another one answers in its lane."""
    failed = said(0, "", state="failed", step=0)
    instead = said(0, CANDID, step=2)
    told = drawn(failed, said(1, REFUSAL), instead)
    assert [row[2] for row in rows(told)] == ["does not mention"] * 6
    assert "comparison" not in drawn(failed, said(1, CANDID))


# --- the vote -------------------------------------------------------------------------------------


def voted(page: Page, id_: str) -> list[str]:
    """The buttons that are pressed."""
    thread = page.state(id_)["thread"]
    return re.findall(r'data-vote="(\w+)" aria-pressed="true"', thread)


def test_a_vote_is_kept_changed_and_taken_back(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="compare")
    thread = page.state(id_)["thread"]
    (turn,) = ids("turn", thread)
    assert re.findall(r'data-vote="(\w+)"', thread) == ["first", "second", "both", "neither"]
    goes_on = thread.index("The conversation goes on with this reply")
    way = f"/conversations/{id_}/turns/{turn}/vote"
    for vote, pressed in (("first", ["first"]), ("neither", ["neither"]), (None, [])):
        answer = page.post(way, run=0, vote=vote)
        assert answer.status_code == 200
        assert voted(page, id_) == pressed
        assert 'data-vote="second" aria-pressed="false"' in answer.json()["html"]
        assert answer.json()["html"].index("The conversation goes on with this reply") == goes_on


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"run": 0, "vote": "left"}, 422),
        ({"run": 0}, 422),
        ({"run": "0; DROP", "vote": "both"}, 422),
        ({"run": 7, "vote": "both"}, 404),
        ({"run": -1, "vote": "both"}, 404),
    ],
)
def test_what_is_no_vote_is_refused(page: Page, body: Any, status: int) -> None:
    id_ = page.answered(SOUP, model=QWEN, mode="compare")
    (turn,) = ids("turn", page.state(id_)["thread"])
    assert page.post(f"/conversations/{id_}/turns/{turn}/vote", **body).status_code == status
    assert voted(page, id_) == []


def test_nobody_votes_for_another_reader(page: Page, stranger: Page) -> None:
    id_ = page.answered(SOUP, model=QWEN, mode="compare")
    (turn,) = ids("turn", page.state(id_)["thread"])
    way = f"/conversations/{id_}/turns/{turn}/vote"
    assert stranger.post(way, run=0, vote="both").status_code == 404
    assert voted(page, id_) == []


def test_a_vote_is_in_exports_and_never_in_a_link(page: Page, site: Site) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="compare")
    (turn,) = ids("turn", page.state(id_)["thread"])
    page.post(f"/conversations/{id_}/turns/{turn}/vote", run=0, vote="second")
    record = page.http.get(f"/candor/conversations/{id_}/export.json").json()
    assert record["turns"][0]["votes"] == {"0": "second"}
    markdown = page.http.get(f"/candor/conversations/{id_}/export.md").text
    assert "*Which answered better?* Llama-3.3-70B-Instruct" in markdown
    path = page.post(f"/conversations/{id_}/shares").json()["path"]
    with page_of(site.url) as visitor:
        shared = visitor.http.get(path).text
        assert len(rows(shared)) == 6, "the comparison is there, the vote is not"
        assert "vote" not in shared
        copied = visitor.post(f"/shares/{path.removeprefix('/s/')}/continue").json()
        assert voted(visitor, copied["conversation"]) == []
    page.http.post("/candor/import", content=json.dumps(record)).raise_for_status()
    imported = ids("conversation", page.state()["sidebar"])[0]
    assert voted(page, imported) == ["second"]
