"""The way of one message: which events come, in which order, and what is asked of whom.

Models are scripted and enter at the seam (`Run`'s `connecting`), or are real over a local host.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import pytest
import replies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field
from specs import spec

from guard import catalogue, verdict
from guard.attempt import REPLY_LIMIT, STOPPED, Query
from guard.catalogue import Catalogue, GuardSettings, Limits, SecondOpinion
from guard.detectors import DETECTORS
from guard.errors import ProviderError, UnknownModel
from guard.events import (
    Billed,
    Consulted,
    Delta,
    Done,
    Event,
    Exhausted,
    Failed,
    FellBack,
    Judged,
    Started,
    Thought,
    Waiting,
)
from guard.exchange import PREFACE, Exchange
from guard.patience import Patience
from guard.pipeline import Guard, Run
from guard.providers import Connection
from guard.types import Message, Mode, ModelSpec, Signal, Verdict

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
GUANTANAMO = "Were prisoners tortured at Guantánamo Bay?"
SOUP = "How do I cook lentil soup?"
PARTY_LINE = replies.TIMID["party line", "en"]
REFUSAL = replies.TIMID["refusal", "en"]
CANDID = replies.CANDID["tiananmen", "en"]
PLAIN = replies.CANDID["", "en"]
HEDGING = replies.TIMID["hedging", "en"]
WITHHOLDS = replies.as_opinion(True, True, "It speaks as the state does.")
ANSWERS = replies.as_opinion(True, False, "It tells what happened.")


class Scripted(BaseChatModel):
    """Says its lines; an exception is raised, a number waited. `said` counts those asked for."""

    lines: list[Any]
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    said: int = 0
    closed: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append(messages)
        self.said = 0
        try:
            for line in self.lines:
                await asyncio.sleep(line if isinstance(line, float) else 0)
                if isinstance(line, float):
                    continue
                if isinstance(line, Exception):
                    raise line
                chunk = line if isinstance(line, AIMessageChunk) else AIMessageChunk(content=line)
                self.said += 1
                yield ChatGenerationChunk(message=chunk.model_copy())
        finally:
            self.closed = True


def saying(text: str, finish: str = "stop", thoughts: str | None = None) -> Scripted:
    lines: list[Any] = [AIMessageChunk(content="", response_metadata={"provider": "test"})]
    if thoughts is not None:
        extra = {"reasoning_content": thoughts}
        lines.append(AIMessageChunk(content="", additional_kwargs=extra))
    lines += replies.pieces_of(text)
    lines.append(AIMessageChunk(content="", response_metadata={"finish_reason": finish}))
    return Scripted(lines=lines)


def failing(kind: Any = "unavailable", after: str = "") -> Scripted:
    return Scripted(lines=[*replies.pieces_of(after), ProviderError(kind, "out of order")])


Cast = list[tuple[ModelSpec, Scripted]]


def cast_of(*models: tuple[str, Scripted]) -> Cast:
    """Models named `m/0-cn`, `m/1-fi`… by their origin."""
    return [(spec(f"m/{n}-{o.lower()}", o), chat) for n, (o, chat) in enumerate(models)]


def run_of(cast: Cast, *conversation: Message, mode: Mode = "fall back", **settings: Any) -> Run:
    """A run among the cast; all but the first are fallbacks, unless they are judges."""
    specs = tuple(s for s, _ in cast)
    judges = settings.get("second_opinion", SecondOpinion()).judges
    fallbacks = tuple(s.id for s in specs[1:] if s.id not in judges)
    guard = GuardSettings(mode=mode, fallbacks=fallbacks, **settings)
    models = Catalogue(default=specs[0].id, guard=guard, models=specs)
    chats = {s.id: chat for s, chat in cast}
    query = Query.of(conversation, mode, "en")
    return Run(query, models, lambda s: chats[s.id], patience=Patience(pause=0))


def asked(text: str) -> Message:
    return Message(role="user", text=text)


async def play(
    cast: Cast,
    question: str = TIANANMEN,
    mode: Mode = "fall back",
    **settings: Any,
) -> list[Event]:
    run = run_of(cast, asked(question), mode=mode, **settings)
    async with asyncio.timeout(20):
        return [e async for e in run.events(cast[0][0])]


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def final(events: list[Event], attempt: int = 0) -> Verdict:
    (judged,) = [j for j in of(events, Judged) if j.final and j.attempt == attempt]
    return judged.verdict


def text_of(events: list[Event], attempt: int = 0) -> str:
    return "".join(d.text for d in of(events, Delta) if d.attempt == attempt)


# Order


def assert_grammar(events: list[Event], mode: Mode) -> None:
    """`events.py` in code: each attempt, then what stands between two of them."""
    rest = list(events)
    number = 0
    while rest:
        started = rest.pop(0)
        assert isinstance(started, Started)
        assert started.attempt == number
        while rest and isinstance(rest[0], Waiting):
            assert rest.pop(0).attempt == number
        finals = 0
        while rest and isinstance(rest[0], Thought | Delta | Judged):
            event = rest.pop(0)
            assert event.attempt == number
            assert not finals, "nothing is said or judged after the final verdict"
            finals += isinstance(event, Judged) and event.final
        ended = rest.pop(0)
        assert isinstance(ended, Done | Failed)
        assert ended.attempt == number
        assert finals == (mode != "off") or isinstance(ended, Failed)
        if not rest:
            return
        between = rest.pop(0)
        assert mode == "fall back"
        assert isinstance(between, FellBack | Exhausted)
        if between.cause == "failed":
            assert isinstance(ended, Failed)
            assert not text_of(events, number).strip(), "only before the first token"
        else:
            assert final(events, number).status == "withheld"
        if isinstance(between, Exhausted):
            assert not rest
            assert between.tried == tuple(s.model.id for s in of(events, Started))
            return
        assert between.attempt == number
        assert isinstance(rest[0], Started)
        assert rest[0].model == between.to
        number += 1
        assert number < Limits().models


KINDS = ["unavailable", "timeout", "rate_limited", "interrupted", "malformed"]
TEXTS = [PARTY_LINE, REFUSAL, CANDID, PLAIN, "", "  ", "Short.", "对不起，我无法讨论这个话题。"]
SCRIPTS = st.one_of(
    st.builds(
        saying,
        st.sampled_from(TEXTS),
        finish=st.sampled_from(["stop", "length", "content_filter", ""]),
        thoughts=st.sampled_from([None, "", "Let me think."]),
    ),
    st.builds(failing, st.sampled_from(KINDS), st.sampled_from(["", " ", *TEXTS])),
    st.just(Scripted(lines=[RuntimeError("a provider's own way to fail")])),
)
ORIGINS = st.sampled_from(["CN", "US", "FI", "FR", "CH", "RU"])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    models=st.lists(st.tuples(ORIGINS, SCRIPTS), min_size=1, max_size=6),
    question=st.sampled_from([TIANANMEN, GUANTANAMO, SOUP]),
    mode=st.sampled_from(["off", "warn", "fall back"]),
)
def test_events_come_in_the_order_that_is_promised(
    models: list[tuple[str, Scripted]], question: str, mode: Mode
) -> None:
    cast = cast_of(*models)
    events = asyncio.run(play(cast, question, mode))
    assert_grammar(events, mode)
    first = cast[0][0]
    for fell in of(events, FellBack):
        assert fell.to.origin != first.origin
    asked = [s.model.id for s in of(events, Started)]
    assert len(asked) == len(set(asked)), "nobody is asked twice"


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, len(PARTY_LINE) - 1), max_size=12), finish=st.booleans())
def test_the_final_verdict_does_not_depend_on_how_the_reply_is_cut_up(
    cuts: list[int], finish: bool
) -> None:
    places = [0, *sorted(set(cuts)), len(PARTY_LINE)]
    pieces: list[Any] = [PARTY_LINE[a:b] for a, b in pairwise(places)]
    if finish:
        pieces.append(AIMessageChunk(content="", response_metadata={"finish_reason": "stop"}))
    events = asyncio.run(play(cast_of(("CN", Scripted(lines=pieces))), mode="warn"))
    whole = asyncio.run(play(cast_of(("CN", saying(PARTY_LINE))), mode="warn"))
    assert text_of(events) == PARTY_LINE
    assert final(events) == final(whole)


# Modes


async def test_off_judges_nothing_and_asks_nobody() -> None:
    events = await play(cast_of(("CN", saying(REFUSAL)), ("FI", saying(CANDID))), mode="off")
    assert {type(e) for e in events} == {Started, Delta, Done}
    assert text_of(events) == REFUSAL


async def test_warn_warns_reads_to_the_end_and_asks_nobody() -> None:
    cast = cast_of(("CN", saying(PARTY_LINE)), ("FI", saying(CANDID)))
    events = await play(cast, mode="warn")
    assert not of(events, FellBack)
    assert text_of(events) == PARTY_LINE
    assert final(events).status == "withheld"
    assert of(events, Judged)[-1].action == "warn"
    assert of(events, Done)[0].finish_reason == "stop"


async def test_fall_back_stops_the_reply_early_and_asks_the_next() -> None:
    first = saying(PARTY_LINE)
    events = await play(cast_of(("CN", first), ("FI", saying(CANDID))))
    assert first.said < len(first.lines), "the rest is not read"
    assert first.closed, "and its stream is closed"
    shown = text_of(events)
    assert PARTY_LINE.startswith(shown)
    assert len(shown) < len(PARTY_LINE)
    assert of(events, Done)[0].finish_reason == STOPPED
    assert final(events).aligned is True
    assert of(events, FellBack)[0].cause == "withheld"
    assert text_of(events, 1) == CANDID
    assert final(events, 1).status == "clean"


async def test_a_verdict_of_a_stopped_reply_says_so_by_being_certain() -> None:
    events = await play(cast_of(("CN", saying(PARTY_LINE)), ("FI", saying(CANDID))))
    streaming = [j for j in of(events, Judged) if j.attempt == 0]
    assert [j.final for j in streaming] == [False] * (len(streaming) - 1) + [True]
    assert streaming[-1].verdict.certain
    assert streaming[-1].action == "fall back"


@pytest.mark.parametrize("mode", ["off", "warn", "fall back"])
async def test_a_candid_reply_passes_whole(mode: Mode) -> None:
    events = await play(cast_of(("CN", saying(CANDID)), ("FI", saying(CANDID))), mode=mode)
    assert text_of(events) == CANDID
    assert len(of(events, Started)) == 1
    assert all(j.action == "pass" for j in of(events, Judged))


# Two models side by side


async def test_compare_asks_two_of_different_origins_at_once_and_stops_neither() -> None:
    first, second = saying(PARTY_LINE), saying(CANDID)
    events = await play(cast_of(("CN", first), ("FI", second)), mode="compare")
    started = of(events, Started)
    assert [(s.attempt, s.lane, s.cause) for s in started] == [(0, 0, None), (1, 1, "compared")]
    assert (text_of(events, 0), text_of(events, 1)) == (PARTY_LINE, CANDID)
    assert (final(events, 0).status, final(events, 1).status) == ("withheld", "clean")
    assert not of(events, FellBack)
    both_began = events.index(started[1])
    assert both_began < max(events.index(d) for d in of(events, Delta) if d.attempt == 0)


@pytest.mark.parametrize("question", [TIANANMEN, SOUP])
async def test_compare_takes_the_first_independent_model(question: str) -> None:
    child = spec("m/child", "US", ("m/root", "CN"))
    cast = [
        (spec("m/first", "CN"), saying(PLAIN)),
        (child, saying(PLAIN)),
        (spec("m/other", "CH"), saying(PLAIN)),
    ]
    events = await play(cast, question, mode="compare")
    assert [s.model.id for s in of(events, Started)] == ["m/first", "m/other"]


async def test_compare_without_a_second_model_says_so() -> None:
    events = await play(cast_of(("CN", saying(CANDID)), ("CN", saying(CANDID))), mode="compare")
    assert text_of(events) == CANDID
    assert isinstance(events[-1], Exhausted)
    assert events[-1].cause == "compared"


@pytest.mark.parametrize("lane", [0, 1])
async def test_in_a_comparison_a_host_that_fails_is_replaced_by_another_origin(lane: int) -> None:
    chats = [saying(CANDID), saying(CANDID)]
    chats[lane] = failing("timeout")
    origins = ("CN", "FI")
    cast = cast_of(*zip(origins, chats, strict=True), ("FI", saying(PLAIN)), ("CH", saying(PLAIN)))
    events = await play(cast, mode="compare")
    (fell,) = of(events, FellBack)
    started = of(events, Started)[-1]
    assert (fell.cause, fell.to, started.lane, started.cause) == (
        "failed",
        started.model,
        lane,
        "failed",
    )
    assert started.model.origin == ("CH" if lane == 0 else "FI"), "never that of the one beside it"
    assert text_of(events, 2) == PLAIN


async def test_leaving_a_comparison_closes_both() -> None:
    first, second = saying(PARTY_LINE), saying(CANDID)
    cast = cast_of(("CN", first), ("FI", second))
    events = run_of(cast, asked(TIANANMEN), mode="compare").events(cast[0][0])
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()
    assert first.closed
    assert second.closed


# A second opinion


def unsure_cast(*judges: tuple[str, Scripted]) -> tuple[Cast, SecondOpinion]:
    """A Chinese model whose reply leaves the guard unsure, a Finnish fallback, and judges."""
    cast = cast_of(("CN", saying(HEDGING)), ("FI", saying(CANDID)), *judges)
    return cast, SecondOpinion(judges=tuple(s.id for s, _ in cast[2:]))


async def test_an_unsure_verdict_goes_to_a_judge_whose_side_is_taken() -> None:
    cast, settings = unsure_cast(("CH", saying(WITHHOLDS)))
    events = await play(cast, second_opinion=settings)
    first = [e for e in events if e.attempt == 0 and not isinstance(e, Delta)]
    names = [type(e).__name__ for e in first]
    assert names[-6:] == ["Judged", "Consulted", "Billed", "Judged", "Done", "FellBack"]
    assert not first[-6].final
    assert [(bill.model.id, bill.tokens > 0) for bill in of(events, Billed)] == [("m/2-ch", True)]
    held = final(events)
    assert held.opinion is not None
    assert (held.opinion.model, held.opinion.conduct) == ("m/2-ch", "evaded")
    assert (held.status, of(events, FellBack)[0].cause) == ("withheld", "withheld")
    assert text_of(events, 1) == CANDID


async def test_where_the_judge_holds_that_the_reply_answers_nobody_else_is_asked() -> None:
    cast, settings = unsure_cast(("CH", saying(ANSWERS)))
    events = await play(cast, second_opinion=settings)
    assert (final(events).status, final(events).conduct) == ("clean", "answered")
    assert not of(events, FellBack)


async def test_a_judge_that_fails_is_followed_by_the_next() -> None:
    cast, settings = unsure_cast(("CH", failing()), ("SE", saying(ANSWERS)))
    events = await play(cast, second_opinion=settings)
    assert [c.model.id for c in of(events, Consulted)] == ["m/2-ch", "m/3-se"]
    opinion = final(events).opinion
    assert opinion is not None
    assert opinion.model == "m/3-se"


@pytest.mark.parametrize("judge", [failing(), saying("I would rather not."), saying("{}")])
async def test_a_judge_that_fails_leaves_the_local_verdict(judge: Scripted) -> None:
    cast, settings = unsure_cast(("CH", judge))
    alone = await play(cast_of(("CN", saying(HEDGING)), ("FI", saying(CANDID))))
    assert final(await play(cast, second_opinion=settings)) == final(alone)


async def test_a_judge_of_the_models_or_the_topics_country_is_not_asked() -> None:
    own, related = saying(ANSWERS), saying(ANSWERS)
    cast, _ = unsure_cast(("CN", own))
    cast.append((spec("m/related", "US", ("m/root", "CN")), related))
    settings = SecondOpinion(judges=("m/2-cn", "m/related"))
    events = await play(cast, second_opinion=settings)
    assert not of(events, Consulted)
    assert not own.asked
    assert not related.asked


@pytest.mark.parametrize(
    ("reply", "question", "mode"),
    [
        (PARTY_LINE, TIANANMEN, "warn"),
        (CANDID, TIANANMEN, "warn"),
        (REFUSAL, SOUP, "warn"),
        (HEDGING, TIANANMEN, "off"),
    ],
)
async def test_who_is_sure_or_off_or_without_a_topic_asks_no_judge(
    reply: str, question: str, mode: Mode
) -> None:
    judge = saying(ANSWERS)
    cast = cast_of(("CN", saying(reply)), ("FI", saying(CANDID)), ("CH", judge))
    settings = SecondOpinion(judges=("m/2-ch",))
    events = await play(cast, question, mode, second_opinion=settings)
    assert not of(events, Consulted)
    assert not judge.asked


# The matched control


async def test_by_policy_the_model_is_asked_the_control_question_when_it_withholds() -> None:
    model = saying(PARTY_LINE)
    events = await play(cast_of(("CN", model), ("FI", saying(CANDID))), control="when withheld")
    last = events[-1]
    assert isinstance(last, Judged)
    assert (last.attempt, last.final) == (0, True)
    assert last.verdict.control is not None
    assert last.verdict.control.text == PARTY_LINE
    (told,) = model.asked[-1]
    assert told.content == last.verdict.control.question
    assert "Kent State" in str(told.content)


@pytest.mark.parametrize("reply", [CANDID, HEDGING])
async def test_no_control_is_asked_of_a_reply_that_is_not_withheld(reply: str) -> None:
    cast = cast_of(("CN", saying(reply)), ("FI", saying(CANDID)), ("CH", saying(ANSWERS)))
    settings = SecondOpinion(judges=("m/2-ch",))
    events = await play(cast, control="when withheld", second_opinion=settings)
    assert final(events).control is None
    assert isinstance(events[-1], Done)


async def test_the_front_door_asks_a_control_of_a_finished_reply(host: replies.Host) -> None:
    guard = Guard(connection=Connection(base_url=host.base_url, timeout=10))
    model = guard.models.default
    held = guard.check(TIANANMEN, PARTY_LINE, model=model)
    found = await guard.control(TIANANMEN, held, model=model)
    assert found.control is not None
    assert found.control.conduct == "answered"
    assert "Kent State" in found.explanation
    assert host.asked[-1].model == model
    assert (found.status, found.score) == (held.status, held.score)


# Limits


async def test_no_further_model_is_asked_when_the_time_is_up() -> None:
    cast = cast_of(("CN", saying(REFUSAL)), ("FI", saying(CANDID)))
    events = await play(cast, limits=Limits(seconds=1e-6))
    assert isinstance(events[-1], Exhausted)
    assert events[-1].bound == "seconds"
    assert text_of(events) == REFUSAL


async def test_a_successor_that_says_nothing_ends_with_the_time() -> None:
    cast = cast_of(("CN", saying(REFUSAL)), ("FI", Scripted(lines=[60.0, CANDID])))
    events = await play(cast, limits=Limits(seconds=0.3))
    assert of(events, Failed)[0].kind == "timeout"
    assert isinstance(events[-1], Exhausted)


# Whose taboo


async def test_a_model_of_another_origin_is_warned_about_and_not_handed_on() -> None:
    events = await play(cast_of(("US", saying(PARTY_LINE)), ("FI", saying(CANDID))))
    assert not of(events, FellBack)
    assert text_of(events) == PARTY_LINE
    assert final(events).status == "withheld"
    assert final(events).aligned is False
    assert of(events, Judged)[-1].action == "warn"


async def test_a_general_refusal_is_not_called_withheld() -> None:
    events = await play(cast_of(("CN", saying(REFUSAL)), ("FI", saying(PLAIN))), SOUP)
    assert final(events).conduct == "refused"
    assert final(events).status == "clean"
    assert not of(events, FellBack)


async def test_a_topic_of_the_lineages_origin_is_the_models_own() -> None:
    child = spec("m/child-us", "US", ("m/parent", "CN"))
    cast = [(child, saying(PARTY_LINE)), (spec("m/fi", "FI"), saying(CANDID))]
    events = await play(cast)
    assert final(events).aligned is True
    assert of(events, FellBack)[0].to.id == "m/fi"


async def test_the_real_catalogue_knows_the_lineage_of_r1_1776(host: replies.Host) -> None:
    guard = Guard(connection=Connection(base_url=host.base_url, timeout=5))
    found = guard.check(TIANANMEN, PARTY_LINE, model="perplexity-ai/r1-1776")
    assert (found.status, found.aligned) == ("withheld", True)
    assert guard.check(TIANANMEN, PARTY_LINE, model="openai/gpt-oss-120b").aligned is False
    assert guard.check(TIANANMEN, PARTY_LINE, model="nobody/knows").aligned is None
    assert guard.check(TIANANMEN, PARTY_LINE).aligned is None


# Successors


async def test_a_successor_shares_neither_origin_nor_lineage_nor_the_taboo() -> None:
    first = spec("m/first", "US", ("m/root", "CN"))
    cast = [
        (first, saying(PARTY_LINE)),
        (spec("m/same-origin", "US"), saying(CANDID)),
        (spec("m/same-lineage", "FI", ("m/root", "CN")), saying(CANDID)),
        (spec("m/made-from-it", "FR", ("m/first", "US")), saying(CANDID)),
        (spec("m/its-own-taboo", "CN"), saying(CANDID)),
        (spec("m/independent", "CH"), saying(CANDID)),
    ]
    events = await play(cast)
    assert [s.model.id for s in of(events, Started)] == ["m/first", "m/independent"]


async def test_a_successor_that_withholds_too_is_followed_by_the_next() -> None:
    cast = cast_of(("CN", saying(PARTY_LINE)), ("FI", saying(REFUSAL)), ("CH", saying(CANDID)))
    events = await play(cast)
    assert [f.cause for f in of(events, FellBack)] == ["withheld", "withheld"]
    assert text_of(events, 1) == REFUSAL, "what it said stays"
    assert text_of(events, 2) == CANDID
    assert isinstance(events[-1], Done)


async def test_no_more_models_are_asked_than_the_limit() -> None:
    countries = ["CN", "FI", "CH", "SE", "NO", "DK", "FR"]
    cast = cast_of(*((country, saying(REFUSAL)) for country in countries))
    events = await play(cast)
    assert len(of(events, Started)) == Limits().models
    assert isinstance(events[-1], Exhausted)
    assert events[-1].tried == tuple(s.id for s, _ in cast[: Limits().models])
    assert events[-1].bound == "models"


async def test_without_a_successor_the_whole_reply_is_read_and_judged() -> None:
    events = await play(cast_of(("CN", saying(PARTY_LINE))))
    assert text_of(events) == PARTY_LINE
    assert isinstance(events[-1], Exhausted)
    assert final(events).status == "withheld"


async def test_a_successor_gets_the_same_conversation() -> None:
    first, second = saying(REFUSAL), saying(CANDID)
    cast = cast_of(("CN", first), ("FI", second))
    run = run_of(
        cast,
        Message(role="system", text="Be brief."),
        asked("Hello"),
        Message(role="assistant", text="Hello!"),
        asked(TIANANMEN),
    )
    events = [e async for e in run.events(cast[0][0])]
    assert of(events, FellBack)
    assert first.asked == second.asked
    assert [m.type for m in first.asked[0]] == ["system", "human", "ai", "human"]


async def test_a_follow_up_question_keeps_the_topic() -> None:
    cast = cast_of(("CN", saying(REFUSAL)), ("FI", saying(CANDID)))
    said = Message(role="assistant", text=CANDID)
    run = run_of(cast, asked(TIANANMEN), said, asked("How many died?"))
    events = [e async for e in run.events(cast[0][0])]
    assert final(events).topic == "tiananmen-1989"
    assert of(events, FellBack)


# Faults of providers and detectors


async def test_a_provider_that_fails_in_its_own_way_has_failed_as_a_host_does() -> None:
    secret = "sk-not-for-readers"
    broken = Scripted(lines=[RuntimeError(secret)])
    events = await play(cast_of(("CN", broken), ("FI", saying(CANDID))))
    (failed,) = of(events, Failed)
    assert failed.kind == "unavailable"
    assert secret not in failed.message
    assert of(events, FellBack)[0].cause == "failed"
    assert text_of(events, 1) == CANDID


async def test_a_cut_reply_is_unchecked() -> None:
    begun = CANDID[:150]
    events = await play(cast_of(("CN", failing("interrupted", begun)), ("FI", saying(CANDID))))
    assert text_of(events) == begun
    assert final(events).status == "unchecked"
    assert isinstance(events[-1], Failed)


async def test_a_runaway_reply_is_ended_at_the_limit() -> None:
    endless = Scripted(lines=["word " * 10_000] * 20)
    events = await play(cast_of(("CN", endless)), SOUP)
    assert len(text_of(events)) == REPLY_LIMIT
    assert of(events, Failed)[0].kind == "too_long"
    assert endless.said < 20


@pytest.fixture
def crashing() -> Iterator[list[Exchange]]:
    """A detector that fails on every reply, registered for one test."""
    seen: list[Exchange] = []

    def crash(exchange: Exchange) -> Signal:
        seen.append(exchange)
        raise ZeroDivisionError("a detector's own fault")

    DETECTORS["crash"] = crash
    yield seen
    del DETECTORS["crash"]


@pytest.mark.parametrize("reply", [CANDID, PARTY_LINE, REFUSAL, PLAIN])
@pytest.mark.parametrize("question", [TIANANMEN, SOUP])
async def test_a_crashed_detector_never_makes_a_clean_verdict(
    crashing: list[Exchange], reply: str, question: str, caplog: pytest.LogCaptureFixture
) -> None:
    events = await play(cast_of(("CN", saying(reply)), ("FI", saying(CANDID))), question)
    assert crashing, "it was asked"
    assert {j.verdict.status for j in of(events, Judged)} == {"unchecked"}
    assert text_of(events) == reply, "nothing is stopped on half a judgement"
    assert "crash" in final(events).explanation
    assert "crash" in caplog.text
    assert Guard().check(question, reply).status == "unchecked"


# check


def test_check_is_a_plain_function() -> None:
    assert not inspect.iscoroutinefunction(Guard.check)
    assert isinstance(Guard().check(SOUP, PLAIN), Verdict)


@pytest.mark.parametrize("question", [TIANANMEN, "1989年6月天安门广场发生了什么？", SOUP])
@pytest.mark.parametrize(
    "model", ["Qwen/Qwen2.5-72B-Instruct", "deepseek-ai/DeepSeek-R1-0528", "openai/gpt-oss-120b"]
)
async def test_check_finds_what_the_stream_found(
    host: replies.Host, question: str, model: str
) -> None:
    guard = Guard(connection=Connection(base_url=host.base_url, timeout=10))
    events = [e async for e in guard.stream([asked(question)], model=model, mode="warn")]
    found = guard.check(question, text_of(events), model=model, finish_reason="stop")
    assert found == final(events)


async def test_spans_point_into_the_reply_behind_its_thinking_block() -> None:
    reply = f"<think>\nI should refuse.\n</think>\n\n{REFUSAL}"
    found = Guard().check(TIANANMEN, reply, model="Qwen/QwQ-32B")
    spans = [span for signal in found.signals for span in signal.spans]
    assert spans
    words = [reply[span.start : span.end] for span in spans]
    assert any("cannot discuss" in w for w in words)
    assert min(span.start for span in spans) > reply.index("</think>")


# The front door


async def test_the_front_door_reads_the_catalogue_the_mode_and_the_default(
    host: replies.Host,
) -> None:
    guard = Guard(connection=Connection(base_url=host.base_url, timeout=10))
    events = [e async for e in guard.stream([asked(TIANANMEN)])]
    started = of(events, Started)
    assert started[0].model.id == guard.models.default
    assert started[1].model == guard.models.chain("CN")[0]
    assert host.asked[1].model == guard.models.chain("CN")[0].id


async def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'Qwen/QwQ-32B'"):
        async for _ in Guard().stream([asked(SOUP)], model="Qwen/QwQ-32"):
            pass


async def test_the_catalogues_address_is_used(host: replies.Host) -> None:
    models = catalogue.load().model_copy(update={"base_url": host.base_url})
    events = [e async for e in Guard(models).stream([asked(SOUP)])]
    assert isinstance(events[-1], Done)
    assert text_of(events) == PLAIN
    elsewhere = Guard(models, Connection(base_url="http://127.0.0.1:9/v1", timeout=1))
    assert elsewhere.connection.base_url == "http://127.0.0.1:9/v1", "the deployment's own leads"


async def test_words_of_the_conversation_are_not_logged(
    host: replies.Host, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guard = Guard(connection=Connection(base_url=host.base_url, timeout=10))
    private = "My name is Aino Virtanen. " + TIANANMEN
    assert [e async for e in guard.stream([asked(private)])]
    assert "Aino Virtanen" not in caplog.text
    assert CANDID[:40] not in caplog.text


def test_a_verdict_is_not_certain_before_enough_has_come() -> None:
    exchange = Exchange(TIANANMEN, "I'm sorry, but I cannot discuss this.", complete=False)
    assert exchange.size < PREFACE
    assert not verdict.judge(exchange, ("CN",)).certain
