"""Who calls: a key of this deployment's, or a Hub token of the caller's own.

Keys are kept as their SHA-256 alone: they are 256 random bits, which nobody finds by trying.
`CANDOR_API_KEYS` may hold keys (by commas), or the word `open`, where anyone may call.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..counting import Counting
from ..limits import MOST, Bound, Per
from .errors import ApiError

OPEN, HUB = "open", "hub"
PREFIX = "candor-"
HUB_PREFIX = "hf_"
FRESH = 5.0  # seconds that a key is known without asking again: so long it outlives a revocation
MOST_KNOWN = 10_000
NO_KEY = (
    "this server wants a key: send `Authorization: Bearer KEY`. Its operator makes keys with"
    " `python -m guard keys create NAME`"
)


class Key(NamedTuple):
    """A key: what it may do. The quotas are numbers of requests, None where there is no bound."""

    id: str
    per_minute: int | None = None
    per_day: int | None = None

    @property
    def quotas(self) -> list[Bound]:
        given: dict[Per, int | None] = {"minute": self.per_minute, "day": self.per_day}
        return [
            Bound(most=min(most, MOST), counts="requests", per=per)
            for per, most in given.items()
            if most
        ]


class Caller(NamedTuple):
    """Who calls; `token` is their own Hub token, which pays. It is never stored, nor shown."""

    key: Key
    token: str | None = None

    @property
    def known(self) -> bool:
        """Whether a key of this deployment's names them."""
        return self.key.id not in (OPEN, HUB)

    def __repr__(self) -> str:
        return f"Caller(key={self.key.id!r})"


Find = Callable[[str], Awaitable[Key | None]]


async def nobody(_: str) -> Key | None:
    """No store of keys."""
    return None


@dataclass
class Access:
    """Lets callers in.

    `given` is what `CANDOR_API_KEYS` holds; `find` looks a key up in the store by its SHA-256.
    `anyone`: no key is asked for. `hub`: a Hub token of the caller's own can pay here. `counting`
    counts requests against quotas.
    """

    given: str = ""
    find: Find = nobody
    anyone: bool = False
    hub: bool = False
    counting: Counting = field(default_factory=Counting)
    known: dict[str, tuple[float, Key | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = [word.strip() for word in self.given.split(",") if word.strip()]
        self.open = self.anyone or OPEN in words
        self.named = {digest(word): Key(f"given-{n}") for n, word in enumerate(words)}

    async def caller(self, authorization: str) -> Caller:
        """Who sent the header.

        Raises:
            ApiError: nobody whom this server lets in, or one whose quota is used up.
        """
        scheme, _, word = authorization.partition(" ")
        word = word.strip() if scheme.lower() == "bearer" else ""
        if word.startswith(HUB_PREFIX) and self.hub:
            return Caller(Key(HUB), word)
        key = await self.key(word) if word else None
        if key is None and self.open:
            return Caller(Key(OPEN))
        if key is None:
            raise refused(word)
        await self.count(key)
        return Caller(key)

    async def entered(self, authorization: str, count: Callable[[], Awaitable[None]]) -> Caller:
        """Who sent the header; a request of those whom no key names is counted, let in or not.

        Raises:
            ApiError: as `caller` and `count` do.
        """
        try:
            caller = await self.caller(authorization)
        except ApiError as error:
            if error.status == 401:
                await count()
            raise
        if not caller.known:
            await count()
        return caller

    async def key(self, word: str) -> Key | None:
        """The key that is meant; asked of the store now and then."""
        hashed = digest(word)
        if hashed in self.named:
            return self.named[hashed]
        if not word.startswith(PREFIX):
            return None
        at, key = self.known.get(hashed, (0.0, None))
        if time.monotonic() - at > FRESH or not at:
            key = await self.find(hashed)
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[hashed] = time.monotonic(), key
        return key

    async def count(self, key: Key) -> None:
        """Count a request.

        Raises:
            ApiError: there have been as many as the key may send; says when it goes on.
        """
        whose = f"key/{key.id}"
        for quota in key.quotas:
            if not await self.counting.hit(whose, quota):
                seconds = max(1, math.ceil(await self.counting.wait(whose, quota)))
                raise ApiError(
                    429,
                    f"this key may send {quota.most:.0f} requests a {quota.per}; the next is taken"
                    f" in {seconds} s",
                    headers={"retry-after": str(seconds)},
                )


class Keyed:
    """An ASGI app for those who have a key, and another for those who send none.

    Args:
        access: known once the app has started.
        count: a request of those whom no key names; raises an `ApiError` over a limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        otherwise: ASGIApp,
        access: Callable[[], Access],
        count: Callable[[Scope], Awaitable[None]],
    ) -> None:
        self.app, self.otherwise, self.access, self.count = app, otherwise, access, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            app = await self.chosen(scope)
        except ApiError as error:
            await error.response(scope, receive, send)
        else:
            await app(scope, receive, send)

    async def chosen(self, scope: Scope) -> ASGIApp:
        """The app for who calls.

        Raises:
            ApiError: they are not let in, or have used up what they may.
        """
        access, sent = self.access(), Headers(scope=scope).get("authorization", "")
        if not sent and not access.open:
            await self.count(scope)
            return self.otherwise
        caller = await access.entered(sent, partial(self.count, scope))
        if caller.token:
            raise refused(caller.token)  # it could pay, but nobody here would know it
        return self.app


def refused(word: str) -> ApiError:
    """The answer to who has no key, or a wrong one."""
    return ApiError(
        401,
        "this key is not known here, or was revoked" if word else NO_KEY,
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )


def new_key() -> str:
    """A key, which is shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(word: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(word.encode()).hexdigest()
