"""Traces for OpenTelemetry: request, guarded reply, attempt at a host. Only where asked for.

What a reply took is told by its end, as spans with their own times, so that a token costs nothing.
Not covered: hosts are not told of the trace; second opinions and titles have no span.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from guard.errors import ConfigError
from guard.events import Billed, Done, Failed
from guard.observing import AttemptSeen, Checked, Seen
from guard.types import Verdict

from .settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

NEEDED = (
    "traces are asked for (OTEL_EXPORTER_OTLP_ENDPOINT), and OpenTelemetry is not installed: "
    "pip install -r requirements-otel.txt"
)
PATIENCE = 2.0  # seconds that spans may take to go out as the server goes down
Attributes = dict[str, str | int | float | bool]


class Traces:
    """An observer that sends spans; `texts`: they may hold what is asked and answered.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str, *, texts: bool = False) -> None:
        try:
            from opentelemetry import context, trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import OTELResourceDetector, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation import tracecontext
        except ImportError as error:
            raise ConfigError(NEEDED) from error
        named = Resource.create({"service.name": "candor"}).merge(OTELResourceDetector().detect())
        self.provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self.tracer = self.provider.get_tracer("candor")
        self.texts, self.trace, self.context = texts, trace, context
        self.propagator = tracecontext.TraceContextTextMapPropagator()

    @classmethod
    def asked_for(cls, settings: TelemetrySettings) -> Traces | None:
        """Where the operator wants traces.

        Raises:
            ConfigError: they are wanted, and OpenTelemetry is not installed.
        """
        endpoint = settings.traces_to
        return cls(endpoint, texts=settings.log_text) if endpoint else None

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A request's span, within the trace that its `traceparent` names."""
        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        above = self.propagator.extract(carrier)
        span = self.tracer.start_span(
            method,
            context=above,
            kind=self.trace.SpanKind.SERVER,
            attributes={"http.request.method": method},
        )
        token = self.context.attach(self.trace.set_span_in_context(span, above))
        try:
            yield span
        finally:
            self.context.detach(token)
            span.end()

    def answered(self, span: Span, method: str, route: str, status: int) -> None:
        """What is known of a request once it is answered."""
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= 500:
            span.set_status(self.trace.StatusCode.ERROR)

    def id_of(self, span: Span) -> str:
        """The id of a span's trace, as logs tell it."""
        return self.trace.format_trace_id(span.get_span_context().trace_id)

    @contextmanager
    def asked(self, seen: Seen) -> Iterator[None]:
        above = self.context.get_current()
        try:
            yield
        finally:
            self.tell(seen, above)

    def tell(self, seen: Seen, above: Context) -> None:
        """The spans of a question that is over."""
        told: Attributes = {
            "candor.mode": seen.mode,
            "candor.attempts": len(seen.attempts),
            "candor.fallbacks": len(seen.fallbacks),
            "candor.guard.seconds": seen.matching + sum(look.seconds for look in seen.looks),
        }
        if self.texts:
            told["candor.question"] = seen.question
        whole = self.tracer.start_span(
            "guarded reply", context=above, attributes=told, start_time=nanoseconds(seen, 0)
        )
        within = self.trace.set_span_in_context(whole, above)
        for attempt in seen.attempts.values():
            self.tell_attempt(seen, attempt, within)
        whole.end(nanoseconds(seen, seen.seconds))

    def tell_attempt(self, seen: Seen, attempt: AttemptSeen, within: Context) -> None:
        told = attributes(attempt)
        if self.texts:
            told["candor.reply"] = attempt.said
        span = self.tracer.start_span(
            f"chat {attempt.model.id}",
            context=within,
            kind=self.trace.SpanKind.CLIENT,
            attributes=told,
            start_time=nanoseconds(seen, attempt.began),
        )
        if attempt.first_token is not None:
            first = nanoseconds(seen, attempt.began + attempt.first_token)
            span.add_event("first token", timestamp=first)
        if isinstance(attempt.end, Failed):
            span.set_status(self.trace.StatusCode.ERROR, attempt.end.kind)
        ended = seen.seconds if attempt.ended is None else attempt.ended
        span.end(nanoseconds(seen, ended))

    def checked(self, checked: Checked) -> None:
        span = self.tracer.start_span("guard check", attributes=of_verdict(checked.verdict))
        span.set_attribute("candor.guard.seconds", checked.seconds)
        span.end()

    def billed(self, billed: Billed) -> None:
        told: dict[str, Any] = {
            "gen_ai.request.model": billed.model.id,
            "gen_ai.usage.output_tokens": billed.tokens,
            "candor.cost.dollars": billed.dollars,
        }
        self.tracer.start_span("asked besides", attributes=known(told)).end()

    async def close(self) -> None:
        """Send what is left, as the server goes down; who is away is not waited for long."""
        ending = threading.Thread(target=self.provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, PATIENCE)


def attributes(attempt: AttemptSeen) -> Attributes:
    """What a span tells of an attempt; the names are OpenTelemetry's where it has any."""
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": attempt.model.id,
        "candor.origin": attempt.model.origin,
        "candor.outcome": attempt.outcome,
        "candor.cause": attempt.cause,
        "candor.tries": len(attempt.waits) + 1,
    }
    if isinstance(attempt.end, Done):
        told |= {
            "gen_ai.provider.name": attempt.end.served.provider or None,
            "gen_ai.usage.output_tokens": attempt.end.tokens,
            "candor.cost.dollars": attempt.end.dollars,
        }
    elif attempt.end:
        told["error.type"] = attempt.end.kind
    held = of_verdict(attempt.verdict) if attempt.verdict else {}
    return known(told) | held


def of_verdict(held: Verdict) -> Attributes:
    told = {
        "candor.verdict.status": held.status,
        "candor.verdict.conduct": held.conduct,
        "candor.verdict.topic": held.topic,
        "candor.verdict.jurisdiction": held.jurisdiction,
    }
    return known(told)


def known(told: Mapping[str, Any]) -> Attributes:
    return {name: value for name, value in told.items() if value is not None}


def nanoseconds(seen: Seen, seconds: float) -> int:
    """When that was, in Unix time."""
    return int((seen.began + seconds) * 1e9)
