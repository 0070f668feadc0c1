"""Who may call the API: keys in the environment and in the store, quotas, tokens of the Hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import replies
from served import LLAMA, SOUP, free_port, serving

from chat.api.access import OPEN, Access, Key, digest, new_key
from chat.api.errors import ApiError
from chat.counting import Counting
from chat.keys import Keys, finding
from chat.settings import Settings
from chat.store import NotFound, Store

ROOT = Path(__file__).parents[2]
HUB_TOKEN = "hf_MineMineMineMineMineMine"


async def refusal(access: Access, header: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await access.caller(header)
    return caught.value


async def test_a_given_key_is_let_in_and_no_other() -> None:
    access = Access(given=" first , second ")
    first, second = [await access.caller(f"Bearer {word}") for word in ("first", "second")]
    assert first.key.id != second.key.id
    for header in ("", "Bearer", "Bearer third", "Basic first", "first", "Bearer first second"):
        assert (await refusal(access, header)).status == 401


async def test_an_open_server_lets_anyone_in() -> None:
    for access in (Access(given=OPEN), Access(anyone=True)):
        for header in ("", "Bearer whatever"):
            assert (await access.caller(header)).key.id == OPEN


async def test_a_token_of_the_hub_is_let_in_where_the_hub_serves() -> None:
    caller = await Access(hub=True).caller(f"Bearer {HUB_TOKEN}")
    assert caller.token == HUB_TOKEN
    assert HUB_TOKEN not in repr(caller)
    assert (await refusal(Access(), f"Bearer {HUB_TOKEN}")).status == 401


async def test_a_quota_is_kept_and_says_when_it_goes_on() -> None:
    keys = {digest("candor-a"): Key("a", per_minute=2), digest("candor-b"): Key("b", per_day=1)}

    async def find(hashed: str) -> Key | None:
        return keys.get(hashed)

    access = Access(find=find)
    for _ in range(2):
        await access.caller("Bearer candor-a")
    over = await refusal(access, "Bearer candor-a")
    assert over.status == 429
    assert 1 <= int(over.headers["retry-after"]) <= 60
    await access.caller("Bearer candor-b")
    over = await refusal(access, "Bearer candor-b")
    assert int(over.headers["retry-after"]) > 3600


async def test_replicas_count_a_quota_together(redis_url: str) -> None:
    async def find(_: str) -> Key | None:
        return Key("a", per_minute=3, per_day=2_000_000_000)

    one, other = (Access(find=find, counting=Counting(redis_url)) for _ in range(2))
    for access in (one, other, one):
        await access.caller("Bearer candor-a")
    for access in (one, other):
        assert (await refusal(access, "Bearer candor-a")).status == 429
        await access.counting.close()


async def test_a_quota_holds_here_while_redis_is_gone() -> None:
    async def find(_: str) -> Key | None:
        return Key("a", per_minute=1)

    access = Access(find=find, counting=Counting(f"redis://127.0.0.1:{free_port()}/0"))
    await access.caller("Bearer candor-a")
    assert (await refusal(access, "Bearer candor-a")).status == 429
    await access.counting.close()


async def test_who_has_no_key_or_tries_one_is_counted_and_who_has_one_is_not() -> None:
    counted = []

    async def count() -> None:
        counted.append(1)

    access = Access(given="first", hub=True)
    await access.entered("Bearer first", count)
    assert not counted
    await access.entered(f"Bearer {HUB_TOKEN}", count)
    for header in ("", "Bearer guessed", "Bearer candor-guessed"):
        with pytest.raises(ApiError):
            await access.entered(header, count)
    assert len(counted) == 4


async def test_the_store_is_asked_of_words_that_may_be_keys_and_not_each_time() -> None:
    asked = []

    async def find(hashed: str) -> Key | None:
        asked.append(hashed)
        return Key("a") if hashed == digest("candor-a") else None

    access = Access(find=find)
    for _ in range(3):
        await access.caller("Bearer candor-a")
        await refusal(access, "Bearer candor-b")
        await refusal(access, "Bearer anything")
    assert asked == [digest("candor-a"), digest("candor-b")]


# In the store, in each database


async def test_a_key_is_found_until_it_is_revoked(store: Store) -> None:
    keys = Keys(store)
    row, key = await keys.create("me", per_minute=3)
    assert await keys.find(digest(key)) == Key(row.id, 3, None)
    assert await keys.find(digest(new_key())) is None
    (listed,) = await keys.listed()
    assert key.startswith(listed.hint)
    await keys.revoke(row.id)
    assert await keys.find(digest(key)) is None
    for id_ in (row.id, "nobody"):
        with pytest.raises(NotFound):
            await keys.revoke(id_)


async def test_the_store_holds_no_key(file: Path) -> None:
    store = await Store(f"sqlite+aiosqlite:///{file}").open()
    _, key = await Keys(store).create("me")
    await store.close()
    held = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert digest(key).encode() in held
    assert key.encode() not in held


async def test_a_store_that_cannot_be_opened_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    access = Access(find=finding(f"sqlite+aiosqlite:///{tmp_path}/a file/x.sqlite3"))
    assert (await refusal(access, "Bearer candor-a")).status == 503


# The commands, and the app


def run(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CANDOR_DATA": str(data)}
    command = [sys.executable, "-m", "guard", "keys", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_a_key_from_the_command_line_opens_the_app_until_it_is_revoked(
    host: replies.Host, tmp_path: Path
) -> None:
    made = run(tmp_path, "create", "[red]me[/red]", "--per-minute", "2")
    key = made.stdout.strip()
    assert key.startswith("candor-")
    assert key not in made.stderr
    listed = run(tmp_path, "list").stdout
    assert key[:12] in listed
    assert key not in listed
    assert "[red]me[/red]" in listed
    id_ = listed.splitlines()[1].split()[0]
    body = {"model": LLAMA, "messages": [{"role": "user", "content": SOUP}]}
    settings = Settings(base_url=host.base_url, data=tmp_path, timeout=20)
    with serving(settings) as site, httpx2.Client(base_url=site.url, trust_env=False) as http:
        http.headers["authorization"] = f"Bearer {key}"
        statuses = [http.post("/v1/chat/completions", json=body).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert run(tmp_path, "revoke", id_).returncode == 0
        v1 = next(route for route in site.app.routes if getattr(route, "name", "") == "api")
        v1.app.state.api.access.known.clear()  # type: ignore[attr-defined]
        assert http.get("/v1/models").status_code == 401
    again = run(tmp_path, "revoke", id_)
    assert again.returncode == 2
    assert "is in use" in again.stderr


def test_a_caller_s_own_token_goes_to_the_hub_alone(host: replies.Host, tmp_path: Path) -> None:
    with serving(Settings(base_url=host.base_url, data=tmp_path)) as site:
        headers = {"authorization": f"Bearer {HUB_TOKEN}"}
        answer = httpx2.get(f"{site.url}/v1/models", headers=headers, trust_env=False)
    assert answer.status_code == 401, "another host serves here, which must not see it"
    assert not host.asked
