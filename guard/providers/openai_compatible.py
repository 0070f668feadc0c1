"""Any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, LM Studio, a gateway."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from ..types import ModelSpec
from .inference import InferenceChat


def openai_compatible(
    spec: ModelSpec, base_url: str, key: str | None, timeout: float
) -> InferenceChat:
    """A model on the server at `base_url`; the host's name stands for the provider's.

    A `user:password@` in the address is sent as such, and kept out of what is shown and logged.
    """
    parts = urlsplit(base_url.rstrip("/"))
    login, _, place = parts.netloc.rpartition("@")
    return InferenceChat(
        model_name=spec.id,
        base_url=parts._replace(netloc=place).geturl(),
        login=SecretStr(unquote(login)) if login else None,
        token=SecretStr(key) if key else None,
        provider=parts.hostname or place,
        timeout=timeout,
    )
