"""Any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, LM Studio, a gateway."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from .host import Host


def openai_compatible(base_url: str, key: str | None) -> Host:
    """The server at `base_url`; its name stands for the provider's.

    A `user:password@` in the address is sent as such, and kept out of what is shown and logged.
    """
    parts = urlsplit(base_url.rstrip("/"))
    login, _, place = parts.netloc.rpartition("@")
    return Host(
        base_url=parts._replace(netloc=place).geturl(),
        login=SecretStr(unquote(login)) if login else None,
        token=SecretStr(key) if key else None,
        provider=parts.hostname or place,
    )
