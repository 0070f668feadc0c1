"""Serve Candor: `python app.py`, with HOST, PORT and the variables of the README."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

from guard import topics
from guard.errors import CandorError


def main() -> int:
    """Read the settings, build the app, say what answers, and serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "httpx2", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    gc.disable()  # half a second of collecting at the start, where all that is made stays
    try:
        from chat import settings as settings_module

        settings = settings_module.load()
        settings.catalogue()  # what is wrong is told before the page is built, which takes seconds
        topics.load()
        from chat.store import ready

        asyncio.run(ready(settings.database))
        from chat.app import build

        app = build(settings)
    except CandorError as error:
        print(f"Candor did not start. {error}", file=sys.stderr)
        return 2
    import uvicorn

    gc.enable()
    gc.freeze()
    from chat.announce import announce
    from chat.timely import PROTOCOL

    announce(settings)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=PROTOCOL,
        log_level="warning",
        timeout_graceful_shutdown=3,
        forwarded_allow_ips="*" if settings.on_a_space else None,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
