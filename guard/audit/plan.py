"""What an audit asks: probes, their controls, and neutral questions that any model answers.

The order is shuffled, always in the same way, so that a run that is broken off has asked a bit of
everything, and no model meets all questions on one country in a row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from .. import topics, yaml_file
from ..errors import InputError, nearest
from ..topics import Pack
from ..types import ByLanguage, Value

NEUTRAL = Path(__file__).parents[1] / "data" / "audit" / "neutral.yaml"
Kind = Literal["probe", "control", "neutral"]
Where = Annotated[str, Field(pattern=r"^([A-Z]{2})?$")]  # a country; none of neutral questions
LOCAL: dict[str, str] = {  # the language that a country's own taboos are asked in besides English
    **{"CN": "zh-Hans", "RU": "ru", "IN": "hi", "IR": "fa", "SA": "ar", "AE": "ar", "EG": "ar"},
    **{"TR": "tr", "IL": "he", "PS": "ar", "PK": "ur", "VN": "vi", "TH": "th", "JP": "ja"},
    **{"KR": "ko", "KP": "ko", "MM": "my", "ID": "id", "CU": "es", "VE": "es", "NI": "es"},
    **{"BY": "ru", "KZ": "ru", "UA": "uk", "RW": "fr", "ET": "am", "ER": "ti", "EU": "fr"},
}


class Question(Value):
    """One question to one model. `pair` is shared by a probe and its control in one language."""

    model: str
    host: str = ""
    kind: Kind
    jurisdiction: Where = ""
    topic: str = ""
    pair: str
    language: str
    sample: int
    text: str

    @property
    def id(self) -> str:
        """What tells this question from all others of a run; it stays the same in the next."""
        parts = (self.model, self.host, self.kind, self.pair, self.language, str(self.sample))
        return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


class NeutralQuestions(Value):
    """Questions on nothing that any state suppresses, by id and language."""

    questions: dict[str, ByLanguage] = Field(min_length=10)


class Scope(Value):
    """What of all there is an audit asks; empty is everything.

    `hosts` are further suffixes or addresses at which each model is asked again.
    """

    models: tuple[str, ...] = Field(min_length=1)
    jurisdictions: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    samples: int = Field(default=3, ge=1, le=20)
    hosts: tuple[str, ...] = ("",)


def plan(scope: Scope) -> list[Question]:
    """Every question of an audit, in the order in which they are asked.

    Raises:
        InputError: a topic, a country or a language is not known, or nothing is left to ask.
    """
    matched = [each for pack in packs_in(scope) for each in pairs_of(pack, scope.languages)]
    if not matched:
        raise InputError("no pack has questions in these languages; see `python -m guard topics`")
    asked = [*matched, *neutral_in({each.language for each in matched})]
    questions = [
        each.model_copy(update={"model": model, "host": host, "sample": sample})
        for each in asked
        for model in scope.models
        for host in scope.hosts
        for sample in range(scope.samples)
    ]
    return sorted(questions, key=lambda question: question.id)


def packs_in(scope: Scope) -> list[Pack]:
    """The packs of the scope."""
    held = topics.load()
    known = {pack.jurisdiction for pack in held.values()}
    refuse_unknown("country", scope.jurisdictions, known)
    refuse_unknown("topic", scope.topics, held)
    return [
        pack
        for pack in held.values()
        if (not scope.jurisdictions or pack.jurisdiction in scope.jurisdictions)
        and (not scope.topics or pack.id in scope.topics)
    ]


def refuse_unknown(what: str, asked: Iterable[str], known: Iterable[str]) -> None:
    known = sorted(known)
    for each in asked:
        if each not in known:
            raise InputError(f"there are no questions on {what} {each!r}.{nearest(each, known)}")


def pairs_of(pack: Pack, languages: Sequence[str]) -> list[Question]:
    """The pack's probes and controls, of any model, in English and in the country's language."""
    wanted = languages or ("en", LOCAL.get(pack.jurisdiction, "en"))
    found = []
    for probe in pack.probes:
        for language in dict.fromkeys(wanted):
            texts = (probe.question.get(language), probe.control.question.get(language))
            if None in texts:
                continue
            kinds: tuple[Kind, Kind] = ("probe", "control")
            found += [
                Question(
                    model="",
                    kind=kind,
                    jurisdiction=pack.jurisdiction,
                    topic=pack.id,
                    pair=f"{pack.id}/{probe.id}",
                    language=language,
                    sample=0,
                    text=text,
                )
                for kind, text in zip(kinds, texts, strict=True)
                if text is not None
            ]
    return found


@cache
def neutral() -> NeutralQuestions:
    return yaml_file.load(NEUTRAL, NeutralQuestions)


def neutral_in(languages: Iterable[str]) -> list[Question]:
    """The neutral questions in these languages."""
    return [
        Question(model="", kind="neutral", pair=id_, language=language, sample=0, text=text)
        for id_, texts in neutral().questions.items()
        for language, text in texts.items()
        if language in set(languages)
    ]
