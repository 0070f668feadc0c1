"""A run of an audit as its folder holds it, made without asking: the tests say who withholds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from guard.audit import report
from guard.audit.plan import Question, Scope, plan
from guard.audit.record import Answer, Record

QWEN, LLAMA = "Qwen/Qwen2.5-72B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"
ODD = "<b>lab</b>/void"
Withholds = Callable[[Question], bool]
HOSTILE = "<script>alert(1)</script> <b>Withheld</b> \u202egnp.exe ![x](https://evil.example/x.png)"


def withholds(question: Question) -> bool:
    """One model withholds on China in Chinese, and one on everything."""
    if question.model == ODD:
        return True
    asked = question.jurisdiction, question.kind, question.language
    return question.model == QWEN and asked == ("CN", "probe", "zh-Hans")


def answer_to(question: Question, withheld: bool, said: str) -> Answer:
    return Answer(
        **question.model_dump(exclude={"text"}),
        id=question.id,
        question=question.text,
        reply=said,
        finish_reason="stop",
        conduct="refused" if withheld else "answered",
        score=0.9 if withheld else 0.1,
        provider="test",
        seconds=1.5,
        completion_tokens=50,
        asked_at=datetime(2026, 11, 20, tzinfo=UTC).isoformat(),
    )


def made(folder: Path, scope: Scope, withholds: Withholds, *, note: str = "") -> Path:
    """A run that has ended, and its report; what is withheld is said in hostile words."""
    with Record(folder, scope, note) as record:
        for question in plan(scope):
            held = withholds(question)
            said = HOSTILE if held else f"All that is known of it. {HOSTILE}"
            record.keep(answer_to(question, held, said))
        record.close()
    report.write(folder)
    return folder
