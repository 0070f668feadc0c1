"""What the environment says. Secrets come from here alone and are never logged."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from guard import catalogue as catalogue_file
from guard.catalogue import Catalogue
from guard.errors import ConfigError
from guard.providers import Connection

from .telemetry.settings import TelemetrySettings

ROOT = Path(__file__).parents[1]
HUB = "https://huggingface.co"
URL = r"^https?://\S+$"
PROXIES_OF_A_SPACE = "127.0.0.1,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7"


DRAIN, DRAIN_ALONE = 30.0, 3.0  # seconds


class Settings(BaseSettings):
    """Environment variables by name; `CANDOR_` ones are ours, the others are customary."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    host: str = Field(
        default="127.0.0.1", validation_alias=AliasChoices("HOST", "GRADIO_SERVER_NAME")
    )
    port: int = Field(
        default=7860, validation_alias=AliasChoices("PORT", "GRADIO_SERVER_PORT"), ge=0, le=65535
    )
    base_url: str | None = Field(default=None, alias="CANDOR_BASE_URL", pattern=URL)
    api_key: SecretStr | None = Field(default=None, alias="CANDOR_API_KEY")
    token: SecretStr | None = Field(default=None, alias="HF_TOKEN")
    api_keys: SecretStr = Field(default=SecretStr(""), alias="CANDOR_API_KEYS")
    default_model: str | None = Field(default=None, alias="CANDOR_DEFAULT_MODEL")
    admins: str = Field(default="", alias="CANDOR_ADMINS")
    feedback_dataset: str | None = Field(
        default=None, alias="CANDOR_FEEDBACK_DATASET", pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*$"
    )
    hub: str | None = Field(default=None, alias="HF_ENDPOINT", pattern=r"^https?://\S+$")
    title_model: str | None = Field(default=None, alias="CANDOR_TITLE_MODEL")
    database_url: str = Field(default="", alias="CANDOR_DATABASE_URL")
    database_connections: int = Field(
        default=10, alias="CANDOR_DATABASE_CONNECTIONS", ge=1, le=1000
    )
    redis_url: SecretStr | None = Field(default=None, alias="CANDOR_REDIS_URL")
    drain: float | None = Field(default=None, alias="CANDOR_DRAIN", ge=0, le=3600)
    data: Path = Field(default=ROOT / "data", alias="CANDOR_DATA")
    models: Path = Field(default=catalogue_file.FILE, alias="CANDOR_MODELS")
    audit: Path | None = Field(default=None, alias="CANDOR_AUDIT")
    timeout: float = Field(default=60.0, alias="CANDOR_TIMEOUT", gt=0, le=3600)
    space_id: str | None = Field(default=None, alias="SPACE_ID")
    space_host: str | None = Field(default=None, alias="SPACE_HOST")
    oauth_client_id: str | None = Field(default=None, alias="OAUTH_CLIENT_ID")
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings.from_environment)
    oauth_client_secret: SecretStr | None = Field(default=None, alias="OAUTH_CLIENT_SECRET")
    oauth_scopes: str = Field(default="openid profile", alias="OAUTH_SCOPES")
    oauth_issuer: str = Field(default=HUB, alias="OPENID_PROVIDER_URL")
    oidc_issuer: str | None = Field(default=None, alias="CANDOR_OIDC_ISSUER", pattern=URL)
    oidc_client_id: str | None = Field(default=None, alias="CANDOR_OIDC_CLIENT_ID")
    oidc_client_secret: SecretStr | None = Field(default=None, alias="CANDOR_OIDC_CLIENT_SECRET")
    oidc_name: str | None = Field(default=None, alias="CANDOR_OIDC_NAME", max_length=60)
    secret: SecretStr | None = Field(default=None, alias="CANDOR_SECRET", min_length=16)
    anonymous: Literal["yes", "no"] = Field(default="yes", alias="CANDOR_ANONYMOUS")
    limits: str | None = Field(default=None, alias="CANDOR_LIMITS")
    limits_anonymous: str | None = Field(default=None, alias="CANDOR_LIMITS_ANONYMOUS")
    limits_address: str | None = Field(default=None, alias="CANDOR_LIMITS_ADDRESS")
    trusted_proxies: str | None = Field(default=None, alias="CANDOR_TRUSTED_PROXIES")

    @field_validator("trusted_proxies")
    @classmethod
    def are_addresses(cls, told: str | None) -> str | None:
        for one in (told or "127.0.0.1").split(","):
            try:
                trusted = ip_network(one.strip())
            except ValueError as error:
                raise ValueError(f"{one.strip()!r} is no address or network") from error
            if not trusted.prefixlen:
                raise ValueError(f"{one.strip()!r} is everyone: visitors would name their address")
        return told

    @property
    def on_a_space(self) -> bool:
        return bool(self.space_id)

    @property
    def signs_in(self) -> bool:
        """Whether one can: with Hugging Face on a Space, or at the operator's own provider."""
        return bool(self.oidc_issuer or (self.oauth_client_id and self.on_a_space))

    @property
    def proxies(self) -> str | None:
        """Whose `X-Forwarded-For` is believed; None: uvicorn's own, which are this machine's.

        Never all: what a visitor writes into that header themselves would then be their address.
        """
        return self.trusted_proxies or (PROXIES_OF_A_SPACE if self.on_a_space else None)

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the store: SQLite in `CANDOR_DATA` unless another is given."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'candor.sqlite3'}"

    @property
    def admin_accounts(self) -> frozenset[str]:
        """`CANDOR_ADMINS`: `hf:ada` or `oidc:ada@example.org`; a bare name is Hugging Face's."""
        names = (name.strip().casefold() for name in self.admins.split(","))
        return frozenset(name if ":" in name else f"hf:{name}" for name in names if name)

    @property
    def drains(self) -> float:
        """Seconds in which replies that come in may end, as the app goes down."""
        if self.drain is not None:
            return self.drain
        return DRAIN if self.redis_url else DRAIN_ALONE

    def catalogue(self) -> Catalogue:
        """`models.yaml` with the deployment's default and its model for titles.

        Raises:
            ConfigError: the file or one of these is wrong.
        """
        models = catalogue_file.load(self.models)
        models = models.with_default(self.default_model) if self.default_model else models
        return models.with_titles(self.title_model) if self.title_model else models

    def connection(self, models: Catalogue) -> Connection:
        """How this deployment reaches models."""
        return Connection(
            base_url=models.base_url or self.base_url,
            token=self.token,
            api_key=self.api_key,
            timeout=self.timeout,
        )


def load() -> Settings:
    """Read the environment; empty variables count as not set.

    Raises:
        ConfigError: a variable is wrong; names it.
    """
    try:
        return Settings(_env_ignore_empty=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(f"environment variable {name}: {first['msg']}", key=name) from error
