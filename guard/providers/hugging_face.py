"""Hugging Face Inference Providers, through the router; the token pays."""

from __future__ import annotations

from pydantic import SecretStr

from ..types import ModelSpec
from .inference import InferenceChat

ROUTER = "https://router.huggingface.co/v1"


def hugging_face(spec: ModelSpec, token: str, timeout: float) -> InferenceChat:
    """A model served by the provider that the router picks, on the account behind `token`."""
    return InferenceChat(
        model_name=spec.id,
        base_url=ROUTER,
        token=SecretStr(token),
        provider="Hugging Face Inference Providers",
        counts_tokens=True,
        timeout=timeout,
    )
