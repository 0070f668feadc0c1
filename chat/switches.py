"""What admins set for all processes, without a restart: models off, a default, limits, a banner.

It lies in the table `setting`, a row each, so that two admins do not overwrite one another. Every
process reads it anew each `EVERY` seconds. A value that cannot be understood, from a newer Candor
or by hand, is left out and logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from guard.characters import repaired
from guard.plain import plain
from guard.types import Language, Value

from .store import UNREACHABLE, Store, fault_of, now
from .store.tables import AdminAction, Setting

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds
BANNER, DEFAULT, MODEL, LIMIT = "banner", "default", "model/", "limit/"
LIMITS = ("CANDOR_LIMITS", "CANDOR_LIMITS_ANONYMOUS", "CANDOR_LIMITS_ADDRESS")
BOUND = r"[0-9]+(\.[0-9]+)?( ?[a-z]+)?(/[a-z]+)?"  # 20/minute, 4 streams, 1.5 dollars/day

Plain = Annotated[
    str,
    BeforeValidator(lambda text: plain(repaired(text)).strip() if isinstance(text, str) else text),
]
Words = Annotated[Plain, Field(max_length=500)]


class Banner(Value):
    """What the operator tells all readers: `text`, where no translation is in their language.

    It is shown until `until`, or until it is taken down.
    """

    text: Annotated[Words, Field(min_length=1)]
    translations: dict[Language, Words] = {}
    kind: Literal["info", "warning"] = "info"
    until: AwareDatetime | None = None

    @property
    def id(self) -> str:
        """What a page remembers of a banner that was closed; another text has another."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def told(self, language: str) -> str:
        return self.translations.get(language) or self.text

    def stands(self, moment: datetime) -> bool:
        return self.until is None or moment < self.until


class Switches(Value):
    """All that is set. `off` holds why each model is switched off; `default` answers first.

    `limits` are texts by the name of the variable (one of `LIMITS`) in whose place they stand.
    """

    off: dict[str, str] = {}
    default: str | None = None
    banner: Banner | None = None
    limits: dict[str, str] = {}

    @property
    def models_off(self) -> frozenset[str]:
        return frozenset(self.off)


class Why(Value):
    """Why a model is switched off."""

    why: str = ""


class Switchboard:
    """The switches as they stand; `take` is called with them whenever they have changed."""

    def __init__(self, store: Store, take: Callable[[Switches], None]) -> None:
        self.now = Switches()
        self._store, self._take = store, take

    async def read(self) -> None:
        """Take what is set now."""
        query = select(Setting.key, Setting.value)
        rows = await self._store.read(lambda session: session.execute(query).all())
        found = switches_of({row.key: row.value for row in rows})
        if found != self.now:
            self.now = found
            self._take(found)

    async def follow(self, every: float = EVERY) -> None:
        """Take what is set, now and then. Does not end; without the store, all stays as it was."""
        lost = False
        while True:
            await asyncio.sleep(every)
            try:
                await self.read()
            except UNREACHABLE as error:
                if not lost:
                    log.error("the settings cannot be read: %s", fault_of(error))  # noqa: TRY400
                lost = True
            else:
                lost = False

    async def change(self, values: Mapping[str, Any], action: AdminAction) -> None:
        """Set values by key, None takes one back, and note who did it; all or nothing."""

        def work(session: Session) -> None:
            gone = [key for key, value in values.items() if value is None]
            session.execute(delete(Setting).where(Setting.key.in_(gone)))
            for key, value in values.items():
                if value is not None:
                    session.execute(self._store.upsert(Setting, {"key": key}, {"value": value}))
            session.add(action)

        await self._store.write(work)
        await self.read()


def switches_of(rows: Mapping[str, Any]) -> Switches:
    """The switches that rows of the table say; what cannot be understood is left out."""
    off: dict[str, str] = {}
    limits: dict[str, str] = {}
    found: dict[str, Any] = {"off": off, "limits": limits}
    for key, value in sorted(rows.items()):
        try:
            if key.startswith(MODEL):
                off[key.removeprefix(MODEL)] = Why.model_validate(value).why
            elif key.startswith(LIMIT):
                limits[key.removeprefix(LIMIT)] = Limit.model_validate(value).text
            elif key == DEFAULT:
                found["default"] = Default.model_validate(value).model
            elif key == BANNER:
                found["banner"] = Banner.model_validate(value)
        except ValidationError as error:
            log.warning("the setting %r is passed over: %s", key[:80], error.errors()[0]["msg"])
    return Switches(**found)


class Limit(Value):
    """Limits as the environment has them: `20/minute, 4 streams`; `none` where there are none."""

    text: str = Field(pattern=rf"^(none|{BOUND}(, *{BOUND})*)$", max_length=300)


class Default(Value):
    """The model that answers unless another is picked."""

    model: str


def banner_now(switches: Switches) -> Banner | None:
    """The banner, while it stands."""
    banner = switches.banner
    return banner if banner and banner.stands(now().astimezone(UTC)) else None
