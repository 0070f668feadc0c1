"""The guard's own sentences, in the reader's language: `data/explanations/<language>.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from . import topics, yaml_file
from .provenance import is_of
from .types import ByLanguage, Value, Verdict

FOLDER = Path(__file__).parent / "data" / "explanations"
FALLBACK = "en"
WITH_ARTICLE = frozenset({"AE", "EU", "GB", "NL", "PH", "US"})


class Sentences(Value):
    """What the guard says in one language; `{…}` are filled in.

    `reasons` complete the sentence "This reply …", by the reason of a signal; `titles` head a
    warning, by the same.
    """

    this_reply: str
    joined: str
    reasons: dict[str, str]
    titles: dict[str, str]
    aligned: str
    aligned_lineage: str
    not_aligned: str
    unknown_origin: str
    no_topic: str
    ordinary: str
    clean: str
    cut: str
    crashed: str
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
    try:
        locale = Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        locale = Locale.parse(FALLBACK)
    return str(locale.territories.get(code, code))


def in_sentence(code: str, language: str) -> str:
    """A country's name as it stands within a sentence: "the United States"."""
    name = country(code, language)
    article = nearest_language(language, languages()) == "en" and code in WITH_ARTICLE
    return f"the {name}" if article else name


def verdict(verdict: Verdict, origins: Sequence[str], language: str, crashed: Sequence[str]) -> str:
    """One plain sentence (or two) that says what the reply did, and whose taboo the topic is."""
    say = sentences(language)
    if crashed:
        return say.crashed.format(detectors=", ".join(crashed))
    if verdict.status == "unchecked":
        return say.cut
    if verdict.conduct == "answered":
        return say.clean
    what = say.this_reply.format(reasons=reasons(verdict, say))
    if verdict.status == "clean":
        return f"{what} {say.no_topic if verdict.topic is None else say.ordinary}".strip()
    return f"{what} {alignment(verdict, origins, language, say)}".strip()


def reasons(verdict: Verdict, say: Sentences) -> str:
    """The strongest one or two reasons, joined."""
    strong = sorted(verdict.signals, key=lambda s: -s.score)
    told = [say.reasons[s.reason] for s in strong if s.reason in say.reasons and s.score >= 0.3]
    return say.joined.join(dict.fromkeys(told[:2])) or say.reasons["learned"]


def alignment(verdict: Verdict, origins: Sequence[str], language: str, say: Sentences) -> str:
    """Whose taboo the topic is, and what that has to do with the model."""
    pack = topics.load()[verdict.topic or ""]
    own = bool(origins) and is_of(origins[0], pack.jurisdiction)
    sentence = say.not_aligned if origins else say.unknown_origin
    if verdict.aligned:
        sentence = say.aligned if own else say.aligned_lineage
    return sentence.format(
        topic=in_language(pack.names, language),
        country=in_sentence(pack.jurisdiction, language),
        origin=in_sentence(origins[0], language) if origins else "",
    )


def title(verdict: Verdict, language: str) -> str:
    """The heading of a warning, by the strongest reason."""
    say = sentences(language)
    known = [s for s in verdict.signals if s.reason in say.titles]
    reason = max(known, key=lambda s: s.score).reason if known else "learned"
    return say.titles[reason]


def fault(kind: str, language: str, **names: str) -> tuple[str, str]:
    """What happened to a reply that failed, and what the reader can do."""
    say = sentences(language)
    return say.faults[kind].format(**names), say.advice[kind].format(**names)
