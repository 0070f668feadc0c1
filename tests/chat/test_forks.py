"""Branches and forks: what follows an earlier reply, and a conversation that begins with it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, settles
from test_continue import ids, words

from chat.forks import marked
from chat.render import View
from chat.routes import TITLE_LIMIT
from guard import catalogue
from guard.providers import Connection

NOBODY = "0" * 32


def shown(page: Page, id_: str) -> str:
    return str(page.state(id_)["thread"])


def questions(html: str) -> list[str]:
    return re.findall(r'<h2 class="user"[^>]*>(.*?)</h2>', html)


def export(page: Page, id_: str) -> dict[str, Any]:
    found = page.http.get(f"/candor/conversations/{id_}/export.json")
    return dict(found.raise_for_status().json())


# --- another answer to an earlier question --------------------------------------------------------


def retried(page: Page) -> tuple[str, str]:
    """A conversation whose first question was asked again; the turn that followed it before."""
    id_ = page.answered(SOUP)
    page.answered("And then?", id_)
    first, second = ids("turn", shown(page, id_))
    page.post(f"/conversations/{id_}/turns/{first}/retry")
    page.whole(id_)
    return id_, second


def test_another_model_answers_an_earlier_question_and_the_path_ends_there(
    page: Page, host: replies.Host
) -> None:
    id_ = page.answered(SOUP)
    page.answered("And then?", id_)
    first, second = ids("turn", shown(page, id_))
    answer = page.post(f"/conversations/{id_}/turns/{first}/retry", model=QWEN).json()
    assert answer["path"] == [first]
    assert answer["picked"] is None, "the conversation keeps its own model"
    end = page.whole(id_)[-1][1]
    assert end["turn"] == first
    assert host.asked[-1].model == QWEN
    assert "And then?" not in str(host.asked[-1].body["messages"])
    state = page.state(id_)
    assert (state["model"], questions(state["thread"])) == (LLAMA, [SOUP])
    assert "2 of 2" in state["thread"]
    page.answered("Something else?", id_)  # follows the new reply, with the conversation's model
    assert host.asked[-1].model == LLAMA
    back = page.post(f"/conversations/{id_}/turns/{first}/show", run=0).json()["thread"]
    assert questions(back) == [SOUP, "And then?"]
    assert questions(shown(page, id_)) == [SOUP, "And then?"]
    there = page.post(f"/conversations/{id_}/turns/{first}/show", run=1).json()["thread"]
    assert questions(there) == [SOUP, "Something else?"]
    assert "2 of 2" in there
    found = page.post(f"/conversations/{id_}/turns/{second}/show", turn=second, run=0).json()
    assert questions(found["thread"]) == [SOUP, "And then?"], "a search leads there"


def test_an_edit_stays_within_the_run_that_it_follows(page: Page) -> None:
    id_, second = retried(page)
    page.post(f"/conversations/{id_}/turns/{second}/edit", question="And before?")
    page.whole(id_)
    thread = shown(page, id_)
    assert questions(thread) == [SOUP, "And before?"]
    assert thread.count("1 of 2") == 1, "the first reply"
    assert thread.count("2 of 2") == 1, "the edited question"


def test_branches_of_runs_come_back_from_a_file(page: Page) -> None:
    id_, _ = retried(page)
    page.answered("Something else?", id_)
    whole = export(page, id_)
    assert [turn["parent_run"] for turn in whole["turns"]] == [None, 0, 1]
    page.http.post("/candor/import", json=whole).raise_for_status()
    copy = next(one for one in ids("conversation", page.state()["sidebar"]) if one != id_)
    again = export(page, copy)
    assert [turn["parent_run"] for turn in again["turns"]] == [None, 0, 1]
    thread = shown(page, copy)
    assert questions(thread) == [SOUP, "Something else?"]
    turn = ids("turn", thread)[0]
    back = page.post(f"/conversations/{copy}/turns/{turn}/show", run=0).json()["thread"]
    assert questions(back) == [SOUP, "And then?"]
    del whole["turns"][2]["parent_run"]  # as exports were before
    whole["turns"][0]["shown_run"] = 0
    page.http.post("/candor/import", json=whole).raise_for_status()
    whole["turns"][2]["parent_run"] = 7
    answer = page.http.post("/candor/import", json=whole)
    assert "not as it should be: 1" in str(answer.json()["said"])


# --- forks ----------------------------------------------------------------------------------------


def test_a_fork_holds_what_is_shown_down_to_the_reply(page: Page, host: replies.Host) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    thread = shown(page, id_)
    first = ids("turn", thread)[0]
    withheld, candid = ids("reply", thread)
    page.post(f"/conversations/{id_}/replies/{withheld}/rate", feedback="bad")
    page.answered("And then?", id_)
    page.answered(SOUP, id_)
    before = export(page, id_)
    answer = page.post(f"/conversations/{id_}/replies/{candid}/fork").json()
    fork = answer["conversation"]
    assert fork in answer["entry"]
    assert answer["title"] == f"Fork: {TIANANMEN}"
    state = page.state(fork)
    assert questions(state["thread"]) == [TIANANMEN]
    assert (state["model"], state["mode"]) == (LLAMA, "warn")
    assert 'class="withheld"' in answer["entry"]
    for part in ("guard amber", "<mark>", "opened fire", "people-centered", 'aria-pressed="true"'):
        assert part in state["thread"], part
    assert "imported" not in state["thread"]
    assert not {first, withheld, candid} & {*ids("turn", state["thread"])}
    assert export(page, id_) == before, "the first is untouched"
    page.answered("Elsewhere?", fork)
    assert host.asked[-1].body["messages"][0]["content"] == TIANANMEN
    assert "And then?" not in str(host.asked[-1].body)
    assert export(page, id_) == before


def test_a_fork_goes_on_with_the_reply_it_was_made_from(page: Page, host: replies.Host) -> None:
    id_ = page.answered(SOUP, model=QWEN, mode="compare")
    _, beside = ids("reply", shown(page, id_))
    fork = page.post(f"/conversations/{id_}/replies/{beside}/fork").json()["conversation"]
    said = words(page, id_, beside)
    page.answered("And then?", fork, mode="off")
    assert host.asked[-1].body["messages"][1]["content"] == said


def test_a_fork_of_another_run_takes_that_run_and_leaves_the_other(page: Page) -> None:
    id_ = page.answered(SOUP)
    (turn,) = ids("turn", shown(page, id_))
    (old,) = ids("reply", shown(page, id_))
    page.post(f"/conversations/{id_}/turns/{turn}/retry", model=QWEN)
    page.whole(id_)
    fork = page.post(f"/conversations/{id_}/replies/{old}/fork").json()["conversation"]
    (copy,) = export(page, fork)["turns"]
    assert [reply["model"]["id"] for reply in copy["replies"]] == [LLAMA]
    assert "of 2" not in shown(page, fork)
    assert "2 of 2" in shown(page, id_)


def test_a_fork_makes_no_imported_reply_ours(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    page.http.post("/candor/import", json=export(page, id_)).raise_for_status()
    copy = next(one for one in ids("conversation", page.state()["sidebar"]) if one != id_)
    (reply,) = ids("reply", shown(page, copy))
    answer = page.post(f"/conversations/{copy}/replies/{reply}/fork").json()
    thread = shown(page, answer["conversation"])
    assert 'data-source="candor"' in thread
    assert "guard amber" not in thread
    assert 'class="withheld"' not in answer["entry"]
    assert export(page, answer["conversation"])["turns"][0]["replies"][0]["source"] == "candor"


def test_a_reply_that_comes_in_is_not_forked_and_nobody_elses_is(
    page: Page, stranger: Page, host: replies.Host
) -> None:
    id_ = str(page.ask(f"{SOUP} fault:stall")["conversation"])
    assert settles(lambda: host.answering and host.asked[-1].sent > 3)
    (reply,) = ids("reply", shown(page, id_))
    path = f"/conversations/{id_}/replies/{reply}/fork"
    assert page.post(path).status_code == 409
    page.post(f"/conversations/{id_}/stop")
    for one, where in (
        (stranger, path),
        (page, path.replace(reply, NOBODY)),
        (page, path.replace(id_, NOBODY)),
    ):
        assert one.post(where).status_code == 404
    assert page.post(path).status_code == 200


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh-Hans", "zh-Hant", "ar"])
def test_a_forks_title_says_so_once_and_is_not_too_long(language: str) -> None:
    view = View(language, catalogue.load(), Connection())
    once = marked("Soup", view)
    assert once != "Soup"
    assert "Soup" in once
    assert marked(once, view) == once
    assert len(marked("x" * TITLE_LIMIT, view)) == TITLE_LIMIT
