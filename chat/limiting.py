"""Who is counted, what is refused over a limit, and what each reply is charged.

A reader and the address they come from are bounded side by side. A message is counted as it comes;
what its reply took, at the reply's end. Who brings a token of their own pays themselves: no money
of the operator's is counted. What is asked besides (a judge, a control question, a title) is
charged as a reply is. Not counted: money where no price is known.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

from babel.dates import format_datetime, format_time
from babel.numbers import format_currency, format_decimal
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection
from starlette.types import Scope

from guard.events import Billed, Delta, Done, Event, Started, Thought
from guard.explain import locale_of
from guard.prices import Spent
from guard.snapshot import Snapshot
from guard.types import Message, ModelSpec

from .api.errors import ApiError
from .auth import ZONE, Reader, page_language, zone_of
from .counting import Counting, Place
from .limits import Bound, Counted, Limits, network
from .store import new_id, now
from .texts import texts

HOUR = 3600  # seconds; who waits longer is told the time of day
Whose = Literal["reader", "address"]


class Subject(NamedTuple):
    """Someone who is counted: a reader, or an address."""

    whose: Whose
    key: str
    bounds: tuple[Bound, ...]

    def those(self, *counts: Counted) -> Iterator[Bound]:
        return (bound for bound in self.bounds if bound.counts in counts)


class Reached(Exception):
    """A limit is reached. `wait` are the seconds until it goes on, None where nobody knows."""

    def __init__(self, bound: Bound, whose: Whose, wait: float | None = None) -> None:
        super().__init__(f"{bound.most} {bound.counts}")
        self.bound, self.whose = bound, whose
        self.wait = None if wait is None else max(1, math.ceil(wait))

    def told(self, language: str, zone: tzinfo) -> str:
        """Which limit it is, and when it goes on, where that is longer than an hour."""
        say: Any = texts(language)
        locale, bound = locale_of(language), self.bound
        amount = (
            format_currency(bound.most, "USD", locale=locale, decimal_quantization=False)
            if bound.counts == "dollars"
            else format_decimal(int(bound.most), locale=locale)
        )
        whose, per = getattr(say, f"limit_{self.whose}"), bound.per
        period = getattr(say, f"limit_{per}") if per else ""
        words = getattr(say, f"limit_{bound.counts}").format(n=amount, per=period, whose=whose)
        if self.wait is None or self.wait < HOUR:
            return str(words)
        begins = now().astimezone(zone) + timedelta(seconds=self.wait)
        gap = "" if words.endswith("。") else " "
        return f"{words}{gap}{say.limit_until.format(time=clock(begins, language))}"

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.wait is None else {"retry-after": str(self.wait)}


class TooLong(Exception):
    """A question has more characters than one may have."""

    def __init__(self, most: int, length: int) -> None:
        super().__init__(f"{length} characters, of {most}")
        self.most, self.length = most, length


class Limiter:
    """Counts what readers and addresses use.

    Args:
        limits: what holds now.
    """

    def __init__(self, counting: Counting, limits: Callable[[], Limits]) -> None:
        self.counting, self.limits = counting, limits

    def subjects(
        self, connection: HTTPConnection | None, who: Reader | None = None
    ) -> list[Subject]:
        """Who is counted for a request: its reader, and the address it comes from, if known."""
        limits = self.limits()
        found = []
        if who:
            bounds = limits.anonymous if who.anonymous else limits.reader
            # a cookie's word lets in whoever has it, so that it is written nowhere
            hashed = hashlib.sha256(who.owner.encode("utf-8", "replace")).hexdigest()[:32]
            found.append(Subject("reader", f"reader/{hashed}", bounds))
        if connection and connection.client and limits.address:
            where = network(connection.client.host)
            found.append(Subject("address", f"address/{where}", limits.address))
        return found

    async def count(self, subjects: Sequence[Subject], counts: Counted) -> None:
        """Count one of these; what a short period refuses is not counted in a long one.

        Raises:
            Reached: there have been as many as there may be.
        """
        pairs = [(bound, one) for one in subjects for bound in one.those(counts)]
        for bound, one in sorted(pairs, key=lambda pair: pair[0].seconds):
            if not await self.counting.hit(one.key, bound):
                raise Reached(bound, one.whose, await self.counting.wait(one.key, bound))

    async def refuse_spent(self, subjects: Sequence[Subject], *counts: Counted) -> None:
        """Refuse who has used up what is charged at a reply's end.

        Raises:
            Reached: nothing is left; of several, the one that lasts longest.
        """
        spent = [
            Reached(bound, one.whose, await self.counting.wait(one.key, bound))
            for one in subjects
            for bound in one.those(*counts)
            if not await self.counting.left(one.key, bound)
        ]
        if spent:
            raise max(spent, key=lambda one: one.wait or 0)

    async def close(self) -> None:
        await self.counting.close()


class Admission:
    """One message on its way: it is let in, holds its place while a reply runs, and is charged.

    Args:
        pays: whether the operator does, where a model answers.
    """

    def __init__(
        self, limiter: Limiter, subjects: Sequence[Subject], pays: Callable[[ModelSpec], bool]
    ) -> None:
        self.limiter, self.subjects, self.pays = limiter, subjects, pays
        self.places: list[Place] = []
        self.handed: list[Place] = []  # to a reply that has not begun

    async def enter(self, spec: ModelSpec, question: str = "", group: str | None = None) -> None:
        """Let a message in, and count it.

        Args:
            spec: the model that is to answer.
            question: what was typed.
            group: the conversation, whose running reply ends where there is one.

        Raises:
            Reached: a limit is; nothing is counted but by the limits that were not.
            TooLong: the question is.
        """
        for one in self.subjects:
            for bound in one.those("characters"):
                if len(question) > bound.most:
                    raise TooLong(int(bound.most), len(question))
        charged: tuple[Counted, ...] = ("tokens", "dollars") if self.pays(spec) else ("tokens",)
        await self.limiter.refuse_spent(self.subjects, *charged)
        name = new_id()
        for one in self.subjects:
            for bound in one.those("streams"):
                place = Place(one.key, group or name, name)
                if not await self.limiter.counting.take(place, int(bound.most)):
                    raise Reached(bound, one.whose)
                self.places.append(place)
        await self.limiter.count(self.subjects, "messages")

    def metered(
        self,
        source: Callable[[], AsyncGenerator[Event, None]],
        messages: Sequence[Message],
        prices: Snapshot,
    ) -> Callable[[], AsyncGenerator[Event, None]]:
        """The same events; at their end the places are free, and what was used is charged."""
        self.handed, self.places = self.places, []

        async def events() -> AsyncGenerator[Event, None]:
            places, self.handed = self.handed, []  # theirs from now on
            meter = Meter(messages, prices, self.pays)
            try:
                async with aclosing(source()) as found:
                    async for event in found:
                        meter.take(event)
                        yield event
            finally:
                await self._free(places)
                await self._charge(*meter.total())

        return events

    async def bill(self, billed: Billed) -> None:
        """Charge what was asked for besides the replies."""
        dollars = (billed.dollars or 0) if self.pays(billed.model) else 0
        await self._charge(billed.tokens, dollars)

    async def leave(self, *, failed: bool = False) -> None:
        """Give back the places, unless a reply has them; where it `failed`, none is to begin."""
        places, self.places = self.places, []
        if failed:
            places, self.handed = [*places, *self.handed], []
        await self._free(places)

    async def _free(self, places: Sequence[Place]) -> None:
        for place in places:
            await self.limiter.counting.free(place)

    async def _charge(self, tokens: int, dollars: float) -> None:
        used: dict[Counted, float] = {"tokens": tokens, "dollars": dollars}
        for one in self.subjects:
            for bound in one.those("tokens", "dollars"):
                if used[bound.counts]:
                    await self.limiter.counting.hit(one.key, bound, used[bound.counts])


class Meter:
    """What the replies to a question took: as their ends tell, else by the pieces that came.

    A reply that is stopped has no end that tells; its price is then that of the dearest provider.
    """

    def __init__(
        self, messages: Sequence[Message], prices: Snapshot, pays: Callable[[ModelSpec], bool]
    ) -> None:
        self.messages, self.prices, self.pays = messages, prices, pays
        self.running: dict[int, tuple[ModelSpec, Spent]] = {}
        self.tokens, self.dollars = 0, 0.0

    def take(self, event: Event) -> None:
        match event:
            case Started():
                self.running[event.attempt] = event.model, Spent.asking(self.messages)
            case Delta() | Thought():
                self.running[event.attempt][1].read(event.text)
            case Billed():
                self.charge(event.model, event.tokens, event.dollars or 0)
            case Done():
                model, _ = self.running.pop(event.attempt)
                self.charge(model, event.tokens, event.dollars or 0)

    def charge(self, model: ModelSpec, tokens: int, dollars: float) -> None:
        self.tokens += tokens
        self.dollars += dollars if self.pays(model) else 0

    def total(self) -> tuple[int, float]:
        """Tokens that the models wrote, and US dollars of the operator's."""
        while self.running:
            _, (model, spent) = self.running.popitem()
            known = self.prices.get(model.id)
            offers = known.offers if known and spent.completion else ()
            dearest = max((spent.dollars(offer) or 0 for offer in offers), default=0)
            self.charge(model, spent.completion, dearest)
        return self.tokens, self.dollars


def limiter_of(request: HTTPConnection) -> Limiter:
    limiter: Limiter = request.app.state.limiter
    return limiter


class Door:
    """The API's limits: an address is counted where nobody is known by a key."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    async def count(self, scope: Scope) -> None:
        """Count a request.

        Raises:
            ApiError: a limit is reached.
        """
        connection = HTTPConnection(scope)
        try:
            await self.limiter.count(self.limiter.subjects(connection), "requests")
        except Reached as error:
            raise as_api_error(error, connection) from error

    async def message(
        self, scope: Scope, spec: ModelSpec, pays: Callable[[ModelSpec], bool]
    ) -> Admission:
        """Let a message to a model in.

        Raises:
            ApiError: a limit is reached.
        """
        connection = HTTPConnection(scope)
        admission = Admission(self.limiter, self.limiter.subjects(connection), pays)
        try:
            await admission.enter(spec)
        except Reached as error:
            await admission.leave()
            raise as_api_error(error, connection) from error
        return admission


def as_api_error(error: Reached, connection: HTTPConnection) -> ApiError:
    return ApiError(429, told(error, connection), headers=error.headers)


def told(error: Reached, connection: HTTPConnection) -> str:
    zone = zone_of(unquote(connection.cookies.get(ZONE, "")))
    return error.told(page_language(connection), zone)


async def reached(request: Request, error: Exception) -> JSONResponse:
    """The page's answer over a limit."""
    if not isinstance(error, Reached):
        raise error
    wait = {} if error.wait is None else {"retry_after": error.wait}
    body = {"detail": told(error, request), "whose": error.whose, **wait}
    return JSONResponse(body, 429, error.headers)


async def too_long(request: Request, error: Exception) -> JSONResponse:
    """The page's answer to a question that is too long."""
    if not isinstance(error, TooLong):
        raise error
    language = page_language(request)
    say: Any = texts(language)
    locale = locale_of(language)
    most, length = (format_decimal(n, locale=locale) for n in (error.most, error.length))
    return JSONResponse({"detail": say.limit_characters.format(n=most, m=length)}, 413)


def clock(moment: datetime, language: str) -> str:
    """The time of day; with the day, where that is another than today."""
    locale = locale_of(language)
    today = now().astimezone(moment.tzinfo).date()
    if moment.date() == today:
        return str(format_time(moment, "short", tzinfo=moment.tzinfo, locale=locale))
    return str(format_datetime(moment, "short", tzinfo=moment.tzinfo, locale=locale))
