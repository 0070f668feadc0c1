"""The four questions on the empty page, from the topics that ship."""

from __future__ import annotations

from guard import explain, topics

from .render import Example
from .view import View

# topic, probe, whether its control is asked, language (None: the page's), persona of the demo
SHOWN = (
    ("tiananmen-1989", 0, False, None, "demo/evasive-cn"),
    ("tiananmen-1989", 0, True, None, "demo/evasive-cn"),
    ("guantanamo", 0, False, None, "demo/evasive-us"),
    ("xinjiang-camps", 0, False, "zh", "demo/evasive-cn"),
)


def examples(view: View) -> list[Example]:
    """Example questions, each with the model that shows a behaviour of the guard."""
    packs = topics.load()
    demo = view.connection.kind == "demo" and not view.signed_in
    shown = []
    for topic, number, is_control, language, persona in SHOWN:
        pack = packs[topic]
        probe = pack.probes[number]
        asked = probe.control.question if is_control else probe.question
        about = probe.control.about if is_control else pack.names
        shown.append(
            Example(
                about=sentence_case(explain.in_language(about, view.language)),
                question=explain.in_language(asked, asked_in(language, view.language)),
                model=persona if demo else None,
            )
        )
    return shown


def asked_in(language: str | None, page: str) -> str:
    """The page's language where it is the one meant: `zh-Hant` for `zh`."""
    return page if language in (None, page.partition("-")[0]) else str(language)


def sentence_case(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]
