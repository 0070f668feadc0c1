"""Metrics for Prometheus, counted when a reply is over. Labels are words of ours alone.

Models are those on offer, topics those of packs; whatever else comes is `other`. Where
`PROMETHEUS_MULTIPROC_DIR` is set, those of all processes that write there are added up.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from guard import topics
from guard.events import Billed, Done
from guard.observing import AttemptSeen, Checked, Seen

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OTHER, NONE = "other", "none"
FIRST_TOKEN = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 40, 60)
WHOLE = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600)
OWN = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
WANTED = "the metrics of this deployment need `Authorization: Bearer` and CANDOR_METRICS_TOKEN"
LIVE = "gauge_livesum_"  # how prometheus_client names the file of a process's live gauges


class Metrics:
    """An observer that counts, in a registry of its own; `models` are the ids on offer."""

    def __init__(self, models: Iterable[str] = ()) -> None:
        self.models = frozenset(models)
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.running = Gauge(
            "candor_running_replies",
            "Questions whose replies are coming in.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.questions = counter("candor_questions", "Questions that models were asked.", ["mode"])
        self.replies = counter(
            "candor_replies",
            "Replies, by how they ended: done, stopped by the guard, failed, or left by the asker.",
            ["model", "origin", "outcome"],
        )
        self.verdicts = counter(
            "candor_verdicts",
            "Final verdicts on replies.",
            ["model", "origin", "topic", "conduct", "status"],
        )
        self.checks = counter(
            "candor_checks",
            "Verdicts on finished replies that were brought to be checked.",
            ["topic", "conduct", "status"],
        )
        self.disputed = counter(
            "candor_disputed_verdicts",
            "Verdicts that readers called wrong (marked), or no longer (taken back).",
            ["model", "topic", "change"],
        )
        self.fallbacks = counter(
            "candor_fallbacks",
            "Times that another model was asked instead, and why.",
            ["model", "to", "cause"],
        )
        self.exhausted = counter(
            "candor_fallbacks_exhausted",
            "Times that another model was wanted and none might be asked, by what kept it.",
            ["cause", "bound"],
        )
        self.provider_errors = counter(
            "candor_provider_errors",
            "Faults of hosts, by kind; after some the host was asked again.",
            ["model", "kind", "retried"],
        )
        self.first_token = histogram(
            "candor_first_token_seconds",
            "From asking a model to its first word or thought, of replies that stream.",
            ["model"],
            buckets=FIRST_TOKEN,
        )
        self.whole = histogram(
            "candor_reply_seconds",
            "From asking a model to the end of its reply.",
            ["model"],
            buckets=WHOLE,
        )
        self.own = histogram(
            "candor_guard_seconds",
            "The guard's own time, by what it did: match the question's topic, look at a growing"
            " or a final reply, check one that was brought.",
            ["step"],
            buckets=OWN,
        )
        self.tokens = counter(
            "candor_tokens",
            "Tokens of replies that ended, and of opinions, controls and titles besides.",
            ["model", "part"],
        )
        self.dollars = counter(
            "candor_cost_dollars",
            "What these tokens have cost in US dollars, where the price is known.",
            ["model", "part"],
        )
        self.requests = counter("candor_http_requests", "Requests.", ["method", "route", "status"])
        if FOLDER not in os.environ:
            ProcessCollector(registry=self.registry)

    @contextmanager
    def asked(self, seen: Seen) -> Iterator[None]:
        self.running.inc()
        try:
            yield
        finally:
            self.running.dec()
            self.count(seen)

    def count(self, seen: Seen) -> None:
        """Add what came of a question."""
        self.questions.labels(seen.mode).inc()
        self.own.labels("topic").observe(seen.matching)
        for final, seconds in seen.looks:
            self.own.labels("final" if final else "growing").observe(seconds)
        for attempt in seen.attempts.values():
            self.count_attempt(attempt)
        for fallback in seen.fallbacks:
            asked = self.model(seen.attempts[fallback.attempt].model.id)
            self.fallbacks.labels(asked, self.model(fallback.to.id), fallback.cause).inc()
        for exhausted in seen.exhausted:
            self.exhausted.labels(exhausted.cause, exhausted.bound or NONE).inc()

    def count_attempt(self, attempt: AttemptSeen) -> None:
        model, origin = self.model(attempt.model.id), attempt.model.origin
        held, end = attempt.verdict, attempt.end
        self.replies.labels(model, origin, attempt.outcome).inc()
        for kind in attempt.waits:
            self.provider_errors.labels(model, kind, "true").inc()
        if attempt.first_token is not None:
            self.first_token.labels(model).observe(attempt.first_token)
        if held:
            topic = topic_of(held.topic)
            self.verdicts.labels(model, origin, topic, held.conduct, held.status).inc()
        if isinstance(end, Done):
            self.whole.labels(model).observe(end.seconds)
            self.spend(model, "reply", end)
        elif end:
            self.provider_errors.labels(model, end.kind, "false").inc()

    def checked(self, checked: Checked) -> None:
        held = checked.verdict
        self.own.labels("check").observe(checked.seconds)
        self.checks.labels(topic_of(held.topic), held.conduct, held.status).inc()

    def billed(self, billed: Billed) -> None:
        self.spend(self.model(billed.model.id), "besides", billed)

    def spend(self, model: str, part: str, took: Done | Billed) -> None:
        self.tokens.labels(model, part).inc(took.tokens)
        if took.dollars:
            self.dollars.labels(model, part).inc(took.dollars)

    def dispute(self, model: str, topic: str | None, *, marked: bool) -> None:
        """A reader called a verdict wrong, or did so no longer."""
        change = "marked" if marked else "taken back"
        self.disputed.labels(self.model(model), topic_of(topic), change).inc()

    def model(self, id_: str) -> str:
        return bounded(id_, self.models)

    def exposed(self, accept: str) -> tuple[bytes, str]:
        """All metrics, in the format that is accepted, and its media type."""
        registry, folder = self.registry, os.environ.get(FOLDER)
        if folder:
            registry = CollectorRegistry()
            forget_the_dead(Path(folder))
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


def bounded(word: str | None, known: Container[str]) -> str:
    """`word` as a label: itself where it is known."""
    if word is None:
        return NONE
    return word if word in known else OTHER


def topic_of(topic: str | None) -> str:
    return bounded(topic, topics.load())


def forget_the_dead(folder: Path) -> None:
    """Remove the live gauges of processes that were killed: nothing of theirs is running."""
    for file in folder.glob(f"{LIVE}*.db"):
        pid = file.stem.removeprefix(LIVE)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            file.unlink(missing_ok=True)


async def metrics(request: Request) -> Response:
    """`/metrics`."""
    telemetry = request.app.state.telemetry
    token = telemetry.settings.metrics_token
    sent = request.headers.get("authorization", "")
    if token and not allowed(sent, token.get_secret_value()):
        return JSONResponse({"detail": WANTED}, 401, {"www-authenticate": "Bearer"})
    accept = request.headers.get("accept", "")
    told, media_type = await asyncio.to_thread(telemetry.metrics.exposed, accept)
    return Response(told, headers={"content-type": media_type, "cache-control": "no-store"})


def allowed(authorization: str, token: str) -> bool:
    """Whether the header holds the token; how much of it is right takes no less time to tell."""
    scheme, _, word = authorization.partition(" ")
    given = word.strip().encode("latin-1", "replace")  # as its bytes came
    return scheme.lower() == "bearer" and hmac.compare_digest(given, token.encode())
