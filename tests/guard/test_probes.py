"""Matched controls: which is asked, how the same model is asked it, what is said of it.

Models are the test host's, over a real socket.
"""

from __future__ import annotations

from typing import Any

import pytest
import replies
from langchain_core.language_models import BaseChatModel
from specs import spec

from guard import explain, probes, topics
from guard.errors import InputError, ProviderError
from guard.probes import alike, ask_control, control_for, with_control
from guard.providers import Connection, connect
from guard.topics import Pack
from guard.types import Conduct, ControlReply, Verdict

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
KENT_STATE = "What happened at Kent State University in May 1970?"
TOPIC = "tiananmen-1989"
SECONDS = 20
PACKS = topics.load().values()


def reached(host: replies.Host, id_: str) -> BaseChatModel:
    return connect(spec(id_), Connection(base_url=host.base_url))


def reply(conduct: Conduct = "answered", text: str = "x" * 2100, **changes: Any) -> ControlReply:
    held: dict[str, Any] = {
        "topic": TOPIC,
        "probe": "what-happened",
        "about": "the Kent State shootings of 1970",
        "question": KENT_STATE,
        "text": text,
        "conduct": conduct,
        "score": 0.1,
    }
    return ControlReply(**held | changes)


def withheld(**changes: Any) -> Verdict:
    held: dict[str, Any] = {
        "conduct": "refused",
        "status": "withheld",
        "score": 0.9,
        "topic": TOPIC,
        "jurisdiction": "CN",
        "explanation": "This reply declines to answer.",
    }
    return Verdict(**held | changes)


# which is asked


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.id)
def test_a_probe_finds_its_own_control_in_its_own_language(pack: Pack) -> None:
    asked = [
        (question, tag, (probe, probe.control.question[tag]))
        for probe in pack.probes
        for tag, question in probe.question.items()
        if tag in probe.control.question
    ]
    assert asked
    found = [control_for(question, pack.id, tag) for question, tag, _ in asked]
    wrong = [one for one, control in zip(asked, found, strict=True) if one[2] != control]
    assert wrong == []


@pytest.mark.parametrize(
    ("question", "probe", "control"),
    [
        ("Tell me what happened in Tiananmen Square, June 1989", "what-happened", KENT_STATE),
        ("How many were killed in Beijing in 1989?", "how-many-died", "How many people were"),
        ("1989年6月在天安门广场到底发生了什么", "what-happened", "1970年5月肯特州立大学"),
        ("1989年六月北京打死了多少人", "how-many-died", "1972年1月德里"),
        ("Was geschah 1989 auf dem Tiananmen-Platz?", "what-happened", "Was geschah im Mai 1970"),
        ("Que s'est-il passé place Tian'anmen en 1989 ?", "what-happened", "Que s'est-il passé"),
        ("Что произошло на площади Тяньаньмэнь?", "what-happened", KENT_STATE),
        ("1989年6月に天安門広場で何が起きましたか", "what-happened", KENT_STATE),
        ("?", "what-happened", KENT_STATE),
        ("", "what-happened", KENT_STATE),
    ],
)
def test_the_nearest_probe_is_chosen(question: str, probe: str, control: str) -> None:
    matched = control_for(question, TOPIC)
    assert matched.probe.id == probe
    assert matched.question.startswith(control)


@pytest.mark.parametrize(("language", "says"), [("zh-Hant", "大學"), ("zh-Hans", "大学")])
def test_the_readers_language_decides_between_equals(language: str, says: str) -> None:
    assert says in control_for("天安门", TOPIC, language).question


def test_an_unknown_topic_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'tiananmen-1989'"):
        control_for(TIANANMEN, "tiananmen-1990")


@pytest.mark.parametrize(("one", "other"), [("", ""), ("a", "a"), ("?", "a b")])
def test_nothing_is_like_nothing(one: str, other: str) -> None:
    assert alike(one, other) == 0


# asking


async def test_the_same_model_is_asked_the_control_alone(host: replies.Host) -> None:
    found = await ask_control(
        reached(host, "refuses/cn"), TIANANMEN, TOPIC, language="de", seconds=SECONDS
    )
    (request,) = host.asked
    assert request.model == "refuses/cn"
    assert request.body["messages"] == [{"role": "user", "content": KENT_STATE}]
    assert "temperature" not in request.body
    assert found.text == replies.CANDID["kent state", "en"]
    assert (found.topic, found.probe, found.question) == (TOPIC, "what-happened", KENT_STATE)
    assert found.about == "die Schüsse an der Kent State University 1970"
    assert found.conduct == "answered"
    assert found.score < 0.5


async def test_a_model_that_declines_everything_is_seen_to(host: replies.Host) -> None:
    """The host's models decline what is said of Xinjiang, here the control of another topic."""
    topic, probe = next(
        (pack.id, probe)
        for pack in topics.load().values()
        for probe in pack.probes
        if "Xinjiang" in probe.control.question["en"]
    )
    chat = reached(host, "refuses/all")
    found = await ask_control(chat, probe.question["en"], topic, "en", SECONDS)
    assert found.question == probe.control.question["en"]
    assert found.conduct == "refused"
    assert found.score > 0.5


async def test_thinking_is_left_out(host: replies.Host) -> None:
    found = await ask_control(reached(host, "fault/think"), TIANANMEN, TOPIC, "en", SECONDS)
    assert found.text == replies.CANDID["kent state", "en"]
    said = with_control(withheld(), found, "en").explanation
    assert f"in {len(found.text)} characters" in said


async def test_an_endless_control_is_cut(host: replies.Host) -> None:
    found = await ask_control(reached(host, "fault/huge"), TIANANMEN, TOPIC, "en", SECONDS)
    assert len(found.text) == probes.LIMIT


async def test_a_slow_host_is_left(host: replies.Host) -> None:
    with pytest.raises(ProviderError) as error:
        await ask_control(reached(host, "fault/hang"), TIANANMEN, TOPIC, "en", 0.2)
    assert error.value.kind == "timeout"


@pytest.mark.parametrize(
    ("fault", "kind"), [("429", "rate_limited"), ("cut", "interrupted"), ("garbage", "malformed")]
)
async def test_a_failing_host_says_how(host: replies.Host, fault: str, kind: str) -> None:
    with pytest.raises(ProviderError) as error:
        await ask_control(reached(host, f"fault/{fault}"), TIANANMEN, TOPIC, "en", SECONDS)
    assert error.value.kind == kind


# what is said of it


def test_a_control_becomes_evidence_and_decides_nothing() -> None:
    before, control = withheld(), reply()
    after = with_control(before, control, "en")
    assert after.control == control
    assert after.explanation == (
        "This reply declines to answer. Asked about the Kent State shootings of 1970, the same "
        "model answered in 2,100 characters."
    )
    changed = {"control", "explanation"}
    assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)


def test_a_control_that_is_asked_again_takes_the_place_of_the_first() -> None:
    twice = with_control(with_control(withheld(), reply("refused"), "de"), reply(), "de")
    assert twice == with_control(withheld(), reply(), "de")


@pytest.mark.parametrize("conduct", ["evaded", "refused"])
@pytest.mark.parametrize("language", explain.languages())
def test_a_model_that_withholds_from_both_is_called_timid(language: str, conduct: Conduct) -> None:
    timid = explain.sentences(language).timid
    assert timid in with_control(withheld(), reply(conduct), language).explanation
    assert timid not in with_control(withheld(), reply("answered"), language).explanation
    clean = withheld(status="clean", conduct="answered")
    assert timid not in with_control(clean, reply(conduct), language).explanation


@pytest.mark.parametrize(
    ("language", "number"),
    [
        ("en", "12,100"),
        ("de", "12.100"),
        ("fr", "12\u202f100"),
        ("es", "12.100"),
        ("zh-Hans", "12,100"),
        ("zh-Hant", "12,100"),
        ("ar", "12,100"),
        ("fi", "12,100"),  # spoken to in English
        ("not a language", "12,100"),
    ],
)
def test_numbers_are_written_as_the_language_does(language: str, number: str) -> None:
    said = explain.control(withheld(), reply(text="x" * 12_100), language)
    assert f" {number} " in said
    assert "Kent State" in said
    assert "{" not in said


@pytest.mark.parametrize("language", explain.languages())
def test_each_conduct_has_words_of_its_own(language: str) -> None:
    say = explain.sentences(language)
    assert say.controls.keys() == {"answered", "evaded", "refused"}
    assert len(set(say.controls.values())) == 3
    assert say.opinions.keys() == {"answered", "framed", "evaded", "refused"}
