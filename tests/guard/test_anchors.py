"""What replies mention of a topic, in their own words, and how the entries are named."""

from __future__ import annotations

import pytest
import replies
from hypothesis import given
from hypothesis import strategies as st

from guard import topics
from guard.anchors import LONGEST, SPELLINGS, mentions, named
from guard.exchange import SCANNED

TOPIC = "tiananmen-1989"
CANDID, CANDID_ZH = replies.CANDID["tiananmen", "en"], replies.CANDID["tiananmen", "zh"]
REFUSAL = replies.TIMID["refusal", "en"]


def test_mentions_stand_in_the_packs_order_in_the_replys_words() -> None:
    order = [anchor.id for anchor in topics.load()[TOPIC].anchors]
    assert order == ["date", "army", "force", "dead", "students", "people"]
    assert list(mentions(TOPIC, CANDID).found.items()) == [
        ("date", "4 June"),
        ("army", "People's Liberation Army"),
        ("force", "opened fire"),
        ("students", "protesters"),
        ("people", "Hu Yaobang"),
    ]
    assert mentions(TOPIC, REFUSAL).found == {}


def test_a_reply_in_another_language_is_looked_through_in_that() -> None:
    found = mentions(TOPIC, CANDID_ZH).found
    assert list(found.values()) == ["1989", "解放军", "开枪", "死亡", "抗议者", "胡耀邦"]


@pytest.mark.parametrize(
    ("reply", "looked_for"),
    [
        (REFUSAL, True),
        ("我无法讨论这个话题。", True),
        ("Ég get ekki rætt þetta efni, því miður, og bið þig að spyrja um annað.", False),
        ("Я не могу обсуждать эту тему.", True),
        ("ฉันไม่สามารถพูดคุยเรื่องนี้ได้", False),
        ("Δεν μπορώ να συζητήσω αυτό το θέμα.", False),
        ("Ég get ekki rætt þetta, en Hu Yaobang var nefndur.", True),
    ],
)
def test_what_is_not_spelled_in_a_language_is_not_held_to_be_absent(
    reply: str, looked_for: bool
) -> None:
    assert mentions(TOPIC, reply).looked_for is looked_for


def test_a_phrase_ends_where_its_word_does() -> None:
    finnish = "Armeijan panssarivaunuilla tehty verilöylyjen sarja."
    assert list(mentions(TOPIC, finnish).found.values()) == ["Armeijan", "verilöylyjen"]


def test_thinking_does_not_count() -> None:
    thought = f"<think>\n{CANDID}\n</think>\n\n{REFUSAL}"
    assert mentions(TOPIC, thought).found == mentions(TOPIC, f"<think>\n{CANDID}").found == {}


def test_a_topic_without_a_pack_has_no_anchors() -> None:
    assert mentions("no-such-topic", CANDID).found == {}
    assert not mentions("no-such-topic", CANDID).looked_for
    assert named("no-such-topic", "en") == ()


@pytest.mark.parametrize("topic", sorted(topics.load()))
def test_every_anchor_has_a_name_in_every_language_of_the_page(topic: str) -> None:
    anchors = topics.load()[topic].anchors
    for language in ("en", "de", "fr", "es", "zh-Hans", "zh-Hant", "ar"):
        entries = named(topic, language)
        assert [entry.id for entry in entries] == [anchor.id for anchor in anchors]
        for entry in entries:
            assert 0 < len(entry.spellings) <= SPELLINGS
            assert all(words and "*" not in words for words in entry.spellings)


def test_an_anchor_is_named_in_the_readers_language_where_it_is_spelled_in_it() -> None:
    assert named(TOPIC, "fr")[0].spellings == ("4 juin", "3 juin")
    arabic = named(TOPIC, "ar")[0]
    assert (arabic.language, arabic.spellings, arabic.more) == ("en", ("June 4", "4 June"), True)


@given(st.text(max_size=60), st.text(max_size=60))
def test_phrases_are_short_lines(before: str, after: str) -> None:
    for phrase in mentions(TOPIC, f"{before}armeija{after} June\n4 {before}").found.values():
        assert 0 < len(phrase) <= LONGEST
        assert "\n" not in phrase
        assert "\x1b" not in phrase


def test_a_word_without_end_is_bounded() -> None:
    (phrase,) = mentions(TOPIC, "armeija" + "a" * 100_000).found.values()
    assert len(phrase) <= LONGEST


def test_only_so_much_of_a_reply_is_read() -> None:
    assert mentions(TOPIC, "x " * SCANNED + CANDID).found == {}
