"""Everything Candor raises on purpose.

CandorError
├── ConfigError            a file or a setting is wrong; names the place and the nearest valid word
├── UnknownModel           a model id that is not on offer; names the nearest ones
├── InputError             a row or an argument from outside cannot be read
├── HubError               a dataset on the Hub cannot be read or written
├── ProviderError          the host of a model failed; `kind` says how
└── ToolError              a server of tools failed; `fault` says how
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .types import ToolFault

FaultKind = Literal[
    "unconnected",
    "unauthorized",
    "payment",
    "not_found",
    "rate_limited",
    "rejected",
    "own_settings",
    "unavailable",
    "resting",
    "timeout",
    "interrupted",
    "malformed",
    "too_long",
    "empty",
]


class CandorError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(CandorError):
    """A configuration file or setting is wrong.

    `file`, `line` (1-based) and `key` say where, as far as they are known.
    """

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)
        self.file, self.line, self.key = file, line, key


class UnknownModel(CandorError):
    """No model of that id is on offer."""

    def __init__(self, model: str, known: Iterable[str]) -> None:
        super().__init__(f"No model {model!r} is on offer.{nearest(model, known)}")
        self.model = model


class InputError(CandorError):
    """Something a caller handed in cannot be read."""


class HubError(CandorError):
    """A dataset on the Hub cannot be read or written, or does not hold what it should."""


class ProviderError(CandorError):
    """The host of a model failed.

    `retry_after` is the number of seconds the host asked to wait, where it said so, or for which it
    is left alone. What the reader can do is told by kind, in the reader's language
    (`explain.fault`).
    """

    def __init__(self, kind: FaultKind, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.retry_after = kind, retry_after


class ToolError(CandorError):
    """A server of tools failed, or the tool that was called; `words` are the server's own."""

    def __init__(self, fault: ToolFault, words: str = "") -> None:
        super().__init__(fault)
        self.fault, self.words = fault, words


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence ` Did you mean 'x'?`, or nothing where no known word is close."""
    known = list(known)
    by_folded = {k.casefold(): k for k in known}
    close = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.5)
    return f" Did you mean {by_folded[close[0]]!r}?" if close else ""
