"""What the environment says of this deployment, for programs without a page: models and hosts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .providers import Connection


def models_file() -> Path:
    from .catalogue import FILE

    return Path(os.environ.get("CANDOR_MODELS") or FILE)


def on_offer() -> tuple[Catalogue, Connection]:
    """The models as they are served, with personas where no host is connected, and how to reach
    them.

    Raises:
        ConfigError: a file or a variable is wrong.
    """
    from .providers.connect import on_offer as as_served

    models, connection = listed()
    return as_served(models, connection), connection


def listed() -> tuple[Catalogue, Connection]:
    """The models and how to reach them, as files and environment say.

    Raises:
        ConfigError: one of them is wrong.
    """
    from . import catalogue

    models = catalogue.load(models_file())
    default = os.environ.get("CANDOR_DEFAULT_MODEL")
    models = models.with_default(default) if default else models
    return models, connection_for(models)


def connection_for(models: Catalogue) -> Connection:
    from pydantic import ValidationError

    from .providers import Connection

    variables = {
        "base_url": "CANDOR_BASE_URL",
        "token": "HF_TOKEN",
        "api_key": "CANDOR_API_KEY",
        "timeout": "CANDOR_TIMEOUT",
    }
    given = {field: os.environ[name] for field, name in variables.items() if os.environ.get(name)}
    if not given.get("base_url", "https://").startswith(("http://", "https://")):
        raise ConfigError("CANDOR_BASE_URL must begin with http:// or https://")
    if models.base_url:
        given["base_url"] = models.base_url
    try:
        return Connection.model_validate(given)
    except ValidationError as error:
        name = variables[str(error.errors()[0]["loc"][0])]
        raise ConfigError(f"{name}: {error.errors()[0]['msg']}", key=name) from error
