"""Hugging Face Inference Providers, through the router; the token pays."""

from __future__ import annotations

from pydantic import SecretStr

from .host import Host

ROUTER = "https://router.huggingface.co/v1"


def hugging_face(token: str) -> Host:
    """The router, which picks a provider for each model, on the account behind `token`."""
    return Host(
        base_url=ROUTER,
        token=SecretStr(token),
        provider="Hugging Face Inference Providers",
        counts_tokens=True,
    )
