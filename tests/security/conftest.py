"""The app over the test host, with a secret in every place that holds one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import replies
from served import Page, Site, page_of, serving, settings_of


@pytest.fixture(scope="package")
def shared_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("data")
    with serving(settings_of(shared_host.base_url, data, timeout=5)) as site:
        yield site


@pytest.fixture
def site(shared_site: Site, host: replies.Host) -> Site:
    return shared_site


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """A reader who has a cookie."""
    with page_of(site.url) as page:
        page.state()
        yield page
