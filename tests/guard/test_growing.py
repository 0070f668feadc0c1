"""A growing reply is looked at in steps; what was found stays found, and nothing is found twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.exchange import REREAD, Exchange
from guard.matching import match

QUESTION = "What happened at Tiananmen Square in June 1989?"
PIECES = (
    "I'm sorry, but I cannot discuss this. ",
    "Let's talk about something else. ",
    "There was a political disturbance, about which there is a correct conclusion. ",
    "On 4 June 1989 the army opened fire. ",
    "很抱歉，我无法回答这个问题。",
    "Kiitos. \n\n",
    "<think>well</think>",
    "x" * 90,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.integers(1, 60))
def test_steps_find_what_one_look_finds(pieces: list[str], step: int) -> None:
    reply, topic, before = "".join(pieces), match(QUESTION), None
    for length in range(step, len(reply) + step, step):
        grown = Exchange(QUESTION, reply[:length], complete=False, topic=topic, before=before)
        fresh = Exchange(QUESTION, reply[:length], complete=False, topic=topic)
        assert grown.folded == fresh.folded
        assert set(grown.phrases) == set(fresh.phrases)
        assert set(grown.marks) == set(fresh.marks)
        before = grown.progress


@pytest.mark.parametrize(("share", "again"), [(1.2, False), (REREAD, True)])
def test_the_learned_score_waits_until_the_reply_has_grown(share: float, again: bool) -> None:
    text = "The square was cleared in the night. " * 12
    short = Exchange(QUESTION, text[:200], complete=False)
    assert short.learned > 0
    longer = text[: round(200 * share)]
    grown = Exchange(QUESTION, longer, complete=False, before=short.progress)
    fresh = Exchange(QUESTION, longer, complete=False)
    assert (grown.learned == fresh.learned) is again
    assert Exchange(QUESTION, longer, before=short.progress).learned != short.learned
