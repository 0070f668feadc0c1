"""Whether a deployment says that it is ready, by what it needs: real databases, hosts and Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import replies
from links import linked
from ports import free_port
from served import SOUP, Page, Site, listening, serving
from specs import spec

from chat.api.access import Access
from chat.api.serve import build, parts, redis_part
from chat.api.sharing import Api
from chat.counting import Counting
from chat.settings import Settings
from chat.store import Store
from chat.telemetry.health import Health, Part, answers, providers
from chat.telemetry.settings import TelemetrySettings
from chat.telemetry.telemetry import Telemetry
from guard import load_catalogue
from guard.catalogue import Catalogue, GuardSettings
from guard.patience import Patience
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.connect import on_offer
from guard.types import Message

DOCKERFILE = (Path(__file__).parents[2] / "Dockerfile").read_text(encoding="utf-8")
Found = tuple[str, dict[str, str]]


async def found(health: Health) -> Found:
    """The readiness, and that of each part."""
    ready = await health.ready()
    return ready.status, {name: part.status for name, part in ready.parts.items()}


async def comes_to(health: Health, name: str, status: str) -> bool:
    for _ in range(200):
        if (await health.ready()).parts[name].status == status:
            return True
        await asyncio.sleep(0.05)
    return False


def test_a_deployment_that_has_all_it_needs_is_ready(page: Page) -> None:
    for path in ("/health", "/health/live"):
        assert page.http.get(path).json() == {"status": "ok"}
    answer = page.http.get("/health/ready")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["status"] == "ok"
    assert told["parts"]["store"] == {"status": "ok"}
    assert told["parts"]["providers"]["kind"] == "openai_compatible"
    assert "127.0.0.1" not in answer.text, "who may ask does not learn addresses"


def test_the_image_asks_at_the_port_that_is_served(site: Site) -> None:
    command = DOCKERFILE.split("HEALTHCHECK")[1].partition("CMD ")[2].splitlines()[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def asked(port: int) -> int:
        values = os.environ | {"PATH": path, "PORT": str(port), "NO_PROXY": "127.0.0.1"}
        ran = subprocess.run(["sh", "-c", command], env=values, check=False, capture_output=True)
        return ran.returncode

    assert asked(urlsplit(site.url).port or 0) == 0
    assert asked(free_port()) != 0


def test_without_a_host_scripted_replies_are_ready(tmp_path: Any) -> None:
    with serving(Settings(data=tmp_path)) as site:
        told = httpx2.get(f"{site.url}/health/ready", trust_env=False).raise_for_status().json()
    assert told["parts"]["providers"] == {"status": "ok", "kind": "demo", "resting": []}


async def test_redis_that_goes_or_falls_silent_is_named_and_comes_back(redis_url: str) -> None:
    async with linked(urlsplit(redis_url).port or 0) as link:
        counting = Counting(f"redis://127.0.0.1:{link.at}/0")
        health = Health(redis_part(counting), fresh=0, limit=0.5)
        assert await comes_to(health, "redis", "ok")
        link.silent = True
        assert await found(health) == ("down", {"redis": "down"})
        link.silent = False
        assert await comes_to(health, "redis", "ok")
        await link.cut()
        assert await found(health) == ("down", {"redis": "down"})
        await link.restore()
        assert await comes_to(health, "redis", "ok")
        await counting.close()


async def test_a_database_that_goes_is_named_and_comes_back(postgresql: str) -> None:
    parted = urlsplit(postgresql)
    async with linked(parted.port or 0) as link:
        login = parted.netloc.rpartition("@")[0]
        address = parted._replace(netloc=f"{login}@127.0.0.1:{link.at}").geturl()
        store = await Store(address).open()
        health = Health({"store": answers(store.ping)}, fresh=0)
        assert await found(health) == ("ok", {"store": "ok"})
        await link.cut()
        assert await found(health) == ("down", {"store": "down"})
        await link.restore()
        assert await comes_to(health, "store", "ok")
        await store.close()


@pytest.fixture
def faulty() -> Callable[[replies.Host, str], Guard]:
    """A guard whose first model's host fails, and is left alone after one fault."""

    def guard_of(host: replies.Host, *others: str) -> Guard:
        specs = (spec("fault/500"), *(spec(each, "FI") for each in others))
        settings = GuardSettings(mode="warn")
        catalogue = Catalogue(default="fault/500", guard=settings, models=specs)
        patience = Patience(tries=1, faults=1, rest=60)
        return Guard(catalogue, Connection(base_url=host.base_url), patience)

    return guard_of


async def fail(guard: Guard) -> None:
    async for _ in guard.stream([Message(role="user", text=SOUP)], model="fault/500"):
        pass


async def test_hosts_that_are_all_left_alone_are_down_and_no_model_is_asked_to_know(
    host: replies.Host, faulty: Callable[..., Guard]
) -> None:
    guard = faulty(host)
    health = Health({"providers": providers(guard)}, fresh=0)
    assert await found(health) == ("ok", {"providers": "ok"})
    assert not host.asked
    await fail(guard)
    told = await health.ready()
    assert told.status == "down"
    kind = "openai_compatible"
    assert told.parts["providers"] == Part(status="down", kind=kind, resting=("fault/500",))
    assert len(host.asked) == 1


async def test_one_host_that_answers_is_enough(
    host: replies.Host, faulty: Callable[..., Guard]
) -> None:
    guard = faulty(host, "candid/fi")
    health = Health({"providers": providers(guard)}, fresh=0)
    await fail(guard)
    told = await health.ready()
    assert told.status == "ok"
    assert told.parts["providers"].resting == ("fault/500",)


async def test_a_host_is_asked_again_after_its_rest(
    host: replies.Host, faulty: Callable[..., Guard]
) -> None:
    guard = faulty(host)
    guard.patience = Patience(tries=1, faults=1, rest=0.05)
    await fail(guard)
    await asyncio.sleep(0.1)
    assert not await guard.patience.resting("fault/500")


async def test_who_asks_often_does_not_reach_the_database() -> None:
    asked: list[int] = []

    async def counted() -> None:
        asked.append(1)
        await asyncio.sleep(0.01)

    health = Health({"store": answers(counted)}, fresh=3600)
    await asyncio.gather(*(health.ready() for _ in range(50)))
    await health.ready()
    assert len(asked) == 1


async def test_a_look_that_takes_long_is_not_begun_anew() -> None:
    begun, goes_on = [], asyncio.Event()

    async def slow() -> None:
        begun.append(1)
        await goes_on.wait()

    health = Health({"store": answers(slow)}, fresh=0, limit=0.01)
    for _ in range(3):
        assert await found(health) == ("down", {"store": "down"})
    goes_on.set()
    assert await comes_to(health, "store", "ok")
    assert len(begun) == 1
    await health.close()


async def test_a_look_that_never_ends_keeps_no_server_from_going_down() -> None:
    health = Health({"store": answers(asyncio.Event().wait)}, limit=0.01)
    assert await found(health) == ("down", {"store": "down"})
    await health.close()


async def test_what_is_down_is_logged_once_without_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> None:
        raise OSError("postgresql://user:password@host")

    async def fine() -> None: ...

    health = Health({"store": answers(broken), "redis": answers(fine)}, fresh=0)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert await found(health) == ("down", {"store": "down", "redis": "ok"})
    assert [record.message for record in caplog.records] == ["not ready: store"]


def alone(given: str, redis_url: str | None = None, **more: Any) -> Api:
    access = Access(given=given, counting=Counting(redis_url), **more)
    guard = Guard(on_offer(load_catalogue(), Connection()))
    return Api(guard, guard, access)


def test_the_api_alone_needs_the_store_only_where_keys_are_kept_there() -> None:
    assert set(parts(alone("open"))) == {"providers"}
    assert set(parts(alone("a-key"))) == {"providers"}
    assert set(parts(alone(""))) == {"providers", "store"}


def test_the_api_alone_says_which_part_is_down() -> None:
    async def unreadable(_: str) -> None:
        raise OSError

    telemetry = Telemetry.of(TelemetrySettings())
    app = build(alone("", "redis://127.0.0.1:9/0", find=unreadable), telemetry)
    with listening(app) as url:
        answer = httpx2.get(f"{url}/health/ready", trust_env=False)
        assert httpx2.get(f"{url}/health/live", trust_env=False).status_code == 200
        for needs, status in (
            ("store", 503),
            ("providers", 200),
            ("redis,providers", 503),
            ("x", 503),
        ):
            one = httpx2.get(f"{url}/health/ready", params={"needs": needs}, trust_env=False)
            assert one.status_code == status, needs
            assert one.json() == answer.json()
    assert answer.status_code == 503
    told = answer.json()
    assert told["status"] == "down"
    states = {name: part["status"] for name, part in told["parts"].items()}
    assert states == {"providers": "ok", "store": "down", "redis": "down"}
