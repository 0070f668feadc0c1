"""The schedule of checks: what streams and what is replayed are looked at in the same places."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guard.schedule import FIRST_CHECK, Schedule, check_points

MARKS = st.text(alphabet='ab .!…。」”\n”)*"', max_size=160)


def streamed(reply: str) -> list[int]:
    """Where a reply that comes character by character is looked at."""
    schedule, points = Schedule(), []
    for length in range(1, len(reply) + 1):
        if schedule.due(reply[:length]):
            schedule.looked(length)
            points.append(length)
    return points


@given(MARKS)
def test_a_replayed_reply_is_looked_at_where_a_streaming_one_is(reply: str) -> None:
    assert list(check_points(reply)) == streamed(reply)


@given(MARKS, st.integers(1, 30))
def test_what_was_searched_is_not_missed(reply: str, step: int) -> None:
    """A schedule that remembers finds what one that forgets finds, however the reply comes."""
    remembers, forgets = Schedule(), Schedule()
    for length in range(step, len(reply) + step, step):
        forgets.searched = 0
        due = remembers.due(reply[:length])
        assert due == forgets.due(reply[:length])
        if due:
            remembers.looked(min(length, len(reply)))
            forgets.looked(min(length, len(reply)))


def test_between_two_checks_a_sentence_ends_and_ever_more_text_comes() -> None:
    reply = "Four words are here. " * 100
    points = list(check_points(reply))
    assert points[0] >= FIRST_CHECK
    assert len(points) < 40
    pairs = list(pairwise([0, *points]))
    assert all(". " in reply[earlier:later] for earlier, later in pairs)
    gaps = [later - earlier for earlier, later in pairs[1:]]
    assert gaps[-1] > 5 * gaps[0]


def test_a_reply_without_a_sentence_end_is_never_due() -> None:
    assert list(check_points("word " * 500)) == []
    assert list(check_points("")) == []


def test_a_beginning_is_let_be() -> None:
    assert list(check_points("No. No. No. No. No.")) == []
