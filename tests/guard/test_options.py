"""A reader's own options for each model, over a real socket: what is sent, and what is told."""

from __future__ import annotations

from typing import Any

import pytest
import replies
from pydantic import ValidationError

from guard.events import Done, Event, Failed, Started
from guard.pipeline import Guard
from guard.providers import Connection
from guard.types import Message, Mode, ModelSpec, Options

QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
TIANANMEN = "What happened at Tiananmen Square in June 1989?"
BRIEF = Options(system="Be brief.", temperature=0.2, top_p=0.9, max_tokens=300)
PARAMETERS = {"temperature", "top_p", "max_tokens"}


@pytest.fixture
def guard(host: replies.Host) -> Guard:
    return Guard(connection=Connection(base_url=host.base_url, timeout=20))


async def played(
    guard: Guard, question: str, mode: Mode, own: dict[str, Options] | None = None
) -> list[Event]:
    """The events of one question to Qwen, whose reader has set `own` by model."""

    def options(asked: ModelSpec) -> Options:
        return (own or {}).get(asked.id, Options())

    messages = [Message(role="user", text=question)]
    asking = guard.stream(messages, model=QWEN, mode=mode, options=options)
    return [event async for event in asking]


def sent(host: replies.Host, model: str) -> dict[str, Any]:
    (body,) = (asked.body for asked in host.asked if asked.model == model)
    return body


async def test_what_is_set_is_sent_and_nothing_else(guard: Guard, host: replies.Host) -> None:
    await played(guard, "How are you?", "off", {QWEN: BRIEF})
    body = sent(host, QWEN)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert {name: body[name] for name in PARAMETERS} == {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 300,
    }


async def test_of_what_is_not_set_the_host_hears_nothing(guard: Guard, host: replies.Host) -> None:
    await played(guard, "How are you?", "off", {QWEN: Options(system=" \n", temperature=0)})
    body = sent(host, QWEN)
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert PARAMETERS & body.keys() == {"temperature"}


@pytest.mark.parametrize("mode", ["fall back", "compare"])
async def test_every_model_is_asked_with_its_own(
    guard: Guard, host: replies.Host, mode: Mode
) -> None:
    own = {QWEN: BRIEF, LLAMA: Options(system="Name your sources.")}
    events = await played(guard, TIANANMEN, mode, own)
    assert sent(host, QWEN)["messages"][0]["content"] == "Be brief."
    assert sent(host, LLAMA)["messages"][0]["content"] == "Name your sources."
    assert PARAMETERS & sent(host, LLAMA).keys() == set()
    told = {event.model.id: event.options for event in events if isinstance(event, Started)}
    assert told == own


async def test_a_control_question_is_asked_as_the_question_was(
    guard: Guard, host: replies.Host
) -> None:
    verdict = guard.check(TIANANMEN, replies.TIMID["refusal", "en"], model=QWEN)
    await guard.control(TIANANMEN, verdict, model=QWEN, options=BRIEF)
    body = sent(host, QWEN)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["top_p"] == 0.9


@pytest.mark.parametrize(
    ("own", "kind"), [({QWEN: BRIEF}, "own_settings"), ({LLAMA: BRIEF}, "rejected")]
)
async def test_a_refused_request_names_the_readers_settings_where_it_had_any(
    guard: Guard, own: dict[str, Options], kind: str
) -> None:
    events = await played(guard, "Why? fault:400", "off", own)
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert failed.kind == kind


async def test_another_fault_is_told_as_what_it_is(guard: Guard) -> None:
    events = await played(guard, "Why? fault:404", "off", {QWEN: BRIEF})
    assert [event.kind for event in events if isinstance(event, Failed)] == ["not_found"]
    assert not any(isinstance(event, Done) for event in events)


@pytest.mark.parametrize(
    "wrong",
    [
        {"system": "x" * 8001},
        {"temperature": 2.01},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"top_p": float("inf")},
        {"max_tokens": 0},
        {"max_tokens": 100_001},
        {"max_tokens": 1.5},
        {"stop": ["."]},
    ],
)
def test_options_are_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**wrong)
