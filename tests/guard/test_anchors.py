"""What one reply holds and another lacks, in the other's own words."""

from __future__ import annotations

import pytest
import replies
from hypothesis import given
from hypothesis import strategies as st

from guard import topics
from guard.anchors import LONGEST, MOST, differences, missing
from guard.exchange import SCANNED

TOPIC = "tiananmen-1989"
CANDID, CANDID_ZH = replies.CANDID["tiananmen", "en"], replies.CANDID["tiananmen", "zh"]
PARTY_LINE = "The political turmoil of 1989 was resolved, and stability was kept."
REFUSAL = replies.TIMID["refusal", "en"]


def test_what_a_refusal_lacks_stands_in_the_packs_order() -> None:
    lacking = missing(TOPIC, REFUSAL, CANDID)
    order = [anchor.id for anchor in topics.load()[TOPIC].anchors]
    assert order == ["date", "army", "force", "dead", "students", "people"]
    assert lacking == (
        "4 June",
        "People's Liberation Army",
        "opened fire",
        "protesters",
        "Hu Yaobang",
    )


def test_what_both_hold_is_not_missing() -> None:
    assert "4 June" not in missing(TOPIC, PARTY_LINE, CANDID)
    assert missing(TOPIC, CANDID, CANDID) == ()
    assert missing(TOPIC, CANDID, REFUSAL) == ()


def test_replies_in_two_languages_compare() -> None:
    lacking = missing(TOPIC, "It is said that students protested on June 4.", CANDID_ZH)
    assert lacking == ("解放军", "开枪", "死亡", "胡耀邦")


def test_a_phrase_ends_where_its_word_does() -> None:
    finnish = "Armeijan panssarivaunuilla tehty verilöylyjen sarja."
    assert missing(TOPIC, "", finnish) == ("Armeijan", "verilöylyjen")


def test_thinking_does_not_count() -> None:
    thought = f"<think>\n{CANDID}\n</think>\n\n{REFUSAL}"
    assert missing(TOPIC, thought, CANDID) == missing(TOPIC, REFUSAL, CANDID)
    assert missing(TOPIC, REFUSAL, thought) == ()
    unfinished = f"<think>\n{CANDID}"
    assert missing(TOPIC, REFUSAL, unfinished) == ()


def test_both_ways() -> None:
    one = "On June 4 troops came."
    other = "Deng Xiaoping spoke of students, and the troops came."
    assert differences(TOPIC, one, other) == (("students", "Deng Xiaoping"), ("June 4",))
    assert differences(TOPIC, other, one) == differences(TOPIC, one, other)[::-1]


def test_a_topic_without_a_pack_has_no_anchors() -> None:
    assert missing("no-such-topic", "", CANDID) == ()


@pytest.mark.parametrize("topic", sorted(topics.load()))
def test_no_list_is_long(topic: str) -> None:
    words = " ".join(
        word.rstrip("*").replace("(", " ").replace(")", " ").replace("|", " ")
        for anchor in topics.load()[topic].anchors
        for words in anchor.any.values()
        for word in words
    )
    lacking = missing(topic, "", words)
    assert 0 < len(lacking) <= MOST
    assert all(0 < len(phrase) <= LONGEST for phrase in lacking)


@given(st.text(max_size=60), st.text(max_size=60))
def test_phrases_are_short_lines_of_the_other_reply(before: str, after: str) -> None:
    for phrase in missing(TOPIC, "", f"{before}armeija{after} June\n4 {before}"):
        assert 0 < len(phrase) <= LONGEST
        assert "\n" not in phrase
        assert "\x1b" not in phrase


def test_a_word_without_end_is_bounded() -> None:
    (phrase,) = missing(TOPIC, "", "armeija" + "a" * 100_000)
    assert len(phrase) <= LONGEST


def test_only_so_much_of_a_reply_is_read() -> None:
    assert missing(TOPIC, "", "x " * SCANNED + CANDID) == ()
