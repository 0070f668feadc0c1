"""What happens while a guarded reply comes in: a closed union, in the order in which it happens.

`attempt` counts the models that were asked for one question, from 0. Each attempt is `Started`,
any number of `Waiting`, then of `Thought`, `Delta` and `Judged`, one `Consulted` at most, then
`Done` or `Failed`. Where another model is to answer instead, `FellBack` stands between the two
attempts; where none may, `Exhausted` says so. In the mode `compare` two lanes of attempts run side
by side, so that their events are mixed. A `Judged` may follow an attempt's end, with evidence that
was asked for; `Billed` tells what asking took. Where tools were offered, each call is `Called`,
then `Returned`, with others of the same round between them; `Unoffered` says which could not be
offered. `Passed` comes before what it holds, from a relay alone.
"""

from __future__ import annotations

from typing import Any, Literal

from .errors import FaultKind
from .provenance import Served
from .types import Action, ModelSpec, Omitted, Options, ToolFault, Value, Verdict

Cause = Literal["withheld", "failed", "compared"]
Bound = Literal["models", "seconds", "dollars", "images"]


class Started(Value):
    """A model has been asked, with `options` of the reader's.

    `cause` says why, unless it is the one that was chosen. `omitted` is what of the conversation's
    files it was not told, None where it was told all.
    """

    attempt: int
    model: ModelSpec
    lane: int = 0
    cause: Cause | None = None
    omitted: Omitted | None = None
    options: Options = Options()


class Waiting(Value):
    """The host failed before it said anything, and is asked again in `seconds`."""

    attempt: int
    kind: FaultKind
    seconds: float


class Thought(Value):
    """More of the model's reasoning."""

    attempt: int
    text: str


class Delta(Value):
    """More of the reply."""

    attempt: int
    text: str


class Passed(Value):
    """Chunks of OpenAI's protocol as the host sent them, for who hands them on (`providers.relay`).

    What of them is text or thought follows as `Delta` and `Thought`. A reply that came whole is one
    chunk, as it is.
    """

    attempt: int
    chunks: tuple[dict[str, Any], ...]


class Called(Value):
    """The model asked for a tool, which is called now. `call` counts the attempt's calls from 0.

    `server` and `title` name the operator's server; both are empty where the model asked for a tool
    that nobody has. `tool` and `arguments` (JSON) are the model's words.
    """

    attempt: int
    call: int
    server: str
    title: str
    search: bool
    tool: str
    arguments: str


class Returned(Value):
    """A call has ended. `text` is outside text: what the model was told of the tool's result.

    `cut`: there was more of it. `seconds` count from the call.
    """

    attempt: int
    call: int
    text: str
    fault: ToolFault | None = None
    cut: bool = False
    seconds: float


class Unoffered(Value):
    """Tools that the reader chose could not be offered to the model, which answers without them.

    They are those of one server; all of them, and no server is named, where the model's host takes
    none.
    """

    attempt: int
    server: str = ""
    title: str = ""
    fault: ToolFault


class Judged(Value):
    """The guard looked at the reply so far, or (`final`) at all of it."""

    attempt: int
    verdict: Verdict
    action: Action
    final: bool


class Consulted(Value):
    """The verdict is unsure, so another model is asked for its opinion; a `Judged` follows."""

    attempt: int
    model: ModelSpec


class Billed(Value):
    """What asking a model besides the replies took: for an opinion, a matched control, a title.

    `tokens` are those that it wrote, whatever became of its words; `dollars` as in `Done`.
    """

    attempt: int
    model: ModelSpec
    tokens: int
    dollars: float | None = None


class Done(Value):
    """The reply has ended. `finish_reason` is `stopped by guard` where the guard ended it.

    `seconds` count from the question to the reply's end; `tokens` what was read of it, as the host
    tells or by the pieces it sent; `dollars` what that costs, None where no price is known.
    `first_seconds` passed until the first word or thought, None where none came, or all at once;
    `guard_seconds` are those of the guard's own looks, other models' opinions apart.
    """

    attempt: int
    finish_reason: str
    served: Served
    seconds: float
    tokens: int = 0
    dollars: float | None = None
    first_seconds: float | None = None
    guard_seconds: float = 0


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
    """A further model was wanted after this attempt, and none may be asked.

    `tried` are all models that were asked; `bound` is what the operator's limits end, `images`
    where those that are left do not see, None where no model is left.
    """

    attempt: int = 0
    cause: Cause
    tried: tuple[str, ...]
    bound: Bound | None = None


Event = (
    Started
    | Waiting
    | Thought
    | Delta
    | Passed
    | Called
    | Returned
    | Unoffered
    | Judged
    | Consulted
    | Billed
    | Done
    | Failed
    | FellBack
    | Exhausted
)
