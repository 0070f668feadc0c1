"""Which provider serves a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from ..catalogue import Catalogue
from ..errors import ProviderError
from ..types import ModelSpec, Value
from .host import Host
from .hugging_face import hugging_face
from .openai_compatible import openai_compatible
from .personas import with_personas

if TYPE_CHECKING:  # each provider is imported when it first serves: langchain-core takes a second
    from langchain_core.language_models import BaseChatModel

Kind = Literal["openai_compatible", "hugging_face", "demo"]


class Connection(Value):
    """What the deployment can reach. `timeout` is in seconds of silence."""

    base_url: str | None = Field(default=None, repr=False)  # may hold a password
    token: SecretStr | None = None
    api_key: SecretStr | None = None
    timeout: float = 60.0

    @property
    def kind(self) -> Kind:
        """What serves models that have no `base_url` of their own."""
        if self.base_url:
            return "openai_compatible"
        return "hugging_face" if self.token else "demo"

    def serves(self, spec: ModelSpec, signed_in: bool = False) -> bool:
        """Whether a reply of this model can be had."""
        if is_demo(spec):
            return True
        return bool(spec.base_url) or signed_in or self.kind != "demo"

    def pays(self, token: str | None, spec: ModelSpec) -> bool:
        """Whether the deployment does; a reader's own `token` goes to the Hub's router alone."""
        return token is None or bool(spec.base_url or self.base_url)


def is_demo(spec: ModelSpec) -> bool:
    """Whether the model is one of the scripted personas."""
    return spec.id.startswith("demo/")


def connect(spec: ModelSpec, connection: Connection, token: str | None = None) -> BaseChatModel:
    """The chat model that serves `spec`; `token` is the signed-in reader's own.

    Raises:
        ProviderError: nothing that could serve it is connected.
    """
    if is_demo(spec):
        from .demo import demo

        return demo(spec)
    host = host_of(spec, connection, token)
    from .inference import InferenceChat

    return InferenceChat.at(host, spec.id, connection.timeout)


def host_of(spec: ModelSpec, connection: Connection, token: str | None = None) -> Host:
    """Where `spec` is served, and with whose key; `token` is the reader's own.

    Raises:
        ProviderError: nothing that could serve it is connected.
    """
    base_url = spec.base_url or connection.base_url
    if base_url:
        elsewhere = connection.base_url and connection.base_url != base_url
        secret = None if elsewhere else connection.api_key  # a key is for its own host only
        return openai_compatible(base_url, secret.get_secret_value() if secret else None)
    own = token or (connection.token.get_secret_value() if connection.token else None)
    if own is None:
        raise ProviderError("unconnected", f"no host is connected that could serve {spec.id}")
    return hugging_face(own)


def on_offer(catalogue: Catalogue, connection: Connection) -> Catalogue:
    """The catalogue as this deployment serves it: with personas where no host is connected."""
    if connection.kind != "demo":
        return catalogue
    return with_personas(catalogue)
