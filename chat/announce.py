"""What the log says at the start: where the page is, and who answers."""

from __future__ import annotations

import logging

from .settings import Settings

log = logging.getLogger("candor")

HOW = (
    "No model is connected: replies are scripted. To connect real models, set HF_TOKEN "
    "(Hugging Face Inference Providers) or CANDOR_BASE_URL (any OpenAI-compatible server)."
)


def announce(settings: Settings) -> None:
    """Print the address, what is connected and the default model."""
    models = settings.catalogue()
    connection = settings.connection(models)
    shown = "localhost" if settings.host in ("0.0.0.0", "127.0.0.1", "::") else settings.host  # noqa: S104
    log.info("Candor is at http://%s:%d", shown, settings.port)
    if connection.kind == "demo":
        log.info(HOW)
        return
    host = connection.base_url or "Hugging Face Inference Providers"
    log.info("%d models answer through %s; the default is %s", len(models.models), host, models.default)
