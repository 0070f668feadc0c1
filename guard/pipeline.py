"""Guard: ask a model, watch its reply come in, and hand the question on where it withholds.

The one consumer-facing door: `Guard.stream` for a guarded reply, `Guard.check` for a finished one.
Text that has been sent on is never taken back; a successor's reply follows it.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, closing, nullcontext
from functools import cached_property, partial
from typing import TYPE_CHECKING

from . import catalogue as catalogue_file
from . import explain, judge, matching, policy, probes, provenance, verdict
from .asking import Metered
from .attempt import Attempt, Query, unset
from .catalogue import Catalogue
from .errors import ProviderError
from .events import Billed, Bound, Cause, Consulted, Event, Exhausted, FellBack, Judged
from .exchange import Exchange
from .merging import merged
from .observing import Checked, Observer, Seen, observed, tell
from .patience import Patience
from .providers import Connection, connect
from .types import Message, Mode, ModelSpec, Options, Verdict

if TYPE_CHECKING:
    from .attempt import Connect, Speaking
    from .tools.toolbox import Toolbox

log = logging.getLogger(__name__)

MOST_JUDGES = 2  # the next is asked where one fails
CONTROL_SECONDS = 60.0


class Guard:
    """Checks replies, and streams guarded ones.

    Args:
        models: the models on offer; read from `models.yaml` where left out.
        connection: how to reach them; the scripted demo where left out.
        patience: how faults of hosts are met.
        observers: who watches what is asked and checked.
    """

    def __init__(
        self,
        models: Catalogue | None = None,
        connection: Connection | None = None,
        patience: Patience | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        self.models = models or catalogue_file.load()
        self.connection = connection or Connection()
        if self.connection.base_url is None and self.models.base_url:
            address = {"base_url": self.models.base_url}
            self.connection = self.connection.model_copy(update=address)
        self.patience = patience or Patience()
        self.observers = tuple(observers)

    def warm_up(self) -> None:
        """Load all data files now, so that a wrong one is found at the start.

        Raises:
            ConfigError: one of them is wrong.
        """
        verdict.judge(finished("warm up", "warm up"))
        provenance.providers()
        for language in explain.languages():
            explain.sentences(language)

    def check(
        self,
        question: str,
        reply: str,
        *,
        model: str | None = None,
        reasoning: str | None = None,
        finish_reason: str | None = None,
        language: str = "en",
    ) -> Verdict:
        """The verdict on a finished reply; `model` is a Hub id, from which the origin is known."""
        began = time.perf_counter()
        origins = provenance.origins(model, self.models) if model else ()
        exchange = finished(question, reply, reasoning, finish_reason)
        held = verdict.judge(exchange, origins, language)
        seconds = time.perf_counter() - began
        tell(self.observers, Checked(model=model, verdict=held, seconds=seconds))
        return held

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        model: str | None = None,
        mode: Mode | None = None,
        language: str = "en",
        token: str | None = None,
        tools: Toolbox | None = None,
        options: Callable[[ModelSpec], Options] | None = None,
        goes_on: str = "",
        thoughts: str | None = None,
        relaying: Speaking | None = None,
        returned: Iterable[str] = (),
    ) -> AsyncGenerator[Event, None]:
        """Ask a model and its successors, event by event. See `events` for their order.

        Args:
            messages: the conversation; the last one is the reader's question.
            model: the id of a model on offer; the default where left out.
            mode: what the guard does; as `models.yaml` says where left out. Whether a reader may
                choose it is for the caller to say (`Catalogue.guard.choices`).
            language: of explanations.
            token: the reader's own Hugging Face token.
            tools: what the models may call; closed at the end.
            options: what the reader has set for each model that may be asked; nothing where left
                out. A judge is asked without.
            goes_on: what the model has said of its reply, where that was cut: its `Delta`s bring
                what is new, its `Judged`s are on the whole.
            thoughts: what it has thought of it in a channel of their own.
            relaying: to what hands on the replies of a model as they come (`providers.relay`);
                chat models are asked where left out.
            returned: what tools have returned to whoever asks.

        Raises:
            UnknownModel: no such model is on offer.
        """
        first = self.models.get(model or self.models.default)
        began = time.perf_counter()
        query = Query.of(
            messages,
            mode or self.models.guard.mode,
            language,
            tools=tools,
            options=options or unset,
            goes_on=goes_on,
            thoughts=thoughts,
            returned=returned,
        )
        run = Run(
            query,
            self.models,
            partial(connect, connection=self.connection, token=token),
            relaying=relaying,
            reachable=partial(self.connection.serves, signed_in=bool(token)),
            patience=self.patience,
        )
        seen = Seen(query.question, query.mode, time.perf_counter() - began, run.attempts)
        with closing(tools) if tools else nullcontext(), observed(self.observers, seen):
            async with aclosing(run.events(first)) as events:
                async for event in events:
                    seen.take(event)
                    if isinstance(event, Billed):
                        tell(self.observers, event)
                    yield event

    async def control(
        self,
        question: str,
        verdict: Verdict,
        *,
        model: str,
        language: str = "en",
        token: str | None = None,
        options: Options | None = None,
        billed: Callable[[Billed], Awaitable[None]] | None = None,
    ) -> Verdict:
        """A verdict with what the same model says to the topic's matched control question.

        Args:
            question: the one whose reply was judged.
            verdict: what the guard holds of that reply; it has a topic.
            model: the id of the model that replied.
            language: of the explanation.
            token: the reader's own Hugging Face token.
            options: what the reader had set when the model replied: only what is asked differs.
            billed: told what it took, also where it failed.

        Raises:
            UnknownModel: no such model is on offer.
            InputError: the verdict has no topic that there is a pack of.
            ProviderError: the model cannot be reached, failed or took too long.
        """
        connecting = partial(connect, connection=self.connection, token=token)
        chat = Metered(connecting, self.models.get(model), self.models.snapshot)
        try:
            return await probes.controlled(
                chat, question, verdict, language, CONTROL_SECONDS, options=options
            )
        finally:
            bill = chat.bill(0)
            tell(self.observers, bill)
            if billed:
                await billed(bill)


def finished(
    question: str, reply: str, reasoning: str | None = None, finish_reason: str | None = None
) -> Exchange:
    """A question and its whole reply."""
    topic = matching.match(question)
    return Exchange(question, reply, reasoning, finish_reason, topic=topic)


class Run:
    """One question on its way through the first model and those that answer besides or instead.

    Args:
        query: the question.
        models: on offer, with the operator's chains and limits.
        connecting: to the chat model behind a spec.
        relaying: to what hands the replies on as they come, in place of the chat models.
        reachable: whether a model can be asked now.
        patience: how faults of hosts are met.
    """

    def __init__(
        self,
        query: Query,
        models: Catalogue,
        connecting: Connect,
        *,
        relaying: Speaking | None = None,
        reachable: Callable[[ModelSpec], bool] = lambda _: True,
        patience: Patience | None = None,
    ) -> None:
        self.query, self.models, self.settings = query, models, models.guard
        self.connecting, self.reachable = connecting, reachable
        self.speaking = relaying or connecting
        self.patience = patience or Patience()
        self.attempts: list[Attempt] = []
        self.first: ModelSpec | None = None
        self.blind = False  # whether some may not answer because they do not see
        self.numbers = itertools.count()
        self.began = time.monotonic()

    async def events(self, first: ModelSpec) -> AsyncGenerator[Event, None]:
        """The events of all attempts. A successor is asked once, and never one without a right."""
        self.began = time.monotonic()
        self.first = first
        together = self.query.mode == "compare"
        lanes = self.side_by_side(first) if together else self.lane(self.next_attempt(first))
        async with aclosing(lanes) as events:
            async for event in events:
                yield event
        if self.settings.control == "when withheld":
            async with aclosing(self.controls()) as events:
                async for event in events:
                    yield event

    @cached_property
    def waiting(self) -> list[ModelSpec]:
        """Who may answer besides or instead of the first, can be reached, and was not asked yet.

        A question with pictures is for those that see. Few questions need any.
        """
        if self.first is None or self.query.mode not in policy.NEED_SUCCESSORS:
            return []
        jurisdiction = self.query.jurisdiction
        chain = filter(self.reachable, self.models.chain(jurisdiction))
        found = policy.successors(self.first, chain, jurisdiction)
        seeing = [spec for spec in found if spec.images or not self.query.shows_images]
        self.blind = len(seeing) < len(found)
        return seeing

    async def side_by_side(self, first: ModelSpec) -> AsyncGenerator[Event, None]:
        """Two lanes at once; the events of both as they come."""
        attempt = self.next_attempt(first)
        lanes = [self.lane(attempt)]
        if self.waiting:
            lanes.append(self.lane(self.next_attempt(self.waiting.pop(0), 1, "compared")))
        async with aclosing(merged(lanes)) as events:
            async for event in events:
                yield event
        if len(lanes) == 1:
            yield self.exhausted(attempt, "compared", None)

    def next_attempt(self, model: ModelSpec, lane: int = 0, cause: Cause | None = None) -> Attempt:
        number, held = next(self.numbers), self.models.snapshot
        attempt = Attempt(number, model, self.query, lane, cause, held)
        self.attempts.append(attempt)
        return attempt

    async def lane(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """A model, and those that answer instead of it, until one is done."""
        while True:
            async with aclosing(self.judged(attempt)) as events:
                async for event in events:
                    yield event
            cause = self.cause(attempt)
            if cause is None:
                return
            bound, successor = self.bound(), self.successor(attempt)
            if bound or successor is None:
                yield self.exhausted(attempt, cause, bound)
                return
            self.waiting.remove(successor)
            yield FellBack(attempt=attempt.number, to=successor, cause=cause)
            attempt = self.next_attempt(successor, attempt.lane, cause)

    def cause(self, attempt: Attempt) -> Cause | None:
        """Why the next model is to be asked, if it is."""
        if self.query.mode not in policy.NEED_SUCCESSORS:
            return None
        if policy.hands_on(attempt.verdict, self.query.mode, first=attempt.cause is None):
            return "withheld"
        return "failed" if attempt.fault and attempt.said_nothing else None

    def successor(self, attempt: Attempt) -> ModelSpec | None:
        """The next that may answer; beside another model, one that is independent of that too."""
        beside = [other.model for other in self.attempts if other.lane != attempt.lane]
        fits: Iterable[ModelSpec] = (
            spec
            for spec in self.waiting
            if all(provenance.independent(spec, other, None) for other in beside)
        )
        return next(iter(fits), None)

    @property
    def seconds_left(self) -> float:
        return self.settings.limits.seconds - (time.monotonic() - self.began)

    def bound(self) -> Bound | None:
        """Which of the operator's limits allows no further model."""
        limits = self.settings.limits
        if len(self.attempts) >= limits.models:
            return "models"
        if self.seconds_left <= 0:
            return "seconds"
        spent = sum(attempt.dollars or 0 for attempt in self.attempts)
        return "dollars" if limits.dollars is not None and spent >= limits.dollars else None

    def exhausted(self, attempt: Attempt, cause: Cause, bound: Bound | None) -> Exhausted:
        tried = tuple(each.model.id for each in self.attempts)
        bound = bound or ("images" if self.blind else None)
        return Exhausted(attempt=attempt.number, cause=cause, tried=tried, bound=bound)

    async def judged(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """One attempt's events."""
        seconds = self.seconds_left if attempt.cause else None
        telling = attempt.events(
            self.speaking,
            self.patience,
            seconds=seconds,
            replaceable=lambda: not self.bound() and self.successor(attempt) is not None,
        )
        async with aclosing(telling) as events:
            async for event in events:
                if isinstance(event, Judged) and event.final:
                    async with aclosing(self.settled(attempt, event)) as settled:
                        async for told in settled:
                            yield told
                else:
                    yield event

    async def settled(self, attempt: Attempt, judged: Judged) -> AsyncGenerator[Event, None]:
        """The final verdict; an unsure one with the opinion of a second model, if one gives it."""
        judges = self.judges(attempt.model, judged.verdict)
        if judges:
            yield judged.model_copy(update={"final": False})
        for spec in judges:
            yield Consulted(attempt=attempt.number, model=spec)
            chat = self.metered(spec)
            weighed = await self.weighed(attempt, judged.verdict, chat)
            yield chat.bill(attempt.number)
            if weighed:
                yield attempt.judged(weighed, final=True)
                return
        yield judged

    def judges(self, model: ModelSpec, held: Verdict) -> list[ModelSpec]:
        """Whom to ask about a verdict; nobody where it is sure, or no time is left."""
        asked = self.settings.second_opinion
        if not judge.unsure(held, asked.band) or self.seconds_left <= 0:
            return []
        candidates = filter(self.reachable, (self.models.get(id_) for id_ in asked.judges))
        return list(judge.judges_for(model, held.jurisdiction, candidates))[:MOST_JUDGES]

    def metered(self, spec: ModelSpec) -> Metered:
        """A model that is asked for evidence, and what that takes."""
        return Metered(self.connecting, spec, self.models.snapshot)

    async def weighed(self, attempt: Attempt, held: Verdict, chat: Metered) -> Verdict | None:
        """The verdict with the judge's opinion; None where it gave none."""
        if attempt.exchange is None:
            return None
        language, seconds = self.query.language, self.settings.second_opinion.seconds
        try:
            said = await judge.opinion(chat, chat.spec, attempt.exchange, language, seconds)
        except ProviderError as error:
            log.warning("no second opinion from %s: %s", chat.spec.id, error.kind)
            return None
        return judge.weigh(held, said, attempt.model.origins, language)

    async def controls(self) -> AsyncGenerator[Event, None]:
        """Each withheld verdict again, with the matched control as evidence."""
        for attempt in self.attempts:
            held = attempt.verdict
            if held is None or held.status != "withheld" or held.topic is None:
                continue
            chat, found = self.metered(attempt.model), None
            try:
                found = await probes.controlled(
                    chat,
                    self.query.question,
                    held,
                    self.query.language,
                    CONTROL_SECONDS,
                    options=attempt.options,
                )
            except ProviderError as error:
                log.warning("no control reply from %s: %s", attempt.model.id, error.kind)
            yield chat.bill(attempt.number)
            if found:
                yield attempt.judged(found, final=True)
