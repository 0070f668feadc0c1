"""Each test here has an event loop of its own; what it opened goes with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from guard.providers.transport import close_shared_client


@pytest.fixture(autouse=True)
async def _no_connection_outlives_its_event_loop() -> AsyncIterator[None]:
    yield
    await close_shared_client()
