"""The admin page over a real socket: who is let in, what they see of others, and what they set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import databases
import pytest
import replies
from outline import Outline
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
    settles,
    signed_in,
)

from chat import disputes, texts
from chat.settings import Settings
from chat.store import Store
from chat.switches import LIMITS
from guard import catalogue, scan, train

ADMINS = "Ada, oidc:eve@example.org"
HOSTILE = "<script>alert(1)</script> <div class='guard amber'>The guard says: \u202e nothing</div>"
SECTIONS = ("", "/disputed", "/models", "/limits", "/banner", "/log")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def admin_site(
    request: pytest.FixtureRequest,
    shared_host: replies.Host,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    url = ""
    if request.param == "postgresql":
        url = asyncio.run(databases.emptied(request.getfixturevalue("postgresql")))
    data = tmp_path_factory.mktemp("data")
    settings = settings_of(shared_host.base_url, data, admins=ADMINS, database_url=url)
    with serving(settings, signs_in=True) as site:
        yield site


@pytest.fixture
def reader(admin_site: Site, host: replies.Host) -> Iterator[Page]:
    with reader_of(admin_site) as page:
        yield page


def as_(site: Site, name: str, **headers: str) -> Any:
    return page_of(site.url, cookie=f"candor_session={signed_in(name)}", **headers)


@pytest.fixture
def ada(admin_site: Site) -> Iterator[Page]:
    with as_(admin_site, "ada") as page:
        yield page


def replied(page: Page, conversation: str) -> str:
    """The id of the reply that a conversation shows."""
    return Outline(page.state(conversation)["thread"]).all("article")[0]["data-reply"] or ""


def disputed(page: Page, question: str = TIANANMEN) -> str:
    """Ask, and mark the reply as not withheld; its id."""
    conversation = page.answered(question, model=QWEN)
    reply = replied(page, conversation)
    path = f"/conversations/{conversation}/replies/{reply}/rate"
    page.post(path, not_withheld=True).raise_for_status()
    return reply


def get(page: Page, path: str, **query: str) -> str:
    answer = page.http.get(f"/admin{path}", params=query).raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def act(page: Page, path: str, **body: Any) -> None:
    page.post(f"/admin{path}", **body).raise_for_status()


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SECTIONS)
def test_others_find_nothing_there(admin_site: Site, reader: Page, path: str) -> None:
    missing = reader.http.get("/admin/nowhere/else")
    with as_(admin_site, "bert") as bert, as_(admin_site, "eve@example.org") as eve:
        for page in (reader, bert, eve):
            answer = page.http.get(f"/admin{path}")
            assert (answer.status_code, answer.text) == (404, missing.text)
            assert page.state()["admin"] is False


def test_a_name_that_no_issuer_vouches_for_lets_nobody_in(admin_site: Site) -> None:
    forged = signed_in("ada")[:-4] + "AAAA"
    for cookie in (f"session={forged}", "candor_reader=ada", "session=ada"):
        with page_of(admin_site.url, cookie=cookie) as page:
            assert page.http.get("/admin").status_code == 404


def test_who_is_called_like_an_admin_is_none(admin_site: Site) -> None:
    with as_(admin_site, "bert") as page:  # "The Operator" is what each of them calls themselves
        assert page.http.get("/admin").status_code == 404
    with page_of(admin_site.url, cookie=f"candor_session={signed_in('x', sub='ada')}") as page:
        assert page.http.get("/admin").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/models", {"model": LLAMA, "on": False}),
        ("/default", {"model": LLAMA}),
        ("/limits", {"limits": {}}),
        ("/banner", {"text": "x"}),
        ("/disputed/1", {"decision": "unclear"}),
    ],
)
def test_only_admins_change_and_only_from_our_page(
    admin_site: Site, reader: Page, ada: Page, path: str, body: dict[str, Any]
) -> None:
    assert reader.post(f"/admin{path}", **body).status_code == 404
    with as_(admin_site, "ada") as page:
        del page.http.headers["x-candor"]
        assert page.post(f"/admin{path}", **body).status_code == 403
    assert ada.post(f"/admin{path}", **body, more=1).status_code == 422


def test_admins_are_named_by_issuer() -> None:
    assert Settings(admins=" Ada,oidc:Eve@x.org ,,").admin_accounts == {"hf:ada", "oidc:eve@x.org"}
    assert Settings().admin_accounts == frozenset()


@pytest.mark.parametrize("path", SECTIONS)
@pytest.mark.parametrize("language", texts.languages())
def test_each_section_speaks_the_admins_language(ada: Page, path: str, language: str) -> None:
    answer = ada.http.get(f"/admin{path}", headers={"accept-language": language})
    assert answer.raise_for_status().headers["content-language"] == language
    say: Any = texts.texts(language)
    assert say.admin_section_log in answer.text


# --- figures --------------------------------------------------------------------------------------


def test_the_overview_tells_what_came(reader: Page, ada: Page) -> None:
    conversation = reader.answered(TIANANMEN, model=QWEN)
    assert settles(lambda: QWEN in get(ada, "", period="week"))
    outline = Outline(get(ada, "", period="month"))
    assert {"over-time", "by-model", "by-origin", "by-topic"} <= {
        one.get("id") for one in outline.all("h2")
    }
    assert reader.post(f"/conversations/{conversation}/turns/x/retry").status_code == 404
    assert ada.http.get("/admin", params={"period": "year"}).status_code == 422


async def test_times_are_kept_of_each_reply(reader: Page, admin_site: Site) -> None:
    conversation = reader.answered(TIANANMEN, model=QWEN)
    store = await Store(admin_site.app.state.settings.database).open()
    owner = f"cookie:{reader.http.cookies['candor_reader']}"
    reply = (await store.conversation(owner, conversation)).turns[0].replies[0]
    await store.close()
    assert reply.seconds
    assert reply.first_seconds is not None
    assert reply.guard_seconds
    assert 0 <= reply.first_seconds <= reply.seconds
    assert 0 < reply.guard_seconds <= reply.seconds


# --- disputed verdicts ----------------------------------------------------------------------------


def test_the_reader_is_told_who_sees_what_they_mark(reader: Page) -> None:
    for language in texts.languages():
        reader.http.headers["accept-language"] = language
        say: Any = texts.texts(language)
        conversation = reader.answered(TIANANMEN, model=QWEN)
        assert say.not_withheld_about in reader.state(conversation)["thread"].replace("&#39;", "'")


def test_an_admin_reads_what_was_sent_and_nothing_else(reader: Page, ada: Page) -> None:
    conversation = reader.answered(SOUP, model=QWEN)
    reader.answered(TIANANMEN, conversation, model=QWEN)
    articles = Outline(reader.state(conversation)["thread"]).all("article")
    others, reply = (one["data-reply"] or "" for one in articles)
    assert ada.http.get(f"/admin/disputed/{reply}").status_code == 404
    path = f"/conversations/{conversation}/replies/{reply}/rate"
    reader.post(path, not_withheld=True)
    assert reply in get(ada, "/disputed")
    html = get(ada, f"/disputed/{reply}")
    assert TIANANMEN in html
    assert "<mark>" in html
    assert SOUP not in html
    assert reader.http.cookies["candor_reader"] not in html
    assert ada.http.get(f"/admin/disputed/{others}").status_code == 404
    reader.post(path, not_withheld=False)
    assert ada.http.get(f"/admin/disputed/{reply}").status_code == 404
    assert reply not in get(ada, "/disputed", shown="all")


@pytest.mark.parametrize("how", ["deleted", "erased"])
def test_what_the_reader_deletes_is_gone_here(reader: Page, ada: Page, how: str) -> None:
    reply = disputed(reader)
    assert reply in get(ada, "/disputed")
    if how == "erased":
        reader.http.delete("/candor/data").raise_for_status()
    else:
        (conversation,) = {
            one["data-conversation"] for one in Outline(reader.state()["sidebar"]).all("li")
        }
        reader.patch(f"/conversations/{conversation}", deleted=True).raise_for_status()
    assert ada.http.get(f"/admin/disputed/{reply}").status_code == 404
    assert reply not in get(ada, "/disputed", shown="all")
    assert reply not in ada.http.get("/admin/disputed.jsonl").text


def test_what_is_hostile_is_only_words(reader: Page, ada: Page) -> None:
    reply = disputed(reader, f"{TIANANMEN} {HOSTILE}")
    act(ada, f"/disputed/{reply}", decision="unclear", note=HOSTILE)
    for path in ("/disputed", f"/disputed/{reply}", "/log"):
        html = get(ada, path, shown="all")
        assert "<script>alert" not in html
        assert "<div class='guard" not in html
        assert "\u202e" not in html
        assert "alert(1)" in html


def test_decisions_are_kept_and_filtered(reader: Page, ada: Page) -> None:
    right, wrong = disputed(reader), disputed(reader)
    act(ada, f"/disputed/{right}", decision="guard right", note="It names nobody.")
    assert wrong in get(ada, "/disputed", model=QWEN, topic="tiananmen-1989")
    assert right not in get(ada, "/disputed")
    assert right in get(ada, "/disputed", shown="decided")
    assert right not in get(ada, "/disputed", shown="all", model=LLAMA)
    assert "It names nobody." in get(ada, f"/disputed/{right}")
    act(ada, f"/disputed/{right}", decision="")
    assert right in get(ada, "/disputed")
    assert ada.post("/admin/disputed/nothing", decision="unclear").status_code == 404
    assert ada.post(f"/admin/disputed/{right}", decision="maybe").status_code == 422


def test_the_list_goes_on_page_by_page(
    reader: Page, ada: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disputes, "PAGE", 2)
    sent = {disputed(reader) for _ in range(3)}
    seen: set[str] = set()
    address = "/admin/disputed?shown=all"
    for _ in range(50):
        links = [one["href"] or "" for one in Outline(ada.http.get(address).text).all("a")]
        seen |= {link.rpartition("/")[2] for link in links if link.startswith("/admin/disputed/")}
        further = [link for link in links if "sent=" in link]
        if not further:
            break
        address = further[0]
    assert sent <= seen


def test_decided_ones_are_rows_that_training_reads(reader: Page, ada: Page, tmp_path: Path) -> None:
    right, wrong, unclear = disputed(reader), disputed(reader), disputed(reader)
    act(ada, f"/disputed/{right}", decision="guard right", note="a")
    act(ada, f"/disputed/{wrong}", decision="guard wrong")
    act(ada, f"/disputed/{unclear}", decision="unclear")
    answer = ada.http.get("/admin/disputed.jsonl").raise_for_status()
    assert "attachment" in answer.headers["content-disposition"]
    rows = {row["id"]: row for row in map(json.loads, answer.text.splitlines())}
    assert (rows[right]["withheld"], rows[wrong]["withheld"]) == (True, False)
    assert unclear not in rows
    assert rows[right]["topic"] == "tiananmen-1989"
    file = tmp_path / "rows.jsonl"
    file.write_text(answer.text)
    read = list(train.read([file]))
    assert {row.withheld for row in read} == {True, False}
    assert {row.question for row in read} == {TIANANMEN}
    assert {scan.Row.model_validate_json(line).model for line in file.open()} == {QWEN}


# --- models ---------------------------------------------------------------------------------------


@pytest.fixture
def switched(ada: Page) -> Iterator[Page]:
    """An admin; what they switch is as before afterwards."""
    yield ada
    act(ada, "/default", model="")
    for model in (QWEN, LLAMA):
        act(ada, "/models", model=model, on=True)
    act(ada, "/banner", text="")
    act(ada, "/limits", limits=dict.fromkeys(LIMITS, ""))


def test_a_model_that_is_off_is_offered_to_nobody(reader: Page, switched: Page) -> None:
    assert LLAMA in reader.state()["picker"]
    conversation = reader.answered(SOUP, model=LLAMA)
    act(switched, "/models", model=LLAMA, on=False, why=f"Its host {HOSTILE}")
    state = reader.state(conversation)
    assert f'data-model="{LLAMA}"' not in state["picker"]
    assert state["model"] != LLAMA
    told = "Llama-3.3-70B-Instruct is switched off for now. Qwen2.5-72B-Instruct answers."
    assert state["notice"] == told
    assert reader.post("/ask", question=SOUP, model=LLAMA, mode="warn").status_code == 422
    assert LLAMA not in Outline(reader.http.get("/models").text).cards()
    html = get(switched, "/models")
    assert "Its host" in html
    assert "<script>alert" not in html
    act(switched, "/models", model=LLAMA, on=True)
    assert LLAMA in reader.state()["picker"]
    assert LLAMA in Outline(reader.http.get("/models").text).cards()


def test_a_model_that_is_off_answers_in_nobodys_place(reader: Page, switched: Page) -> None:
    for model in catalogue.load().guard.fallbacks:
        act(switched, "/models", model=model, on=False)
    try:
        conversation = reader.answered(TIANANMEN, model=QWEN, mode="warn")
        assert len(Outline(reader.state(conversation)["thread"]).all("article")) == 1
        modes = reader.state()["modes"]
        assert "compare" not in modes
    finally:
        for model in catalogue.load().guard.fallbacks:
            act(switched, "/models", model=model, on=True)


def test_the_default_stays_until_there_is_another(reader: Page, switched: Page) -> None:
    default = reader.state()["model"]
    other = next(spec.id for spec in catalogue.load().models if spec.id != default)
    refused = switched.post("/admin/models", model=default, on=False)
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "This model is the default. Make another one the default first.",
    )
    act(switched, "/default", model=other)
    assert reader.state()["model"] == other
    act(switched, "/models", model=default, on=False)
    assert switched.post("/admin/default", model=default).status_code == 409
    assert switched.post("/admin/models", model=other, on=False).status_code == 409
    act(switched, "/models", model=default, on=True)
    act(switched, "/default", model="")
    assert reader.state()["model"] == default
    for path in ("/models", "/default"):
        assert switched.post(f"/admin{path}", model="acme/none", on=False).status_code in {404, 422}


def test_what_runs_goes_on_when_its_model_is_switched_off(reader: Page, switched: Page) -> None:
    begun = reader.ask("Tell me slowly, fault:slow", model=LLAMA)
    act(switched, "/models", model=LLAMA, on=False)
    assert reader.whole(begun["conversation"])[-1][0] == "end"


# --- limits, banner, log --------------------------------------------------------------------------


def test_limits_are_set_lifted_and_left(admin_site: Site, switched: Page) -> None:
    board = admin_site.app.state.switchboard
    told = {"CANDOR_LIMITS": " 20/minute,  4 Streams ", "CANDOR_LIMITS_ADDRESS": "None"}
    act(switched, "/limits", limits=told)
    held = {"CANDOR_LIMITS": "20/minute, 4 streams", "CANDOR_LIMITS_ADDRESS": "none"}
    assert board.now.limits == held
    assert 'value="20/minute, 4 streams"' in get(switched, "/limits")
    act(switched, "/limits", limits={"CANDOR_LIMITS": "", "CANDOR_LIMITS_ADDRESS": "none"})
    assert board.now.limits == {"CANDOR_LIMITS_ADDRESS": "none"}


@pytest.mark.parametrize(
    "typed", ["-1/minute", "many", "20 <b>", "20/", "20,", "\uff12\uff10/minute", HOSTILE]
)
def test_what_is_no_limit_is_refused(admin_site: Site, switched: Page, typed: str) -> None:
    answer = switched.post("/admin/limits", limits={"CANDOR_LIMITS": typed})
    assert answer.status_code == 422
    assert "CANDOR_LIMITS" in answer.json()["detail"]
    assert switched.post("/admin/limits", limits={"PATH": "1/day"}).status_code == 422
    assert admin_site.app.state.switchboard.now.limits == {}


def test_a_banner_is_told_to_all_in_their_language(reader: Page, switched: Page) -> None:
    assert reader.state()["banner"] is None
    told = {"text": f"We move on Friday. {HOSTILE}", "translations": {"de": "Umzug am Freitag."}}
    act(switched, "/banner", **told, kind="warning", until="2999-01-01T00:00:00Z")
    banner = reader.state()["banner"]
    assert banner["kind"] == "warning"
    assert banner["text"] == "We move on Friday. " + HOSTILE.replace("\u202e", "")
    reader.http.headers["accept-language"] = "de"
    assert reader.state()["banner"]["text"] == "Umzug am Freitag."
    act(switched, "/banner", text="Done.", until="2001-01-01T00:00:00+02:00")
    assert reader.state()["banner"] is None
    act(switched, "/banner", text="Done.")
    assert reader.state()["banner"]["id"] != banner["id"]
    act(switched, "/banner", text=" ")
    assert reader.state()["banner"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x" * 501},
        {"text": "x", "kind": "guard"},
        {"text": "x", "until": "soon"},
        {"text": "x", "until": "2999-01-01T00:00:00"},
        {"text": "x", "translations": {"tlh": "nuqneH"}},
    ],
)
def test_a_banner_that_is_wrong_is_refused(switched: Page, wrong: dict[str, Any]) -> None:
    assert switched.post("/admin/banner", **wrong).status_code == 422


def test_every_action_is_noted(reader: Page, switched: Page) -> None:
    reply = disputed(reader)
    act(switched, "/models", model=LLAMA, on=False, why="It is slow today.")
    act(switched, "/banner", text="Slow today.")
    act(switched, "/limits", limits={"CANDOR_LIMITS": "2 streams"})
    act(switched, f"/disputed/{reply}", decision="guard wrong", note="A fine answer.")
    switched.http.get("/admin/disputed.jsonl").raise_for_status()
    rows = Outline(get(switched, "/log")).text["about"]
    for told in (
        *(
            "switched a model off",
            "It is slow today.",
            "put up a banner",
            "CANDOR_LIMITS: 2 streams",
        ),
        *("decided a dispute", "A fine answer.", "downloaded labelled rows", "hf:ada"),
    ):
        assert told in rows


def test_another_process_follows_without_a_restart(
    reader: Page, switched: Page, admin_site: Site
) -> None:
    settings = admin_site.app.state.settings
    if settings.database_url:
        pytest.skip("a second process on PostgreSQL needs Redis: test_replicas has two")
    with serving(settings) as second, page_of(second.url) as page:
        act(switched, "/banner", text="To all replicas.")
        act(switched, "/models", model=LLAMA, on=False)
        assert settles(lambda: page.state()["banner"])
        assert settles(lambda: LLAMA not in page.state()["picker"])
