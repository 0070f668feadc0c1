"""Clients of the Redis that all replicas share.

Nobody waits long for it: a call that it does not answer in time has failed, and is not sent again.
"""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from guard.errors import ConfigError

ANSWERS = 1.0  # seconds in which it must; this process may be slow to hear it


def client(url: str, blocks: float = 0.0) -> Redis:
    """A client with connections of its own, which are made when they are needed.

    Args:
        url: of the server, with the number of the database.
        blocks: seconds for which a call may wait for news.

    Raises:
        ConfigError: the address cannot be read.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=blocks + ANSWERS,
            socket_connect_timeout=ANSWERS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except ValueError as error:
        raise ConfigError(f"CANDOR_REDIS_URL: {error}", key="CANDOR_REDIS_URL") from error
