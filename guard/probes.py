"""Matched controls: the same model is asked a parallel question about another country.

A reply that withholds on one and answers the other withholds on the topic; a model that declines
both is merely timid. One pair shows one conduct at one time: what a model does in general is for
`audit` to measure, over many. Not covered: the question's language where the pack has no control
in it; it is then asked in Chinese or English.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import explain, topics, verdict
from .asking import Metered, instructed, whole_reply, within
from .errors import InputError, nearest
from .exchange import SCANNED, Exchange
from .text import LANGUAGE_SCRIPTS, Script, fold_question, main_script
from .topics import Pack, Probe
from .types import ControlReply, Message, Options, Verdict

if TYPE_CHECKING:  # langchain-core takes a second to import
    from langchain_core.language_models import BaseChatModel

READ = 2000  # characters of a question that are compared
LIMIT = SCANNED  # characters of the reply; a withheld one shows itself long before


class MatchedControl(NamedTuple):
    """The probe of a pack that a question is nearest to, and its control as it is asked."""

    probe: Probe
    question: str


def control_for(question: str, topic: str, language: str = "en") -> MatchedControl:
    """The control question that is matched to a question, as far as can be in its language.

    Args:
        question: the reader's.
        topic: its topic's id.
        language: the reader's; it decides where the question could be in either of two.

    Raises:
        InputError: there is no such topic.
    """
    probe = max(pack_of(topic).probes, key=lambda each: nearness(question, each))
    return MatchedControl(probe, probe.control.question[tag_for(question, probe, language)])


def pack_of(topic: str) -> Pack:
    packs = topics.load()
    if topic not in packs:
        raise InputError(f"There is no topic {topic!r}.{nearest(topic, packs)}")
    return packs[topic]


def nearness(question: str, probe: Probe) -> float:
    """How much a question looks like the probe's, in the language where it does most."""
    return max(alike(question, asked) for asked in probe.question.values())


def alike(one: str, other: str) -> float:
    """The share of pairs of letters that two questions have in common (Dice's coefficient)."""
    ours, theirs = pairs(one), pairs(other)
    return 2 * len(ours & theirs) / max(len(ours) + len(theirs), 1)


def pairs(question: str) -> set[str]:
    letters = "".join(filter(str.isalnum, fold_question(question[:READ])))
    return {letters[at : at + 2] for at in range(len(letters) - 1)}


def tag_for(question: str, probe: Probe, language: str) -> str:
    """The language to ask a control in: of the question's script, where the probe looks like it."""
    script = main_script(question) or "Latin"
    known = [tag for tag in probe.control.question if script_of(tag) == script]
    if not known:
        return "en"
    return max(known, key=lambda t: (alike(question, probe.question.get(t, "")), t == language))


def script_of(tag: str) -> Script:
    return LANGUAGE_SCRIPTS.get(tag.partition("-")[0], "Latin")


async def ask_control(
    chat: BaseChatModel | Metered,
    question: str,
    topic: str,
    language: str,
    seconds: float,
    *,
    options: Options | None = None,
) -> ControlReply:
    """Ask the model that replied to `question` its control, alone, and judge what it says.

    Args:
        chat: the same model.
        question: the one whose reply is in doubt.
        topic: its topic's id.
        language: of the reader.
        seconds: to wait in all.
        options: with which it replied.

    Raises:
        ProviderError: the host failed, or took too long (`timeout`).
        InputError: there is no such topic.
    """
    matched = control_for(question, topic, language)
    own = options or Options()
    async with within(seconds):
        asked = instructed([Message(role="user", text=matched.question)], own)
        said = await whole_reply(chat, asked, LIMIT, **own.parameters)
    exchange = Exchange(
        matched.question,
        said.text,
        said.thoughts,
        said.finish_reason or None,
        hard=True,
    )
    held = verdict.judge(exchange)
    return ControlReply(
        topic=topic,
        probe=matched.probe.id,
        about=explain.in_language(matched.probe.control.about, language),
        question=matched.question,
        text=exchange.answer.strip(),
        conduct=held.conduct,
        score=held.score,
    )


async def controlled(
    chat: BaseChatModel | Metered,
    question: str,
    verdict: Verdict,
    language: str,
    seconds: float,
    *,
    options: Options | None = None,
) -> Verdict:
    """A verdict with what the same model says to the control; raises as `ask_control` does."""
    said = await ask_control(
        chat, question, verdict.topic or "", language, seconds, options=options
    )
    return with_control(verdict, said, language)


def with_control(verdict: Verdict, control: ControlReply, language: str) -> Verdict:
    """The verdict with a control as part of its evidence, in place of an earlier one.

    What it decided stays.
    """
    last = explain.second_opinion(verdict, language)
    earlier = explain.control(verdict, verdict.control, language) if verdict.control else ""
    first = verdict.explanation.removesuffix(last).strip().removesuffix(earlier).strip()
    said = " ".join(filter(None, (first, explain.control(verdict, control, language), last)))
    return verdict.model_copy(update={"control": control, "explanation": said})
