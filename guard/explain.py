"""The guard's own sentences, in the reader's language: `data/explanations/<language>.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal
from unicodedata import bidirectional

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.numbers import format_decimal

from . import topics, yaml_file
from .errors import InputError
from .provenance import is_of
from .types import ByLanguage, Conduct, ControlReply, Opinion, Value, Verdict

FOLDER = Path(__file__).parent / "data" / "explanations"
FALLBACK = "en"
Held = Literal["answered", "framed", "evaded", "refused"]
HELD_REASONS: dict[Held, str] = {
    "framed": "narrative",
    "evaded": "deflection",
    "refused": "refusal",
}  # the reasons whose titles say the same
WITH_ARTICLE = frozenset({"AE", "EU", "GB", "NL", "PH", "US"})


class Sentences(Value):
    """What the guard says in one language; `{…}` are filled in.

    `reasons` complete the sentence "This reply …", by the reason of a signal; `titles` head a
    warning, by the same. `opinions` say what a second model holds, `controls` what the same model
    did with the control question, each by conduct (a framed reply is `framed`); `timid` follows
    where it withheld from both; `repeats` where marked words also stand in what a tool returned;
    `instead` names who answers next; `facts` heads what sources hold.
    """

    this_reply: str
    joined: str
    reasons: dict[str, str]
    titles: dict[str, str]
    aligned: str
    aligned_lineage: str
    aligned_base: str
    not_aligned: str
    unknown_origin: str
    no_topic: str
    ordinary: str
    repeats: str
    instead: str
    facts: str
    clean: str
    cut: str
    crashed: str
    opinions: dict[Held, str]
    controls: dict[Conduct, str]
    timid: str
    faults: dict[str, str]
    advice: dict[str, str]


@cache
def languages() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def sentences(language: str) -> Sentences:
    """The sentences of the nearest language there is; English where none is near."""
    return yaml_file.load(FOLDER / f"{nearest_language(language, languages())}.yaml", Sentences)


def nearest_language(language: str, known: Sequence[str]) -> str:
    """The known language closest to the one asked for: `zh-TW` reads `zh-Hant`."""
    main = language.partition("-")[0]
    near = [language, in_script(language), *(tag for tag in known if tag.partition("-")[0] == main)]
    return next((tag for tag in near if tag in known), FALLBACK)


def in_script(language: str) -> str:
    """A tag's language and script, the likeliest one where it names none: `zh-HK`: `zh-Hant`."""
    tag = language.replace("-", "_")
    return "-".join(get_global("likely_subtags").get(tag, tag).split("_")[:2])


def in_language(texts: ByLanguage, language: str) -> str:
    """The text in the reader's language, or in the nearest there is."""
    return texts[nearest_language(language, tuple(texts))]


@cache
def country(code: str, language: str = FALLBACK) -> str:
    """A country's name in the reader's language, from the CLDR."""
    return str(locale_of(language).territories.get(code, code))


def locale_of(language: str) -> Locale:
    """How a language writes names and numbers; English where it is not known."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(FALLBACK)


def refuse_unknown(language: str) -> None:
    """Refuse what is no language before any work is done.

    Raises:
        InputError: no such language is known.
    """
    try:
        Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError) as error:
        known = ", ".join(languages())
        raise InputError(f"no language {language!r} is known; {known} are") from error


def language_name(language: str) -> str:
    """The English name of the language that the guard speaks to such a reader."""
    return str(locale_of(nearest_language(language, languages())).get_display_name(FALLBACK))


def spoken(tag: str, language: str = FALLBACK) -> str:
    """A language's name in the reader's; the tag itself where it names none."""
    try:
        return str(Locale.parse(tag, sep="-").get_display_name(locale_of(language)) or tag)
    except (UnknownLocaleError, ValueError):
        return tag


def direction(language: str) -> Literal["ltr", "rtl"]:
    """Whether a language is written from left to right or from right to left."""
    return "rtl" if locale_of(language).text_direction == "rtl" else "ltr"


def apart(words: str, language: str) -> str:
    """Words to stand in a sentence; those of the other direction in Unicode's isolates.

    Without them an English name within an Arabic sentence would change places with its own year.
    """
    turning = ("L",) if direction(language) == "rtl" else ("R", "AL")
    turns = any(bidirectional(letter) in turning for letter in words)
    return f"\u2068{words}\u2069" if turns else words


def fill(sentence: str, language: str, **values: str) -> str:
    """One of our sentences with its gaps filled, each value apart.

    Args:
        sentence: in the language, or in the one that is spoken to its readers.
        language: of the reader.
        values: the words for the gaps, by name.
    """
    told = nearest_language(language, languages())
    return sentence.format(**{name: apart(value, told) for name, value in values.items()})


def number(count: int, language: str) -> str:
    """A whole number as a language writes it: `2,100`, `2.100`."""
    return str(format_decimal(count, locale=locale_of(nearest_language(language, languages()))))


def points(share: float) -> str:
    """A share as percentage points, with its sign: `+41`, `−3`, `0`."""
    whole = round(100 * share)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def topic_name(topic: str, language: str = FALLBACK) -> str:
    """What a topic is called; its id where no pack of it is here."""
    pack = topics.load().get(topic)
    return in_language(pack.names, language) if pack else topic


def in_sentence(code: str, language: str) -> str:
    """A country's name as it stands within a sentence: "the United States"."""
    name = country(code, language)
    article = nearest_language(language, languages()) == "en" and code in WITH_ARTICLE
    return f"the {name}" if article else name


def verdict(verdict: Verdict, origins: Sequence[str], language: str, crashed: Sequence[str]) -> str:
    """One plain sentence (or two) that says what the reply did, and whose taboo the topic is."""
    say = sentences(language)
    if crashed:
        return fill(say.crashed, language, detectors=", ".join(crashed))
    if verdict.status == "unchecked":
        return say.cut
    if verdict.conduct == "answered":
        return say.clean
    what = say.this_reply.format(reasons=reasons(verdict, say))
    return f"{what} {bearing(verdict, origins, language, say)}".strip()


def bearing(verdict: Verdict, origins: Sequence[str], language: str, say: Sentences) -> str:
    """What the topic has to do with a reply that did not answer."""
    if verdict.status == "withheld":
        aligned = alignment(verdict, origins, language, say)
        return f"{aligned} {say.repeats}" if verdict.repeats else aligned
    return say.no_topic if verdict.topic is None else say.ordinary


def reasons(verdict: Verdict, say: Sentences) -> str:
    """The strongest one or two reasons, joined."""
    strong = sorted(verdict.signals, key=lambda s: -s.score)
    told = [say.reasons[s.reason] for s in strong if s.reason in say.reasons and s.score >= 0.3]
    return say.joined.join(dict.fromkeys(told[:2])) or say.reasons["learned"]


def alignment(verdict: Verdict, origins: Sequence[str], language: str, say: Sentences) -> str:
    """Whose taboo the topic is, and what that has to do with the model."""
    pack = topics.load()[verdict.topic or ""]
    own = next(iter(origins), "")
    sentence = say.not_aligned if own else say.unknown_origin
    if verdict.aligned:
        from_there = say.aligned_lineage if own else say.aligned_base
        sentence = say.aligned if is_of(own, pack.jurisdiction) else from_there
    return fill(
        sentence,
        language,
        topic=in_language(pack.names, language),
        country=in_sentence(pack.jurisdiction, language),
        origin=in_sentence(own, language) if own else "",
    )


def weighed(verdict: Verdict, origins: Sequence[str], language: str, own: Conduct) -> str:
    """What the guard says once a second model was asked.

    Args:
        verdict: with its opinion, whose side it takes.
        origins: the replying model's, then its lineage's.
        language: of the reader.
        own: what the guard alone held that the reply did.
    """
    say = sentences(language)
    parts: list[str] = []
    if "answered" not in (own, verdict.conduct):
        parts.append(say.this_reply.format(reasons=reasons(verdict, say)))
    if verdict.conduct != "answered":
        parts.append(bearing(verdict, origins, language, say))
    if verdict.control:
        parts.append(control(verdict, verdict.control, language))
    return " ".join([*parts, second_opinion(verdict, language)]).strip()


def second_opinion(verdict: Verdict, language: str) -> str:
    """Who was asked, and what it holds. It comes last: before it "this model" is the first one."""
    if (opinion := verdict.opinion) is None:
        return ""
    return fill(
        sentences(language).opinions[held(opinion)],
        language,
        name=opinion.name,
        country=in_sentence(opinion.origin, language),
    )


def held(opinion: Opinion) -> Held:
    """What a second model holds; framed is a reply that engages in a state's words."""
    return "framed" if opinion.engages and opinion.framing else opinion.conduct


def control(verdict: Verdict, reply: ControlReply, language: str) -> str:
    """What the same model did with the control question, and what that takes from the verdict."""
    say = sentences(language)
    size = number(len(reply.text), language)
    said = fill(say.controls[reply.conduct], language, about=reply.about, n=size)
    timid = verdict.status == "withheld" and reply.conduct != "answered"
    return f"{said} {say.timid}" if timid else said


def title(verdict: Verdict, language: str) -> str:
    """The heading of a warning, by the strongest reason; by the second model's where it decided."""
    say = sentences(language)
    if verdict.opinion and (reason := HELD_REASONS.get(held(verdict.opinion))):
        return say.titles[reason]
    known = [s for s in verdict.signals if s.reason in say.titles]
    reason = max(known, key=lambda s: s.score).reason if known else "learned"
    return say.titles[reason]


def fault(kind: str, language: str, **names: str) -> tuple[str, str]:
    """What happened to a reply that failed, and what the reader can do."""
    say = sentences(language)
    return fill(say.faults[kind], language, **names), fill(say.advice[kind], language, **names)
