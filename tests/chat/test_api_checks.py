"""`/v1/guard/check` and `/v1/models`, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import replies
from served import LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Site

CHECK = "/v1/guard/check"
WITHHELD = replies.reply_of(QWEN, TIANANMEN)
ROW = {"question": TIANANMEN, "reply": WITHHELD, "model": QWEN}


@pytest.fixture
def http(site: Site) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {V1_KEY}"}
    with httpx2.Client(base_url=site.url, headers=headers, timeout=30, trust_env=False) as http:
        yield http


def check(http: httpx2.Client, **body: Any) -> dict[str, Any]:
    return dict(http.post(CHECK, json=body).raise_for_status().json())


def test_a_reply_is_judged_with_words_and_facts(http: httpx2.Client) -> None:
    (result,) = check(http, input=ROW)["results"]
    assert result["flagged"]
    assert result["verdict"]["aligned"]
    for quote in result["quotes"]:
        start, end = quote["span"]
        assert WITHHELD[start:end] == quote["text"]
    assert result["quotes"]
    assert result["facts"][0]["sources"]


def test_several_replies_keep_their_order(http: httpx2.Client) -> None:
    clean = {"question": SOUP, "reply": replies.reply_of(LLAMA, SOUP)}
    told = http.post(CHECK, json={"input": [clean, ROW, clean]}).raise_for_status()
    results = told.json()["results"]
    assert [one["flagged"] for one in results] == [False, True, False]
    assert results[0]["facts"] == []
    assert told.headers["x-guard-flagged"] == "true"


def test_a_long_reply_is_judged_as_well(http: httpx2.Client) -> None:
    (result,) = check(http, input=ROW | {"reply": WITHHELD * 100})["results"]
    assert result["flagged"]


def test_the_explanation_is_in_the_language_asked_for(http: httpx2.Client) -> None:
    (result,) = check(http, input=ROW, language="zh-TW")["results"]
    assert result["verdict"]["explanation"].startswith("這則回覆")
    assert result["facts"][0]["language"].startswith("zh")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [ROW] * 65}, "input"),
        ({"input": {"question": SOUP}}, "input"),
        ({"input": ROW, "languages": "en"}, "languages"),
        ({"input": ROW | {"reply": "x" * 200_001}}, "input"),
    ],
    ids=["nothing", "none", "too many", "half", "unknown key", "too long"],
)
def test_what_is_wrong_is_named(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post(CHECK, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(param)
    assert "x" * 50 not in answer.text, "what was sent is not repeated"


def test_who_has_no_key_is_told_how_to_get_one(http: httpx2.Client) -> None:
    del http.headers["authorization"]
    answers = [http.post(CHECK, json={"input": ROW}), http.get("/v1/models")]
    for answer in answers:
        assert answer.status_code == 401
        assert "python -m guard keys create" in answer.json()["error"]["message"]
        assert answer.headers["www-authenticate"] == "Bearer"


def test_models_are_listed_with_what_is_known_of_them(http: httpx2.Client) -> None:
    listed = http.get("/v1/models").raise_for_status().json()
    known = {one["id"]: one["guard"] for one in listed["data"]}
    assert known[QWEN]["origin"] == "CN"
    assert known[QWEN]["lineage"][0] == {"id": "Qwen/Qwen2.5-72B", "origin": "CN"}
    assert known[QWEN]["default"]
    assert http.get(f"/v1/models/{QWEN}").json()["guard"] == known[QWEN]


def test_another_site_s_script_reads_nothing(http: httpx2.Client) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answer in (http.options(CHECK, headers=asked), http.get("/v1/models", headers=asked)):
        assert "access-control-allow-origin" not in answer.headers
