"""Two apps in processes of their own (the scripted demo, and one with a real host), and a browser.

Playwright runs an event loop of its own in this thread, so the browser goes before a test of
another folder comes: no asynchronous one may meet it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import replies
import said
from audits import LLAMA, ODD, QWEN, made, withholds
from browsing import Visit, Window, chromium, go, window
from identity import Provider
from operated import bounded_by, closed_to
from playwright.sync_api import Browser, Page, sync_playwright
from served import Site, serving
from serving import ROOT, Server

from guard.audit.plan import Scope

opening = ExitStack()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A busy machine can stall a browser beyond all patience: try once more, no oftener."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def model_host() -> Iterator[replies.Host]:
    """The host behind the second app; it also says what `said.py` holds."""
    said.teach()
    with replies.running() as running:
        yield running


@pytest.fixture(scope="session")
def started(
    model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    """Both apps, starting side by side."""
    connected = {"CANDOR_BASE_URL": model_host.base_url, "CANDOR_TIMEOUT": "1.5"}
    servers = {
        "demo": Server(tmp_path_factory.mktemp("demo")),
        "hosted": Server(tmp_path_factory.mktemp("hosted"), **connected),
    }
    for server in servers.values():
        server.start()
    yield servers
    for server in servers.values():
        server.end()


@pytest.fixture(scope="session")
def demo(started: dict[str, Server]) -> Server:
    """The app with no model connected."""
    return started["demo"].ready()


@pytest.fixture(scope="session")
def hosted(started: dict[str, Server]) -> Server:
    """The app in front of `tests/replies.py`."""
    return started["hosted"].ready()


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app with every shape of a lineage, an audit, and what the hostile might say."""
    scope = Scope(models=(LLAMA, QWEN, ODD), jurisdictions=("CN", "EU"), samples=1)
    run = made(tmp_path_factory.mktemp("run"), scope, withholds)
    models = ROOT / "tests" / "data" / "models" / "models.yaml"
    held = {"CANDOR_MODELS": str(models), "CANDOR_AUDIT": str(run)}
    server = Server(tmp_path_factory.mktemp("odd"), **held)
    yield server.start().ready()
    server.end()


@cache
def opened() -> Browser:
    browser = chromium(opening.enter_context(sync_playwright()))
    opening.callback(browser.close)
    return browser


def close_browser() -> None:
    opening.close()
    opened.cache_clear()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Close the browser after this folder's last test in a row; windows are closed by then."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        close_browser()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """The browser; a new one where a test before has crashed it."""
    if not opened().is_connected():
        close_browser()
    return opened()


@pytest.fixture(scope="module")
def closed(
    shared_provider: Provider, model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """An app that nobody uses without signing in."""
    folder, base_url = tmp_path_factory.mktemp("closed"), model_host.base_url
    with serving(closed_to(shared_provider, folder, base_url=base_url)) as site:
        yield site


@pytest.fixture(scope="module")
def bounded(
    shared_provider: Provider, model_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """An app with narrow limits for who has not signed in."""
    folder, base_url = tmp_path_factory.mktemp("bounded"), model_host.base_url
    with serving(bounded_by(shared_provider, folder, base_url=base_url)) as site:
        yield site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """`visit(server, size=…, dark=…, language=…)`: a new reader's window."""
    windows: list[Window] = []

    def visiting(server: Server, **options: object) -> Window:
        windows.append(window(browser, server.url, **options))  # type: ignore[arg-type]
        return windows[-1]

    yield visiting
    for each in windows:
        each.close()


@pytest.fixture(scope="module")
def one_window(browser: Browser, hosted: Server) -> Iterator[tuple[Window, Page]]:
    shared = window(browser, hosted.url)
    yield shared, shared.open()
    shared.close()


@pytest.fixture
def page(one_window: tuple[Window, Page]) -> Iterator[Page]:
    """The connected app's empty page, wide and light; the module's tests share its reader."""
    shared, page = one_window
    yield go(page, shared.origin)
    shared.check()


@pytest.fixture(scope="module")
def one_demo_window(browser: Browser, demo: Server) -> Iterator[tuple[Window, Page]]:
    shared = window(browser, demo.url)
    yield shared, shared.open()
    shared.close()


@pytest.fixture
def demo_page(one_demo_window: tuple[Window, Page]) -> Iterator[Page]:
    """The demo's empty page, wide and light; the module's tests share its reader."""
    shared, page = one_demo_window
    yield go(page, shared.origin)
    shared.check()
