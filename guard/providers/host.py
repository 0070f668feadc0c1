"""Where a model is served: an address, and what goes along to it."""

from __future__ import annotations

from base64 import b64encode

from pydantic import Field, SecretStr

from ..types import Value

PROVIDER_HEADER = "x-inference-provider"  # set by Hugging Face's router: who serves
LINE_LIMIT = 4_000_000  # bytes; an event of a stream, or a whole reply that is not streamed
LAST_WAIT = 0.5  # seconds for the few bytes behind the last event


class Host(Value):
    """A server that speaks OpenAI's protocol. `base_url` ends before `/chat/completions`.

    `provider` is its name where no response header tells one; `login` is `user:password`, for basic
    authentication; `counts_tokens` says that it knows how to count those of a streamed reply.
    """

    base_url: str
    provider: str = ""
    token: SecretStr | None = Field(default=None, repr=False)
    login: SecretStr | None = Field(default=None, repr=False)
    counts_tokens: bool = False

    @property
    def authorization(self) -> str | None:
        """The header's value; None where the host asks for nothing."""
        if self.login:
            return f"Basic {b64encode(self.login.get_secret_value().encode()).decode()}"
        key = self.token.get_secret_value() if self.token else ""
        return f"Bearer {key}" if key else None
