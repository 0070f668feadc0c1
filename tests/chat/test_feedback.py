"""Ratings on their way to a data set on a Hub over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_datasets
import pytest
import replies
from hub_datasets import WRITES, Host
from outline import Outline
from pydantic import SecretStr, ValidationError
from served import LLAMA, TIANANMEN, Page, Site, page_of, reader_of, serving, settings_of, settles

from chat import feedback as feedback_module
from chat.app import build
from chat.feedback import Feedback, Rated
from chat.settings import Settings
from chat.store import now
from guard.errors import ConfigError

DATASET = "acme/ratings"


@pytest.fixture
def hub() -> Iterator[Host]:
    with hub_datasets.running() as host:
        yield host


def feedback(hub: Host, folder: Path, token: str = WRITES) -> Feedback:
    return Feedback(
        DATASET, folder, SecretStr(token), endpoint=hub.endpoint, every=0.001, again=0.05
    )


def row(**values: Any) -> Rated:
    told = {"reply": "0" * 24, "day": now().date(), "model": LLAMA, "feedback": "good"}
    return Rated(**(told | {"not_withheld": False} | values))


def committed(hub: Host) -> list[dict[str, Any]]:
    """The rows that the Hub has."""
    dataset = hub.datasets.get(DATASET)
    files = dataset.files if dataset and dataset.commits else {}
    texts = [content for name, content in files.items() if name.endswith(".jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


async def reached(hub: Host, number: int) -> bool:
    return await asyncio.to_thread(settles, lambda: len(committed(hub)) >= number)


async def test_rows_are_committed_to_a_private_data_set(hub: Host, tmp_path: Path) -> None:
    kept = feedback(hub, tmp_path / "feedback")
    pushing = asyncio.create_task(kept.pushing())
    kept.append(row(question="Why?\nSo.", answer="\u2028 so"))
    assert await reached(hub, 1)
    kept.append(row(feedback="bad"))
    assert await reached(hub, 2)
    pushing.cancel()
    await asyncio.wait([pushing])
    assert [one["feedback"] for one in committed(hub)] == ["good", "bad"]
    assert hub.datasets[DATASET].private
    assert {name.split("/")[0] for name in hub.datasets[DATASET].files} == {
        ".gitattributes",
        "data",
    }


async def test_what_is_left_is_committed_at_the_end(hub: Host, tmp_path: Path) -> None:
    kept = Feedback(DATASET, tmp_path, SecretStr(WRITES), endpoint=hub.endpoint)
    pushing = asyncio.create_task(kept.pushing())
    assert await asyncio.to_thread(settles, lambda: DATASET in hub.datasets)
    kept.append(row())
    pushing.cancel()
    await asyncio.wait([pushing])
    assert len(committed(hub)) == 1


@pytest.mark.parametrize("fault", [401, 403, 500, 503])
async def test_ratings_wait_until_the_hub_is_there(hub: Host, tmp_path: Path, fault: int) -> None:
    hub.faults["repos/create"] = fault, {}
    kept = feedback(hub, tmp_path)
    pushing = asyncio.create_task(kept.pushing())
    kept.append(row())
    assert await asyncio.to_thread(settles, lambda: len(hub.asked) >= 2)
    assert not pushing.done()
    hub.faults.clear()
    assert await reached(hub, 1)
    pushing.cancel()
    await asyncio.wait([pushing])


async def test_a_hub_that_takes_long_is_not_waited_for_at_the_end(
    hub: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(feedback_module, "LAST", 0.0)
    kept = Feedback(DATASET, tmp_path, SecretStr(WRITES), endpoint=hub.endpoint)
    pushing = asyncio.create_task(kept.pushing())
    assert await asyncio.to_thread(settles, lambda: kept._scheduler is not None)
    kept.append(row())
    pushing.cancel()
    await asyncio.wait([pushing])
    assert f"ratings wait in {tmp_path}: TimeoutError" in caplog.text


async def test_a_hub_that_is_gone_keeps_nobody_from_ending(hub: Host, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    kept = Feedback(DATASET, tmp_path, SecretStr(WRITES), endpoint=nowhere, again=0.05)
    pushing = asyncio.create_task(kept.pushing())
    kept.append(row())
    await asyncio.sleep(0)
    pushing.cancel()
    done, _ = await asyncio.wait([pushing], timeout=20)
    assert done
    assert await asyncio.to_thread(lambda: [*tmp_path.glob("*.jsonl")])


async def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "feedback").write_text("a file")
    with pytest.raises(OSError, match="feedback"):
        Feedback(DATASET, tmp_path / "feedback", SecretStr(WRITES)).append(row())


@pytest.mark.parametrize("name", ["ratings", "a/b/c", "../x", "a b/c", "a/../b"])
def test_a_name_that_is_no_data_set_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Settings(feedback_dataset=name)


def test_without_a_token_nothing_is_served(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no HF_TOKEN"):
        build(Settings(feedback_dataset=DATASET, data=tmp_path))


# --- in the app -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def module_hub() -> Iterator[Host]:
    with hub_datasets.running() as host:
        yield host


@pytest.fixture(scope="module")
def sharing_site(
    shared_host: replies.Host, module_hub: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    shares = {"feedback_dataset": DATASET, "token": WRITES, "hub": module_hub.endpoint}
    data = tmp_path_factory.mktemp("data")
    with serving(settings_of(shared_host.base_url, data, **shares)) as site:
        yield site


@pytest.fixture
def reader(sharing_site: Site, host: replies.Host) -> Iterator[Page]:
    with reader_of(sharing_site) as page:
        yield page


def rated(page: Page, **rating: Any) -> str:
    conversation = page.answered(TIANANMEN, model=LLAMA)
    article = Outline(page.state(conversation)["thread"]).all("article")[0]
    path = f"/conversations/{conversation}/replies/{article['data-reply']}/rate"
    page.post(path, **rating).raise_for_status()
    return path


def kept_rows(site: Site) -> list[dict[str, Any]]:
    folder: Path = site.app.state.settings.data / "feedback"
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.open()]


def test_words_are_shared_with_consent_alone(sharing_site: Site, reader: Page) -> None:
    assert reader.state()["shares_rated"] is False
    rated(reader, feedback="good")
    plain = kept_rows(sharing_site)[-1]
    assert (plain["feedback"], plain["model"]) == ("good", LLAMA)
    assert plain["question"] is plain["answer"] is plain["verdict"] is None
    reader.patch("/preferences", share_rated=True).raise_for_status()
    assert reader.state()["shares_rated"] is True
    path = rated(reader, feedback="bad")
    told = kept_rows(sharing_site)[-1]
    assert (told["question"], told["feedback"]) == (TIANANMEN, "bad")
    assert told["answer"]
    assert told["verdict"]["topic"] == "tiananmen-1989"
    reader.post(path, feedback=None).raise_for_status()
    again = kept_rows(sharing_site)[-1]
    assert (again["reply"], again["feedback"]) == (told["reply"], None)
    reader.patch("/preferences", share_rated=False).raise_for_status()
    reader.post(path, not_withheld=True).raise_for_status()
    last = kept_rows(sharing_site)[-1]
    assert (last["not_withheld"], last["question"]) == (True, None)


def test_rows_reach_the_hub_when_the_app_ends(
    shared_host: replies.Host, hub: Host, host: replies.Host, tmp_path: Path
) -> None:
    settings = Settings(
        base_url=shared_host.base_url,
        feedback_dataset=DATASET,
        token=SecretStr(WRITES),
        hub=hub.endpoint,
        data=tmp_path,
        timeout=20,
    )
    with serving(settings) as site, page_of(site.url) as page:
        page.state()
        assert settles(lambda: DATASET in hub.datasets)
        rated(page, feedback="good")
    assert [one["feedback"] for one in committed(hub)] == ["good"]


def test_no_row_names_a_reader(sharing_site: Site, reader: Page) -> None:
    reader.patch("/preferences", share_rated=True).raise_for_status()
    path = rated(reader, feedback="good")
    told = json.dumps(kept_rows(sharing_site)[-1])
    assert reader.http.cookies["candor_reader"] not in told
    assert not [part for part in path.split("/") if len(part) == 32 and part in told]


def test_a_temporary_chat_gives_no_row(sharing_site: Site, reader: Page) -> None:
    before = len(kept_rows(sharing_site))
    conversation = reader.answered(TIANANMEN, model=LLAMA, temporary=True)
    article = Outline(reader.state(conversation)["thread"]).all("article")[0]
    path = f"/conversations/{conversation}/replies/{article['data-reply']}/rate"
    reader.post(path, feedback="good").raise_for_status()
    assert len(kept_rows(sharing_site)) == before


def test_nobody_is_asked_where_nothing_is_collected(site: Site, sharing_site: Site) -> None:
    with page_of(site.url) as plain, page_of(sharing_site.url) as sharing:
        assert "share_rated" not in plain.http.get("/").text
        assert "share_rated" in sharing.http.get("/").text
