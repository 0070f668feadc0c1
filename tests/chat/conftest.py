"""The app over the test host, two readers of it, and its store in each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import databases
import pytest
import replies
from served import Page, Site, page_of, serving, settings_of, settles

from chat.store import Store


@pytest.fixture(scope="session")
def shared_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with serving(settings_of(shared_host.base_url, tmp_path_factory.mktemp("data"))) as site:
        yield site


@pytest.fixture
def site(shared_site: Site, host: replies.Host) -> Iterator[Site]:
    """The app; a test that leaves a reply running fails."""
    yield shared_site
    assert settles(lambda: shared_site.running() == 0), "a reply was left running"


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with page_of(site.url) as page:
        yield page


@pytest.fixture
def stranger(site: Site) -> Iterator[Page]:
    """Another reader."""
    with page_of(site.url) as page:
        page.state()
        yield page


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "candor.sqlite3"


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, file: Path) -> str:
    """A new database: a file, and an empty schema of a PostgreSQL server where there is one."""
    if request.param == "sqlite":
        return databases.address(file)
    return await databases.emptied(request.getfixturevalue("postgresql"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store(url).open()
    yield opened
    await opened.close()
