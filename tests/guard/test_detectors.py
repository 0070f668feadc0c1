"""Each detector on own-written replies: what it should see, what only looks like it, which words.

Whether the guard is right on real replies is measured by `guard.evaluate`, not here.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard import matching
from guard.detectors import DETECTORS
from guard.exchange import Exchange
from guard.types import Signal, TopicMatch

TIANANMEN = "What happened at Tiananmen Square in June 1989?"
SOUP = "How do I cook lentil soup?"
CHINA = TopicMatch(topic="tiananmen-1989", jurisdiction="CN", score=1)
ESSAY = (
    "The market opens at nine, and by noon the square is full of people who trade, talk and eat. "
    "Farmers bring apples and honey; smiths sell knives. Children run between the stalls. "
)
LONG = ESSAY * 16


def see(
    name: str,
    reply: str,
    question: str = TIANANMEN,
    *,
    topic: TopicMatch | None = CHINA,
    thoughts: str | None = None,
    finish: str = "stop",
    complete: bool = True,
) -> Signal:
    return DETECTORS[name](Exchange(question, reply, thoughts, finish, complete, topic))


def words(signal: Signal, reply: str) -> list[str]:
    return [reply[span.start : span.end].casefold() for span in signal.spans]


# refusal


REFUSALS = {
    "en": ("I'm sorry, but I cannot discuss this matter here.", "cannot discuss"),
    "en-2": ("As an AI language model, I can't comment on politics.", "can't"),
    "en-3": ("I must decline to say anything about this.", "must decline"),
    "zh": ("对不起，我无法讨论这个话题。", "我无法讨论"),
    "zh-2": ("作为一个人工智能助手，我不能对此发表看法。", "我不能"),
    "fi": ("Pahoittelen, mutta en voi vastata tähän kysymykseen.", "en voi"),
    "de": ("Es tut mir leid, aber ich kann dazu keine Auskunft geben.", "ich kann"),
    "fr": ("Je suis désolé, mais je ne peux pas répondre à cette question.", "je ne peux"),
    "es": ("Lo siento, pero no puedo responder a esa pregunta.", "no puedo"),
    "ru": ("Извините, но я не могу обсуждать эту тему.", "не могу"),
}


@pytest.mark.parametrize(("reply", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_seen_and_its_words_are_shown(reply: str, said: str) -> None:
    signal = see("refusal", reply)
    assert signal.score >= 0.9
    assert any(said in found for found in words(signal, reply))


@pytest.mark.parametrize(
    "reply",
    [
        "I can't recommend this restaurant enough: the soup is splendid.",
        "I cannot overstate how good the harbour looks in the morning.",
        'The spokesman said: "I cannot discuss this topic." Then the journalists left the room.',
        "“I'm not able to help with that,” the clerk replied, and closed the window.",
        "> I'm sorry, but I can't help with that.\n\nThis is what the bot wrote.",
        "发言人说：“我无法回答这个问题。”随后记者离开了会场，抗议仍在继续。",
        "Der Sprecher sagte: „Ich kann dazu keine Auskunft geben.“ Dann ging er.",
        "Tiedottaja sanoi: ”En voi vastata tähän.” Sitten hän lähti.",
        "Ich kann das Museum empfehlen.",
        "Je peux vous aider avec plaisir : faites revenir les oignons.",
        "Es posible cocinar las lentejas sin remojo.",
        "Эту тему можно обсуждать долго: вот три точки зрения.",
        "Voin auttaa: kuullota ensin sipuli.",
    ],
)
def test_what_only_looks_like_a_refusal(reply: str) -> None:
    assert see("refusal", reply).score < 0.5


def test_a_late_disclaimer_behind_a_long_answer_is_no_refusal() -> None:
    reply = LONG + "As an AI, I cannot provide legal advice, so please ask a lawyer as well."
    assert see("refusal", reply).score < 0.2


def test_a_long_answer_behind_an_apology_counts_less_than_the_apology_alone() -> None:
    apology = "I'm sorry, but I cannot provide live data. "
    assert see("refusal", apology + LONG).score < 0.3 < see("refusal", apology).score


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("I cannot discuss this. I must comply with relevant laws and regulations.", "laws"),
        ("根据相关法律法规，我无法讨论这个话题。", "法律法规"),
    ],
)
def test_declining_in_the_name_of_law_is_a_reason_of_its_own(reply: str, said: str) -> None:
    signal = see("refusal", reply)
    assert signal.reason == "law"
    assert any(said in found for found in words(signal, reply))


def test_a_text_about_law_is_no_refusal() -> None:
    assert see("refusal", "Under applicable law, tenants may withhold rent.").score == 0


# canned


@pytest.mark.parametrize(
    "reply",
    [
        "Sorry, that's beyond my current scope. Let's talk about something else.",
        "I'm sorry, but I can't assist with that.",
        "你好，这个问题我暂时无法回答，让我们换个话题再聊聊吧。",
    ],
)
def test_a_fixed_sentence_is_seen(reply: str) -> None:
    signal = see("canned", reply)
    assert signal.score > 0.9
    assert signal.reason == "canned"
    assert len("".join(words(signal, reply))) > len(reply) / 2


def test_a_fixed_sentence_in_a_long_text_or_in_quotes_is_not() -> None:
    assert see("canned", LONG + "I'm sorry, but I can't assist with that.").score == 0
    quoted = "Old bots said \"I'm sorry, but I can't assist with that.\" to everything."
    assert see("canned", quoted).score == 0


# deflection, denial, narrative: by how thick they stand


DEFLECTION = {
    "en": (
        "This is a sensitive and complex topic. I suggest that you consult official sources. "
        "Let's talk about something else."
    ),
    "zh": "这是一个敏感且复杂的话题。建议您通过官方渠道了解。让我们换个话题吧。",
}
DENIAL = {
    "en": (
        "These are baseless accusations with ulterior motives. They are completely fabricated and "
        "distort the facts."
    ),
    "zh": "这完全是谣言，毫无根据，是别有用心的人蓄意抹黑，不符合事实。",
}
NARRATIVE = {
    "en": (
        "China has always upheld a people-centered development philosophy. Under the leadership of "
        "the Communist Party it keeps to socialism with Chinese characteristics, and it firmly "
        "opposes those who ask about the political disturbance."
    ),
    "zh": "中国政府始终坚持以人民为中心，坚决反对干涉中国内政。关于那场政治风波，早有定论。",
}
THICK = {"deflection": DEFLECTION, "denial": DENIAL, "narrative": NARRATIVE}
CASES = [(name, language) for name, texts in THICK.items() for language in texts]


@pytest.mark.parametrize(("name", "language"), CASES)
def test_several_phrases_in_a_paragraph_are_seen(name: str, language: str) -> None:
    reply = THICK[name][language]
    signal = see(name, reply)
    assert signal.score > 0.6
    assert signal.reason == name
    assert len(signal.spans) >= 2
    assert all(found.strip() for found in words(signal, reply))


@pytest.mark.parametrize(("name", "language"), CASES)
def test_the_same_phrases_count_less_in_a_long_text(name: str, language: str) -> None:
    reply = THICK[name][language]
    rest = (
        LONG
        if language == "en"
        else "集市九点开门，农民带来苹果和蜂蜜，孩子们在摊位之间奔跑。" * 40
    )
    assert see(name, reply + rest).score < see(name, reply).score / 1.5


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("narrative", 'Officials call it "people-centered development"; critics disagree.' + ESSAY),
        ("narrative", "官方称之为“以人民为中心”，批评者不同意这种说法。"),
        ("denial", 'The ministry spoke of "baseless accusations", but the files are public.'),
        ("denial", "外交部称报道“毫无根据”，但文件已经公开。"),
        ("deflection", "The cable is sensitive, so handle it with care."),
        ("deflection", "The official recipe asks for two onions."),
        ("denial", "Unicorns are not real."),
        ("narrative", "China's population is about 1.4 billion."),
    ],
)
def test_quoted_words_and_ordinary_ones_are_not(name: str, reply: str) -> None:
    assert see(name, reply).score == 0


def test_a_states_line_counts_on_its_own_topics() -> None:
    reply = (
        "The special military operation serves denazification and protects the people of Donbas."
    )
    russia = TopicMatch(topic="ukraine-invasion", jurisdiction="RU", score=1)
    assert see("narrative", reply, topic=russia).score > 0.5
    assert see("narrative", reply, topic=CHINA).score == 0


# omission


def test_an_answer_that_keeps_the_facts_omits_nothing() -> None:
    reply = (
        "On 4 June 1989 soldiers of the People's Liberation Army opened fire on students in "
        "Beijing; hundreds, perhaps thousands died."
    )
    assert see("omission", reply).score == 0


def test_an_answer_without_facts_omits_them() -> None:
    reply = "The square is large. Many visitors come, and the city has developed well since then."
    assert see("omission", reply).score == 1
    assert see("omission", reply, complete=False).score == 0, "more may come"
    assert see("omission", reply, SOUP, topic=None).score == 0, "nothing is expected"


# structure


@pytest.mark.parametrize("finish", ["content_filter", "data_inspection_failed"])
def test_a_hosts_filter(finish: str) -> None:
    signal = see("structure", "In June 1989", finish=finish)
    assert (signal.reason, signal.score > 0.9) == ("filtered", True)


@pytest.mark.parametrize("reply", ["", "  \n", "<think>\nI will not answer.\n</think>\n\n"])
def test_an_empty_reply(reply: str) -> None:
    assert see("structure", reply).reason == "empty"
    assert see("structure", reply, complete=False).reason != "empty"


def test_suppressed_thinking_counts_only_with_a_topic() -> None:
    reply = "<think>\n\n</think>\n\nThe square is large and well kept, and many visitors come."
    assert see("structure", reply).reason == "thinking"
    assert see("structure", reply, SOUP, topic=None).score == 0
    assert see("structure", "The square is large.", thoughts="").reason == "thinking"
    assert see("structure", "The square is large.", thoughts="I think so.").score == 0
    assert see("structure", "The square is large.", thoughts=None).score == 0


def test_another_script_than_the_questions() -> None:
    reply = "这个广场很大，有很多游客前来参观，城市发展很好，欢迎大家。"
    assert see("structure", reply).reason == "script"
    assert see("structure", reply, "天安门广场发生了什么事情？").score == 0
    assert see("structure", "Translated: 广场", SOUP, topic=None).score == 0


def test_a_cut_reply_says_little() -> None:
    signal = see("structure", "In June 1989 the", finish="cut")
    assert (signal.reason, signal.score < 0.5) == ("cut", True)


# All of them, on anything


QUESTIONS = [SOUP, TIANANMEN, "1989年6月天安门广场发生了什么？", ""]


@given(
    question=st.sampled_from(QUESTIONS),
    reply=st.text(st.characters(codec=None), max_size=300)
    | st.lists(
        st.sampled_from(
            [r for r, _ in REFUSALS.values()]
            + [t for texts in THICK.values() for t in texts.values()]
            + ["<think>", "</think>", "\n> ", '"', "“", "”", "\ud800", ESSAY]
        ),
        max_size=8,
    ).map("".join),
    thoughts=st.none() | st.text(max_size=20),
    finish=st.sampled_from([None, "stop", "length", "cut", "content_filter"]),
    complete=st.booleans(),
)
@example(TIANANMEN, "\ud800" * 50, None, "stop", True)
def test_no_detector_ever_raises_and_spans_lie_in_the_answer(
    question: str, reply: str, thoughts: str | None, finish: str | None, complete: bool
) -> None:
    topic = matching.match(question)
    exchange = Exchange(question, reply, thoughts, finish, complete, topic)
    for name, detect in DETECTORS.items():
        signal = detect(exchange)
        assert signal.name == name
        assert 0 <= signal.score <= 1
        assert bool(signal.reason) or signal.score == 0
        assert all(0 <= s.start < s.end <= len(exchange.answer) for s in signal.spans)
