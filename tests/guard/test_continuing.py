"""A reply that was cut goes on: what the model is told, the seam, the verdict on the whole.

Models are scripted and enter at the seam, or are real over a local host.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import replies
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from specs import spec
from test_pipeline import Scripted

from guard.attempt import REPLY_LIMIT, Query
from guard.catalogue import Catalogue, GuardSettings
from guard.continuing import REACH, Seam, ThinkingBlock, continued, joined, repetition
from guard.errors import ProviderError
from guard.events import Delta, Done, Event, Failed, FellBack, Judged, Started, Thought
from guard.patience import Patience
from guard.pipeline import Guard, Run
from guard.providers import Connection
from guard.types import Message, Mode

LATIN = "In April 1989 students gathered on the square and asked for a free press."
HAN = "一九八九年四月，学生聚集在广场上，要求对话、新闻自由和惩治腐败。"
ARABIC = "في أبريل 1989 تجمّع الطلاب في الساحة وطالبوا بالحوار وبحرية الصحافة."
QUESTION = [Message(role="user", text="What happened at Tiananmen Square in June 1989?")]


# --- what the model is told -----------------------------------------------------------------------


def test_the_model_is_shown_what_it_said_and_asked_to_go_on() -> None:
    *before, said, asked = continued(QUESTION, "<think>Hm.</think>\n\nIt was so.")
    assert before == QUESTION
    assert said == Message(role="assistant", text="It was so.")
    assert asked.role == "user"
    assert "exactly where it ends" in asked.text
    assert "Repeat nothing" in asked.text


@pytest.mark.parametrize("end", ["the squ", "the square", "на площ", "في الساح"])
def test_behind_a_word_the_word_is_asked_for_so_that_the_space_is_known(end: str) -> None:
    assert "its last word" in continued(QUESTION, end)[-1].text


@pytest.mark.parametrize("end", ["so.", "the ", "广场", "```python\n"])
def test_behind_anything_else_nothing_is_to_be_repeated(end: str) -> None:
    assert "its last word" not in continued(QUESTION, end)[-1].text


# --- the seam -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        (LATIN, " Then came May.", " Then came May."),
        ("asked for a free press", "asked for a free press, and more", ", and more"),
        ("They\nasked for a free press", "asked for a\nfree press and more", " and more"),
        ("asked for a free press. ", "asked for a free press. In May", "In May"),
        (f"{HAN}五月", "惩治腐败。五月有学生绝食", "有学生绝食"),
        ("当局宣布戒严，赵紫阳", "赵紫阳因此下台", "赵紫阳因此下台"),  # three may be chance
        (ARABIC[:40], ARABIC[20:], ARABIC[40:]),
        ("the demonstr", "demonstrations went on", "ations went on"),
        ("the square", "square was cleared", " was cleared"),
        ("the square", " square was cleared", " was cleared"),
        ("it had", " had an end", " an end"),
        ("to be", " better", " better"),
        ("hurry", "urry", "urry"),
        ("1000", "000 people", "000 people"),
        ("| --- | --- |", " --- | --- |\n| a |", " --- | --- |\n| a |"),
        ("ha ha ", "ha ha", "ha ha"),
        ("So", "", ""),
    ],
)
def test_what_repeats_the_end_is_taken_out_and_no_more(before: str, after: str, left: str) -> None:
    assert at_once(before, after) == left
    assert by_pieces(before, after, 1) == left


def at_once(before: str, after: str) -> str:
    seam = Seam(before)
    return seam.take(after) + seam.rest()


def by_pieces(before: str, after: str, size: int) -> str:
    seam = Seam(before)
    pieces = [after[n : n + size] for n in range(0, len(after), size)]
    return "".join(map(seam.take, pieces)) + seam.rest()


@given(
    st.sampled_from([LATIN, HAN, ARABIC, "a b " * 40]),
    st.integers(1, 60),
    st.integers(0, 60),
    st.integers(1, 9),
)
def test_the_pieces_that_come_change_nothing(text: str, cut: int, again: int, size: int) -> None:
    before, after = text[:cut], text[max(cut - again, 0) :]
    assert by_pieces(before, after, size) == at_once(before, after)


@given(st.text(max_size=80), st.text(max_size=80))
def test_nothing_is_lost_but_what_stands_there_already(before: str, after: str) -> None:
    taken = after[: repetition(before, after)]
    assert "".join(before.split()).endswith("".join(taken.split()))
    left = at_once(before, after)
    assert after.endswith(left)


def test_a_whole_reply_that_is_said_again_is_taken_out_within_bounds() -> None:
    text = " ".join(f"word{n}" for n in range(200))
    assert len(text) < REACH
    assert at_once(text, text + " and more") == " and more"
    longer = " ".join(f"word{n}" for n in range(1000))
    assert at_once(longer, longer) == longer
    assert at_once(longer, longer[-500:] + " end") == " end"


def test_what_is_new_is_shown_as_soon_as_that_is_known() -> None:
    seam = Seam("the square")
    assert [seam.take(piece) for piece in ("squ", "are", " was", " cleared")] == [
        "", "", " was", " cleared"
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("said", "thought", "text"),
    [
        ("<think>\nHm.\n</think>\n\nand so on", "\nHm.\n", "and so on"),
        ("  <think>Hm</think>x <think>y</think>", "Hm", "x <think>y</think>"),
        (" and <think>so</think> on", "", " and <think>so</think> on"),
        ("<thinker>", "", "<thinker>"),
        ("<think>never closed </thi", "never closed </thi", ""),
        ("<thi", "", "<thi"),
        ("", "", ""),
    ],
)
def test_a_thinking_block_is_told_from_the_text(
    said: str, thought: str, text: str, size: int
) -> None:
    block = ThinkingBlock()
    parts = [block.take(said[n : n + size]) for n in range(0, len(said), size)]
    parts.append(block.rest())
    assert ("".join(p[0] for p in parts), "".join(p[1] for p in parts)) == (thought, text)


async def test_a_host_that_fails_at_the_seam_loses_nothing_that_it_sent() -> None:
    async def chunks() -> AsyncGenerator[AIMessageChunk, None]:
        yield AIMessageChunk(content="for a")
        raise ProviderError("interrupted", "gone")

    heard = []

    async def listen() -> None:
        async for chunk in joined(chunks(), LATIN, None):
            heard.append(chunk.text)

    with pytest.raises(ProviderError):
        await listen()
    assert "".join(heard) == "for a"


# --- on the way through the guard -----------------------------------------------------------------


async def play(
    *models: tuple[str, Scripted],
    goes_on: str,
    thoughts: str | None = None,
    mode: Mode = "fall back",
) -> list[Event]:
    specs = tuple(spec(f"m/{n}-{origin.lower()}", origin) for n, (origin, _) in enumerate(models))
    chats = {one.id: chat for one, (_, chat) in zip(specs, models, strict=True)}
    guard = GuardSettings(mode=mode, fallbacks=tuple(one.id for one in specs[1:]))
    catalogue = Catalogue(default=specs[0].id, guard=guard, models=specs)
    query = Query.of(QUESTION, mode, "en", goes_on=goes_on, thoughts=thoughts)
    run = Run(query, catalogue, lambda one: chats[one.id], patience=Patience(pause=0))
    async with asyncio.timeout(20):
        return [event async for event in run.events(specs[0])]


def saying(*lines: Any, finish: str = "stop") -> Scripted:
    end = AIMessageChunk(content="", response_metadata={"finish_reason": finish})
    return Scripted(lines=[*lines, end])


def text_of(events: list[Event], attempt: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, Delta) and e.attempt == attempt)


def last_verdict(events: list[Event], attempt: int = 0) -> Any:
    held = [e for e in events if isinstance(e, Judged) and e.final and e.attempt == attempt]
    return held[-1].verdict


CANDID = replies.CANDID["tiananmen", "en"]
PARTY_LINE = replies.TIMID["party line", "en"]
CUT = len(CANDID) // 2


async def test_only_what_is_new_comes_and_the_verdict_is_on_the_whole() -> None:
    first, second = PARTY_LINE[:150], PARTY_LINE[150:]
    events = await play(("CN", saying(second)), goes_on=first, mode="warn")
    assert text_of(events) == second
    held = last_verdict(events)
    assert held == Guard().check(
        QUESTION[0].text, PARTY_LINE, model="Qwen/Qwen2.5-72B-Instruct", finish_reason="stop"
    ).model_copy(update={"explanation": held.explanation})
    assert held.status == "withheld"
    spans = [span for signal in held.signals for span in signal.spans]
    assert any(span.end <= len(first) for span in spans)
    assert any(span.start >= len(first) for span in spans)


async def test_a_whole_that_withholds_is_handed_on_and_the_other_begins_anew() -> None:
    other = saying(CANDID)
    events = await play(("CN", saying(PARTY_LINE[150:])), ("FI", other), goes_on=PARTY_LINE[:150])
    assert [type(e) for e in events if isinstance(e, FellBack)] == [FellBack]
    assert text_of(events, 1) == CANDID
    assert [message.text for message in other.asked[0]] == [QUESTION[0].text]


async def test_thoughts_of_the_second_part_join_those_of_the_first() -> None:
    chat = saying("<think>\nWhere was I?\n</think>\n\n", CANDID[CUT:])
    events = await play(("FI", chat), goes_on=CANDID[:CUT], thoughts="Let me see.")
    thought = "".join(e.text for e in events if isinstance(e, Thought))
    assert thought == "\n\n\nWhere was I?\n"
    assert text_of(events) == CANDID[CUT:].lstrip()


@pytest.mark.parametrize("said", [[], [" "]])
async def test_a_model_with_nothing_more_to_say_is_done(said: list[str]) -> None:
    events = await play(("FI", saying(*said)), goes_on=CANDID)
    assert isinstance(events[-1], Done)
    assert last_verdict(events).status == "clean"


async def test_a_host_that_fails_hands_nothing_on_where_text_is_there() -> None:
    broken = Scripted(lines=[ProviderError("unavailable", "out of order")])
    events = await play(("FI", broken), ("CH", saying(CANDID)), goes_on=CANDID[:CUT])
    assert [type(e) for e in events if isinstance(e, Started | Failed)] == [Started, Failed]
    assert len(broken.asked) == 3  # it may pass: asked again


async def test_the_bound_is_on_both_parts_together() -> None:
    long = "word " * (REPLY_LIMIT // 5 - 10)
    events = await play(("FI", saying("one after another " * 10)), goes_on=long, mode="off")
    assert len(long) + len(text_of(events)) == REPLY_LIMIT
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "too_long"


async def test_a_real_host_gets_the_partial_reply_and_the_request() -> None:
    with replies.running() as host:
        guard = Guard(connection=Connection(base_url=host.base_url))
        stream = guard.stream(
            QUESTION, model="meta-llama/Llama-3.3-70B-Instruct", goes_on=CANDID[:CUT]
        )
        events = [event async for event in stream]
        told = host.asked[0].body["messages"]
    assert isinstance(events[-1], Done)
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"] == CANDID[:CUT]
