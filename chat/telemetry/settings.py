"""What the environment says of logs, metrics and traces."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError

from guard.errors import ConfigError
from guard.types import Value

VARIABLES = {
    "log_format": "CANDOR_LOG_FORMAT",
    "log_text": "CANDOR_LOG_TEXT",
    "metrics_token": "CANDOR_METRICS_TOKEN",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "otlp_traces_endpoint": "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
}
ADDRESS = r"^https?://\S+$"


class TelemetrySettings(Value):
    """`log_text`: logs and traces may hold what is asked and answered.

    The addresses are those of an OpenTelemetry collector, by its own variables; the second one is
    for traces alone, and whole.
    """

    log_format: Literal["text", "json"] = "text"
    log_text: bool = False
    metrics_token: SecretStr | None = None
    otlp_endpoint: str | None = Field(default=None, pattern=ADDRESS, repr=False)
    otlp_traces_endpoint: str | None = Field(default=None, pattern=ADDRESS, repr=False)

    @property
    def traces_to(self) -> str | None:
        """Where traces are sent; None where they are not asked for."""
        if self.otlp_traces_endpoint or not self.otlp_endpoint:
            return self.otlp_traces_endpoint
        return f"{self.otlp_endpoint.rstrip('/')}/v1/traces"

    @classmethod
    def from_environment(cls) -> Self:
        """As the environment says; empty variables count as not set.

        Raises:
            ConfigError: a variable is wrong; names it, and never repeats its value.
        """
        given = {field: os.environ[name] for field, name in VARIABLES.items() if os.getenv(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = VARIABLES[str(first["loc"][0])]
            raise ConfigError(f"environment variable {name}: {first['msg']}", key=name) from None
