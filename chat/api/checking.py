"""`/v1/guard/check`: verdicts on finished replies, shaped as `/v1/moderations` is."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from guard.pipeline import Guard
from guard.plain import plain
from guard.telling import facts
from guard.types import Verdict

from .asked import valid
from .schema import Checked, CheckRequest, CheckResponse, CheckResult, Quote
from .sharing import api_of, body_of, language_of
from .wire import answered

LONG = 4_000  # characters; more is checked in a thread, so that nobody else waits for it


async def check(request: Request) -> Response:
    """Check one reply, or several."""
    guard, _ = await api_of(request).entered(request)
    wanted = valid(CheckRequest, await body_of(request))
    rows = wanted.input if isinstance(wanted.input, list) else [wanted.input]
    judge = partial(checked, guard, rows, wanted.language or language_of(request))
    little = sum(len(row.question) + len(row.reply) for row in rows) < LONG
    results = judge() if little else await asyncio.to_thread(judge)
    id_ = f"check-{uuid.uuid4().hex}"
    told = CheckResponse(id=id_, created=int(time.time()), results=results)
    flagged = any(one.flagged for one in results)
    return answered(told, {"x-guard-flagged": str(flagged).lower()})


def checked(guard: Guard, rows: Sequence[Checked], language: str) -> tuple[CheckResult, ...]:
    """The verdicts on them."""
    return tuple(result(row, guard.check(**dict(row), language=language), language) for row in rows)


def result(row: Checked, held: Verdict, language: str) -> CheckResult:
    """A verdict with the words that it rests on, and what independent sources hold."""
    flagged = held.status == "withheld"
    return CheckResult(
        flagged=flagged,
        verdict=held,
        quotes=tuple(quotes(held, row.reply)),
        facts=facts(held.topic if flagged else None, language),
    )


def quotes(held: Verdict, reply: str) -> Iterator[Quote]:
    """The words of a reply that each signal rests on, the strongest one's first."""
    for signal in sorted(held.signals, key=lambda one: -one.score):
        for span in signal.spans:
            yield Quote(signal=signal.name, text=plain(reply[slice(*span)]), span=span)
