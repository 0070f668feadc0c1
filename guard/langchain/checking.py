"""The check of a finished reply, as a step of a chain."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import Runnable, RunnableLambda

from .. import explain
from ..catalogue import Catalogue
from ..errors import InputError
from ..pipeline import Guard
from ..types import Verdict

WANTED = (
    'check wants {"question": …, "reply": …}, or messages: one of them a human\'s, the last one '
    "a model's"
)


def check(
    model_id: str | None = None,
    *,
    language: str = explain.FALLBACK,
    models: Catalogue | None = None,
) -> Runnable[Any, Verdict]:
    """A step of a chain that judges a finished reply.

    Its input is `{"question": …, "reply": …}`, each a text or a message, or a conversation that
    ends with the reply. `model_id` is the replying model's id, from which its origin is known.

    Raises (where it is run):
        InputError: the input is neither.
    """
    guard = Guard(models)

    def judged(given: Any) -> Verdict:
        question, reply = asked_and_said(given)
        return guard.check(
            question,
            reply.text,
            model=model_id,
            reasoning=reply.additional_kwargs.get("reasoning_content"),
            finish_reason=reply.response_metadata.get("finish_reason"),
            language=language,
        )

    return RunnableLambda(judged, name="guarded_check")


def asked_and_said(given: Any) -> tuple[str, AIMessage]:
    """The question and the reply of an input from outside.

    Raises:
        InputError: they are not in it.
    """
    try:
        if isinstance(given, dict):
            question, reply = given["question"], given["reply"]
            said = AIMessage(reply) if isinstance(reply, str) else reply
            asked = [HumanMessage(question) if isinstance(question, str) else question]
        else:
            *asked, said = convert_to_messages(given)
    except (KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise InputError(WANTED) from error
    questions = [message for message in asked if isinstance(message, HumanMessage)]
    if not questions or not isinstance(said, AIMessage):
        raise InputError(WANTED)
    return questions[-1].text, said
