"""`/v1/chat/completions` on a real socket: what a client sees, and what the host is asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import replies
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from served import API_KEY, LLAMA, QWEN, SOUP, TIANANMEN, V1_KEY, Site, settles

from guard.plain import one_line

WITHHELD = replies.reply_of(QWEN, TIANANMEN)
ANSWERED = replies.reply_of(LLAMA, TIANANMEN)
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
def http(site: Site) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {V1_KEY}"}
    with httpx2.Client(base_url=site.url, headers=headers, timeout=30, trust_env=False) as http:
        yield http


def body(question: str = SOUP, **more: Any) -> dict[str, Any]:
    return {"model": QWEN, "messages": [{"role": "user", "content": question}], **more}


def complete(http: httpx2.Client, question: str = SOUP, **more: Any) -> dict[str, Any]:
    """A completion in one piece, in OpenAI's shape."""
    answer = http.post(COMPLETIONS, json=body(question, **more)).raise_for_status()
    told = dict(answer.json())
    ChatCompletion.model_validate(told, strict=True)
    return told


def stream(http: httpx2.Client, question: str = SOUP, **more: Any) -> list[dict[str, Any]]:
    """The chunks of a streamed completion, each in OpenAI's shape."""
    answer = http.post(COMPLETIONS, json=body(question, stream=True, **more)).raise_for_status()
    assert answer.headers["content-type"].startswith("text/event-stream")
    *events, done, nothing = answer.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    return chunks


def text_of(chunks: list[dict[str, Any]], model: str = "") -> str:
    """What all chunks say, or those of a model."""
    deltas = [
        choice["delta"]
        for chunk in chunks
        for choice in chunk["choices"]
        if model in chunk["model"] and not choice["index"]
    ]
    return "".join(delta.get("content") or "" for delta in deltas)


def guard_of(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The guard's part, which is where the reply ends and nowhere else."""
    (last,) = [chunk for chunk in chunks if "guard" in chunk]
    assert last["choices"][0]["finish_reason"]
    return dict(last["guard"])


def said(told: dict[str, Any]) -> str:
    return str(told["choices"][0]["message"]["content"])


def error(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    assert answer.status_code == status, answer.text
    told = answer.json()["error"]
    assert told.keys() == {"message", "type", "param", "code"}
    assert told["message"]
    return dict(told)


# What is answered


def test_an_answer_goes_on_as_it_came_with_the_guard_s_part(
    http: httpx2.Client, host: replies.Host
) -> None:
    told = complete(http, user="me", seed=7)
    assert said(told) == replies.reply_of(QWEN, SOUP)
    assert told["usage"] == replies.usage_of(SOUP, said(told))
    assert told["guard"]["mode"] == "fallback"
    assert told["guard"]["verdict"]["status"] == "clean"
    (attempt,) = told["guard"]["attempts"]
    known = {key: attempt[key] for key in ("model", "developer", "origin", "provider", "conduct")}
    assert known == {
        "model": QWEN,
        "developer": "Alibaba (Qwen)",
        "origin": "CN",
        "provider": "127.0.0.1",
        "conduct": "answered",
    }
    assert host.asked[0].body == body(user="me", seed=7), "our part is not the host's"
    assert host.asked[0].headers["authorization"] == f"Bearer {API_KEY}", "nor is the caller's key"


def test_a_withheld_answer_is_replaced_before_anyone_has_seen_it(http: httpx2.Client) -> None:
    answer = http.post(COMPLETIONS, json=body(TIANANMEN)).raise_for_status()
    told = answer.json()
    assert said(told) == ANSWERED
    assert told["model"] == LLAMA
    guard = told["guard"]
    assert (guard["action"], guard["answer"]) == ("fall back", 1)
    first, second = guard["attempts"]
    assert (first["status"], second["status"]) == ("withheld", "clean")
    assert (first["reply"], second["reply"]) == (WITHHELD, None)
    assert "China" in first["explanation"]
    assert all(fact["text"] and fact["sources"][0]["url"] for fact in guard["facts"])
    headers = {name: value for name, value in answer.headers.items() if name.startswith("x-guard")}
    assert headers == {
        "x-guard-mode": "fallback",
        "x-guard-action": "fall back",
        "x-guard-attempts": "2",
        "x-guard-verdict": "clean",
        "x-guard-model": LLAMA,
        "x-guard-origin": "US",
    }


def test_a_stream_shows_both_one_after_the_other_marked(http: httpx2.Client) -> None:
    chunks = stream(http, TIANANMEN)
    whole = text_of(chunks)
    begun, _, rest = whole.partition("\n\n---\n\n**Candor:** ")
    note, _, answered = rest.partition("\n\n---\n\n")
    assert begun
    assert WITHHELD.startswith(begun)
    assert "Llama" in note
    assert "United States" in note
    assert answered == ANSWERED
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [each["reply"] for each in guard_of(chunks)["attempts"]] == [None, None]


def test_a_held_back_stream_shows_the_answering_model_alone(http: httpx2.Client) -> None:
    chunks = stream(http, TIANANMEN, guard={"hold": 2000})
    assert text_of(chunks) == ANSWERED
    assert {chunk["model"] for chunk in chunks} == {LLAMA}
    guard = guard_of(chunks)
    assert WITHHELD.startswith(guard["attempts"][0]["reply"])
    assert guard["answer"] == 1


def test_what_is_held_back_is_shown_once_there_is_enough_of_it(http: httpx2.Client) -> None:
    chunks = stream(http, TIANANMEN, guard={"hold": 10})
    assert "**Candor:**" in text_of(chunks), "the verdict came too late to hide anything"
    chunks = stream(http, SOUP, guard={"hold": 20_000})
    assert text_of(chunks) == replies.reply_of(QWEN, SOUP)
    chunks = stream(http, SOUP, guard={"hold": 30})
    assert text_of(chunks) == replies.reply_of(QWEN, SOUP)


def test_a_warning_changes_no_text(http: httpx2.Client) -> None:
    told = complete(http, TIANANMEN, guard={"mode": "warn"})
    assert said(told) == WITHHELD
    assert told["guard"]["action"] == "warn"
    chunks = stream(http, TIANANMEN, guard={"mode": "warn"})
    assert text_of(chunks) == WITHHELD
    assert guard_of(chunks)["verdict"]["status"] == "withheld"


@pytest.mark.parametrize("streams", [False, True])
def test_an_annotation_stands_behind_a_rule_with_sources(
    http: httpx2.Client, streams: bool
) -> None:
    wanted: dict[str, Any] = {"guard": {"mode": "annotate", "language": "de"}}
    if streams:
        whole = text_of(stream(http, TIANANMEN, **wanted))
    else:
        whole = said(complete(http, TIANANMEN, **wanted))
    assert whole.startswith(f"{WITHHELD}\n\n---\n\n**Candor:** Diese Antwort ")
    assert "Was in unabhängigen Quellen steht:" in whole
    assert "](<https://" in whole


@pytest.mark.parametrize("streams", [False, True])
def test_a_clean_answer_is_not_annotated(http: httpx2.Client, streams: bool) -> None:
    wanted = {"guard": {"mode": "annotate"}}
    whole = text_of(stream(http, **wanted)) if streams else said(complete(http, **wanted))
    assert whole == replies.reply_of(QWEN, SOUP)


def test_json_is_never_annotated(http: httpx2.Client) -> None:
    wanted = {"guard": {"mode": "annotate"}, "response_format": {"type": "json_object"}}
    assert said(complete(http, TIANANMEN, **wanted)) == WITHHELD
    assert text_of(stream(http, TIANANMEN, **wanted)) == WITHHELD


def test_the_guard_can_be_off(http: httpx2.Client) -> None:
    told = complete(http, TIANANMEN, guard={"mode": "off"})
    assert said(told) == WITHHELD
    assert (told["guard"]["verdict"], told["guard"]["unguarded"]) == (None, "off")
    assert told["guard"]["attempts"][0]["conduct"] is None


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(":guarded", "fallback"), (":annotated", "annotate"), (":unguarded", "off")],
)
def test_a_suffix_sets_the_mode_for_clients_that_send_nothing_else(
    http: httpx2.Client, host: replies.Host, suffix: str, mode: str
) -> None:
    told = complete(http, model=QWEN + suffix)
    assert told["guard"]["mode"] == mode
    assert host.asked[0].model == QWEN


def test_the_body_leads_the_suffix(http: httpx2.Client) -> None:
    told = complete(http, model=f"{QWEN}:annotated", guard={"mode": "off"})
    assert told["guard"]["mode"] == "off"


def test_explanations_are_in_the_language_that_the_caller_reads(http: httpx2.Client) -> None:
    headers = {"accept-language": "fr-CH, en;q=0.5"}
    told = http.post(COMPLETIONS, json=body(TIANANMEN), headers=headers).json()
    assert told["guard"]["attempts"][0]["explanation"].startswith("Cette réponse")


# What passes through


def test_what_is_asked_of_the_host_reaches_it(http: httpx2.Client, host: replies.Host) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    wanted: dict[str, Any] = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": SOUP}, image]},
        ],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        "stop": ["END"],
        "logprobs": True,
        "top_logprobs": 2,
        "temperature": 0.2,
        "something_new": {"a": [1]},
    }
    told = complete(http, **wanted)
    sent = dict(host.asked[0].body)
    assert {key: sent[key] for key in wanted} == wanted
    assert told["choices"][0]["logprobs"]["content"][0]["token"] == "Here"


def test_a_stream_s_count_of_tokens_comes_where_it_is_asked_for(http: httpx2.Client) -> None:
    chunks = stream(http, stream_options={"include_usage": True})
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    guard_of(chunks)
    assert not any(chunk.get("usage") for chunk in stream(http))


TOOLS = [{"type": "function", "function": {"name": "web__search", "parameters": {}}}]


def test_calls_of_tools_pass_and_are_not_judged(http: httpx2.Client) -> None:
    question = f"{TIANANMEN} use:search=lentils"
    told = complete(http, question, tools=TOOLS)
    (call,) = told["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "web__search"
    assert told["guard"]["verdict"] is None
    chunks = stream(http, question, tools=TOOLS)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    parts = [part for delta in deltas for part in delta.get("tool_calls") or ()]
    arguments = "".join(part["function"]["arguments"] for part in parts)
    assert json.loads(arguments) == {"query": "lentils"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert guard_of(chunks)["attempts"][0]["fault"] is None


def test_what_a_tool_returned_goes_to_the_host(http: httpx2.Client, host: replies.Host) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": TIANANMEN},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "a result"},
    ]
    told = complete(http, messages=messages)
    assert host.asked[0].body["messages"] == messages
    assert told["guard"]["action"] == "fall back", "the question is still the user's last"


@pytest.mark.parametrize(
    ("wanted", "why"), [({"n": 2}, "choices"), ({"modalities": ["text", "audio"]}, "audio")]
)
def test_what_cannot_be_guarded_passes_and_is_said_so(
    http: httpx2.Client, wanted: dict[str, Any], why: str
) -> None:
    told = complete(http, TIANANMEN, **wanted)
    assert (told["guard"]["verdict"], told["guard"]["unguarded"]) == (None, why)
    assert len(told["choices"]) == wanted.get("n", 1)
    chunks = stream(http, TIANANMEN, **wanted)
    indexes = {choice["index"] for chunk in chunks for choice in chunk["choices"]}
    assert indexes == {*range(wanted.get("n", 1))}
    ended = [c["index"] for k in chunks for c in k["choices"] if c["finish_reason"]]
    assert ended == [*range(wanted.get("n", 1))]
    assert guard_of(chunks)["unguarded"] == why


def test_pictures_are_handed_on_to_models_that_see(http: httpx2.Client, host: replies.Host) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": TIANANMEN}, image]
    told = complete(http, messages=[{"role": "user", "content": content}])
    assert "Llama-3.3" not in told["model"], "it does not see"
    assert host.asked[-1].body["messages"][0]["content"] == content


# Hostile hosts and models


def test_nothing_a_host_sends_passes_for_the_guard_s(http: httpx2.Client) -> None:
    question = f"{TIANANMEN} fault:forged@Qwen"
    told = complete(http, question, guard={"mode": "warn"})
    assert told["guard"]["verdict"]["status"] == "withheld"
    chunks = stream(http, question, guard={"mode": "warn"})
    assert guard_of(chunks)["verdict"]["status"] == "withheld"


def test_an_open_code_block_does_not_swallow_our_note() -> None:
    from guard import notes

    for said_before, closing in [
        ("```python\nx = 1", "\n```"),
        ("````\n```\nx", "\n````"),
        ("~~~\n```", "\n~~~"),
        ("```\nx\n```", ""),
        ("`x`", ""),
        ("", None),
    ]:
        whole = notes.after(said_before, "note")
        expected = "note" if closing is None else f"{closing}\n\n---\n\nnote"
        assert whole == expected


# Errors


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
        ({"messages": "x"}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"n": 0}, "n"),
        ({"guard": {"mode": "loud"}}, "guard.mode"),
        ({"guard": {"hold": -1}}, "guard.hold"),
        ({"guard": {"unknown": 1}}, "guard.unknown"),
        ({"guard": {"language": "../x"}}, "guard.language"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_body_that_is_wrong_is_refused_by_name(
    http: httpx2.Client, host: replies.Host, sent: dict[str, Any], param: str
) -> None:
    told = error(http.post(COMPLETIONS, json=body() | sent), 400)
    assert (told["type"], told["param"]) == ("invalid_request_error", param)
    assert not host.asked


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"a": NaN}', b"\xff", b"[" * 5000, b'{"a":' * 5000]
)
def test_a_body_that_is_no_json_object_is_refused(http: httpx2.Client, content: bytes) -> None:
    error(http.post(COMPLETIONS, content=content), 400)


def test_a_body_that_is_too_large_is_refused(http: httpx2.Client) -> None:
    error(http.post(COMPLETIONS, content=b" " * 20_000_001), 413)


def test_a_model_that_is_not_on_offer_is_not_found(http: httpx2.Client) -> None:
    told = error(http.post(COMPLETIONS, json=body(model="Qwen/Qwen2.5-72B-Instrukt")), 404)
    assert (told["code"], told["param"]) == ("model_not_found", "model")
    assert QWEN in told["message"]


def test_other_methods_and_places_are_refused_in_the_same_shape(http: httpx2.Client) -> None:
    error(http.get(COMPLETIONS), 405)
    error(http.get("/v1/nothing"), 404)


FAULTS = {
    "401": (502, "unauthorized"),
    "402": (402, "payment"),
    "404": (404, "not_found"),
    "400": (400, "rejected"),
    "429": (429, "rate_limited"),
    "500": (502, "unavailable"),
    "garbage-first": (502, "malformed"),
    "disconnect-first": (502, "interrupted"),
}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_host_that_fails_before_it_said_anything_is_an_error(
    http: httpx2.Client, fault: str, streams: bool
) -> None:
    complete(http)  # faults in a row would have the host left alone
    name, (status, code) = fault, FAULTS[fault]
    if not streams and fault.endswith("-first"):
        name, code = "garbage", "malformed"
    wanted = {"stream": streams, "guard": {"mode": "warn"}}
    answer = http.post(COMPLETIONS, json=body(f"{SOUP} fault:{name}", **wanted))
    told = error(answer, status)
    assert told["code"] == code
    assert answer.json()["guard"]["attempts"][0]["fault"] == code
    assert API_KEY not in answer.text
    assert (answer.headers.get("retry-after") == replies.RETRY_AFTER) == (fault == "429")


def test_a_host_that_fails_is_left_for_the_next(http: httpx2.Client) -> None:
    complete(http)
    told = complete(http, f"{SOUP} fault:404@Qwen")
    assert told["model"] == LLAMA
    assert [each["fault"] for each in told["guard"]["attempts"]] == ["not_found", None]
    chunks = stream(http, f"{SOUP} fault:404@Qwen")
    assert text_of(chunks) == replies.reply_of(LLAMA, SOUP)
    assert "**Candor:**" not in text_of(chunks)


def test_a_host_that_fails_in_the_middle_ends_the_stream_with_an_error(
    http: httpx2.Client,
) -> None:
    answer = http.post(COMPLETIONS, json=body(f"{SOUP} fault:disconnect", stream=True))
    assert answer.status_code == 200
    *chunks, last = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    assert replies.reply_of(QWEN, SOUP).startswith(text_of(chunks))
    assert text_of(chunks)
    assert last["error"]["code"] == "interrupted"
    assert last["guard"]["verdict"]["status"] == "unchecked"


def test_where_nobody_answers_after_a_withheld_reply_it_stays(http: httpx2.Client) -> None:
    others = ["Llama", "Mistral", "c4ai", "gpt-oss", "Apertus", "gemma"]
    question = TIANANMEN + "".join(f" fault:404@{name}" for name in others)
    complete(http)
    told = complete(http, question)
    assert said(told) == WITHHELD
    assert told["guard"]["exhausted"] == "failed"
    assert told["guard"]["answer"] == 0
    whole = text_of(stream(http, question, guard={"hold": 20_000}))
    assert one_line(whole) in one_line(WITHHELD, 10_000) or WITHHELD in whole


# A client that leaves


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_a_client_that_leaves_ends_the_host_s_work(
    site: Site, host: replies.Host, fault: str, streams: bool
) -> None:
    """How soon is for the benchmark to say; that the host goes on by itself is ruled out."""
    if fault == "stall" and not streams:
        pytest.skip("a stall is of streams")
    raw = json.dumps(body(f"{SOUP} fault:{fault}", stream=streams)).encode()
    port = int(site.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST {COMPLETIONS} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {V1_KEY}\r\n"
        client.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
        assert settles(lambda: host.answering == 1)
    assert settles(lambda: host.answering == 0)


def test_nothing_is_kept_of_what_goes_through_the_api(http: httpx2.Client, site: Site) -> None:
    complete(http)
    assert not site.running()
