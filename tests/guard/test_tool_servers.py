"""Sessions with real MCP servers, over HTTP and over pipes, and every way in which they fail."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import tool_servers
from tool_servers import TOKEN, ToolHost

from guard.errors import ConfigError
from guard.tools import toolbox as toolboxes
from guard.tools.settings import ToolLimits, ToolServer, ToolSettings
from guard.tools.toolbox import Result, Toolbox, ToolServers

PROGRAM = str(Path(tool_servers.__file__))
SECONDS = 20.0  # no test waits for it
Boxes = Callable[..., Toolbox]


def web(host: ToolHost, **more: Any) -> ToolServer:
    return ToolServer(**{"id": "web", "title": "Web", "url": host.url, "seconds": SECONDS, **more})


def program(**more: Any) -> ToolServer:
    given = {"id": "prog", "title": "Program", "command": sys.executable, "args": (PROGRAM,)}
    return ToolServer(**{**given, "seconds": 60, **more})


@pytest.fixture
async def boxes() -> AsyncIterator[Boxes]:
    """`boxes(server, …)`: the tools of these; fails where a session stays behind."""
    made: list[tuple[ToolServers, Toolbox]] = []

    def box(*specs: ToolServer, limits: ToolLimits | None = None, **environment: str) -> Toolbox:
        settings = ToolSettings(servers=specs, limits=limits or ToolLimits())
        servers = ToolServers(settings, environment)
        found = servers.toolbox([spec.id for spec in specs])
        assert found
        made.append((servers, found))
        return found

    yield box
    for servers, found in made:
        found.close()
        await servers.close()
        assert not servers.going


async def called(box: Toolbox, tool: str, query: str = "soup") -> Result:
    offer = await box.offer()
    return await box.call(offer.tools[tool], {"query": query})


async def test_a_server_over_http_lists_its_tools_and_answers(
    boxes: Boxes, tool_host: ToolHost
) -> None:
    box = boxes(web(tool_host))
    offer = await box.offer()
    assert not offer.missing
    assert "web__odd_name_with_dots" in offer.tools
    told = offer.tools["web__search"].as_openai_has_it()["function"]
    assert told["description"] == "Search what this server knows."
    assert told["parameters"]["required"] == ["query"]
    assert (await called(box, "web__search")).text.startswith("Lentils are boiled")
    assert (await called(box, "web__odd_name_with_dots")).text == "odd"
    assert [name for name, _ in tool_host.calls] == ["search", "odd"]


async def test_a_program_over_pipes_answers_and_is_started_anew_when_it_dies(boxes: Boxes) -> None:
    box = boxes(program())
    assert (await called(box, "prog__search")).text.startswith("Lentils are boiled")
    assert await called(box, "prog__dies") == Result("", "unavailable")
    assert (await called(box, "prog__search")).text.startswith("Lentils are boiled")


@pytest.mark.parametrize(
    ("tool", "query", "expected"),
    [
        ("fails", "soup", Result("Error executing tool fails", "failed")),
        ("picture", "soup", Result("[image, not shown: image/png]")),
        ("search", "control", Result("abcd")),
        ("search", "huge", Result(tool_servers.FOUND["huge"][:300], cut=True)),
    ],
)
async def test_what_a_tool_returns_is_bounded_plain_text(
    boxes: Boxes, tool_host: ToolHost, tool: str, query: str, expected: Result
) -> None:
    box = boxes(web(tool_host), limits=ToolLimits(characters=300))
    assert await called(box, f"web__{tool}", query) == expected


async def test_a_slow_tool_is_not_waited_for_and_does_not_hold_up_the_next(
    boxes: Boxes, tool_host: ToolHost
) -> None:
    box = boxes(web(tool_host, seconds=1.5))
    slow, quick = await asyncio.gather(called(box, "web__slow"), called(box, "web__search"))
    assert slow == Result("", "timeout")
    assert quick.fault is None
    assert (await called(box, "web__search")).fault is None


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("500", "unavailable"),
        ("garbage", "malformed"),
        ("endless", "unavailable"),
        ("redirect", "unavailable"),
        ("silent", "timeout"),
    ],
)
async def test_a_server_that_fails_is_told_of_and_taken_again_when_it_is_back(
    boxes: Boxes, tool_host: ToolHost, broken: str, fault: str
) -> None:
    box = boxes(web(tool_host, seconds=2))
    offer = await box.offer()
    with tool_host.failing(broken):
        assert (await box.call(offer.tools["web__search"], {"query": "x"})).fault == fault
        (missing,) = (await boxes(web(tool_host, seconds=1)).offer()).missing
        assert missing.server.spec.title == "Web"
        assert missing.fault in {fault, "unavailable"}
    assert (await box.call(offer.tools["web__search"], {"query": "x"})).fault is None
    assert ("trap", {}) not in tool_host.calls


async def test_a_server_that_is_not_there_takes_nothing_from_the_others(
    boxes: Boxes, tool_host: ToolHost
) -> None:
    gone = ToolServer(id="gone", title="Gone", url="http://127.0.0.1:9/mcp", seconds=5)
    no_program = program(id="none", command="/no/such/program")
    offer = await boxes(gone, no_program, web(tool_host)).offer()
    assert {(one.server.spec.id, one.fault) for one in offer.missing} == {
        ("gone", "unavailable"),
        ("none", "unavailable"),
    }
    assert "web__search" in offer.tools


async def test_the_list_is_kept_for_a_while_and_then_read_anew(
    boxes: Boxes, tool_host: ToolHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = ToolServers(ToolSettings(servers=(web(tool_host),)))
    first, second, third = (box for _ in range(3) if (box := servers.toolbox(["web"])))
    assert "web__search" in (await first.offer()).tools
    asked = tool_host.requests
    assert "web__search" in (await second.offer()).tools
    assert tool_host.requests == asked
    assert len(servers.going) == 1
    assert tool_host.mcp
    tool_host.mcp.add_tool(lambda query: query, name="newer", description="New.")
    monkeypatch.setattr(toolboxes, "FRESH", -1.0)
    assert "web__newer" in (await third.offer()).tools
    tool_host.mcp.remove_tool("newer")
    gone = (await third.offer()).tools["web__newer"]
    assert (await third.call(gone, {"query": "x"})).fault == "failed"
    await servers.close()
    assert not servers.going


async def test_only_the_tools_that_the_operator_allows_are_offered(
    boxes: Boxes, tool_host: ToolHost
) -> None:
    offer = await boxes(web(tool_host, only=("search", "not there"))).offer()
    assert [*offer.tools] == ["web__search"]


async def test_the_secret_goes_to_the_server_and_nowhere_else(
    boxes: Boxes, tool_host: ToolHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    spec = web(tool_host, token_env="SEARCH", headers_env={"X-Key": "OTHER"})
    box = boxes(spec, SEARCH=TOKEN, OTHER="another-secret")
    result = await called(box, "web__search", "secret")
    assert result.text == "you sent Bearer …"
    with tool_host.failing("garbage"):
        await called(box, "web__search")
    assert {sent["authorization"] for sent in tool_host.headers} == {f"Bearer {TOKEN}"}
    assert {sent["x-key"] for sent in tool_host.headers} == {"another-secret"}
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(spec)


async def test_a_program_is_given_the_variables_that_are_named_and_no_others(
    boxes: Boxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_ours")
    shows = (
        "import os; from mcp.server.mcpserver import MCPServer as S; s = S(log_level='CRITICAL');"
        "s.tool(name='env')(lambda query: ' '.join(map(str, map(os.environ.get, query.split()))));"
        "s.run('stdio')"
    )
    box = boxes(program(args=("-c", shows), env=("OWN_KEY",)), OWN_KEY="k")
    assert (await called(box, "prog__env", "OWN_KEY HF_TOKEN")).text == "k None"


def test_a_variable_that_is_not_set_is_told_at_the_start(tool_host: ToolHost) -> None:
    settings = ToolSettings(servers=(web(tool_host, token_env="SEARCH"),))
    with pytest.raises(ConfigError, match="SEARCH is not set, which the tool server 'web' needs"):
        ToolServers(settings, {})


async def test_closing_the_servers_ends_what_still_runs(tool_host: ToolHost) -> None:
    servers = ToolServers(ToolSettings(servers=(web(tool_host),)))
    box = servers.toolbox(["web", "unknown"])
    assert box
    offer = await box.offer()
    running = asyncio.create_task(box.call(offer.tools["web__slow"], {"query": "x"}))
    await asyncio.to_thread(tool_host.called)
    await servers.close()
    assert (await running).fault == "unavailable"
    assert servers.toolbox([]) is None


def test_without_servers_mcp_is_never_imported() -> None:
    program = (
        "import sys; from guard import Guard, Toolbox; from guard.attempt import Attempt;"
        "Guard(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "guard.tools.toolbox" in done.stdout.split()
    assert not {"mcp", "httpx2", "langchain_core"} & set(done.stdout.split())
