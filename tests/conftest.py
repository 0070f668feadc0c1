"""What several tests need: a real host, and nothing of the operator's own environment."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest
import replies
from ports import MISSING

if TYPE_CHECKING:  # what is slow to import
    from identity import Provider
    from tool_servers import ToolHost

OVER_SOCKETS = {
    *("shared_host", "slow_host", "shared_tool_host", "shared_provider"),
    *("postgresql", "postgres", "database", "shared_redis", "redis"),
}
LONG = {"test_audit.py", "test_replicas.py", "test_scan.py", "test_sharing.py"}
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
sys.dont_write_bytecode = False  # the app and the commands start a hundred times
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_XET"] = "1"  # the Hubs of the tests speak Git LFS
for name in [
    n
    for n in os.environ
    if (n.startswith("CANDOR_") and n != "CANDOR_PICTURES") or n in {"HF_TOKEN", "OPENAI_API_KEY"}
]:
    del os.environ[name]


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors, as many tests wait for a browser or a server."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that in the end no process is left alone with one.

    A busy machine can hold up who talks over sockets: try once more, no oftener.
    """
    items.sort(key=lambda item: item.path.name not in LONG)
    for item in items:
        if OVER_SOCKETS & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, as a server was not there, and what was tried twice, and why."""
    for report in terminalreporter.stats.get("rerun", ()):
        why = getattr(report.longrepr, "reprcrash", None)
        first, *_ = (why.message if why else report.longreprtext).splitlines() or [""]
        terminalreporter.write_line(f"Tried twice: {report.nodeid}: {first}", yellow=True)
    skipped = terminalreporter.stats.get("skipped", ())
    reasons = Counter(str(report.longrepr[-1]).removeprefix("Skipped: ") for report in skipped)
    for reason, number in sorted(reasons.items()):
        if reason.endswith(MISSING):
            terminalreporter.write_line(f"Left out, as {reason}: {number} tests", yellow=True)


@pytest.fixture(scope="session")
def shared_host() -> Iterator[replies.Host]:
    with replies.running() as host:
        yield host


@pytest.fixture
def host(shared_host: replies.Host) -> Iterator[replies.Host]:
    """The host, with nothing asked yet; a test that leaves a request open fails."""
    shared_host.asked.clear()
    yield shared_host
    assert shared_host.settles(lambda: shared_host.answering == 0), "a request was left open"


@pytest.fixture(scope="session")
def shared_tool_host() -> Iterator[ToolHost]:
    import tool_servers

    with tool_servers.running() as host:
        yield host


@pytest.fixture
def tool_host(shared_tool_host: ToolHost) -> ToolHost:
    """The MCP server, with nothing called yet."""
    shared_tool_host.calls.clear()
    shared_tool_host.headers.clear()
    shared_tool_host.requests = 0
    return shared_tool_host


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[Provider]:
    """Where readers sign in with OpenID Connect."""
    import identity

    with identity.running() as provider:
        yield provider


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    """The provider, a good one with nothing asked yet."""
    shared_provider.behave()
    return shared_provider


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a database that is this process's alone."""
    import databases

    with databases.postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[str]:
    import databases

    with databases.redis_url() as url:
        yield url


@pytest.fixture
def redis_url(shared_redis: str) -> str:
    """The address of an empty Redis server."""
    import redis

    with redis.Redis.from_url(shared_redis) as client:
        client.flushdb()
    return shared_redis
