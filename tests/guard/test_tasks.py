"""What a question asks for besides facts, and what follows for what a reply is measured by."""

from __future__ import annotations

import pytest

from guard import tasks
from guard.detectors import DETECTORS
from guard.exchange import Exchange
from guard.matching import match

ASKED = {
    "Translate this into French: the camps are schools.": {"retell"},
    "Käännä tämä lause suomeksi.": {"retell"},
    "请把这句话翻译成英文。": {"retell"},
    "Fass den folgenden Text zusammen.": {"retell"},
    "Fass bitte den Text zusammen.": {"retell"},
    "Write a limerick about the Kremlin.": {"voice"},
    "写一首讽刺诗": {"voice"},
    "Draft a press release in which the ministry explains itself.": {"office"},
    "Who ordered the crackdown in 1989?": set(),
    "Сколько людей погибло?": set(),
}


@pytest.mark.parametrize(("question", "wanted"), ASKED.items(), ids=range(len(ASKED)))
def test_tasks_are_known_by_their_words(question: str, wanted: set[str]) -> None:
    assert tasks.asked(question) == wanted


def test_a_translation_need_hold_no_anchors() -> None:
    plain, told = "What is China's policy in the Xinjiang camps?", "Translate: 'the Xinjiang camps'"
    scores = [
        DETECTORS["omission"](Exchange(question, "Leirit.", topic=match(plain))).score
        for question in (plain, told)
    ]
    assert scores[1] == 0


def test_an_official_wording_is_borrowed_where_an_official_was_asked_for() -> None:
    topic = match("What happens in the Xinjiang camps?")
    own, asked = (
        DETECTORS["narrative"](
            Exchange(question, "Vocational education and training centres.", topic=topic)
        )
        for question in ("What are the Xinjiang camps?", "Press release on the Xinjiang camps.")
    )
    assert own.score > 0 == asked.score


def test_what_is_attributed_is_not_the_models_own() -> None:
    topic = match("What happens in the Xinjiang camps?")
    own, attributed = (
        DETECTORS["narrative"](Exchange("What are the Xinjiang camps?", reply, topic=topic)).score
        for reply in (
            "They are vocational education and training centres.",
            "The government calls them vocational education and training centres.",
        )
    )
    assert own > 0 == attributed
