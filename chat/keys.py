"""Keys of the API, in the store: made, listed and taken back by `python -m guard keys`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from sqlalchemy import select, update

from guard.errors import ConfigError

from .api.access import Find, Key, digest, new_key
from .api.errors import ApiError
from .store import UNREACHABLE, NotFound, Store, fault_of, now
from .store.tables import ApiKey

log = logging.getLogger(__name__)
HINT = 12  # characters of a key that its list shows, to know it again


class Keys:
    """The keys in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def create(
        self, name: str, per_minute: int | None = None, per_day: int | None = None
    ) -> tuple[ApiKey, str]:
        """A new key: its row, and the key itself, which nothing can tell again."""
        key = new_key()
        row = ApiKey(name=name, digest=digest(key), hint=key[:HINT])
        row.per_minute, row.per_day = per_minute, per_day
        await self.store.write(lambda session: session.add(row))
        return row, key

    async def listed(self) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        query = select(ApiKey).order_by(ApiKey.created_at)
        return await self.store.read(lambda session: session.scalars(query).all())

    async def revoke(self, id_: str) -> None:
        """Let nobody in with a key any more.

        Raises:
            NotFound: there is no such key, or it is revoked already.
        """
        which = ApiKey.id == id_, ApiKey.revoked_at.is_(None)
        revoking = update(ApiKey).where(*which).values(revoked_at=now()).returning(ApiKey.id)
        if await self.store.write(lambda session: session.scalar(revoking)) is None:
            raise NotFound(id_)

    async def find(self, hashed: str) -> Key | None:
        """The key of that SHA-256, if it lets anyone in.

        Raises:
            ApiError: the store cannot be read now.
        """
        query = select(ApiKey).where(ApiKey.digest == hashed, ApiKey.revoked_at.is_(None))
        try:
            row = await self.store.read(lambda session: session.scalar(query))
        except UNREACHABLE as error:
            log.error("the keys cannot be read: %s", fault_of(error))  # noqa: TRY400
            raise ApiError(503, "keys cannot be looked up now; try again in a moment") from error
        return Key(row.id, row.per_minute, row.per_day) if row else None


def finding(database: str) -> Find:
    """Looks keys up in the store of that address, which is opened when the first one is."""
    opening = asyncio.Lock()
    keys: list[Keys] = []

    async def find(hashed: str) -> Key | None:
        async with opening:
            if not keys:
                try:
                    keys.append(Keys(await Store(database).open(alone=False)))
                except ConfigError as error:
                    log.error("%s", error)  # noqa: TRY400
                    raise ApiError(503, "keys cannot be looked up now") from error
        return await keys[0].find(hashed)

    return find
