"""When a host fails: ask it again after a while, and leave one alone that keeps failing.

A fault that may pass is waited for, as long as the host asks or a little longer each time, but
never for long. A circuit breaker for each model at its host then spares both sides: after
several faults in a row nothing is sent for a while. Not counted are faults of one reader's request
or account (a key, credit, a limit of theirs). State is kept in this process, unless another place
is given (`breakers`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OPENED, OpenedState
from purgatory.service._async.unit_of_work import AsyncAbstractUnitOfWork
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from .errors import FaultKind, ProviderError

T = TypeVar("T")
Breakers = AsyncAbstractUnitOfWork
PASSING: frozenset[FaultKind] = frozenset({"rate_limited", "unavailable"})
OF_THE_HOST: frozenset[FaultKind] = frozenset(
    {"unavailable", "timeout", "interrupted", "malformed"}
)


class Patience:
    """How faults of hosts are met, and what is known of each host.

    Args:
        tries: how often one request is sent at most.
        pause: seconds before the second try, where the host names none; doubled with each try.
        longest: seconds; a host that asks to wait longer is not waited for.
        faults: how many in a row open a circuit.
        rest: seconds in which it stays open; then a request goes through, to see.
        breakers: where the state of circuits is kept; in this process where left out.
    """

    def __init__(
        self,
        *,
        tries: int = 3,
        pause: float = 0.2,
        longest: float = 5.0,
        faults: int = 6,
        rest: float = 4.0,
        breakers: Breakers | None = None,
    ) -> None:
        self.most, self.longest, self.rest = tries, longest, rest
        self.backoff = wait_exponential_jitter(multiplier=pause, max=longest, jitter=pause)
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=faults,
            default_ttl=rest,
            uow=breakers,
            exclude=[
                (ProviderError, lambda error: error.kind not in OF_THE_HOST),
                asyncio.CancelledError,
                GeneratorExit,
            ],
        )

    def tries(self) -> Tries:
        """The tries of one request."""
        return Tries(self)

    async def with_all(self, work: Callable[[], Awaitable[T]]) -> T:
        """What comes of `work` at the first try that succeeds; waits between them.

        Raises:
            ProviderError: that of the last try.
        """
        tries = self.tries()
        async for one in tries.retrying:
            await asyncio.sleep(tries.wait)
            with one:
                return await work()
        raise AssertionError("the last try returns or raises")

    def may_pass(self, error: BaseException) -> bool:
        """Whether it is worth asking the host again, soon."""
        if not isinstance(error, ProviderError):
            return False
        return error.kind in PASSING and (error.retry_after or 0) <= self.longest

    def wait(self, state: RetryCallState) -> float:
        """Seconds to wait: as many as the host asked for, else more with each try."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, ProviderError) else None
        return self.backoff(state) if asked is None else asked

    @asynccontextmanager
    async def through(self, name: str) -> AsyncGenerator[None, None]:
        """Count how a request to the host of `name` ends.

        Raises:
            ProviderError: the host is being left alone; `retry_after` says for how long.
        """
        try:
            async with await self._breakers.get_breaker(name):
                yield
        except OpenedState as opened:
            raise ProviderError(
                "resting",
                f"the host of {name} failed several times in a row and is left alone for a while",
                retry_after=self.rest,
            ) from opened

    async def resting(self, name: str) -> bool:
        """Whether the host of `name` is being left alone now."""
        async with self._breakers.uow as held:
            breaker = await held.contexts.get(name)
        if breaker is None or breaker.state != OPENED or breaker.opened_at is None:
            return False
        return time.time() <= breaker.opened_at + breaker.ttl


class Tries:
    """The tries of one request; `wait` holds the seconds to wait before the one that is due.

    Whoever tries tells the reader first, and waits then.
    """

    def __init__(self, patience: Patience) -> None:
        self.wait = 0.0
        self.kind: FaultKind = "unavailable"
        self.retrying = AsyncRetrying(
            stop=stop_after_attempt(patience.most),
            retry=retry_if_exception(patience.may_pass),
            wait=patience.wait,
            before_sleep=self._note,
            sleep=leave_it_to_who_tries,
            reraise=True,
        )

    def _note(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.wait = state.upcoming_sleep
        self.kind = error.kind if isinstance(error, ProviderError) else self.kind


async def leave_it_to_who_tries(_: float) -> None:
    """No waiting here."""
