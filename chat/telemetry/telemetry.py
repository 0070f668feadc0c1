"""What watches one app."""

from __future__ import annotations

from dataclasses import dataclass

from guard.catalogue import Catalogue
from guard.observing import Observer

from .logs import ReplyLog
from .metrics import Metrics
from .settings import TelemetrySettings
from .traces import Traces


@dataclass(frozen=True)
class Telemetry:
    """Metrics, traces where they are asked for, and lines of the log."""

    settings: TelemetrySettings
    metrics: Metrics
    traces: Traces | None = None

    @classmethod
    def of(cls, settings: TelemetrySettings, *offered: Catalogue) -> Telemetry:
        """As the operator has set it, for the models on offer.

        Raises:
            ConfigError: traces are wanted, and OpenTelemetry is not installed.
        """
        models = {id_ for catalogue in offered for id_ in catalogue.by_id}
        return cls(settings, Metrics(models), Traces.asked_for(settings))

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who watches the guards."""
        found: list[Observer] = [self.metrics]
        if self.traces:
            found.append(self.traces)
        if self.settings.log_format == "json":
            found.append(ReplyLog(texts=self.settings.log_text))
        return tuple(found)

    async def close(self) -> None:
        """As the server goes down."""
        if self.traces:
            await self.traces.close()
