"""Hosts that fail for a while: what is waited for, what is told, and when one is left alone.

The hosts are real, on a socket; the pauses are short. Not covered: several processes.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import replies
from specs import spec

from guard.catalogue import Catalogue, GuardSettings
from guard.errors import FaultKind, ProviderError
from guard.events import Done, Event, Failed, FellBack, Started, Waiting
from guard.patience import Patience
from guard.pipeline import Guard
from guard.providers import Connection
from guard.providers.faults import seconds_of
from guard.types import Message

SOUP = "How do I cook lentil soup?"
CANDID = "candid/fi"


def guard_of(host: replies.Host, *models: str, patience: Patience) -> Guard:
    specs = tuple(spec(id_, o) for id_, o in zip(models, ["CN", "FI", "CH"], strict=False))
    settings = GuardSettings(mode="fall back", fallbacks=models[1:])
    catalogue = Catalogue(default=models[0], guard=settings, models=specs)
    return Guard(catalogue, Connection(base_url=host.base_url, timeout=5), patience)


async def ask(guard: Guard) -> list[Event]:
    async with asyncio.timeout(20):
        return [event async for event in guard.stream([Message(role="user", text=SOUP)])]


def names(events: list[Event]) -> list[str]:
    """The events without text and verdicts."""
    kinds = (Started, Waiting, Done, Failed, FellBack)
    return [type(event).__name__ for event in events if isinstance(event, kinds)]


@pytest.mark.parametrize("fault", ["500", "503", "error-first"])
async def test_a_fault_that_may_pass_is_asked_about_again_and_the_reader_is_told(
    host: replies.Host, fault: str
) -> None:
    events = await ask(guard_of(host, f"fault/{fault}", patience=Patience(pause=0.01)))
    assert names(events) == ["Started", "Waiting", "Waiting", "Failed"]
    first, second = (event for event in events if isinstance(event, Waiting))
    assert first.kind == "unavailable"
    assert 0 < first.seconds < second.seconds + 0.02
    assert len(host.asked) == 3


async def test_a_host_that_comes_back_answers(host: replies.Host) -> None:
    guard = guard_of(host, "fault/passing-500", CANDID, patience=Patience(pause=0.01))
    events = await ask(guard)
    assert names(events) == ["Started", "Waiting", "Done"]
    assert [asked.model for asked in host.asked] == ["fault/passing-500"] * 2


async def test_as_long_as_the_host_asks_for_is_waited(host: replies.Host) -> None:
    guard = guard_of(host, "fault/busy-soon", CANDID, patience=Patience(pause=0.01))
    events = await ask(guard)
    (waiting,) = (event for event in events if isinstance(event, Waiting))
    assert (waiting.kind, waiting.seconds) == ("rate_limited", 0.2)
    assert names(events)[-1] == "Done"


async def test_who_asks_to_wait_long_is_not_waited_for(host: replies.Host) -> None:
    events = await ask(guard_of(host, "fault/429", CANDID, patience=Patience(longest=5)))
    assert names(events) == ["Started", "Failed", "FellBack", "Started", "Done"]
    assert [asked.model for asked in host.asked] == ["fault/429", CANDID]


@pytest.mark.parametrize("fault", ["401", "402", "404", "400", "413", "disconnect-first", "empty"])
async def test_a_fault_that_will_not_pass_is_not_asked_about_again(
    host: replies.Host, fault: str
) -> None:
    events = await ask(guard_of(host, f"fault/{fault}", patience=Patience(pause=0.01)))
    assert "Waiting" not in names(events)
    assert len(host.asked) == 1


async def test_a_host_that_keeps_failing_is_left_alone_and_asked_again_later(
    host: replies.Host,
) -> None:
    patience = Patience(tries=1, faults=3, rest=0.5)
    guard = guard_of(host, "fault/500", CANDID, patience=patience)
    for _ in range(3):
        assert names(await ask(guard))[:2] == ["Started", "Failed"]
    resting = await ask(guard)
    (failed,) = (event for event in resting if isinstance(event, Failed))
    assert (failed.kind, failed.retry_after) == ("resting", 0.5)
    assert names(resting)[-1] == "Done", "the next of the chain answers"
    asked = [asked.model for asked in host.asked]
    assert asked.count("fault/500") == 3, "nothing was sent while it rests"
    await asyncio.sleep(0.6)
    (failed,) = (event for event in await ask(guard) if isinstance(event, Failed))
    assert failed.kind == "unavailable", "it was asked, to see"


async def test_one_models_faults_do_not_count_for_another_on_the_same_host(
    host: replies.Host,
) -> None:
    guard = guard_of(host, "fault/500", CANDID, patience=Patience(tries=1, faults=1))
    for _ in range(3):
        assert names(await ask(guard))[-2:] == ["Started", "Done"]


@pytest.mark.parametrize("kind", ["unauthorized", "payment", "rate_limited", "rejected"])
async def test_what_speaks_of_one_readers_account_is_not_counted(kind: FaultKind) -> None:
    patience = Patience(faults=1)
    for _ in range(3):
        with pytest.raises(ProviderError) as raised:
            async with patience.through("m/one"):
                raise ProviderError(kind, "for this reader")
        assert raised.value.kind == kind


async def test_a_reader_who_leaves_is_not_counted() -> None:
    patience = Patience(faults=1)
    for error in (asyncio.CancelledError, GeneratorExit):
        with pytest.raises(error):
            async with patience.through("m/one"):
                raise error
    async with patience.through("m/one"):
        pass


async def test_a_success_begins_the_count_anew() -> None:
    patience = Patience(faults=2)
    for _ in range(4):
        with pytest.raises(ProviderError, match="down"):
            async with patience.through("m/one"):
                raise ProviderError("unavailable", "down")
        async with patience.through("m/one"):
            pass


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5)])
def test_retry_after_is_a_number_of_seconds(header: str, seconds: float) -> None:
    assert seconds_of(header) == seconds


@pytest.mark.parametrize(("hours", "least", "most"), [(1, 3000, 3600), (-1, 0, 0)])
def test_retry_after_is_a_date(hours: int, least: float, most: float) -> None:
    due = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    seconds = seconds_of(due)
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize("header", ["", "soon", "-1", "1.2.3", "Mon, 99 Nov 2026"])
def test_a_retry_after_that_cannot_be_read_is_none(header: str) -> None:
    assert seconds_of(header) is None
