"""`tools` in `models.yaml`: what an operator can get wrong there, and what the error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import catalogue
from guard.errors import ConfigError

MODEL = """\
default: a/one
guard: {mode: warn}
models:
  - {id: a/one, name: One, developer: Test, origin: FR, licence: MIT, context: 4096,
     card: "https://example.org"}
tools:
"""
GOOD = """\
  limits: {rounds: 3, calls: 5, characters: 4000}
  servers:
    - id: web
      title: Web search
      url: https://tools.example/mcp
      token_env: SEARCH_TOKEN
      headers_env: {X-Key: OTHER_KEY}
      search: true
      only: [search]
      seconds: 15
    - id: clock
      title: Clock
      command: clock-server
      args: [--utc]
      env: [CLOCK_KEY]
"""


def written(folder: Path, tools: str) -> Path:
    path = folder / "models.yaml"
    path.write_text(MODEL + tools)
    return path


def test_servers_and_limits_are_read(tmp_path: Path) -> None:
    tools = catalogue.load(written(tmp_path, GOOD)).tools
    web, clock = tools.servers
    assert (tools.limits.rounds, tools.limits.calls, tools.limits.characters) == (3, 5, 4000)
    assert (web.host, web.search, web.only, web.seconds) == ("tools.example", True, ("search",), 15)
    assert web.variables == ("SEARCH_TOKEN", "OTHER_KEY")
    assert (clock.host, clock.args, clock.variables) == ("", ("--utc",), ("CLOCK_KEY",))


def server(**changes: str) -> str:
    given = {"id": "web", "title": "Web", "url": "https://tools.example/mcp"} | changes
    lines = [f"{key}: {value}" for key, value in given.items() if value]
    return "  servers:\n    - " + "\n      ".join(lines) + "\n"


@pytest.mark.parametrize(
    ("tools", "line", "says"),
    [
        (server(urll="https://x.example"), 11, "unknown key 'urll' in .* Did you mean 'url'?"),
        (server(id="Web Search"), 8, "servers.0.id: String should match pattern"),
        (server(title=""), 8, "key 'title' is missing"),
        (server(url="ftp://tools.example"), 10, "servers.0.url: String should match"),
        (server(url=""), 8, "a server has either a 'url' or a 'command'"),
        (server(command="x"), 8, "a server has either a 'url' or a 'command'"),
        (server(args="[x]"), 8, "'args' and 'env' go with a 'command'"),
        (server(url="", command="x", token_env="KEY"), 8, "go with a 'url'"),
        (server(headers_env='{"X Key": KEY}'), 11, "String should match pattern"),
        (server(seconds="0"), 11, "greater than 0"),
        (server() + server().removeprefix("  servers:\n"), 11, "'web' is listed twice"),
        ("  limits: {rounds: 0}\n", 7, "limits.rounds: Input should be greater"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, tools: str, line: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        catalogue.load(written(tmp_path, tools))
    assert caught.value.line == line


@pytest.mark.parametrize(
    "wrong",
    [
        {"token_env": "sk-abc123secret"},
        {"headers_env": "{X-Key: sk-abc123secret}"},
        {"url": "https://me:abc123secret@tools.example/mcp"},
        {"url": "", "command": "x", "env": "[sk-abc123secret]"},
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(
    tmp_path: Path, wrong: dict[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        catalogue.load(written(tmp_path, server(**wrong)))
    assert "abc123secret" not in str(caught.value)
