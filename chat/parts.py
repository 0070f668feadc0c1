"""What the app is made of, and what runs while it serves."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

from fastapi import FastAPI
from starlette.applications import Starlette

from guard.catalogue import Catalogue
from guard.errors import ConfigError
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import on_offer
from guard.tools.toolbox import ToolServers

from . import sign_in
from .api.app import api_app
from .api.serve import api_of, close_sessions, redis_part
from .background import in_background
from .counting import Counting
from .feedback import Feedback
from .figures import Recent
from .keys import Keys
from .limiting import Door, Limiter
from .limits import limits_now
from .mcp_mount import McpMount
from .pages import audit as audit_page
from .pages import models as models_page
from .replicas.joining import among_others, replica_of
from .routes import Chat
from .settings import Settings
from .store import Store
from .sweep import sweeping
from .switches import Switchboard, Switches
from .telemetry.health import Check, answers, providers
from .telemetry.telemetry import Telemetry
from .telemetry.watching import watching

if TYPE_CHECKING:
    from .replicas.replica import Replica

PROVIDERS = "guard.providers"  # imported late: langchain-core takes a second


@dataclass(frozen=True)
class Parts:
    """What the app is made of before it serves; `ways` are where one can sign in, by name."""

    settings: Settings
    models: Catalogue
    connection: Connection
    tool_servers: ToolServers
    telemetry: Telemetry
    limiter: Limiter
    feedback: Feedback | None
    ways: Mapping[str, sign_in.Provider]
    v1: Starlette = field(default_factory=api_app)
    asking: McpMount = field(default_factory=lambda: McpMount(asks=True))
    mcp: McpMount = field(default_factory=lambda: McpMount(asks=False))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The parts as they are set.

        Raises:
            ConfigError: `models.yaml` or a setting is wrong, or a secret that one of them needs is
                not set.
        """
        models = settings.catalogue()
        connection = settings.connection(models)
        return cls(
            settings,
            models,
            connection,
            ToolServers(models.tools),
            Telemetry.of(settings.telemetry, models, on_offer(models, connection)),
            limiter_by(settings),
            feedback_of(settings),
            sign_in.providers(settings),
        )

    @cached_property
    def door(self) -> Door:
        return Door(self.limiter)

    @asynccontextmanager
    async def serving(self, app: FastAPI) -> AsyncIterator[None]:
        """Open the store, run what runs beside requests, and end all of it in turn."""
        settings = self.settings
        store = await Store(settings.database, settings.database_connections).open(alone=False)
        replica = replica_of(settings, store)
        chat = app.state.chat = self.chat(store, replica)
        switchboard = Switchboard(store, partial(switch, app, self.models))
        app.state.switchboard, app.state.figures = switchboard, Recent(store)
        await switchboard.read()
        self.limiter.limits = partial(limits_now, settings, lambda: switchboard.now.limits)
        given = settings.api_keys.get_secret_value()
        self.v1.state.api = api_of(
            chat.visitors,
            chat.signed_in,
            given,
            Keys(store).find,
            counting=self.limiter.counting,
            door=self.door,
        )
        ready = asyncio.create_task(asyncio.to_thread(get_ready, chat.visitors))
        pushed = [self.feedback.pushing()] if self.feedback else []
        async with watching(app, checks(chat) | redis_part(self.limiter.counting)):
            async with (
                among_others(chat, replica, self.limiter) if replica else store.sole(),
                self.mcp.serving(chat.visitors),
                self.asking.serving(chat.visitors),
                in_background(sweeping(store), switchboard.follow(), *pushed),
            ):
                yield
                stops_at = getattr(app.state, "stops_at", 0.0)
                await chat.drain(max(0.0, stops_at - time.monotonic()))
            await ready
            await chat.close()
            await chat.tools.close()
            await close_connections()
            await store.close()
        await self.limiter.close()

    def chat(self, store: Store, replica: Replica | None) -> Chat:
        ways = [(f"/login/{way}", one.label) for way, one in self.ways.items()]
        return Chat(
            store,
            self.models,
            self.connection,
            self.tool_servers,
            ways=ways,
            observers=self.telemetry.observers,
            others=replica,
        )


def limiter_by(settings: Settings) -> Limiter:
    """What counts readers and addresses.

    Raises:
        ConfigError: a limit is wrong.
    """
    limits_now(settings)
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    return Limiter(Counting(redis_url), partial(limits_now, settings))


def checks(chat: Chat) -> dict[str, Check]:
    """What is needed to answer."""
    return {"store": answers(chat.store.ping), "providers": providers(chat.visitors)}


def switch(app: FastAPI, models: Catalogue, switches: Switches) -> None:
    """Let what admins have switched hold from now on."""
    app.state.chat.switch(switches)
    offer(app, models.without(switches.models_off, switches.default))


def offer(app: FastAPI, models: Catalogue) -> None:
    """Let `/models` show these."""
    audit: audit_page.AuditPage = app.state.audit_page
    app.state.models_page = models_page.ModelsPage(models, audit.run, audit.ships)


def feedback_of(settings: Settings) -> Feedback | None:
    """Where readers' ratings go; nowhere unless the operator says so.

    Raises:
        ConfigError: there is no token that could write there.
    """
    if settings.feedback_dataset is None:
        return None
    if settings.token is None:
        raise ConfigError(
            "CANDOR_FEEDBACK_DATASET is set, but no HF_TOKEN: set a token that may write to the "
            "data set",
            key="CANDOR_FEEDBACK_DATASET",
        )
    folder = settings.data / "feedback"
    return Feedback(settings.feedback_dataset, folder, settings.token, endpoint=settings.hub)


def get_ready(guard: Guard) -> None:
    """What takes two seconds and no page needs: done when the page is up, before a question."""
    importlib.import_module(f"{PROVIDERS}.inference")
    importlib.import_module(f"{PROVIDERS}.relay")
    importlib.import_module("limits.aio.strategies")
    guard.warm_up()
    if guard.models.tools.servers:
        importlib.import_module("mcp")


async def close_connections() -> None:
    """Close what the providers keep open to their hosts."""
    await importlib.import_module(f"{PROVIDERS}.transport").close_shared_client()
    await close_sessions()
