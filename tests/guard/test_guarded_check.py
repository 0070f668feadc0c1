"""The check of a finished reply as a step of a chain."""

from __future__ import annotations

from typing import Any

import pytest
import replies
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnablePassthrough

from guard import Guard, InputError, Verdict
from guard.langchain import check
from guard.providers.inference import InferenceChat

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
QWEN = "Qwen/Qwen2.5-72B-Instruct"
REFUSAL = replies.TIMID["refusal", "en"]


@pytest.mark.parametrize(
    "given",
    [
        {"question": TIANANMEN, "reply": REFUSAL},
        {"question": HumanMessage(TIANANMEN), "reply": AIMessage(REFUSAL)},
        {"question": TIANANMEN, "reply": AIMessage([{"type": "text", "text": REFUSAL}])},
        [HumanMessage(TIANANMEN), AIMessage(REFUSAL)],
        (HumanMessage(TIANANMEN), AIMessage(REFUSAL)),
        [("system", "Be brief."), ("human", TIANANMEN), ("ai", REFUSAL)],
        [SystemMessage(""), {"role": "user", "content": TIANANMEN}, AIMessage(REFUSAL)],
    ],
)
async def test_it_holds_what_the_guard_holds(given: Any) -> None:
    held = Guard().check(TIANANMEN, REFUSAL, model=QWEN)
    guarded_check = check(QWEN)
    assert guarded_check.invoke(given) == held
    assert await guarded_check.ainvoke(given) == held
    assert (held.status, held.aligned) == ("withheld", True)


def test_without_an_id_the_origin_is_unknown_and_words_are_in_the_readers_language() -> None:
    held = check(language="de").invoke({"question": TIANANMEN, "reply": REFUSAL})
    assert held.aligned is None
    assert held.explanation.startswith("Diese Antwort")


def test_thoughts_and_how_the_reply_ended_count() -> None:
    cut = AIMessage("In June 1989", response_metadata={"finish_reason": "cut"})
    held = check(QWEN).invoke([HumanMessage(TIANANMEN), cut])
    assert held == Guard().check(TIANANMEN, "In June 1989", model=QWEN, finish_reason="cut")
    assert held.status == "unchecked"


def test_it_stands_in_a_chain(host: replies.Host) -> None:
    model = InferenceChat(model=QWEN, base_url=host.base_url)
    chain = {"question": RunnablePassthrough(), "reply": model} | check(QWEN)
    plain = {"question": RunnablePassthrough(), "reply": model | StrOutputParser()} | check(QWEN)
    for each in (chain, plain):
        held = each.invoke(TIANANMEN)
        assert isinstance(held, Verdict)
        assert held.status == "withheld"


def test_a_batch_is_checked_one_by_one() -> None:
    found = check(QWEN).batch(
        [{"question": TIANANMEN, "reply": REFUSAL}, {"question": "Soup?", "reply": "Boil it."}]
    )
    assert [held.status for held in found] == ["withheld", "clean"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        7,
        "",
        "text",
        [],
        {},
        {"question": TIANANMEN},
        {"question": TIANANMEN, "reply": None},
        {"question": TIANANMEN, "reply": 7},
        {"question": ["a"], "reply": REFUSAL},
        {"question": AIMessage("no question"), "reply": REFUSAL},
        [HumanMessage(TIANANMEN)],
        [AIMessage(REFUSAL)],
        [AIMessage(REFUSAL), HumanMessage(TIANANMEN)],
        [object(), object()],
        [("nobody", "x"), ("ai", REFUSAL)],
    ],
)
def test_another_input_is_refused_with_what_is_wanted(given: Any) -> None:
    with pytest.raises(InputError, match="check wants"):
        check(QWEN).invoke(given)
