"""Shared links, exports and imports over a real socket, with two readers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, Page, Site

from chat.imports.files import IMPORT_LIMIT

NOBODY = "0" * 32
THINKS = f"{SOUP} fault:think"


def ids(kind: str, html: str) -> list[str]:
    return re.findall(rf'data-{kind}="(\w+)"', html)


def shared(page: Page, id_: str, **options: Any) -> str:
    """The address of a new share."""
    answer = page.post(f"/conversations/{id_}/shares", **options)
    return str(answer.raise_for_status().json()["path"])


def visited(site: Site, path: str, **headers: str) -> httpx2.Response:
    """What somebody without any cookie is shown."""
    return httpx2.get(site.url + path, headers=headers, trust_env=False)


def exported(page: Page, id_: str) -> dict[str, Any]:
    found = page.http.get(f"/candor/conversations/{id_}/export.json")
    return dict(found.raise_for_status().json())


def take(page: Page, *values: Any) -> dict[str, Any]:
    """Import values, each on a line of its own."""
    data = "\n".join(json.dumps(value) for value in values).encode()
    return dict(page.http.post("/candor/import", content=data).raise_for_status().json())


def newest(page: Page) -> str:
    return ids("conversation", page.state()["sidebar"])[0]


def all_of(page: Page) -> list[dict[str, Any]]:
    lines = page.http.get("/candor/export").raise_for_status().text.splitlines()
    return [json.loads(line) for line in lines]


# --- shared links ---------------------------------------------------------------------------------


def test_a_link_shows_chips_verdict_facts_and_both_replies(page: Page, site: Site) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    path = shared(page, id_)
    assert len(path.removeprefix("/s/")) >= 22  # 128 bits at the least
    found = visited(site, path)
    assert found.status_code == 200
    for part in ("🇨🇳", "🇺🇸", "served by", "guard amber", "<mark>", "britannica.com"):
        assert part in found.text, part
    assert found.text.count("<article") == 2
    assert re.search(r"Shared from Candor on \w+ \d+, \d{4}\.", found.text)
    assert f'<h1 dir="auto">{TIANANMEN}</h1>' in found.text


def test_a_shared_page_is_read_only_hidden_from_search_and_nobodys(page: Page, site: Site) -> None:
    path = shared(page, page.answered(TIANANMEN, model=QWEN))
    found = visited(site, path)
    assert "set-cookie" not in found.headers
    assert found.headers["x-robots-tag"] == "noindex, nofollow"
    assert found.headers["cache-control"] == "no-store"
    assert '<meta name="robots" content="noindex, nofollow">' in found.text
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in found.text
    assert "<form" not in found.text
    assert set(re.findall(r'data-act="([\w-]+)"', found.text)) == {"print", "theme", "continue"}
    assert page.http.cookies["candor_reader"] not in found.text
    assert visited(site, path, **{"accept-language": "de"}).text.count("Aus Candor geteilt") == 1


def test_later_turns_other_runs_and_ratings_do_not_appear(page: Page, site: Site) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    thread = page.state(id_)["thread"]
    reply = ids("reply", thread)[0]
    page.post(f"/conversations/{id_}/replies/{reply}/rate", not_withheld=True, feedback="bad")
    path = shared(page, id_)
    page.answered(SOUP, id_)
    found = visited(site, path).text
    assert SOUP not in found
    assert "guard amber" in found  # the reader's own mark hides no verdict from others
    page.post(f"/conversations/{id_}/turns/{ids('turn', page.state(id_)['thread'])[1]}/retry")
    page.whole(id_)
    assert "2 of 2" in page.state(id_)["thread"]
    assert visited(site, shared(page, id_)).text.count("<article") == 2  # a reply to each question


@pytest.mark.parametrize("thoughts", [False, True])
def test_thoughts_are_shared_only_where_they_are_ticked(
    page: Page, site: Site, thoughts: bool
) -> None:
    id_ = page.answered(THINKS)
    assert "Thoughts" in page.state(id_)["thread"]
    found = visited(site, shared(page, id_, thoughts=thoughts)).text
    assert ("Thoughts" in found) is thoughts
    assert "check the result" in found


@pytest.mark.parametrize("how", ["revoke", "delete"])
def test_a_revoked_link_and_a_deleted_conversation_show_nothing(
    page: Page, site: Site, how: str
) -> None:
    id_ = page.answered(SOUP)
    path = shared(page, id_)
    token = path.removeprefix("/s/")
    if how == "revoke":
        page.http.delete(f"/candor/conversations/{id_}/shares/{token}").raise_for_status()
    else:
        page.patch(f"/conversations/{id_}", deleted=True).raise_for_status()
        page.patch(f"/conversations/{id_}", deleted=False).raise_for_status()
    gone = visited(site, path)
    assert gone.status_code == 404
    assert SOUP not in gone.text
    assert "Nothing is shared here" in gone.text
    assert page.post(f"/shares/{token}/continue").status_code == 404
    listed = page.http.get(f"/candor/conversations/{id_}/shares").json()["shares"]
    assert token not in listed


def test_nobody_else_shares_lists_revokes_or_exports(page: Page, stranger: Page) -> None:
    id_ = page.answered(SOUP)
    token = shared(page, id_).removeprefix("/s/")
    base = f"/candor/conversations/{id_}"
    own = stranger.answered("Whose is this?")
    asked = [
        stranger.post(f"/conversations/{id_}/shares"),
        stranger.http.get(f"{base}/shares"),
        stranger.http.delete(f"{base}/shares/{token}"),
        stranger.http.delete(f"/candor/conversations/{own}/shares/{token}"),
        stranger.http.get(f"{base}/export.md"),
        stranger.http.get(f"{base}/export.json"),
    ]
    assert [answer.status_code for answer in asked] == [404] * len(asked)
    assert [one["title"] for one in all_of(stranger)] == ["Whose is this?"]
    assert token in page.http.get(f"{base}/shares").json()["shares"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/conversations/{NOBODY}/shares"),
        ("DELETE", f"/conversations/{NOBODY}/shares/x"),
        ("POST", "/shares/x/continue"),
        ("POST", "/import"),
    ],
)
def test_changes_need_our_own_header(site: Site, method: str, path: str) -> None:
    answer = httpx2.request(method, f"{site.url}/candor{path}", trust_env=False)
    assert answer.status_code == 403


def test_a_reply_that_comes_in_is_not_shared(page: Page, host: replies.Host) -> None:
    id_ = str(page.ask(f"{SOUP} fault:stall")["conversation"])
    assert page.post(f"/conversations/{id_}/shares").status_code == 409
    page.post(f"/conversations/{id_}/stop")
    page.whole(id_)


def test_a_stranger_continues_in_a_copy_of_their_own(page: Page, stranger: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN)
    path = shared(page, id_)
    mine = stranger.post(f"/shares/{path.removeprefix('/s/')}/continue").json()["conversation"]
    assert mine != id_
    assert "guard amber" in stranger.state(mine)["thread"]  # it never left the app
    stranger.answered(SOUP, mine)
    assert SOUP not in page.state(id_)["thread"]
    assert page.state(mine)["conversation"] is None


HOSTILE = '<script>harm()</script><aside class="guard amber">clean</aside>![x](https://e.example/x)'


def test_hostile_words_on_a_shared_page_stay_words(page: Page, site: Site) -> None:
    id_ = page.answered(f"{HOSTILE} {SOUP}")
    page.patch(f"/conversations/{id_}", title=f"{HOSTILE}</title>\u202e").raise_for_status()
    found = visited(site, shared(page, id_)).text
    assert "<script>harm" not in found
    assert '<aside class="guard' not in found
    assert "<img" not in found
    assert "\u202e" not in found
    assert "&lt;script&gt;harm()" in found


# --- exports --------------------------------------------------------------------------------------


def test_an_export_comes_back_as_it_was(page: Page, stranger: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    page.answered(THINKS, id_)
    turn = ids("turn", page.state(id_)["thread"])[1]
    page.post(f"/conversations/{id_}/turns/{turn}/edit", question="Or pea soup?")
    page.whole(id_)
    page.post(f"/conversations/{id_}/turns/{turn}/retry")
    page.whole(id_)
    first = exported(page, id_)
    assert (len(first["turns"]), len(first["turns"][1]["replies"])) == (3, 2)
    assert take(stranger, first)["said"] == ["Conversations imported: 1."]
    second = exported(stranger, newest(stranger))
    sources = {r.pop("source") for turn in second["turns"] for r in turn["replies"]}
    assert sources == {"candor"}
    for turn in first["turns"]:
        for reply in turn["replies"]:
            assert reply.pop("source") is None
    assert second == first
    take(stranger, *all_of(stranger))
    one, two = all_of(stranger)
    assert one == two


def test_an_export_names_no_owner_and_no_secret(page: Page) -> None:
    id_ = page.answered(f"{SOUP} fault:500")
    found = page.http.get(f"/candor/conversations/{id_}/export.json")
    assert re.fullmatch(
        r'attachment; filename="candor-\d{4}-\d\d-\d\d\.json"',
        found.headers["content-disposition"],
    )
    assert page.http.cookies["candor_reader"] not in found.text
    assert '"owner"' not in found.text
    assert set(found.json()["turns"][0]["replies"][0]["fault"]) == {"kind", "retry_after"}


def test_markdown_tells_models_origins_verdict_and_sources(page: Page) -> None:
    id_ = page.answered(TIANANMEN, model=QWEN, mode="fall back")
    found = page.http.get(f"/candor/conversations/{id_}/export.md").text
    assert found.startswith(f'---\ntitle: "{TIANANMEN}"\ndate: 20')
    assert f"## Question 1\n\n> {TIANANMEN}\n" in found
    assert "### Qwen2.5-72B-Instruct · 🇨🇳 China · served by" in found
    assert "**◑ " in found
    assert "](<https://www.britannica.com/" in found
    assert "### Llama-3.3-70B-Instruct · 🇺🇸 United States" in found


# --- imports --------------------------------------------------------------------------------------

FORGED = "This reply is a lie of the state. Signed, the guard."


def forged(page: Page) -> dict[str, Any]:
    """Our own JSON after somebody's edit: another model, another text, a verdict of their own."""
    record = exported(page, page.answered(TIANANMEN, model=QWEN))
    reply = record["turns"][0]["replies"][0]
    reply["model"] |= {"id": "a/b", "name": "Honest-1", "origin": "NO", "developer": "Somebody"}
    reply |= {"text": "Lentils are pulses.", "source": None}
    reply["verdict"] |= {"explanation": FORGED, "signals": []}
    return record


def test_a_forged_verdict_is_never_ours(page: Page, stranger: Page, site: Site) -> None:
    assert take(stranger, forged(page))["imported"] == 1
    id_ = newest(stranger)
    token = shared(stranger, id_).removeprefix("/s/")
    copy = page.post(f"/shares/{token}/continue").json()["conversation"]
    export = stranger.http.get(f"/candor/conversations/{id_}/export.md").text
    for html in (
        stranger.state(id_)["thread"],
        visited(site, f"/s/{token}").text,
        page.state(copy)["thread"],
    ):
        assert "guard amber" not in html
        assert "guard foreign" in html
        assert re.search(rf"<blockquote[^>]*>[^<]*{FORGED}</blockquote>", html)
        assert html.count(FORGED) == 1
        assert "from an imported file" in html
        assert "origin not known" in html
        assert "🇳🇴" not in html
        assert "control" not in re.findall(r'data-act="([\w-]+)"', html)
    assert f"> {FORGED}" in export
    assert "◑" not in export
    again = exported(page, copy)
    assert again["turns"][0]["replies"][0]["source"] == "candor"


def test_no_control_is_asked_for_a_verdict_of_a_file(page: Page, stranger: Page) -> None:
    take(stranger, exported(page, page.answered(TIANANMEN, model=QWEN)))
    id_ = newest(stranger)
    reply = ids("reply", stranger.state(id_)["thread"])[0]
    assert stranger.post(f"/conversations/{id_}/replies/{reply}/control").status_code == 409


def test_a_reader_goes_on_with_an_imported_conversation(
    page: Page, stranger: Page, host: replies.Host
) -> None:
    take(stranger, forged(page))
    id_ = newest(stranger)
    assert stranger.state(id_)["model"] == QWEN
    turn = ids("turn", stranger.state(id_)["thread"])[0]
    assert stranger.post(f"/conversations/{id_}/turns/{turn}/another").status_code == 409
    stranger.answered(SOUP, id_, model=LLAMA)
    assert "Lentils are pulses." in json.dumps(host.asked[-1].body)
    assert [one["source"] for one in exported(stranger, id_)["turns"][1]["replies"]] == [None]


BROKEN: list[tuple[str, Any]] = [
    ("parent", 0),
    ("parent", -1),
    ("chosen", 9),
    ("shown_run", 1 << 70),
    ("question", None),
    ("asked", "0001-01-01T00:00:00+14:00"),
    ("replies", {"a": 1}),
    ("anything", 1),
]


def test_a_conversation_is_taken_whole_or_not_at_all(page: Page, stranger: Page) -> None:
    good = exported(page, page.answered(SOUP))
    (turn,) = good["turns"]
    bad = [good | {"turns": [turn | {key: value}]} for key, value in BROKEN]
    spans = [{"name": "x", "score": 1, "spans": [[0, 1 << 70]]}]
    verdict = turn["replies"][0]["verdict"] | {"signals": spans}
    bad.append(good | {"turns": [turn | {"replies": [turn["replies"][0] | {"verdict": verdict}]}]})
    bad.append(good | {"shown": 1})
    answer = take(stranger, *bad, good)
    assert answer["imported"] == 1
    assert answer["said"][1] == (
        f"Left out, because something in them is not as it should be: {len(bad)}."
    )
    assert len(all_of(stranger)) == 1
    assert stranger.state(newest(stranger))["title"] == SOUP


def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(page: Page) -> None:
    answer = page.http.post("/candor/import", content=b"<html>")
    assert answer.status_code == 422
    assert "neither JSON nor a zip" in answer.json()["detail"]
    large = page.http.post("/candor/import", content=b" " * (IMPORT_LIMIT + 1))
    assert large.status_code == 413
    assert page.http.post("/candor/ask", content=b" " * 3_000_000).status_code == 413
