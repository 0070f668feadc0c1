"""What TLS trusts, read once: each reading takes 15 ms, in which an event loop stands still."""

from __future__ import annotations

import ssl
from functools import cache

import httpx2


@cache
def trusted() -> ssl.SSLContext:
    """The system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`."""
    context: ssl.SSLContext = httpx2.create_ssl_context()
    return context
