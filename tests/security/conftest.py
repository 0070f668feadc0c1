"""The app over the test host, with a secret in every place that holds one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import replies
from pydantic import SecretStr
from served import API_KEY, HF_TOKEN, V1_KEY, Page, Site, page_of, serving

from chat.settings import Settings


@pytest.fixture(scope="package")
def shared_site(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    settings = Settings(
        base_url=shared_host.base_url,
        api_key=API_KEY,
        token=HF_TOKEN,
        api_keys=SecretStr(V1_KEY),
        data=tmp_path_factory.mktemp("data"),
        timeout=5,
    )
    with serving(settings) as site:
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
