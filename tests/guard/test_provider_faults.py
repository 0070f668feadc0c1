"""Every way in which a host fails, on the first model and on a fallback, through `Guard.stream`."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from functools import partial
from typing import Any

import pytest
import replies
from pydantic import SecretStr
from specs import spec

from guard.attempt import REPLY_LIMIT
from guard.catalogue import Catalogue, GuardSettings
from guard.errors import FaultKind, ProviderError
from guard.events import (
    Delta,
    Done,
    Event,
    Exhausted,
    Failed,
    FellBack,
    Judged,
    Passed,
    Started,
    Thought,
)
from guard.patience import Patience
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import host_of
from guard.providers.host import LINE_LIMIT
from guard.providers.inference import InferenceChat
from guard.providers.relay import Relay, close_shared_session
from guard.providers.streamed import streamed
from guard.types import Message, Mode, ModelSpec

KEY = "sk-SecretSecretSecretSecretSecret"
SOUP = "How do I cook lentil soup?"
TIANANMEN = "What happened at Tiananmen Square in June 1989?"
CANDID = "candid/fi"

BEFORE_ANY_TEXT: dict[str, FaultKind] = {
    "401": "unauthorized",
    "402": "payment",
    "403": "unauthorized",
    "404": "not_found",
    "400": "rejected",
    "413": "too_long",
    "429": "rate_limited",
    "500": "unavailable",
    "503": "unavailable",
    "504": "timeout",
    "hang": "timeout",
    "stall-first": "timeout",
    "disconnect-first": "interrupted",
    "cut-first": "interrupted",
    "garbage-first": "malformed",
    "error-first": "unavailable",
    "empty": "empty",
    "huge-thoughts-first": "too_long",
}
AFTER_SOME_TEXT: dict[str, FaultKind] = {
    "stall": "timeout",
    "disconnect": "interrupted",
    "cut": "interrupted",
    "garbage": "malformed",
    "list": "malformed",
    "odd-types": "malformed",
    "no-choices": "interrupted",
    "not-utf8": "malformed",
    "error": "unavailable",
    "overloaded": "unavailable",
    "error-with-key": "unavailable",
    "huge": "too_long",
    "huge-line": "too_long",
}


def guard_of(
    host: replies.Host, first: str, *fallbacks: str, mode: Mode = "fall back", **options: float
) -> Guard:
    """A guard whose first model is Chinese and whose fallbacks are Finnish and Swiss.

    It asks each host once: that it asks again is tested in `test_patience.py`. A host that says
    much may fall silent for a while on a busy machine; of the others half a second is much.
    """
    huge = any("huge" in id_ for id_ in (first, *fallbacks))
    timeout = options.get("timeout", 10 if huge else 0.5)
    origins = ["CN", "FI", "CH", "SE", "NO"]
    models = tuple(spec(id_, o) for id_, o in zip((first, *fallbacks), origins, strict=False))
    catalogue = Catalogue(
        default=first, guard=GuardSettings(mode=mode, fallbacks=fallbacks), models=models
    )
    connection = Connection(base_url=host.base_url, api_key=SecretStr(KEY), timeout=timeout)
    return Guard(catalogue, connection, Patience(tries=1))


async def ask(guard: Guard, question: str = SOUP, **options: Any) -> list[Event]:
    async with asyncio.timeout(20):
        messages = [Message(role="user", text=question)]
        return [event async for event in guard.stream(messages, **options)]


async def asked_through_a_relay(guard: Guard, question: str = SOUP) -> list[Event]:
    """The same, handing on what the hosts send; what is `Passed` is what the other events tell."""
    messages = [{"role": "user", "content": question}]

    def relaying(spec: ModelSpec) -> Relay:
        body = {"model": spec.id, "messages": messages, "stream": True}
        return Relay(host_of(spec, guard.connection), body, guard.connection.timeout)

    try:
        events = await ask(guard, question, relaying=relaying)
    finally:
        await close_shared_session()
    for attempt in {event.attempt for event in events}:
        passed = [e for e in events if isinstance(e, Passed) and e.attempt == attempt]
        choices = [c for e in passed for chunk in e.chunks for c in chunk["choices"] or ()]
        said = "".join(choice["delta"].get("content") or "" for choice in choices)
        assert said[:REPLY_LIMIT] == text_of(events, attempt)
    return [event for event in events if not isinstance(event, Passed)]


async def asked_by_the_page(guard: Guard, question: str = SOUP) -> list[Event]:
    """The same, read as the page reads it."""
    relaying = partial(streamed, connection=guard.connection)
    try:
        return await ask(guard, question, relaying=relaying)
    finally:
        await close_shared_session()


WAYS_TO_ASK = pytest.mark.parametrize(
    "asking", [ask, asked_through_a_relay, asked_by_the_page], ids=["", "relay", "page"]
)


def kinds(events: list[Event]) -> list[str]:
    """The events' names, runs of text as one."""
    names = [type(event).__name__ for event in events if not isinstance(event, Judged)]
    text = {"Delta", "Thought"}
    return [n for i, n in enumerate(names) if n not in text or names[i - 1 : i] != [n]]


def text_of(events: list[Event], attempt: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, Delta) and e.attempt == attempt)


def only(events: list[Event], kind: type[Event]) -> Any:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


# On the first model


@WAYS_TO_ASK
@pytest.mark.parametrize(("fault", "kind"), BEFORE_ANY_TEXT.items(), ids=BEFORE_ANY_TEXT)
async def test_a_fault_before_any_text_hands_the_question_on(
    host: replies.Host, fault: str, kind: FaultKind, asking: Any
) -> None:
    events = await asking(guard_of(host, f"fault/{fault}", CANDID))
    thought = ["Thought"] if fault == "huge-thoughts-first" else []
    expected = ["Started", *thought, "Failed", "FellBack", "Started", "Delta", "Done"]
    assert kinds(events) == expected
    assert only(events, Failed).kind == kind
    assert only(events, FellBack).cause == "failed"
    assert only(events, FellBack).to.id == CANDID
    assert text_of(events, 0) == ""
    assert text_of(events, 1) == replies.reply_of(CANDID, SOUP)


@WAYS_TO_ASK
@pytest.mark.parametrize(("fault", "kind"), AFTER_SOME_TEXT.items(), ids=AFTER_SOME_TEXT)
async def test_a_fault_after_some_text_keeps_the_text_and_asks_nobody(
    host: replies.Host, fault: str, kind: FaultKind, asking: Any
) -> None:
    events = await asking(guard_of(host, f"fault/{fault}", CANDID))
    assert kinds(events) == ["Started", "Delta", "Failed"]
    assert only(events, Failed).kind == kind
    whole = replies.reply_of("", SOUP)
    begun = "".join(replies.pieces_of(whole)[: replies.BEFORE_FAULT])
    assert text_of(events).startswith(begun)
    final = [e for e in events if isinstance(e, Judged) and e.final]
    assert [e.verdict.status for e in final] == ["clean" if fault == "huge" else "unchecked"]


@pytest.mark.parametrize("mode", ["off", "warn"])
@pytest.mark.parametrize("fault", ["500", "hang", "disconnect-first", "garbage-first", "empty"])
async def test_in_other_modes_a_fault_asks_nobody_else(
    host: replies.Host, fault: str, mode: Mode
) -> None:
    events = await ask(guard_of(host, f"fault/{fault}", CANDID), mode=mode)
    assert kinds(events) == ["Started", "Failed"]
    assert len(host.asked) == 1


async def test_a_crowded_host_says_how_long_to_wait(host: replies.Host) -> None:
    failed = only(await ask(guard_of(host, "fault/429")), Failed)
    assert failed.retry_after == float(replies.RETRY_AFTER)


async def test_a_cut_reply_that_has_withheld_already_is_handed_on(host: replies.Host) -> None:
    guard = guard_of(host, "refuses/cn", CANDID)
    events = await ask(guard, f"{TIANANMEN} fault:late-cut@refuses")
    assert kinds(events)[:4] == ["Started", "Delta", "Failed", "FellBack"]
    assert only(events, FellBack).cause == "withheld"
    assert only(events, Failed).kind == "interrupted"
    assert text_of(events, 1) == replies.reply_of(CANDID, TIANANMEN)


async def test_a_hosts_filter_on_a_suppressed_topic_is_withholding(host: replies.Host) -> None:
    guard = guard_of(host, "fault/filter", CANDID)
    events = await ask(guard, TIANANMEN)
    assert kinds(events) == ["Started", "Delta", "Done", "FellBack", "Started", "Delta", "Done"]
    judged = next(e for e in events if isinstance(e, Judged) and e.final)
    assert judged.verdict.status == "withheld"
    assert {s.reason for s in judged.verdict.signals} >= {"filtered"}
    assert only(events, FellBack).cause == "withheld"


async def test_a_hosts_filter_on_another_topic_is_not_called_censorship(
    host: replies.Host,
) -> None:
    events = await ask(guard_of(host, "fault/filter", CANDID))
    assert kinds(events) == ["Started", "Delta", "Done"]
    assert not [e for e in events if isinstance(e, Judged) and e.verdict.status == "withheld"]


async def test_an_empty_reply_on_a_suppressed_topic_is_withholding(host: replies.Host) -> None:
    events = await ask(guard_of(host, "fault/empty", CANDID), TIANANMEN)
    assert only(events, FellBack).cause == "withheld"
    assert text_of(events, 1)


async def test_a_slow_host_is_waited_for_as_long_as_it_says_something(host: replies.Host) -> None:
    events = await ask(guard_of(host, "fault/slow", timeout=0.5))
    done = only(events, Done)
    assert done.seconds > 0.5
    assert text_of(events) == replies.reply_of("", SOUP)


async def test_another_model_than_was_asked_is_told(host: replies.Host) -> None:
    done = only(await ask(guard_of(host, "fault/other-model")), Done)
    assert done.served.model == replies.OTHER_MODEL
    assert only(await ask(guard_of(host, CANDID)), Done).served.model is None


async def test_who_served_and_from_where_is_told(host: replies.Host) -> None:
    done = only(await ask(guard_of(host, "fault/routed")), Done)
    assert (done.served.provider, done.served.origin) == ("Novita AI", "US")


@pytest.mark.parametrize("channel", ["reasoning", "reasoning_content"])
async def test_thoughts_are_events_of_their_own(host: replies.Host, channel: str) -> None:
    events = await ask(guard_of(host, f"fault/{channel}"))
    thoughts = "".join(e.text for e in events if isinstance(e, Thought))
    assert thoughts == replies.REASONING
    assert text_of(events) == replies.reply_of("", SOUP)


async def test_a_host_that_is_not_there(host: replies.Host) -> None:
    guard = guard_of(host, CANDID)
    nobody = Connection(base_url="http://127.0.0.1:9/v1", timeout=0.5)
    failed = only(await ask(Guard(guard.models, nobody)), Failed)
    assert failed.kind == "unavailable"


async def test_a_name_that_does_not_resolve(host: replies.Host) -> None:
    nobody = Connection(base_url="http://no-such-host.invalid/v1", timeout=2)
    failed = only(await ask(Guard(guard_of(host, CANDID).models, nobody)), Failed)
    assert failed.kind in {"unavailable", "timeout"}


# On the fallback


@pytest.mark.parametrize("fault", [*BEFORE_ANY_TEXT])
async def test_a_fallback_that_fails_at_once_is_followed_by_the_next(
    host: replies.Host, fault: str
) -> None:
    guard = guard_of(host, "withholds/cn", f"fault/{fault}", CANDID)
    events = await ask(guard, TIANANMEN)
    causes = [e.cause for e in events if isinstance(e, FellBack)]
    assert causes == ["withheld", "withheld" if fault == "empty" else "failed"]
    assert text_of(events, 2) == replies.reply_of(CANDID, TIANANMEN)
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize("fault", ["429", "hang", "disconnect-first", "garbage-first", "empty"])
async def test_where_nobody_is_left_that_is_told(host: replies.Host, fault: str) -> None:
    guard = guard_of(host, "withholds/cn", f"fault/{fault}")
    events = await ask(guard, TIANANMEN)
    assert isinstance(events[-1], Exhausted)
    assert events[-1].tried == ("withholds/cn", f"fault/{fault}")
    assert events[-1].cause == ("withheld" if fault == "empty" else "failed")
    assert text_of(events, 0), "what the first model said stays"


@pytest.mark.parametrize("fault", ["stall", "disconnect", "cut", "garbage", "error", "huge-line"])
async def test_a_fallback_that_breaks_off_keeps_its_text(host: replies.Host, fault: str) -> None:
    guard = guard_of(host, "withholds/cn", f"fault/{fault}", CANDID)
    events = await ask(guard, TIANANMEN)
    assert only(events, Failed).kind == AFTER_SOME_TEXT[fault]
    assert only(events, Failed).attempt == 1
    assert text_of(events, 1)
    assert len(host.asked) == 2


# Afterwards


@pytest.mark.parametrize("fault", [*BEFORE_ANY_TEXT, *AFTER_SOME_TEXT])
async def test_the_next_message_works_and_nothing_stays_open(
    host: replies.Host, fault: str
) -> None:
    guard = guard_of(host, CANDID)
    events = await ask(guard, f"{SOUP} fault:{fault}")
    assert isinstance(events[-1], Failed | Exhausted)
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 0)
    after = await ask(guard)
    assert isinstance(after[-1], Done)
    assert text_of(after) == replies.reply_of(CANDID, SOUP)


@pytest.mark.parametrize("question", [f"{SOUP} fault:slow", f"{SOUP} fault:stall"])
async def test_a_reader_who_stops_closes_the_connection(host: replies.Host, question: str) -> None:
    guard = guard_of(host, CANDID, timeout=60)
    events = guard.stream([Message(role="user", text=question)])
    async for event in events:
        if isinstance(event, Delta):
            break
    assert host.answering == 1
    await events.aclose()
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 0)
    assert await asyncio.to_thread(host.settles, lambda: host.connections == 0)
    assert host.asked[0].sent < host.asked[0].pieces


@pytest.mark.parametrize("fault", ["hang", "stall", "stall-first", "slow"])
async def test_a_cancelled_task_closes_the_connection(host: replies.Host, fault: str) -> None:
    guard = guard_of(host, f"fault/{fault}", CANDID, timeout=60)
    task = asyncio.create_task(ask(guard))
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(host.settles, lambda: host.connections == 0)
    assert len(host.asked) == 1, "nobody else is asked after a stop"


async def test_a_reply_that_the_guard_stops_is_not_read_on(host: replies.Host) -> None:
    guard = guard_of(host, "withholds/cn", "fault/hang", timeout=60)
    task = asyncio.create_task(ask(guard, TIANANMEN))
    assert await asyncio.to_thread(host.settles, lambda: len(host.asked) == 2)
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 1)
    assert host.asked[0].sent < host.asked[0].pieces
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Bounds


async def test_a_huge_reply_is_ended_at_the_limit(host: replies.Host) -> None:
    events = await ask(guard_of(host, "fault/huge"))
    assert len(text_of(events)) == REPLY_LIMIT
    assert host.asked[0].sent < replies.HUGE / 10_000
    (final,) = [e for e in events if isinstance(e, Judged) and e.final]
    assert final.verdict.status == "clean"


async def test_endless_thoughts_are_ended_at_the_limit(host: replies.Host) -> None:
    events = await ask(guard_of(host, "fault/huge-thoughts"))
    assert sum(len(e.text) for e in events if isinstance(e, Thought)) == REPLY_LIMIT


@pytest.mark.parametrize("fault", ["huge", "huge-line", "huge-thoughts"])
async def test_memory_is_bounded_whatever_the_host_sends(host: replies.Host, fault: str) -> None:
    guard = guard_of(host, f"fault/{fault}")
    await ask(guard)
    tracemalloc.start()
    try:
        await ask(guard)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 6 * LINE_LIMIT


# Secrets


@pytest.mark.parametrize(
    "fault", ["401", "429", "500", "error", "error-with-key", "garbage", "hang"]
)
async def test_a_key_never_shows_in_an_event_or_a_log(
    host: replies.Host, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events = await ask(guard_of(host, f"fault/{fault}", CANDID))
    assert host.asked[0].headers["authorization"] == f"Bearer {KEY}", "it was sent"
    assert KEY not in "".join(event.model_dump_json() for event in events)
    assert KEY not in caplog.text


@pytest.mark.parametrize("fault", ["401", "error-with-key"])
async def test_a_key_never_shows_in_the_traceback_of_a_fault(
    host: replies.Host, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    chat = InferenceChat(
        model_name=f"fault/{fault}", base_url=host.base_url, token=SecretStr(KEY), timeout=5
    )
    try:
        async for _ in chat.astream(SOUP):
            pass
    except ProviderError:
        logging.getLogger("test").exception("as an application would log it")
    assert "as an application would log it" in caplog.text
    assert KEY not in caplog.text


async def test_a_password_in_an_address_is_not_logged(
    host: replies.Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = host.base_url.replace("http://", f"http://user:{KEY}@")
    connection = Connection(base_url=address, timeout=5)
    events = await ask(Guard(guard_of(host, CANDID).models, connection))
    assert isinstance(events[-1], Done)
    assert host.asked[0].headers["authorization"].startswith("Basic ")
    assert KEY not in caplog.text
    assert KEY not in "".join(event.model_dump_json() for event in events)
    assert KEY not in repr(connection)


async def test_many_at_once_each_get_their_own(host: replies.Host) -> None:
    guard = guard_of(host, CANDID, "fault/429")
    questions = [SOUP, TIANANMEN, "1989年6月天安门广场发生了什么？", f"{SOUP} fault:disconnect"] * 6
    everything = await asyncio.gather(*(ask(guard, question) for question in questions))
    for question, events in zip(questions, everything, strict=True):
        whole = replies.reply_of(CANDID, question)
        assert isinstance(events[0], Started)
        if "fault" in question:
            assert isinstance(events[-1], Failed)
            assert whole.startswith(text_of(events))
        else:
            assert text_of(events) == whole
