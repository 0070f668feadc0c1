"""Serve Candor: `python app.py`, with HOST, PORT and the variables of the README."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import sys
import time
from contextlib import suppress
from socket import socket

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

        asyncio.run(ready(settings.database, alone=settings.redis_url is None))
        from chat.app import build

        app = build(settings)
    except CandorError as error:
        print(f"Candor did not start. {error}", file=sys.stderr)
        return 2
    import uvicorn

    from chat.api.serve import COLLECTING

    gc.enable()
    gc.freeze()
    gc.set_threshold(*COLLECTING)
    from chat.announce import announce

    announce(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=math.ceil(settings.drains),
        forwarded_allow_ips="*" if settings.on_a_space else None,
    )

    class Server(uvicorn.Server):
        """Says when it was told to stop, from which on replies have so long to end."""

        async def shutdown(self, sockets: list[socket] | None = None) -> None:
            app.state.stops_at = time.monotonic() + settings.drains
            await super().shutdown(sockets)

    server = Server(config)
    with suppress(KeyboardInterrupt):  # raised again by uvicorn, when all has ended
        server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
