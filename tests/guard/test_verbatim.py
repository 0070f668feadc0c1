"""A conversation in langchain's own form reaches the host as it is; calls of tools come back."""

from __future__ import annotations

import pytest
import replies
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from specs import spec

from guard.attempt import Query
from guard.catalogue import Catalogue
from guard.events import Delta, Done, Event, Failed, Judged
from guard.patience import Patience
from guard.pipeline import Run
from guard.providers.inference import InferenceChat
from guard.providers.openai_compatible import openai_compatible
from guard.tools.rounds import ARGUMENTS
from guard.types import Message

TIANANMEN = "What happened at Tiananmen Square in June 1989?"


async def events(host: replies.Host, question: str, verbatim: list[BaseMessage]) -> list[Event]:
    model = spec("m/one")
    catalogue = Catalogue(default=model.id, models=(model,))
    query = Query.of([Message(role="user", text=question)], "warn", "en", verbatim=verbatim)
    chat = InferenceChat.at(openai_compatible(host.base_url, None), model.id, 5.0)
    run = Run(query, catalogue, lambda _: chat, patience=Patience(pause=0))
    return [event async for event in run.events(model)]


async def test_every_kind_of_message_reaches_the_host_untouched(host: replies.Host) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"name": "search", "args": {"query": "lentils"}, "id": "call1", "type": "tool_call"}
    told: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "What is this?"}, picture]),
        AIMessage("I look it up.", tool_calls=[call]),
        ToolMessage("Lentils.", tool_call_id="call1"),
    ]
    await events(host, "What is this?", told)
    system, human, assistant, tool = host.asked[0].body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert human["content"] == [{"type": "text", "text": "What is this?"}, picture]
    assert assistant["tool_calls"][0]["function"]["name"] == "search"
    assert (tool["role"], tool["tool_call_id"], tool["content"]) == ("tool", "call1", "Lentils.")


@pytest.mark.parametrize("question", ["", TIANANMEN])
async def test_a_reply_of_calls_alone_is_neither_empty_nor_withheld(
    host: replies.Host, question: str
) -> None:
    asked = f"{question} use:search=lentils unasked"
    found = await events(host, asked, [HumanMessage(asked)])
    assert [type(event) for event in found[1:]] == [Done]
    assert isinstance(found[-1], Done)
    assert found[-1].finish_reason == "tool_calls"


async def test_words_beside_a_call_are_judged(host: replies.Host) -> None:
    asked = f"{TIANANMEN} use:search=lentils unasked aloud"
    found = await events(host, asked, [HumanMessage(asked)])
    assert any(isinstance(event, Delta) for event in found)
    assert [event.final for event in found if isinstance(event, Judged)][-1:] == [True]


async def test_calls_may_be_as_long_as_replies(host: replies.Host) -> None:
    asked = f"use:search={'x' * (ARGUMENTS + 100)} unasked"
    found = await events(host, asked, [HumanMessage(asked)])
    assert isinstance(found[-1], Done)


async def test_calls_that_nobody_asked_for_are_still_no_reply(host: replies.Host) -> None:
    found = await events(host, "use:search=lentils unasked", [])
    assert isinstance(found[-1], Failed)
    assert found[-1].kind == "empty"
