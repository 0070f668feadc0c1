"""What happens while a guarded reply comes in: a closed union, in the order in which it happens.

`attempt` counts the models that were asked for one question, from 0. Each attempt is
`Started`, any number of `Thought`, `Delta` and `Judged`, then `Done` or `Failed`. Between two
attempts stands `FellBack`; where a next one was wanted and none is left, `Exhausted` ends it all.
"""

from __future__ import annotations

from typing import Literal

from .errors import FaultKind
from .provenance import Served
from .types import Action, ModelSpec, Value, Verdict

Cause = Literal["withheld", "failed"]


class Started(Value):
    """A model has been asked."""

    attempt: int
    model: ModelSpec


class Thought(Value):
    """More of the model's reasoning."""

    attempt: int
    text: str


class Delta(Value):
    """More of the reply."""

    attempt: int
    text: str


class Judged(Value):
    """The guard looked at the reply so far, or (`final`) at all of it."""

    attempt: int
    verdict: Verdict
    action: Action
    final: bool


class Done(Value):
    """The reply has ended. `finish_reason` is `stopped by guard` where the guard ended it."""

    attempt: int
    finish_reason: str
    served: Served
    seconds: float


class Failed(Value):
    """The host failed; what had come of the reply stays."""

    attempt: int
    kind: FaultKind
    message: str
    retry_after: float | None = None


class FellBack(Value):
    """Another model is asked next."""

    attempt: int
    to: ModelSpec
    cause: Cause


class Exhausted(Value):
    """A fallback was wanted and none is left. `tried` are all models that were asked."""

    cause: Cause
    tried: tuple[str, ...]


Event = Started | Thought | Delta | Judged | Done | Failed | FellBack | Exhausted
