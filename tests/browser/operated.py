"""What an admin of an app does in a browser, and a month of figures to look at."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from accounts import on_a_space, set_up
from browsing import Window
from identity import Provider
from playwright.sync_api import Page, expect
from served import LLAMA, QWEN, Site, page_of, signed_in

from chat.settings import Settings
from chat.store import Reply, Store, Turn, new_id, now
from guard import catalogue

DEEPSEEK, MISTRAL, APERTUS = (
    "deepseek-ai/DeepSeek-R1",
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "swiss-ai/Apertus-70B-Instruct-2509",
)
# model, topic and whose it is; then how many replies withheld, answered, and were not checked
TOLD = (
    (QWEN, "tiananmen-1989", "CN", 41, 6, 2),
    (QWEN, "xinjiang-camps", "CN", 22, 5, 0),
    (QWEN, None, None, 0, 118, 3),
    (DEEPSEEK, "taiwan", "CN", 27, 8, 1),
    (DEEPSEEK, "tiananmen-1989", "CN", 19, 2, 0),
    (DEEPSEEK, None, None, 0, 64, 0),
    (LLAMA, "guantanamo", "US", 3, 21, 0),
    (LLAMA, None, None, 0, 87, 1),
    (MISTRAL, "tiananmen-1989", "CN", 0, 55, 0),
    (MISTRAL, "colonial-crimes-france-algeria", "EU", 1, 12, 0),
    (APERTUS, "taiwan", "CN", 0, 26, 0),
)
HOURS = 30 * 24


def closed_to(provider: Provider, folder: Path, **more: Any) -> Settings:
    """Of an app on a Space that nobody uses without signing in, in either of two ways."""
    told = on_a_space(provider) | {"anonymous": "no", "oidc_name": "Our house"}
    return set_up(provider, folder, **told, **more)


def bounded_by(provider: Provider, folder: Path, **more: Any) -> Settings:
    """Of an app with narrow limits for who has not signed in."""
    narrow = "2/hour, 1 streams"
    return set_up(provider, folder, oidc_name="Our house", limits_anonymous=narrow, **more)


def as_admin(window: Window) -> Window:
    """The window of a reader who has signed in as ada."""
    host = urlsplit(window.origin).hostname or ""
    cookie = {"name": "candor_session", "value": signed_in("ada"), "domain": host, "path": "/"}
    window.context.add_cookies([cookie])  # type: ignore[list-item]
    return window


def section(page: Page, path: str) -> Page:
    """A section of the admin page."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    page.goto(f"{origin}/admin{path}")
    expect(page.locator("h1")).to_be_visible()
    return page


def sets(site: Site, path: str, **values: Any) -> None:
    """What an admin sets, as the page's script sends it."""
    with page_of(site.url, cookie=f"candor_session={signed_in('ada')}") as page:
        page.post(f"/admin{path}", **values).raise_for_status()


@contextmanager
def without_replies(site: Site) -> Iterator[None]:
    """The database refuses every write of a reply."""
    name = site.app.state.chat.store.url.database
    with closing(sqlite3.connect(name, timeout=20)) as connection:
        connection.execute("ALTER TABLE reply RENAME TO elsewhere")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE elsewhere RENAME TO reply")


def fill(folder: Path) -> None:
    """Keep a month of replies in the database of an app that is not started yet."""
    with ThreadPoolExecutor(1) as aside:  # Playwright has this thread's event loop
        aside.submit(asyncio.run, filled(folder)).result()


async def filled(folder: Path) -> None:
    store = await Store(f"sqlite+aiosqlite:///{folder / 'candor.sqlite3'}").open()
    specs = {spec.id: spec.model_dump(mode="json") for spec in catalogue.load().models}
    first = Turn(question="Why?")
    await store.start("cookie:nobody", "Why?", QWEN, "warn", first=first)
    replies = [reply for row in TOLD for reply in replies_of(first.id, specs, *row)]
    await store.write(lambda session: session.add_all(replies))
    await store.close()


def replies_of(
    turn: str,
    specs: dict[str, dict[str, object]],
    model: str,
    topic: str | None,
    jurisdiction: str | None,
    *counts: int,
) -> list[Reply]:
    """Replies of a model on a topic, spread over the last thirty days."""
    kinds = zip(("withheld", "clean", "unchecked"), counts, strict=True)
    states = [status for status, count in kinds for _ in range(count)]
    fallback = model in (MISTRAL, APERTUS)
    return [
        Reply(
            id=new_id(),
            turn_id=turn,
            run=0,
            step=int(fallback),
            model=specs[model],
            text="It is so.",
            state="done",
            cause="withheld" if fallback else None,
            tokens=180 + 7 * n % 90,
            dollars=0.0004,
            first_seconds=0.3 + n % 7 / 10,
            guard_seconds=0.02 + n % 5 / 200,
            created_at=now() - timedelta(hours=(n * 47 + len(model) * 13) % HOURS),
            verdict={
                "conduct": ("refused", "evaded")[n % 2] if status == "withheld" else "answered",
                "status": status,
                "score": 0.9 if status == "withheld" else 0.1,
                "topic": topic,
                "jurisdiction": jurisdiction,
            },
        )
        for n, status in enumerate(states)
    ]
