"""What the log says at the start: where the page is, and who answers."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

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
    log.info("Candor is at http://%s:%d", address(settings.host), settings.port)
    if connection.kind == "demo":
        log.info(HOW)
        return
    host = without_password(connection.base_url) or "Hugging Face Inference Providers"
    count, default = len(models.models), models.default
    log.info("%d models answer through %s; the default is %s", count, host, default)


def address(host: str) -> str:
    """The host as a browser on this machine writes it."""
    if host in ("0.0.0.0", "127.0.0.1", "::", "::1"):  # noqa: S104
        return "localhost"
    return f"[{host}]" if ":" in host else host


def without_password(url: str | None) -> str:
    """A URL without what it may hold of a secret: user, password and query."""
    parts = urlsplit(url or "")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
