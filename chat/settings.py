"""What the environment says. Secrets come from here alone and are never logged."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from guard import catalogue as catalogue_file
from guard.catalogue import Catalogue
from guard.errors import ConfigError
from guard.providers import Connection

ROOT = Path(__file__).parents[1]


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
    base_url: str | None = Field(default=None, alias="CANDOR_BASE_URL", pattern=r"^https?://\S+$")
    api_key: SecretStr | None = Field(default=None, alias="CANDOR_API_KEY")
    token: SecretStr | None = Field(default=None, alias="HF_TOKEN")
    api_keys: SecretStr = Field(default=SecretStr(""), alias="CANDOR_API_KEYS")
    default_model: str | None = Field(default=None, alias="CANDOR_DEFAULT_MODEL")
    title_model: str | None = Field(default=None, alias="CANDOR_TITLE_MODEL")
    database_url: str = Field(default="", alias="CANDOR_DATABASE_URL")
    redis_url: SecretStr | None = Field(default=None, alias="CANDOR_REDIS_URL")
    drain: float | None = Field(default=None, alias="CANDOR_DRAIN", ge=0, le=3600)
    data: Path = Field(default=ROOT / "data", alias="CANDOR_DATA")
    models: Path = Field(default=catalogue_file.FILE, alias="CANDOR_MODELS")
    audit: Path | None = Field(default=None, alias="CANDOR_AUDIT")
    timeout: float = Field(default=60.0, alias="CANDOR_TIMEOUT", gt=0, le=3600)
    space_id: str | None = Field(default=None, alias="SPACE_ID")
    oauth_client_id: str | None = Field(default=None, alias="OAUTH_CLIENT_ID")

    @property
    def on_a_space(self) -> bool:
        return bool(self.space_id)

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the store: SQLite in `CANDOR_DATA` unless another is given."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'candor.sqlite3'}"

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
