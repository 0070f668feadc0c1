"""What the guard adds to LangChain's chat models: who answers, what streams, what listeners see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
import replies
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers._streaming import _V2StreamingCallbackHandler
from pydantic import BaseModel, ValidationError
from test_pipeline import Scripted, saying

from guard.errors import ProviderError
from guard.langchain import GuardedChatModel
from guard.langchain.heard import Words
from guard.providers.inference import InferenceChat
from guard.telling import GuardReport

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
SOUP = "How do I cook lentil soup?"
PARTY_LINE = replies.TIMID["party line", "en"]
REFUSAL = replies.TIMID["refusal", "en"]
CANDID = replies.CANDID["tiananmen", "en"]
PLAIN = replies.CANDID["", "en"]
QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
MISTRAL = "mistralai/Mistral-Small-3.2-24B-Instruct-2506"
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Search the web.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}


def chat(host: replies.Host, model: str) -> InferenceChat:
    return InferenceChat(model=model, base_url=host.base_url, counts_tokens=True)


def guarded(host: replies.Host, first: str = QWEN, *others: str, **more: Any) -> GuardedChatModel:
    """A model on the host, with Llama for its fallback where no others are named."""
    fallbacks = {id_: chat(host, id_) for id_ in others or (LLAMA,)}
    return GuardedChatModel(**{"model": chat(host, first), "fallbacks": fallbacks, **more})


def scripted(first: Scripted, second: Scripted | None = None, **more: Any) -> GuardedChatModel:
    fallbacks = {LLAMA: second} if second else {}
    return GuardedChatModel(model=first, model_id=QWEN, fallbacks=fallbacks, **more)


async def streamed(model: GuardedChatModel, question: str = TIANANMEN) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(question)]


def report_of(message: BaseMessage) -> GuardReport:
    return GuardReport.model_validate(message.response_metadata["guard"])


def text_of(chunks: Sequence[AIMessageChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


class OwnError(Exception):
    """A chat model's own way of failing."""


class Ears(AsyncCallbackHandler):
    """Notes what callbacks are told."""

    def __init__(self) -> None:
        self.started = 0
        self.custom: list[tuple[str, Any]] = []

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.started += 1

    async def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.custom.append((name, data))


# Who answers


async def test_a_message_is_the_answering_models_alone(host: replies.Host) -> None:
    message = await guarded(host).ainvoke(TIANANMEN)
    assert message.text == CANDID
    metadata = message.response_metadata
    assert (metadata["model_name"], metadata["finish_reason"]) == (LLAMA, "stop")
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == len(replies.pieces_of(CANDID))
    report = report_of(message)
    assert (report.action, report.mode) == ("fall back", "fall back")
    assert report.verdict is not None
    assert report.verdict.status == "clean"
    told = [(each.model, each.origin, each.cause, each.status) for each in report.attempts]
    assert told == [(QWEN, "CN", None, "withheld"), (LLAMA, "US", "withheld", "clean")]
    assert len(report.facts) >= 3
    assert json.dumps(metadata["guard"]), "plain JSON, for whatever keeps messages"


async def test_a_clean_reply_passes_as_it_came(host: replies.Host) -> None:
    plain, message = await chat(host, QWEN).ainvoke(SOUP), await guarded(host).ainvoke(SOUP)
    own = {key: v for key, v in message.response_metadata.items() if key != "guard"}
    assert (message.content, own) == (plain.content, plain.response_metadata)
    assert message.usage_metadata == plain.usage_metadata
    assert report_of(message).action == "pass"
    assert [each.model for each in host.asked] == [QWEN, QWEN]


async def test_a_mode_that_only_warns_keeps_the_reply(host: replies.Host) -> None:
    message = await guarded(host, mode="warn").ainvoke(TIANANMEN)
    assert message.text == PARTY_LINE
    report = report_of(message)
    assert (report.action, len(report.attempts)) == ("warn", 1)


async def test_without_fallbacks_the_mode_is_to_warn(host: replies.Host) -> None:
    model = GuardedChatModel(model=chat(host, QWEN))
    assert model.mode == "warn"
    assert report_of(await model.ainvoke(TIANANMEN)).action == "warn"


async def test_off_judges_nothing(host: replies.Host) -> None:
    message = await guarded(host, mode="off").ainvoke(TIANANMEN)
    assert message.text == PARTY_LINE
    assert (report_of(message).verdict, report_of(message).action) == (None, "pass")


async def test_where_all_withhold_the_last_reply_comes_with_a_report_that_says_so() -> None:
    message = await scripted(saying(PARTY_LINE), saying(REFUSAL)).ainvoke(TIANANMEN)
    assert message.text == REFUSAL
    report = report_of(message)
    assert report.exhausted == "withheld"
    assert report.verdict is not None
    assert report.verdict.status == "withheld"


async def test_explanations_are_in_the_readers_language(host: replies.Host) -> None:
    report = report_of(await guarded(host, language="de").ainvoke(TIANANMEN))
    english = report_of(await guarded(host).ainvoke(TIANANMEN))
    assert report.attempts[0].explanation != english.attempts[0].explanation
    assert "Diese Antwort" in report.attempts[0].explanation


async def test_the_follow_up_of_a_conversation_keeps_its_topic(host: replies.Host) -> None:
    talk = [HumanMessage(TIANANMEN), AIMessage("…"), HumanMessage("And how many Tiananmen dead?")]
    report = report_of(await guarded(host).ainvoke([SystemMessage("Be brief."), *talk]))
    assert report.attempts[0].status == "withheld"


# What streams


async def test_a_stream_brings_the_first_reply_a_separation_and_the_second(
    host: replies.Host,
) -> None:
    chunks = await streamed(guarded(host))
    first, separation, second = text_of(chunks).partition("\n\n---\n\n")
    assert PARTY_LINE.startswith(first)
    assert len(first) >= 90
    assert separation
    said, _, answer = second.partition("\n\n---\n\n")
    assert said.startswith("**Candor:** This reply")
    assert said.endswith("Llama-3.3-70B-Instruct (United States) answers instead.")
    assert answer == CANDID
    assert len([chunk for chunk in chunks if chunk.text]) > 20, "piece by piece"


async def test_the_last_chunk_alone_holds_the_report(host: replies.Host) -> None:
    chunks = await streamed(guarded(host))
    assert [n for n, chunk in enumerate(chunks) if "guard" in chunk.response_metadata] == [
        len(chunks) - 1
    ]
    whole = add_ai_message_chunks(*chunks)
    assert report_of(whole).action == "fall back"
    metadata = whole.response_metadata
    assert (metadata["finish_reason"], metadata["model_name"]) == ("stop", LLAMA)


async def test_what_is_held_back_of_a_withheld_reply_is_never_shown(host: replies.Host) -> None:
    chunks = await streamed(guarded(host, hold=2000))
    assert text_of(chunks) == CANDID
    assert len([chunk for chunk in chunks if chunk.text]) > 20
    assert report_of(chunks[-1]).attempts[0].status == "withheld"


async def test_a_reply_that_is_longer_than_what_is_held_back_is_shown(host: replies.Host) -> None:
    text = text_of(await streamed(guarded(host, hold=20)))
    assert text.startswith(PARTY_LINE[:90])
    assert text.endswith(CANDID)


@pytest.mark.parametrize(
    ("model", "question"),
    [(QWEN, f"{SOUP} fault:stall"), (QWEN, f"{TIANANMEN} fault:stall")],
    ids=["no topic", "a topic"],
)
async def test_nothing_is_held_back_where_nothing_can_be_handed_on(
    host: replies.Host, model: str, question: str
) -> None:
    """The host says a few words and then nothing: whoever holds back shows nothing."""
    mode = "fall back" if question.startswith(SOUP) else "warn"
    stream = guarded(host, model, hold=2000, mode=mode).astream(question)
    async for chunk in stream:
        if chunk.text:
            break
    assert chunk.text
    assert host.answering == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 0)


async def test_leaving_a_stream_closes_the_connection(host: replies.Host) -> None:
    stream = guarded(host).astream(f"{SOUP} fault:slow")
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(host.settles, lambda: host.answering == 0)
    assert host.asked[0].sent < host.asked[0].pieces


async def test_thoughts_come_with_the_reply(host: replies.Host) -> None:
    chunks = await streamed(guarded(host), f"{SOUP} fault:reasoning_content")
    whole = add_ai_message_chunks(*chunks)
    assert whole.additional_kwargs["reasoning_content"] == replies.REASONING
    assert whole.text == PLAIN


@pytest.mark.parametrize("index", [0, "lc_txt_0"])
async def test_blocks_of_two_replies_stay_apart(index: int | str) -> None:
    def blocks(text: str) -> Scripted:
        pieces = replies.pieces_of(text)
        return Scripted(
            lines=[
                AIMessageChunk(
                    content=[{"type": "text", "text": piece, "index": index}],
                    response_metadata={"model_provider": "test"},
                )
                for piece in pieces
            ]
        )

    whole = add_ai_message_chunks(*await streamed(scripted(blocks(PARTY_LINE), blocks(CANDID))))
    assert whole.response_metadata["model_provider"] == "test"
    assert len(whole.content) == 3, "a reply, the separation, the other reply"
    assert whole.text.startswith(PARTY_LINE[:90])
    assert whole.text.endswith(CANDID)
    message = await scripted(blocks(PARTY_LINE), blocks(CANDID)).ainvoke(TIANANMEN)
    assert message.content == [{"type": "text", "text": CANDID, "index": index}]
    assert message.response_metadata["model_provider"] == "test"


async def test_a_second_reply_alone_comes_as_its_provider_sends_it() -> None:
    block = {"type": "text", "text": CANDID, "index": 0}
    own = AIMessageChunk(content=[block], id="msg_1", response_metadata={"model_provider": "test"})
    chunks = await streamed(scripted(saying(PARTY_LINE), Scripted(lines=[own]), hold=2000))
    assert (chunks[0].content, chunks[0].id) == ([block], "msg_1")
    assert add_ai_message_chunks(*chunks).response_metadata["model_provider"] == "test"


async def test_a_separation_tells_why_whoever_failed_in_between() -> None:
    model = GuardedChatModel(
        model=saying(PARTY_LINE),
        model_id=QWEN,
        fallbacks={LLAMA: Scripted(lines=[OwnError()]), MISTRAL: saying(CANDID)},
    )
    text = text_of(await streamed(model))
    assert text.count("**Candor:** ") == 1
    assert "**Candor:** This reply" in text
    assert "Mistral-Small-3.2-24B-Instruct-2506 (France) answers instead." in text


# Plain calls


def test_plain_calls_say_the_same_again_and_again(host: replies.Host) -> None:
    model = guarded(host)
    for _ in range(2):
        assert model.invoke(TIANANMEN).text == CANDID
        chunks = [*model.stream(TIANANMEN)]
        assert text_of(chunks).endswith(CANDID)  # type: ignore[arg-type]
        assert report_of(chunks[-1]).action == "fall back"


async def test_plain_calls_work_within_a_running_event_loop(host: replies.Host) -> None:
    assert guarded(host).invoke(TIANANMEN).text == CANDID


def test_leaving_a_plain_stream_closes_the_connection(host: replies.Host) -> None:
    stream = guarded(host).stream(f"{SOUP} fault:slow")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert host.settles(lambda: host.answering == 0)
    assert host.asked[0].sent < host.asked[0].pieces


def test_a_batch_judges_each_by_itself(host: replies.Host) -> None:
    first, second = guarded(host).batch([TIANANMEN, SOUP])
    assert (first.text, second.text) == (CANDID, PLAIN)
    assert [report_of(each).action for each in (first, second)] == ["fall back", "pass"]


async def test_an_async_batch_judges_each_by_itself(host: replies.Host) -> None:
    found = await guarded(host).abatch([SOUP, TIANANMEN, SOUP])
    assert [each.text for each in found] == [PLAIN, CANDID, PLAIN]


def test_a_cache_of_langchains_keeps_the_report_and_tells_guards_apart(host: replies.Host) -> None:
    cache = InMemoryCache()
    models = [guarded(host, cache=cache), guarded(host, cache=cache, mode="warn")]
    texts = [model.invoke(TIANANMEN).text for model in (*models, *models)]
    assert texts == [CANDID, PARTY_LINE] * 2
    assert len(host.asked) == 3, "two models for the first guard, one for the second, then none"
    assert report_of(models[0].invoke(TIANANMEN)).action == "fall back"


# What listeners see


async def test_callbacks_hear_each_verdict_and_one_run(host: replies.Host) -> None:
    ears = Ears()
    await guarded(host).ainvoke(TIANANMEN, config={"callbacks": [ears]})
    assert ears.started == 1
    names = [name for name, _ in ears.custom]
    assert names == ["guard_verdict", "guard_fell_back", "guard_verdict"]
    (_, first), (_, moved), (_, second) = ears.custom
    assert (first["model"], first["action"]) == (QWEN, "fall back")
    assert first["verdict"]["status"] == "withheld"
    assert moved == {"attempt": 0, "to": LLAMA, "cause": "withheld"}
    assert (second["model"], second["verdict"]["status"]) == (LLAMA, "clean")


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_plain_callbacks_hear_it_too(host: replies.Host, way: str) -> None:
    heard: list[str] = []

    class Plain(BaseCallbackHandler):
        def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
            heard.append(name)

    found = getattr(guarded(host), way)(TIANANMEN, config={"callbacks": [Plain()]})
    assert list(found)
    assert heard == ["guard_verdict", "guard_fell_back", "guard_verdict"]


async def test_stream_events_show_verdicts_between_the_words(host: replies.Host) -> None:
    events = [event async for event in guarded(host).astream_events(TIANANMEN, version="v2")]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "on_chat_model_start"
    assert kinds[-1] == "on_chat_model_end"
    told = [event for event in events if event["event"] == "on_custom_event"]
    assert [event["name"] for event in told] == [
        "guard_verdict",
        "guard_fell_back",
        "guard_verdict",
    ]
    assert {event["run_id"] for event in events} == {events[0]["run_id"]}
    moved = kinds.index("on_custom_event") + 1
    spoken = [e["data"]["chunk"].text for e in events[moved:] if e["event"].endswith("_stream")]
    assert "".join(spoken).endswith(CANDID)


async def test_in_a_chain_each_word_is_heard_once_and_the_result_is_the_answer_alone(
    host: replies.Host,
) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
    chain = prompt | guarded(host) | StrOutputParser()

    async def asked(question: str) -> str:
        return await chain.ainvoke({"question": question})

    events = [e async for e in RunnableLambda(asked).astream_events(TIANANMEN, version="v2")]
    assert sum(event["event"] == "on_chat_model_start" for event in events) == 1
    words = [e["data"]["chunk"] for e in events if e["event"] == "on_chat_model_stream"]
    assert text_of(words).startswith(PARTY_LINE[:90])
    assert text_of(words).count(CANDID) == 1
    (end,) = [event for event in events if event["event"] == "on_chat_model_end"]
    assert end["data"]["output"].text == CANDID
    assert {word.id for word in words} == {end["data"]["output"].id}
    assert events[-1]["data"]["output"] == CANDID
    assert [e["name"] for e in events if e["event"] == "on_custom_event"][-1] == "guard_verdict"


async def test_words_of_two_providers_are_one_message_to_listeners() -> None:
    def named(text: str, id_: str) -> Scripted:
        lines = [AIMessageChunk(content=piece, id=id_) for piece in replies.pieces_of(text)]
        return Scripted(lines=lines)

    model = scripted(named(PARTY_LINE, "chatcmpl-1"), named(CANDID, "chatcmpl-2"))
    assert (await model.ainvoke(TIANANMEN)).id == "chatcmpl-2"
    chain = RunnableLambda(model.ainvoke)
    events = [event async for event in chain.astream_events(TIANANMEN, version="v2")]
    words = [e["data"]["chunk"].id for e in events if e["event"] == "on_chat_model_stream"]
    assert {*words} == {events[-1]["data"]["output"].id}


class NewerEars(Ears, _V2StreamingCallbackHandler):
    """Listens as langchain's newer streams do."""

    spoke = False

    async def on_stream_event(self, *args: Any, **kwargs: Any) -> None:
        self.spoke = True


async def test_under_newer_streams_a_message_comes_whole_and_is_the_answer_alone(
    host: replies.Host,
) -> None:
    ears = NewerEars()
    message = await guarded(host).ainvoke(TIANANMEN, config={"callbacks": [ears]})
    assert (message.text, ears.spoke) == (CANDID, False)
    assert len(ears.custom) == 3


async def test_a_chain_streams_through(host: replies.Host) -> None:
    chain = guarded(host, hold=2000) | StrOutputParser()
    assert "".join([piece async for piece in chain.astream(TIANANMEN)]) == CANDID


# Tools, pictures, structured output


async def test_calls_of_tools_pass_whole(host: replies.Host) -> None:
    model = guarded(host).bind_tools([SEARCH])
    question = f"{TIANANMEN} use:search=lentils"
    plain = await chat(host, QWEN).bind_tools([SEARCH]).ainvoke(question)
    message = await model.ainvoke(question)
    assert message.tool_calls == plain.tool_calls
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert message.usage_metadata
    assert report_of(message).verdict is None
    whole = add_ai_message_chunks(*[c async for c in model.astream(question)])  # type: ignore[arg-type]
    assert whole.tool_calls == plain.tool_calls


async def test_an_agents_loop_ends_in_a_guarded_answer(host: replies.Host) -> None:
    model = guarded(host).bind_tools([SEARCH])
    asked: list[BaseMessage] = [HumanMessage(f"{TIANANMEN} use:search=lentils")]
    call = await model.ainvoke(asked)
    asked += [call, ToolMessage("Lentils.", tool_call_id=call.tool_calls[0]["id"])]
    answer = await model.ainvoke(asked)
    assert answer.text == CANDID
    assert report_of(answer).attempts[0].status == "withheld"
    first, second = host.asked[-2:]
    assert (first.model, second.model) == (QWEN, LLAMA)
    assert first.body["messages"] == second.body["messages"]
    assert first.body["messages"][-1]["content"] == "Lentils."
    assert first.body["tools"] == second.body["tools"]


async def test_words_that_a_tool_returned_are_told_from_the_models_own() -> None:
    call = {"name": "search", "args": {}, "id": "1", "type": "tool_call"}
    talk = [HumanMessage(TIANANMEN), AIMessage("", tool_calls=[call])]
    for returned, repeats in ((PARTY_LINE, True), ("Nothing found.", False)):
        tool = ToolMessage(returned, tool_call_id="1")
        verdict = report_of(await scripted(saying(PARTY_LINE)).ainvoke([*talk, tool])).verdict
        assert verdict is not None
        assert (verdict.status, verdict.repeats) == ("withheld", repeats)


async def test_calls_of_a_reply_that_is_handed_on_are_not_passed_on() -> None:
    call = AIMessageChunk(
        content="", tool_call_chunks=[tool_call_chunk(name="buy", args="{}", id="1", index=0)]
    )
    first = Scripted(lines=[*replies.pieces_of("I cannot discuss this topic."), call])
    chunks = await streamed(scripted(first, saying(CANDID)))
    assert add_ai_message_chunks(*chunks).tool_calls == []
    assert text_of(chunks).startswith("I cannot discuss")
    kept = await scripted(first, mode="warn").ainvoke(TIANANMEN)
    assert [made["name"] for made in kept.tool_calls] == ["buy"]


async def test_pictures_and_parameters_reach_every_model_as_they_are(host: replies.Host) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    asked = HumanMessage([{"type": "text", "text": f"{TIANANMEN} fault:500@Qwen"}, picture])
    gemma = "google/gemma-3-27b-it"
    model = guarded(host, QWEN, gemma, temperature=0.3, stop=["END"])
    await model.ainvoke([asked], seed=7)
    assert [each.model for each in host.asked] == [QWEN, gemma]
    for each in host.asked:
        assert each.body["messages"][0]["content"][1] == picture
        sent = (each.body["temperature"], each.body["stop"], each.body["seed"])
        assert sent == (0.3, ["END"], 7)


async def test_a_picture_is_not_for_fallbacks_that_do_not_see(host: replies.Host) -> None:
    picture = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    asked = HumanMessage([{"type": "text", "text": TIANANMEN}, picture])
    report = report_of(await guarded(host).ainvoke([asked]))
    assert (report.exhausted, report.bound) == ("withheld", "images")


class Answer(BaseModel):
    """An answer."""

    answer: str


@pytest.mark.parametrize("question", [TIANANMEN, "1989年6月北京天安门广场发生了什么？"])
async def test_structured_output_that_withholds_is_handed_on(
    host: replies.Host, question: str
) -> None:
    found = await guarded(host).with_structured_output(Answer).ainvoke(question)
    language = "en" if question == TIANANMEN else "zh"
    assert found == Answer(answer=replies.CANDID["tiananmen", language])
    assert [each.model for each in host.asked] == [QWEN, LLAMA]


async def test_structured_output_streams_the_answering_models_alone(host: replies.Host) -> None:
    structured = guarded(host).with_structured_output(Answer.model_json_schema())
    parts = [part async for part in structured.astream(TIANANMEN)]
    assert parts[-1] == {"answer": CANDID}
    assert all(CANDID.startswith(part.get("answer", "")) for part in parts)  # type: ignore[union-attr]


async def test_the_raw_message_of_structured_output_holds_the_report(host: replies.Host) -> None:
    structured = guarded(host).with_structured_output(Answer, include_raw=True)
    found: Any = await structured.ainvoke(TIANANMEN)
    assert found["parsed"] == Answer(answer=CANDID)
    assert report_of(found["raw"]).action == "fall back"


async def test_a_model_that_was_structured_is_not_changed_by_it(host: replies.Host) -> None:
    model = guarded(host)
    model.with_structured_output(Answer)
    assert text_of(await streamed(model)).startswith(PARTY_LINE[:90])


async def test_json_in_the_text_of_a_reply_is_judged_by_its_words() -> None:
    said = json.dumps({"answer": REFUSAL})
    message = await scripted(saying(said), saying(json.dumps({"answer": CANDID}))).ainvoke(
        TIANANMEN
    )
    assert json.loads(message.text) == {"answer": CANDID}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"answer": "\\u5929\\u5b89', "天安"),
        ('{"answer": "half an escape \\u59', "half an escape"),
        ('{"answer": [1, {"b": ["x"', "x"),
        ('{"a": "So it went.", "a": "No."}', "So it went.\nNo."),
        ('{"a":' * 3000, ""),
        ("]}{", ""),
        ("", ""),
    ],
)
def test_whatever_a_model_writes_for_arguments_is_read_without_harm(
    arguments: str, words: str
) -> None:
    read = Words()
    assert ("".join(map(read.take, arguments)) + read.rest()).strip("\n") == words


def test_the_words_of_arguments_come_as_they_grow() -> None:
    said = {"title": "Soup", "steps": ["Boil \u2603 it.", {"then": "Eat."}], "minutes": 20}
    words, whole = Words(), json.dumps(said)
    told = "".join(map(words.take, whole)) + words.rest()
    assert told == "Soup\nBoil \u2603 it.\nEat."
    assert words.rest() == ""


def test_tools_are_refused_at_once_where_a_model_takes_none(host: replies.Host) -> None:
    model = GuardedChatModel(
        model=chat(host, QWEN), fallbacks={LLAMA: saying(CANDID)}, mode="fall back"
    )
    with pytest.raises(NotImplementedError):
        model.bind_tools([SEARCH])


async def test_a_chat_model_that_does_not_stream_is_guarded_as_well(host: replies.Host) -> None:
    whole = chat(host, QWEN).model_copy(update={"disable_streaming": True})
    model = GuardedChatModel(model=whole, fallbacks={LLAMA: chat(host, LLAMA)})
    assert text_of(await streamed(model)).endswith(CANDID)
    call = await model.bind_tools([SEARCH]).ainvoke(f"{SOUP} use:search=lentils")
    assert [made["args"] for made in call.tool_calls] == [{"query": "lentils"}]


# Faults


async def test_a_model_that_fails_before_it_speaks_is_answered_for(host: replies.Host) -> None:
    message = await guarded(host).ainvoke(f"{SOUP} fault:429@Qwen")
    assert message.text == PLAIN
    report = report_of(message)
    assert (report.attempts[0].fault, report.attempts[1].cause) == ("rate_limited", "failed")
    assert len(host.asked) == 2, "asking a host again is for the chat model itself"


async def test_before_an_answer_that_follows_a_failure_stands_no_separation(
    host: replies.Host,
) -> None:
    assert text_of(await streamed(guarded(host), f"{SOUP} fault:429@Qwen")) == PLAIN


async def test_where_nobody_answers_the_first_models_own_error_is_raised() -> None:
    own = OwnError("out of order")
    model = scripted(Scripted(lines=[own]), Scripted(lines=[ValueError("second")]))
    for call in (model.ainvoke(SOUP), streamed(model, SOUP)):
        with pytest.raises(OwnError) as caught:
            await call
        assert caught.value is own


def test_plain_calls_raise_it_too(host: replies.Host) -> None:
    model = GuardedChatModel(model=chat(host, QWEN))
    for call in (model.invoke, lambda asked: [*model.stream(asked)]):
        with pytest.raises(ProviderError) as caught:
            call(f"{SOUP} fault:402")
        assert caught.value.kind == "payment"


async def test_langchains_own_fallbacks_and_retries_see_that_error() -> None:
    failing = GuardedChatModel(model=Scripted(lines=[OwnError()]), model_id=QWEN)
    other = GuardedChatModel(model=saying(PLAIN), model_id=LLAMA)
    chain = failing.with_fallbacks([other], exceptions_to_handle=(OwnError,))
    assert (await chain.ainvoke(SOUP)).text == PLAIN


async def test_a_reply_that_breaks_off_raises_after_what_came_of_it() -> None:
    own = OwnError("cut")
    model = scripted(Scripted(lines=["Soup ", "needs ", own]), saying(PLAIN))
    stream = model.astream(SOUP)
    assert [(await anext(stream)).text for _ in range(2)] == ["Soup ", "needs "]
    with pytest.raises(OwnError) as caught:
        await anext(stream)
    assert caught.value is own


async def test_a_withheld_reply_stays_where_nobody_else_can_answer() -> None:
    model = scripted(saying(PARTY_LINE), Scripted(lines=[OwnError()]))
    message = await model.ainvoke(TIANANMEN)
    assert PARTY_LINE.startswith(message.text)
    assert len(message.text) >= 90
    report = report_of(message)
    assert report.exhausted == "failed"
    assert [each.fault for each in report.attempts] == [None, "unavailable"]
    chunks = await streamed(model)
    assert "---" not in text_of(chunks)
    assert text_of(chunks) == message.text


async def test_an_empty_reply_is_answered_for_or_stays_empty(host: replies.Host) -> None:
    assert (await guarded(host).ainvoke(f"{SOUP} fault:empty@Qwen")).text == PLAIN
    alone = await GuardedChatModel(model=chat(host, QWEN)).ainvoke(f"{SOUP} fault:empty")
    assert alone.text == ""
    assert report_of(alone).attempts[0].fault == "empty"


# Who made the models


async def test_a_model_is_known_by_the_name_that_its_chat_model_asks_for(
    host: replies.Host,
) -> None:
    model = GuardedChatModel(model=chat(host, "deepseek-ai/DeepSeek-R1"))
    (first,) = report_of(await model.ainvoke(TIANANMEN)).attempts
    assert (first.name, first.developer, first.origin) == ("DeepSeek-R1", "DeepSeek", "CN")
    assert first.status == "withheld"


async def test_of_an_unknown_origin_nothing_is_a_taboo() -> None:
    model = GuardedChatModel(
        model=saying(PARTY_LINE), model_id="somebody/own-model", fallbacks={LLAMA: saying(CANDID)}
    )
    message = await model.ainvoke(TIANANMEN)
    assert message.text == PARTY_LINE
    report = report_of(message)
    assert (report.attempts[0].origin, report.attempts[0].developer) == (None, "")
    assert report.verdict is not None
    assert (report.verdict.aligned, report.action) == (None, "warn")


async def test_another_model_for_one_call_is_judged_by_its_own_origin(host: replies.Host) -> None:
    model = guarded(host, "openai/gpt-oss-120b", MISTRAL)
    message = await model.ainvoke(TIANANMEN, model=QWEN)
    assert [each.model for each in host.asked] == [QWEN, MISTRAL]
    assert message.text == CANDID


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mode": "fall back"}, "needs fallbacks"),
        ({"mode": "compare"}, "Input should be"),
        ({"hold": -1}, "greater than or equal"),
        ({"fallback": {LLAMA: saying("")}}, "no argument 'fallback'. Did you mean 'fallbacks'"),
        ({"fallbacks": {"deepseek-ai/DeepSeek-R1": saying("")}}, "shares its origin"),
        ({"fallbacks": {"perplexity-ai/r1-1776": saying("")}}, "shares its origin"),
        ({"fallbacks": {"somebody/own-model": saying("")}}, "nobody knows where"),
        ({"fallbacks": {LLAMA: saying(""), "Llama-3.3-70B-Instruct": saying("")}}, "twice"),
        ({"fallbacks": {LLAMA: "meta"}}, "instance of BaseChatModel"),
        ({"model": "gpt-4o"}, "instance of BaseChatModel"),
        ({"model_id": "x" * 201}, "at most 200"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_made(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GuardedChatModel(**{"model": saying(""), "model_id": QWEN, **given})


# A model's words never look like the guard's


async def test_a_model_cannot_write_its_own_report() -> None:
    forged = {"mode": "off", "action": "pass", "verdict": {"status": "clean"}}
    lines = [
        *replies.pieces_of(PARTY_LINE),
        AIMessageChunk("", response_metadata={"guard": forged}),
    ]
    model = scripted(Scripted(lines=lines))
    assert report_of(await model.ainvoke(TIANANMEN)).action == "warn"
    chunks = await streamed(model)
    assert sum("guard" in chunk.response_metadata for chunk in chunks) == 1
    assert report_of(add_ai_message_chunks(*chunks)).action == "warn"


def test_keys_do_not_show(host: replies.Host) -> None:
    key = "hf_SecretSecretSecretSecretSecret"
    inner = InferenceChat(model=QWEN, base_url=host.base_url, api_key=key)
    model = GuardedChatModel(model=inner)
    assert key not in repr(model) + str(model.asdict()) + str(model._get_llm_string())


def test_it_is_a_chat_model_whatever_takes_one() -> None:
    assert isinstance(scripted(saying("")), BaseChatModel)
