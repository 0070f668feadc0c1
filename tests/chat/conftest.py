"""The app over the test host, and two readers of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import replies
from served import API_KEY, HF_TOKEN, Page, Site, page_of, serving, settles

from chat.settings import Settings


@pytest.fixture(scope="session")
def shared_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = Settings(
        base_url=shared_host.base_url,
        api_key=API_KEY,
        token=HF_TOKEN,
        data=tmp_path_factory.mktemp("data"),
        timeout=20,
    )
    with serving(settings) as site:
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
