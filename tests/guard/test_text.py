"""Properties of the text functions: they hold for any string, lone surrogates too."""

from __future__ import annotations

import itertools
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard import text
from guard.errors import ConfigError
from guard.phrases import PhraseIndex, alternatives
from guard.types import Span

ANY = st.text(st.characters(codec=None)) | st.text(
    alphabet="aA.!?。！\n \"'”」*)_>«» <think>/", max_size=60
)
SURROGATE = "a\ud800b"


# fold


@given(ANY)
@example(SURROGATE)
@example("\U0001f600İßﬁ")
def test_folding_keeps_every_character_s_place(string: str) -> None:
    folded = text.fold(string)
    assert len(folded) == len(string)
    assert text.fold(folded) == folded, "folding twice changes nothing more"
    for start in range(0, len(string), 7):
        assert folded[start:] == text.fold(string[start:])


@given(ANY, ANY)
def test_folding_goes_character_by_character(left: str, right: str) -> None:
    assert text.fold(left + right) == text.fold(left) + text.fold(right)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Café’s", "cafe's"),
        ("ТЯНЬАНЬМЭНЬ", "тяньаньмэнь"),
        ("ＡＢＣ", "abc"),
        ("“Hello”", '"hello"'),
        ("May–June", "may-june"),
        ("i\u00a0am", "i am"),
        ("한국어", "한국어"),
        ("天安門", "天安門"),
        ("ÄÖÅ", "aoa"),
    ],
)
def test_what_is_matched_alike(written: str, folded: str) -> None:
    assert text.fold(written) == folded


@given(ANY)
@example(SURROGATE)
def test_folding_a_question_never_raises_and_hides_nothing_invisible(string: str) -> None:
    folded = text.fold_question(string)
    assert not text.INVISIBLE.search(folded)


def test_invisible_characters_do_not_hide_a_word() -> None:
    assert text.fold_question("Ti\u200ban\u00adan\u2060men") == "tiananmen"


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("臺灣獨立", "台湾独立"),
        ("台灣独立", "台湾独立"),
        ("T\u0336i\u0336b\u0336e\u0336t\u0336", "tibet"),
        ("𝐓𝐢𝐛𝐞𝐭 Ⓣⓘⓑⓔⓣ Ｔｉｂｅｔ", "tibet tibet tibet"),
        ("T\U000e0041ibet", "tibet"),
        ("١٩٨٩ ۱۹۸۹ १९८९ １９８９", "1989 1989 1989 1989"),
        ("تـــايوان", "تایوان"),
        ("Łódź, Øst", "lodz, ost"),
        ("한국 Ти\u0306", "한국 ти"),
    ],
)
def test_what_is_matched_alike_in_questions(written: str, folded: str) -> None:
    assert text.fold_question(written) == folded


@given(ANY)
def test_folding_a_question_twice_changes_nothing_more(string: str) -> None:
    folded = text.fold_question(string)
    assert text.fold_question(folded) == folded


# scripts


@given(ANY)
@example(SURROGATE)
def test_every_string_has_one_main_script_or_none(string: str) -> None:
    found = text.main_script(string)
    assert found is None or found in text.SCRIPTS
    if not any(text.script_of(c) for c in string):
        assert found is None


@pytest.mark.parametrize(
    ("string", "script"),
    [
        ("Hello world", "Latin"),
        ("你好", "Han"),
        ("こんにちは世界", "Kana"),
        ("Привет", "Cyrillic"),
        ("안녕하세요", "Hangul"),
        ("مرحبا", "Arabic"),
        ("123 !?", None),
        ("", None),
        ("关于 AI 的问题是什么", "Han"),
    ],
)
def test_main_scripts(string: str, script: str | None) -> None:
    assert text.main_script(string) == script


# thinking


@given(ANY)
def test_splitting_loses_nothing_of_the_answer(string: str) -> None:
    thinking = text.split_thinking(string)
    assert string[thinking.start :] == thinking.answer
    if thinking.reasoning is None:
        assert thinking.answer == string


@given(st.text(alphabet="ab \n.", max_size=40), ANY)
def test_a_leading_block_is_parted_from_the_answer(thoughts: str, answer: str) -> None:
    whole = f"<think>{thoughts}</think>{answer}"
    thinking = text.split_thinking(whole)
    assert thinking.reasoning == thoughts.strip()
    assert thinking.answer == answer.lstrip()


@given(st.text(alphabet="ab \n.", max_size=40))
def test_an_open_block_is_all_thinking(thoughts: str) -> None:
    assert text.split_thinking(f"<think>{thoughts}").answer == ""


@pytest.mark.parametrize(
    "string", ["Use the <think> tag.", "A <think>b</think> c", "< think>a</think>b", "</think>a"]
)
def test_a_block_that_does_not_lead_is_text(string: str) -> None:
    assert text.split_thinking(string) == (None, string, 0)


# sentences


@given(ANY, st.integers(0, 30))
def test_sentence_ends_rise_and_lie_within(string: str, start: int) -> None:
    ends = list(text.sentence_ends(string, start))
    assert all(a < b for a, b in itertools.pairwise(ends))
    assert all(start < end <= len(string) for end in ends)


@pytest.mark.parametrize(
    ("string", "sentences"),
    [
        ("One. Two! Three? ", ["One.", "Two!", "Three?"]),
        ("一。二！三？", ["一。", "二！", "三？"]),
        ('He said "no." Then left. ', ['He said "no."', "Then left."]),
        ("3.14 is pi. Yes", ["3.14 is pi."]),
        ("他说：“不。”然后走了。", ["他说：“不。”", "然后走了。"]),
        ("क्या। हाँ।", ["क्या।", "हाँ।"]),
        ("No end", []),
    ],
)
def test_sentence_ends(string: str, sentences: list[str]) -> None:
    ends = list(text.sentence_ends(string))
    assert [string[a:b].strip() for a, b in itertools.pairwise([0, *ends])] == sentences


# quotations


@given(ANY)
def test_quotations_lie_within_and_in_order(string: str) -> None:
    spans = text.quotations(string)
    assert spans == sorted(spans)
    assert all(0 <= s.start < s.end <= len(string) for s in spans)


@pytest.mark.parametrize(
    ("string", "quoted"),
    [
        ('He wrote "I cannot answer" and left.', ['"I cannot answer"']),
        ("他说“无法回答”。", ["“无法回答”"]),
        ("作者「無法回答」と", ["「無法回答」"]),
        ("作者『無法回答』と", ["『無法回答』"]),
        ("Er sagte: „Ich kann nicht.“ Dann ging er.", ["„Ich kann nicht.“"]),
        ("Hän sanoi: ”En voi vastata.” Sitten hän lähti.", ["”En voi vastata.”"]),
        ("“One” and “two”", ["“One”", "“two”"]),
        ("Il dit « je ne peux pas » ici", ["« je ne peux pas »"]),
        ("> quoted line\nplain", ["> quoted line"]),
        ('a 5" pipe and a 6" pipe', []),
        ("don't and can't", []),
    ],
)
def test_what_counts_as_a_quotation(string: str, quoted: list[str]) -> None:
    assert [string[s.start : s.end] for s in text.quotations(string)] == quoted


# phrases


WORD = st.text(alphabet="abcд不é", min_size=1, max_size=4)


@given(st.lists(st.lists(WORD, min_size=1, max_size=3), min_size=1, max_size=4))
def test_alternatives_are_all_combinations(groups: list[list[str]]) -> None:
    phrase = " ".join(f"({'|'.join(group)})" for group in groups)
    expected = [" ".join(choice) for choice in itertools.product(*groups)]
    assert alternatives(phrase) == expected


def test_an_empty_alternative_drops_its_word() -> None:
    assert alternatives("i (|really |)can") == ["i can", "i really can", "i can"]


@pytest.mark.parametrize("phrase", ["i (can", "can)", "((a)|b)", "a (b|(c) d"])
def test_a_bracket_without_partner_is_refused(phrase: str) -> None:
    with pytest.raises(ConfigError, match="bracket"):
        alternatives(phrase)


@given(words=st.lists(WORD, min_size=1, max_size=5), before=ANY, after=ANY)
def test_hits_are_what_a_plain_search_finds(words: list[str], before: str, after: str) -> None:
    folded = text.fold(f"{before} {words[0]} {after}")
    found = {(hit.span, hit.meaning) for hit in PhraseIndex([(w, w) for w in words]).find(folded)}
    expected = set()
    for word in words:
        needle = text.fold(word)
        for match in re.finditer(f"(?={re.escape(needle)})", folded):
            start, end = match.start(), match.start() + len(needle)
            left = start > 0 and text.joins_word(needle[0]) and text.joins_word(folded[start - 1])
            right = (
                end < len(folded) and text.joins_word(needle[-1]) and text.joins_word(folded[end])
            )
            if not left and not right:
                expected.add((Span(start, end), word))
    assert found == expected


def test_whole_words_open_endings_and_unspaced_scripts() -> None:
    index = PhraseIndex([("tank", "whole"), ("russophob*", "open"), ("六四", "han")])
    assert {h.meaning for h in index.find(text.fold("tankers and thanks"))} == set()
    assert {h.meaning for h in index.find(text.fold("A TANK. Russophobia!"))} == {"whole", "open"}
    assert {h.meaning for h in index.find(text.fold("关于六四事件"))} == {"han"}
    assert list(PhraseIndex[str]([]).find("anything")) == []


def test_the_fold_table_agrees_with_the_rule() -> None:
    for character in "AÉßЯ“’–　ｱ天한ﬁ":
        assert text.fold(character) == text.folded_character(character)
    assert unicodedata.normalize("NFC", "é") == "é"
