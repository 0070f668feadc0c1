"""Each test here has an event loop of its own; what it opened goes with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from guard.providers.transport import close_shared_client


@pytest.fixture
async def _no_connection_outlives_its_event_loop() -> AsyncIterator[None]:
    yield
    await close_shared_client()


@pytest.fixture(autouse=True)
def _event_loops_only_where_a_test_is_asynchronous(request: pytest.FixtureRequest) -> None:
    if pytest_asyncio.is_async_test(request.node):
        request.getfixturevalue("_no_connection_outlives_its_event_loop")
