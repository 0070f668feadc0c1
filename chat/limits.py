"""What a reader, and an address, may use: read from text such as `20/minute, 4 streams`.

A bound is a number, what it counts and, but for streams and characters, a period: `20/minute` are
messages, `200000 tokens/day`, `1.50 dollars/day`, `300 requests/minute`. `none` is no bound at all.
What is counted, and by whom it is, is for `limiting.py` to say.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Literal, Self, get_args

from pydantic import ValidationError, model_validator

from guard.errors import ConfigError, nearest
from guard.types import Value

if TYPE_CHECKING:  # the API alone starts without them
    from .settings import Settings

log = logging.getLogger(__name__)

Counted = Literal["messages", "streams", "characters", "tokens", "dollars", "requests"]
Per = Literal["minute", "hour", "day"]
SECONDS: dict[Per, int] = {"minute": 60, "hour": 3600, "day": 86_400}
AT_ONCE = ("streams", "characters")  # what has no period
MOST = 1_000_000_000
NONE = "none"
PART = re.compile(r"(?P<most>\d+(?:\.\d+)?)\s*(?P<counts>[a-z]+)?\s*(?:/\s*(?P<per>[a-z]+))?", re.A)
HOW = 'a limit is written as "20/minute", "4 streams", "20000 characters" or "1 dollars/day"'

# One person never meets these, a script that runs wild does.
READER = "60/minute, 5000/day, 10 streams, 600 requests/minute"
# Where one could sign in instead.
ANONYMOUS = "10/minute, 100/day, 2 streams, 20000 characters, 100000 tokens/day, 60 requests/minute"
# A Space tells each visitor's own address, and is there for everyone.
ADDRESS_ON_A_SPACE = "60/minute, 1000/day, 10 streams, 600 requests/minute"


class Bound(Value):
    """At most so many (dollars: so much) in a period; None: of one question, or at one time."""

    most: float
    counts: Counted = "messages"
    per: Per | None = None

    @model_validator(mode="after")
    def is_possible(self) -> Self:
        if not 0 < self.most <= MOST:
            raise ValueError(f"the number lies between 0 and {MOST:,}; the word none is no limit")
        if self.counts != "dollars" and self.most != int(self.most):
            raise ValueError(f"{self.counts} are whole")
        if self.per and self.counts in AT_ONCE:
            raise ValueError(f"{self.counts} have no period")
        if not self.per and self.counts not in AT_ONCE:
            raise ValueError(f"{self.counts} need a period: /minute, /hour or /day")
        return self

    @property
    def seconds(self) -> int:
        """The period; 0 where there is none."""
        return SECONDS[self.per] if self.per else 0


class Limits(Value):
    """What holds for a reader who has signed in, for another one, and for an address."""

    reader: tuple[Bound, ...] = ()
    anonymous: tuple[Bound, ...] = ()
    address: tuple[Bound, ...] = ()


Overrides = Callable[[], Mapping[str, str]]


def limits_now(settings: Settings, overrides: Overrides = dict) -> Limits:
    """The limits as the environment and what replaces it say.

    Args:
        overrides: texts by the name of the variable that they stand for. A wrong one is logged, and
            the variable stays in force.

    Raises:
        ConfigError: a variable of the environment is wrong.
    """
    told = {name: parsed(text, name) for name, text in texts_of(settings).items()}
    for name, text in overrides().items():
        bounds = overridden(name, text) if name in told else None
        if bounds is not None:
            told[name] = bounds
    return limits_by(*told.values())


def texts_of(settings: Settings) -> dict[str, str]:
    """The limits of the environment by variable; where nobody can sign in, all are bound alike."""
    reader = settings.limits or READER
    anonymous = ANONYMOUS if settings.signs_in else reader
    address = ADDRESS_ON_A_SPACE if settings.on_a_space else NONE
    return {
        "CANDOR_LIMITS": reader,
        "CANDOR_LIMITS_ANONYMOUS": settings.limits_anonymous or anonymous,
        "CANDOR_LIMITS_ADDRESS": settings.limits_address or address,
    }


@lru_cache(maxsize=64)
def limits_by(
    reader: tuple[Bound, ...], anonymous: tuple[Bound, ...], address: tuple[Bound, ...]
) -> Limits:
    return Limits(reader=reader, anonymous=anonymous, address=address)


@lru_cache(maxsize=64)
def overridden(name: str, text: str) -> tuple[Bound, ...] | None:
    """The bounds of a text that replaces a variable; None, said once, where it is wrong."""
    try:
        return parsed(text, name)
    except ConfigError as error:
        log.error("what was set for a limit is not taken: %s", error)  # noqa: TRY400
        return None


@lru_cache(maxsize=64)
def parsed(text: str, name: str = "CANDOR_LIMITS") -> tuple[Bound, ...]:
    """The bounds that a text names, the shortest period first.

    Raises:
        ConfigError: it names none; says which part is wrong.
    """
    if text.strip().casefold() == NONE:
        return ()
    bounds: dict[tuple[Counted, Per | None], Bound] = {}
    for part in text.split(","):
        bound = bound_of(part, name)
        if bounds.setdefault((bound.counts, bound.per), bound) is not bound:
            raise wrong(name, part, "it is limited twice")
    return tuple(sorted(bounds.values(), key=lambda bound: bound.seconds))


def bound_of(part: str, name: str) -> Bound:
    found = PART.fullmatch(part.strip().casefold())
    if found is None:
        raise wrong(name, part, HOW)
    counts, per = plural(found["counts"] or "messages"), found["per"]
    if counts not in get_args(Counted):
        raise wrong(name, part, f"nothing counts {counts!r}{nearest(counts, get_args(Counted))}")
    if per and per not in SECONDS:
        raise wrong(name, part, f"a period is a minute, an hour or a day{nearest(per, SECONDS)}")
    try:
        return Bound.model_validate({"most": float(found["most"]), "counts": counts, "per": per})
    except ValidationError as error:
        raise wrong(name, part, error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def plural(word: str) -> str:
    return word if word.endswith("s") else f"{word}s"


def wrong(name: str, part: str, why: str) -> ConfigError:
    return ConfigError(f"{name}: {part.strip()[:80]!r}: {why}", key=name)


def network(address: str) -> str:
    """What an address is counted as: an IPv4 address itself, the /64 of an IPv6 one.

    Whoever has an IPv6 address has a whole /64 of them. What is no address is counted as it is.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return address[:100]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), 64), strict=False))
