"""The language that a reader chooses: kept for them, and followed by the pages beside the chat."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from served import QWEN, TIANANMEN, Page, Site, page_of

from chat import texts
from chat.auth import LANGUAGE

ARABIC: Any = texts.texts("ar")


def models(page: Page) -> str:
    """The language and direction that the page of the models says."""
    answer = page.http.get("/models").raise_for_status()
    start = answer.text.partition("<html ")[2].partition(">")[0]
    assert answer.headers["vary"].startswith("accept-language, cookie")
    assert f'lang="{answer.headers["content-language"]}"' in start
    return start


def spoken(page: Page) -> tuple[str, str, str | None]:
    state = page.state()
    return state["language"], state["direction"], state["chosen_language"]


def test_a_choice_is_kept_and_the_models_page_follows(page: Page) -> None:
    assert spoken(page) == ("en", "ltr", None)
    assert page.patch("/preferences", language="ar").json() == {}
    assert spoken(page) == ("ar", "rtl", "ar")
    assert page.state()["say"]["send"] == ARABIC.send
    assert models(page) == 'lang="ar" dir="rtl"'
    assert page.post("/conversations/none/stop").json() == {"detail": ARABIC.not_found}
    page.patch("/preferences", language=None)
    assert spoken(page) == ("en", "ltr", None)
    assert models(page) == 'lang="en" dir="ltr"'


def test_what_is_stored_leads_the_cookie(page: Page) -> None:
    page.state()
    page.patch("/preferences", language="de")
    page.http.cookies.delete(LANGUAGE)
    assert spoken(page) == ("de", "ltr", "de")
    assert models(page) == 'lang="de" dir="ltr"'


def test_a_choice_is_the_readers_own(page: Page, stranger: Page) -> None:
    page.patch("/preferences", language="fr")
    assert spoken(stranger) == ("en", "ltr", None)


def test_mode_and_language_are_kept_beside_each_other(page: Page) -> None:
    page.state()
    page.patch("/preferences", mode="warn")
    page.patch("/preferences", language="es")
    assert (page.state()["preferred"], page.state()["language"]) == ("warn", "es")
    page.patch("/preferences", mode="off")
    assert (page.state()["preferred"], page.state()["language"]) == ("off", "es")


@pytest.mark.parametrize("language", ["", "fi", "../en", "EN", 3, ["de"]])
def test_what_the_page_does_not_speak_is_refused(page: Page, language: Any) -> None:
    answer = page.patch("/preferences", language=language)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("language")
    assert spoken(page) == ("en", "ltr", None)


def test_another_site_cannot_choose(site: Site) -> None:
    with httpx2.Client(base_url=site.url, trust_env=False) as http:
        answer = http.patch("/candor/preferences", json={"language": "ar"})
    assert answer.status_code == 403


def test_a_cookie_that_names_no_language_is_left_aside(site: Site) -> None:
    with page_of(site.url, cookie=f"{LANGUAGE}=../../etc") as page:
        assert models(page) == 'lang="en" dir="ltr"'


def test_the_guard_speaks_the_chosen_language(page: Page) -> None:
    """Of replies that came before the choice as well."""
    asked = page.answered(TIANANMEN, model=QWEN)
    page.patch("/preferences", language="ar")
    thread = page.state(asked)["thread"]
    strip = thread.partition("<aside")[2].partition("</aside>")[0]
    assert 'lang="ar" dir="rtl"' in strip
    assert "الصين" in strip
    assert "This reply" not in strip
    assert '<li lang="en" dir="ltr">' in strip, "facts that are told in English only"
