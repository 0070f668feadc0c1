"""The tools that one question may use, and what their servers say of them.

Sessions belong to one question, so that no server mixes up two readers; they open with the first
call and end with the stream. What a server lists is kept for a while, so that a question that needs
no tool asks nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakSet

from ..errors import ConfigError, ToolError
from ..plain import plain
from ..types import ToolFault
from .settings import ToolLimits, ToolServer, ToolSettings

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import CallToolResult

    from .session import Session

log = logging.getLogger(__name__)
T = TypeVar("T")

FRESH = 60.0  # seconds for which a list of tools is kept
GRACE = 8.0  # seconds in which a session may end; a program that does not is killed within 6
AT_ONCE = 8  # sessions that one server has to bear
MOST_TOOLS = 40  # of one server
MOST_PAGES = 10  # of a list
LONGEST_NAME = 64  # characters; OpenAI's protocol takes no longer one
DESCRIPTION = 1_000  # characters that are told to the model
SCHEMA = 10_000  # characters; a tool that needs more is left out
SECRET_LENGTH = 6  # characters; a shorter one would be found in any text
FAULTS: dict[int, ToolFault] = {  # JSON-RPC codes that are not the tool's own
    -32000: "unavailable",  # the connection closed
    -32001: "timeout",
    -32600: "unavailable",  # the session is gone, or the answer leads elsewhere
    -32603: "unavailable",  # an HTTP status
    -32700: "malformed",
}
UNNAMEABLE = re.compile(r"[^A-Za-z0-9_-]")


class Tool(NamedTuple):
    """A tool of a server; `offered` is the name by which the model knows it."""

    server: Server
    name: str
    offered: str
    description: str
    schema: dict[str, Any]

    def as_openai_has_it(self) -> dict[str, Any]:
        function = {
            "name": self.offered,
            "description": self.description,
            "parameters": self.schema,
        }
        return {"type": "function", "function": function}


class Missing(NamedTuple):
    """A server whose tools cannot be offered now."""

    server: Server
    fault: ToolFault


class Offer(NamedTuple):
    """The tools for a model, by the name it knows them by, and the servers that gave none."""

    tools: dict[str, Tool]
    missing: tuple[Missing, ...] = ()


class Result(NamedTuple):
    """What a call came to; `cut`: there was more text."""

    text: str
    fault: ToolFault | None = None
    cut: bool = False


class Server:
    """One of the operator's servers: what it listed last, and how many sessions it has.

    Raises:
        ConfigError: a variable that it needs is not set.
    """

    def __init__(self, spec: ToolServer, environment: Mapping[str, str]) -> None:
        for name in spec.variables:
            if not environment.get(name):
                raise ConfigError(
                    f"the environment variable {name} is not set, which the tool server "
                    f"{spec.id!r} needs",
                    key=name,
                )
        self.spec = spec
        self.secrets = {name: environment[name] for name in spec.variables}
        self.places = asyncio.Semaphore(AT_ONCE)
        self.listed: tuple[Tool, ...] = ()
        self.listed_at = -math.inf

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.listed_at < FRESH

    def note(self, listed: tuple[Tool, ...]) -> None:
        self.listed, self.listed_at = listed, time.monotonic()

    def allows(self, tool: str) -> bool:
        return self.spec.only is None or tool in self.spec.only

    def redacted(self, text: str) -> str:
        """Text of the server's without the secrets that it was given: some repeat them."""
        for secret in self.secrets.values():
            if len(secret) >= SECRET_LENGTH:
                text = text.replace(secret, "…")
        return text


class ToolServers:
    """All servers that the operator lists.

    Args:
        settings: `tools` in `models.yaml`.
        environment: holds the secrets.

    Raises:
        ConfigError: a variable that a server needs is not set.
    """

    def __init__(self, settings: ToolSettings, environment: Mapping[str, str] = os.environ) -> None:
        self.limits = settings.limits
        self.by_id = {spec.id: Server(spec, environment) for spec in settings.servers}
        self.going: set[asyncio.Task[Any]] = set()
        self.boxes: WeakSet[Toolbox] = WeakSet()

    def toolbox(self, ids: Iterable[str]) -> Toolbox | None:
        """The tools of these servers for one question; None where none of them is listed."""
        chosen = [server for id_, server in self.by_id.items() if id_ in set(ids)]
        if not chosen:
            return None
        self.boxes.add(box := Toolbox(chosen, self.limits, self.going))
        return box

    async def close(self) -> None:
        """End all sessions, also those of questions that still run, and wait for it."""
        for box in [*self.boxes]:
            box.close()
        if self.going:
            await asyncio.wait([*self.going], timeout=GRACE)
        for task in [*self.going]:
            task.cancel()
        if self.going:
            await asyncio.wait([*self.going])


class Toolbox:
    """The tools of some servers, for one question and all models that it is put to."""

    def __init__(
        self, servers: Iterable[Server], limits: ToolLimits, going: set[asyncio.Task[Any]]
    ) -> None:
        self.servers, self.limits, self.going = tuple(servers), limits, going
        self._sessions: list[Session] = []
        self._current: dict[str, Session] = {}
        self._offer: Offer | None = None
        self._offering = asyncio.Lock()

    async def offer(self) -> Offer:
        """What models can be offered; each server is asked once, all at the same time."""
        async with self._offering:
            if self._offer is None:
                found = await asyncio.gather(*map(self._listed, self.servers))
                missing = tuple(one for one in found if isinstance(one, Missing))
                listed = (tool for one in found if not isinstance(one, Missing) for tool in one)
                self._offer = Offer({tool.offered: tool for tool in listed}, missing)
            return self._offer

    async def call(self, tool: Tool, arguments: dict[str, Any]) -> Result:
        """What a tool returns, or how it failed."""

        async def work(client: Client) -> CallToolResult:
            return await client.call_tool(tool.name, arguments)

        fault: ToolFault | None = None
        try:
            result = await self._done(tool.server, work)
            said, fault = text_of(result), "failed" if result.is_error else None
        except ToolError as error:
            said, fault = error.words, error.fault
        said, most = tool.server.redacted(said), self.limits.characters
        return Result(plain(said[:most]), fault, len(said) > most)

    def close(self) -> None:
        """Let all sessions end; `ToolServers.close` waits for them."""
        for session in self._sessions:
            session.close()

    async def _listed(self, server: Server) -> tuple[Tool, ...] | Missing:
        if server.fresh:
            return server.listed

        async def work(client: Client) -> tuple[Tool, ...]:
            return await listing(server, client)

        try:
            server.note(await self._done(server, work))
        except ToolError as error:
            log.warning("tool server %s gave no list of tools: %s", server.spec.id, error.fault)
            return Missing(server, error.fault)
        return server.listed

    async def _done(self, server: Server, work: Callable[[Client], Awaitable[T]]) -> T:
        """What `work` gives in this question's session with a server.

        Raises:
            ToolError: the server failed.
        """
        await asyncio.to_thread(import_module, "mcp")  # a second or more, the first time
        session = self._session(server)
        try:
            return await session.run(work)
        except Exception as error:  # whatever a server sends
            told = error if isinstance(error, ToolError) else told_by(error)
            if told.fault == "unavailable":  # the next call gets a new one
                self._current.pop(server.spec.id, None)
            raise told from error

    def _session(self, server: Server) -> Session:
        """The session that is open, or a new one."""
        from .session import Session

        held = self._current.get(server.spec.id)
        if held is None or not held.open:
            held = Session(server.spec, server.secrets, server.places, self.going)
            self._current[server.spec.id] = held
            self._sessions.append(held)
        return held


async def listing(server: Server, client: Client) -> tuple[Tool, ...]:
    """What a server lists and the operator allows, so far as a model can be told of it."""
    found: dict[str, Tool] = {}
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        for listed in page.tools:
            if server.allows(listed.name) and len(json.dumps(listed.input_schema)) <= SCHEMA:
                offered = name_for(server.spec.id, listed.name, found)
                about = plain(server.redacted(listed.description or ""))[:DESCRIPTION]
                found[offered] = Tool(server, listed.name, offered, about, listed.input_schema)
        cursor = page.next_cursor
        if not cursor or len(found) >= MOST_TOOLS:
            break
    return tuple(found.values())[:MOST_TOOLS]


def name_for(server: str, tool: str, taken: Container[str]) -> str:
    """A name that hosts take, for a tool of any name; a server's id has no `_`, so none meet."""
    wanted = f"{server}__{UNNAMEABLE.sub('_', tool)}"[:LONGEST_NAME]
    numbered = (f"{wanted[: LONGEST_NAME - 3]}_{n}" for n in range(2, 100))
    return next(name for name in (wanted, *numbered) if name not in taken)


def text_of(result: CallToolResult) -> str:
    """What a tool returned as plain text; what is no text is named."""
    said = "\n\n".join(map(block_of, result.content))
    if said.strip() or result.structured_content is None:
        return said
    return json.dumps(result.structured_content, ensure_ascii=False)


def block_of(block: Any) -> str:
    """One part of a result."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource_link":
        return f"[link, not followed: {block.uri}]"
    if block.type == "resource":
        words = getattr(block.resource, "text", None)
        return str(words) if words is not None else f"[file, not shown: {block.resource.uri}]"
    return f"[{block.type}, not shown: {block.mime_type}]"


def told_by(error: Exception) -> ToolError:
    """How a server failed, by what `mcp` raises."""
    from mcp import MCPError

    if not isinstance(error, MCPError):
        return ToolError("malformed")
    fault = FAULTS.get(error.code, "failed")
    return ToolError(fault, error.message if fault == "failed" else "")
