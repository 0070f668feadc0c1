"""How a host's failures are told, whichever client met them."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr

from ..errors import FaultKind, ProviderError

NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]*)?")  # more than thirty years is no wait
KINDS: dict[int, FaultKind] = {
    401: "unauthorized",
    402: "payment",
    403: "unauthorized",
    404: "not_found",
    408: "timeout",
    413: "too_long",
    429: "rate_limited",
    504: "timeout",
    524: "timeout",  # of a gateway that waits in vain for a whole reply
}


def of_report(report: Any, key: SecretStr | None) -> ProviderError:
    """The error behind an error object in a stream; a key that the host repeats is left out."""
    code = report.get("code") if isinstance(report, dict) else None
    kind = KINDS.get(code, "unavailable") if isinstance(code, int) else "unavailable"
    return ProviderError(kind, f"the host reported an error: {words_of(report, key)}")


def words_of(report: Any, key: SecretStr | None) -> str:
    """What an error object says, without the key that some hosts repeat."""
    facts = report if isinstance(report, dict) else {"message": report}
    words = str(facts.get("message") or report)
    if key and key.get_secret_value():
        words = words.replace(key.get_secret_value(), "…")
    return words[:300]


def of_status(status: int, waits: str) -> ProviderError:
    """The error behind an HTTP status (0: none came); `waits` is the header `retry-after`."""
    default: FaultKind = "unavailable" if status >= 500 or not status else "rejected"
    return ProviderError(
        KINDS.get(status, default),
        f"the host answered with status {status}",
        retry_after=seconds_of(waits),
    )


def seconds_of(waits: str) -> float | None:
    """A `retry-after` in seconds: hosts give a number, or a date (RFC 9110, 10.2.3)."""
    if NUMBER.fullmatch(waits):
        return float(waits)
    try:
        due = parsedate_to_datetime(waits)
        return max((due - datetime.now(due.tzinfo)).total_seconds(), 0.0)
    except (ValueError, OverflowError):
        return None
