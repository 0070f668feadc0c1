"""What readers have deleted is kept for a day, so that they can take it back; then it goes.

So do files that were attached to no question.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from .store import UNREACHABLE, Store, fault_of, now

log = logging.getLogger(__name__)

KEPT = timedelta(days=1)
EVERY = 3600.0  # seconds


async def sweeping(store: Store, every: float = EVERY) -> None:
    """Remove what was deleted or left a day ago, now and then. Does not end."""
    while True:
        try:
            gone = await store.forget(now() - KEPT)
        except UNREACHABLE as error:
            log.error("deleted conversations were not removed: %s", fault_of(error))  # noqa: TRY400
        else:
            if gone:
                log.info("%d deleted conversations are gone", gone)
        await asyncio.sleep(every)
