"""Commands of what serves the guard to others: `python -m guard serve` and `keys`.

What a command needs is imported when it runs, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from .keys import Keys

log = logging.getLogger("candor")
T = TypeVar("T")
keys_app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
FACTORY = "chat.api.serve:from_environment"


def add_to(app: typer.Typer) -> None:
    """Add these commands to those of the guard."""
    app.command()(serve)
    app.add_typer(keys_app, name="keys")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Serve the guarded models in OpenAI's protocol, at /v1, without a page.

    Clients need a key (`python -m guard keys create NAME`, or CANDOR_API_KEYS), or a Hub token of
    their own where Hugging Face serves. CANDOR_API_KEYS=open lets anyone in; CANDOR_LIMITS_ADDRESS
    bounds the addresses of those who have no key. With several workers, each counts faults of
    hosts for itself, and without CANDOR_REDIS_URL also quotas and limits.
    """
    import uvicorn

    from .api.serve import from_environment
    from .timely import PROTOCOL

    with summed_up() if workers > 1 else nullcontext():
        app = from_environment()  # what is wrong is told before anything is served
        bounded = app.state.api.door is not None
        log.info("Serving at http://%s:%d/v1", host, port)
        uvicorn.run(
            FACTORY if workers > 1 else app,
            factory=workers > 1,
            host=host,
            port=port,
            workers=workers,
            http=PROTOCOL,
            log_config=None,  # its lines are ours
            access_log=False,
            proxy_headers=bounded,
            forwarded_allow_ips=proxies() if bounded else None,
            timeout_graceful_shutdown=3,
        )


def proxies() -> str | None:
    """Whose word on an address is taken."""
    from . import settings

    return settings.load().proxies


@contextmanager
def summed_up() -> Iterator[None]:
    """A folder in which all processes count, so that each of them can tell the sums."""
    with TemporaryDirectory(prefix="candor-metrics") as folder:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        yield


@keys_app.callback()
def keys() -> None:
    """Keys of the API: made, listed and taken back.

    The store keeps their SHA-256 alone. It is that of the app: CANDOR_DATABASE_URL, else the file
    in CANDOR_DATA.
    """


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for the list.")],
    per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests in a minute; else any number.")
    ] = None,
    per_day: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests in a day; else any number.")
    ] = None,
) -> None:
    """Make a key. It is printed once, on standard output, and cannot be told again."""

    async def work(held: Keys) -> None:
        row, key = await held.create(name, per_minute, per_day)
        typer.echo(f"Key {row.id} for {name}; keep it now, it is not shown again:", err=True)
        typer.echo(key)

    run(work)


@keys_app.command("list")
def list_keys() -> None:
    """List the keys, with how each begins."""
    from guard.cli import console_for
    from guard.plain import one_line

    async def work(held: Keys) -> None:
        from rich.markup import escape
        from rich.table import Table

        table = Table("id", "name", "begins", "per minute", "per day", "made", "revoked", box=None)
        for row in await held.listed():
            bounds = (str(row.per_minute or "-"), str(row.per_day or "-"))
            ended = f"{row.revoked_at:%Y-%m-%d}" if row.revoked_at else "-"
            made = f"{row.created_at:%Y-%m-%d}"
            table.add_row(row.id, escape(one_line(row.name)), row.hint, *bounds, made, ended)
        console_for(sys.stdout, 200).print(table)

    run(work)


@keys_app.command()
def revoke(id_: Annotated[str, typer.Argument(metavar="ID", help="As the list has it.")]) -> None:
    """Take a key back. Servers that run let it in for five seconds more at most."""
    from guard.errors import InputError
    from guard.plain import one_line

    async def work(held: Keys) -> None:
        from .store import NotFound

        try:
            await held.revoke(id_)
        except NotFound as error:
            known = ", ".join(row.id for row in await held.listed() if not row.revoked_at)
            told = f"Keys that are in use: {known or 'none'}."
            raise InputError(f"no key {one_line(id_)!r} is in use. {told}") from error

    run(work)


def run(work: Callable[[Keys], Awaitable[T]]) -> T:
    """Do something with the store's keys."""
    from . import settings
    from .keys import Keys
    from .store import Store

    async def whole() -> T:
        store = await Store(settings.load().database).open(alone=False)
        try:
            return await work(Keys(store))
        finally:
            await store.close()

    return asyncio.run(whole())
