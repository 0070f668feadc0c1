"""`tools` in `models.yaml`: the servers whose tools readers may switch on, and how far they go.

Secrets stand in the environment alone: the file names the variables.
"""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ..types import Value
from ..yaml_file import SECRET

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
HEADER = r"^[A-Za-z0-9-]+$"


def a_variable(name: str) -> str:
    if not VARIABLE.fullmatch(name):
        raise PydanticCustomError(
            SECRET, "names an environment variable, in capitals; the secret itself goes there"
        )
    return name


Variable = Annotated[str, AfterValidator(a_variable)]
HeaderName = Annotated[str, Field(pattern=HEADER)]


class ToolServer(Value):
    """An MCP server: at `url` (streamable HTTP), or a program that is started (`command`, `args`).

    `token_env` names the variable whose value is sent as a bearer token, `headers_env` those of
    other headers, `env` those that the program is given. `search` says that it searches the web;
    `only` which of its tools may be called, all where it is left out. `seconds` bound the wait for
    its list of tools, and for each call.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=24)
    title: str = Field(min_length=1, max_length=60)
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    token_env: Variable | None = None
    headers_env: dict[HeaderName, Variable] = {}
    command: str | None = Field(default=None, min_length=1)
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    search: bool = False
    only: tuple[str, ...] | None = Field(default=None, min_length=1)
    seconds: float = Field(default=20, gt=0, le=600)

    @field_validator("url")
    @classmethod
    def holds_no_login(cls, url: str | None) -> str | None:
        if url and "@" in urlsplit(url).netloc:
            raise PydanticCustomError(SECRET, "holds a login; name a variable in 'token_env'")
        return url

    @model_validator(mode="after")
    def is_reached_in_one_way(self) -> Self:
        if bool(self.url) == bool(self.command):
            raise ValueError("a server has either a 'url' or a 'command'")
        if self.url and (self.args or self.env):
            raise ValueError("'args' and 'env' go with a 'command'")
        if self.command and (self.token_env or self.headers_env):
            raise ValueError("'token_env' and 'headers_env' go with a 'url'")
        return self

    @property
    def host(self) -> str:
        """Where words that the model sends go to; empty for a program on this machine."""
        return urlsplit(self.url).hostname or "" if self.url else ""

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it needs."""
        token = (self.token_env,) if self.token_env else ()
        return (*token, *self.headers_env.values(), *self.env)


class ToolLimits(Value):
    """How far one model goes for one question: rounds of calls, calls in all.

    `characters` are those of one result that are told to the model, shown and kept.
    """

    rounds: int = Field(default=4, ge=1, le=20)
    calls: int = Field(default=8, ge=1, le=50)
    characters: int = Field(default=12_000, ge=200, le=100_000)


class ToolSettings(Value):
    """All of `tools`. Without servers there are no tools."""

    servers: tuple[ToolServer, ...] = Field(default=(), max_length=20)
    limits: ToolLimits = ToolLimits()
