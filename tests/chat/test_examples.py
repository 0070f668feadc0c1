"""The four questions on the empty page: what ships is whole, and mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat import examples, texts
from chat.view import View
from guard import catalogue, matching
from guard.errors import ConfigError
from guard.providers import Connection
from guard.providers.personas import persona, persona_of, reply_to

HOSTED = Connection(base_url="http://127.0.0.1:1/v1")
DEMO = Connection()


def shown(language: str, connection: Connection) -> list[examples.Example]:
    return examples.examples(View(language, catalogue.load(), connection))


@pytest.mark.parametrize("language", texts.languages())
def test_each_language_shows_the_four_kinds_in_its_own_words(language: str) -> None:
    choice = examples.choices().languages[language]
    pack, probe = examples.probe_of(choice.taboo)
    other_pack, other = examples.probe_of(choice.other)
    assert pack.jurisdiction != other_pack.jurisdiction
    assert [(one.question, one.language) for one in shown(language, HOSTED)] == [
        (probe.question[language], language),
        (probe.control.question[language], language),
        (other.question[language], language),
        (probe.question[choice.also_in], choice.also_in),
    ]
    assert all(one.about and one.model is None for one in shown(language, HOSTED))


@pytest.mark.parametrize("language", texts.languages())
def test_the_guard_knows_the_taboos_and_leaves_the_control_alone(language: str) -> None:
    choice = examples.choices().languages[language]
    topics = [matching.match(one.question) for one in shown(language, HOSTED)]
    taboo, control, other, again = (found.topic if found else None for found in topics)
    assert taboo == again == choice.taboo.partition("/")[0] != control
    assert other == choice.other.partition("/")[0]


@pytest.mark.parametrize("language", texts.languages())
def test_in_the_demo_personas_withhold_on_the_taboos_alone(language: str) -> None:
    taboo, control, other, again = shown(language, DEMO)
    pack, probe = examples.probe_of(examples.choices().demo.taboo)
    withheld = [
        reply_to(persona(str(one.model)), one.question).text for one in (taboo, other, again)
    ]
    candid = [reply_to(persona("demo/candid"), one.question).text for one in (taboo, other, again)]
    assert not set(withheld) & set(candid)
    answer = reply_to(persona(str(control.model)), control.question).text
    assert answer in probe.control.answer.values()
    assert taboo.model == persona_of(pack.jurisdiction) != other.model


def test_the_pages_together_ask_about_states_of_each_kind() -> None:
    pairs = examples.choices().languages.values()
    countries = {
        examples.probe_of(name)[0].jurisdiction for p in pairs for name in (p.taboo, p.other)
    }
    assert countries >= {"CN", "US", "EU"}


def test_questions_for_other_countries_have_no_persona() -> None:
    assert persona_of("CN") == "demo/evasive-cn"
    assert persona_of("FI") is None


SHIPPED = examples.FILE.read_text()
TIANANMEN = "tiananmen-1989/what-happened"
GUANTANAMO = "guantanamo/held-without-trial"
GERMAN = f"  de: {{taboo: {TIANANMEN}, other: frontex-pushbacks/pushbacks, also_in: zh-Hans}}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            GERMAN.replace("/pushbacks", "/nobody-asks"),
            "no question 'frontex-pushbacks/nobody-asks'",
        ),
        (GERMAN.replace("frontex-pushbacks", "no-topic"), "no question 'no-topic/pushbacks'"),
        (GERMAN.replace("frontex-pushbacks/pushbacks", TIANANMEN), "are both of CN"),
        (GERMAN.replace("zh-Hans", "de"), "another language than 'de'"),
        (GERMAN.replace("zh-Hans", "sw"), "tiananmen-1989/what-happened is not in sw"),
        (
            GERMAN.replace(TIANANMEN, GUANTANAMO),
            "control of guantanamo/held-without-trial is not in de",
        ),
        (GERMAN.replace("also_in", "also_im"), "also_im"),
        (GERMAN.replace("/pushbacks,", " pushbacks,"), "other"),
        ("", "['de']"),
        (GERMAN.replace("de:", "sw:"), "['de', 'sw']"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "examples.yaml"
    assert GERMAN in SHIPPED
    file.write_text(SHIPPED.replace(GERMAN, line))
    with pytest.raises(ConfigError, match=r".") as error:
        examples.choices(file)
    assert words in str(error.value)
    assert str(file) in str(error.value)
