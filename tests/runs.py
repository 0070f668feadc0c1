"""Folders of audits for tests: answers made up, written as a run writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from guard.audit.plan import Question, Scope
from guard.audit.rating import Assigned, Judging, Rating
from guard.audit.record import RUN, Answer, Record


def answer(question: Question, *, withheld: bool, **more: Any) -> Answer:
    return Answer(
        **{
            **question.model_dump(exclude={"text"}),
            "id": question.id,
            "question": question.text,
            "reply": "I cannot speak of that." if withheld else "It went like this.",
            "conduct": "refused" if withheld else "answered",
            "score": float(withheld),
            "seconds": 1.5,
            "completion_tokens": 10,
            **more,
        }
    )


def pairs(
    model: str,
    probes: int = 0,
    of: int = 40,
    *,
    controls: int = 0,
    country: str = "CN",
    language: str = "en",
    sample: int = 0,
    host: str = "",
    words: str = "",
    **more: Any,
) -> list[Answer]:
    """So many pairs of one country and language; of the first ones the probe is withheld, of the
    last ones the control. `words` come before each question."""
    found = []
    for n in range(of):
        for kind, withheld in (("probe", n < probes), ("control", n >= of - controls)):
            question = Question(
                model=model,
                host=host,
                kind=kind,
                jurisdiction=country,
                topic=f"{country}-topic",
                pair=f"{country}-topic/{n}",
                language=language,
                sample=sample,
                text=f"{words}{kind} {n}?",
            )
            found.append(answer(question, withheld=withheld, **more))
    return found


def neutral(model: str, withheld: int = 0, of: int = 10, host: str = "") -> list[Answer]:
    """Neutral questions, the first of them withheld."""
    return [
        answer(
            Question(
                model=model,
                host=host,
                kind="neutral",
                pair=f"neutral-{n}",
                language="en",
                sample=0,
                text=f"neutral {n}?",
            ),
            withheld=n < withheld,
        )
        for n in range(of)
    ]


def write(
    folder: Path,
    answers: Iterable[Answer],
    *,
    note: str = "",
    begun: str = "",
    cleared_by: str = "",
    **scope: Any,
) -> Path:
    """A run's folder that holds these answers, and has ended.

    `cleared_by` is a judge who holds of all unsure replies that they answered.
    """
    held: Sequence[Answer] = list(answers)
    models = tuple(dict.fromkeys(each.model for each in held)) or ("m/none",)
    with Record(folder, Scope(**{"models": models, "samples": 1, **scope}), note) as record:
        for each in held:
            record.keep(each)
        if cleared_by:
            record.judged_by(judging(cleared_by, held))
            for each in held:
                record.keep_rating(Rating(answer=each.id, judge=cleared_by, conduct="answered"))
        record.close()
    if begun:
        change(folder, begun=begun)
    return folder


def judging(judge: str, answers: Iterable[Answer]) -> Judging:
    subjects = sorted({(each.model, each.jurisdiction) for each in answers})
    return Judging(
        judges=(judge,),
        band=(0.3, 0.8),
        assigned=tuple(Assigned(*subject, judge) for subject in subjects),
    )


def change(folder: Path, **values: Any) -> None:
    """Change what a run's `run.json` says; a mapping changes single keys of one."""
    place = folder / RUN
    kept = json.loads(place.read_text())
    for key, value in values.items():
        kept[key] = {**kept[key], **value} if isinstance(value, dict) else value
    place.write_text(json.dumps(kept))
