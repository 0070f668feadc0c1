"""Serve Candor: `python app.py`, with HOST, PORT and the variables of the README.

`python app.py --migrate` brings the database's tables up to date and ends, as before a roll-out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys

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

        asyncio.run(ready(settings.database))
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
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=PROTOCOL,
        log_config=None,  # its lines are ours
        access_log=False,
        timeout_graceful_shutdown=3,
        forwarded_allow_ips=settings.proxies,
    )
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve Candor, as the environment says.")
    told = "bring the database's tables up to date, and end"
    parser.add_argument("--migrate", action="store_true", help=told)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(migrate=arguments().migrate))
