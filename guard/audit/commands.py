"""`python -m guard audit`: run an audit, or tell one again.

What a command needs is imported when it runs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError, InputError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ..catalogue import Catalogue
    from ..providers import Connection
    from ..types import ModelSpec
    from .asking import Audit, Progress
    from .plan import Question, Scope

app = typer.Typer(rich_markup_mode=None)
NEEDS = "an audit needs packages of its own: pip install -r requirements-audit.txt"
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    *,
    models: Annotated[
        str, typer.Option(metavar="A,B", help="Models on offer; the default where left out.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Folder of the run; one that is there goes on."),
    ] = None,
    jurisdictions: Annotated[
        str, typer.Option(metavar="CN,US", help="Only topics of these countries.")
    ] = "",
    topics: Annotated[str, typer.Option(metavar="ID,ID", help="Only these topics.")] = "",
    languages: Annotated[
        str,
        typer.Option(metavar="en,zh-Hans", help="Else English and the language of each country."),
    ] = "",
    samples: Annotated[int, typer.Option(min=1, max=20, help="Of each question.")] = 3,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Questions at once.")] = 8,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Ask no more once this is spent.")
    ] = None,
    provider: Annotated[
        str,
        typer.Option(metavar="P,Q", help="Ask each model again at these providers or addresses."),
    ] = "",
) -> None:
    """Measure how much more models withhold on suppressed topics than on matched controls.

    Asks the probes and controls of the topic packs and some neutral questions, judges every reply
    by the same measure, and writes RUN/report.md and RUN/replies.parquet. Each answer is kept as
    it comes: after Ctrl-C or a crash the same command goes on where it stopped, and asks nothing
    twice. Prints first what gap the chosen size can see. Rate limits are waited out; a model whose
    host keeps failing comes out as failed.

    Exits with 0, or 1 where questions stayed without an answer.
    """
    if context.invoked_subcommand:
        return
    if out is None:
        raise InputError("say where the run goes: --out RUN")
    needed()
    from ..deployment import on_offer
    from .plan import Scope, plan

    catalogue, connection = on_offer()
    chosen = parts(models) or (catalogue.default,)
    scope = Scope(
        models=tuple(catalogue.get(model).id for model in chosen),
        jurisdictions=tuple(code.upper() for code in parts(jurisdictions)),
        topics=parts(topics),
        languages=parts(languages),
        samples=samples,
        hosts=("", *parts(provider)),
    )
    refuse_unreachable(scope, catalogue, connection)
    questions = plan(scope)
    tell_power(questions)
    from .asking import Audit
    from .record import Record

    with Record(out, scope) as record:
        connecting = partial(reached, connection=connection)
        going_on = Audit(catalogue, connecting, record, concurrency=concurrency, budget=budget)
        asyncio.run(followed(going_on, questions))
        left = len(record.left(questions))
        record.close()
    told(out)
    if left:
        typer.echo(
            f"{left} questions stayed without an answer; run it again to ask them.", err=True
        )
        raise typer.Exit(1)


@app.command()
def report(run: Folder) -> None:
    """Write RUN/report.md again from what the run has kept, without asking any model."""
    needed()
    told(run)


def parts(listed: str) -> tuple[str, ...]:
    """The entries of a comma-separated list."""
    return tuple(part.strip() for part in listed.split(",") if part.strip())


def needed() -> None:
    """Refuse early where the audit's packages are not installed.

    Raises:
        ConfigError: they are not.
    """
    try:
        import pyarrow  # noqa: F401
        import scipy  # noqa: F401
    except ImportError as error:
        raise ConfigError(NEEDS) from error


def refuse_unreachable(scope: Scope, catalogue: Catalogue, connection: Connection) -> None:
    """Refuse models that cannot be asked, and scripted ones, of which nothing can be learned."""
    from ..providers.connect import is_demo

    for model in scope.models:
        spec = catalogue.get(model)
        if is_demo(spec) or not connection.serves(spec):
            raise ConfigError(
                f"nothing is connected that serves {model}; set HF_TOKEN or CANDOR_BASE_URL"
            )


def tell_power(questions: Sequence[Question]) -> None:
    """Say what the run can see, and warn where that is too little."""
    from .statistics import VISIBLE, power

    first = questions[0].model, questions[0].host
    sizes: dict[tuple[str, str], int] = {}
    for one in questions:
        if (one.model, one.host) == first and one.kind == "probe" and one.sample == 0:
            key = one.jurisdiction, one.language
            sizes[key] = sizes.get(key, 0) + 1
    typer.echo(f"{len(questions)} questions. Chance to see a gap of {VISIBLE:.0%}:", err=True)
    for (jurisdiction, language), pairs in sorted(sizes.items()):
        chance = power(pairs, len(sizes))
        warning = "  too few pairs to rely on" if chance < 0.8 else ""
        typer.echo(
            f"  {jurisdiction} {language:8} {pairs:4} pairs  {chance:4.0%}{warning}", err=True
        )


def reached(spec: ModelSpec, host: str, connection: Connection) -> BaseChatModel:
    """The chat model behind a spec, at an address or at a provider of the router's."""
    from ..providers import connect

    if host.startswith(("http://", "https://")):
        return connect(spec.model_copy(update={"base_url": host}), connection)
    return connect(
        spec.model_copy(update={"id": f"{spec.id}:{host}"}) if host else spec, connection
    )


async def followed(audit: Audit, questions: Sequence[Question]) -> None:
    """Run an audit behind a progress bar."""
    from ..providers.transport import close_shared_client

    left = len(audit.record.left(questions))
    with bar(len(questions), len(questions) - left) as show:
        async with aclosing(audit.run(questions)) as steps:
            async for step in steps:
                show(step)
    await close_shared_client()


@contextmanager
def bar(total: int, before: int) -> Iterator[Callable[[Progress], None]]:
    """A bar with rate, cost and time left on a terminal; one line at the end elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f}/s  {task.fields[failed]} failed"),
        TextColumn("${task.fields[dollars]:.4f}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Bar(*columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task("", total=total, completed=before, failed=0, dollars=0.0, rate=0.0)

        def show(step: Progress) -> None:
            now = step.answered + step.failed
            rate = now / max(time.monotonic() - began, 1e-3)
            shown.update(
                task, completed=before + now, failed=step.failed, dollars=step.dollars, rate=rate
            )

        yield show


def told(folder: Path) -> None:
    """Write the report, and say where it is and what it says of each model."""
    from . import report

    measured = report.write(folder)
    typer.echo(folder / report.REPORT, err=True)
    for found in measured:
        at = f" at {found.host}" if found.host else ""
        typer.echo(f"{found.model}{at}: {report.sentence(found)}")
