"""Serve Candor: `python app.py`, with HOST, PORT and the variables of the README.

`python app.py --migrate` brings the database's tables up to date and ends, as before a roll-out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import sys
import time
from contextlib import suppress
from socket import socket

from guard import topics
from guard.errors import CandorError


def main(*, migrate: bool = False) -> int:
    """Read the settings, build the app, say what answers, and serve until told to stop.

    Args:
        migrate: only bring the database's tables up to date.
    """
    gc.disable()  # half a second of collecting at the start, where all that is made stays
    try:
        from chat import settings as settings_module
        from chat.telemetry import logs

        settings = settings_module.load()
        logs.configure(settings.telemetry)
        if migrate:
            from chat.store import migrated

            asyncio.run(migrated(settings.database))
            return 0
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
    from chat.timely import PROTOCOL

    announce(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=PROTOCOL,
        log_config=None,  # its lines are ours
        access_log=False,
        timeout_graceful_shutdown=math.ceil(settings.drains),
        forwarded_allow_ips=settings.proxies,
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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve Candor, as the environment says.")
    told = "bring the database's tables up to date, and end"
    parser.add_argument("--migrate", action="store_true", help=told)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(migrate=arguments().migrate))
