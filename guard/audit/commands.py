"""`python -m guard audit`: run an audit, or tell one again.

What a command needs is imported when it runs.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
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
    from .plan import Question
    from .rating import Judging
    from .rounds import Progress
    from .whole import RunFindings

app = typer.Typer(rich_markup_mode=None)
NEEDS = "an audit needs packages of its own: pip install -r requirements-audit.txt"
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Public = Annotated[
    bool, typer.Option("--public", help="Make the dataset for all to read; else it is private.")
]
WithoutReplies = Annotated[bool, typer.Option("--without-replies", help="Push the figures alone.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing before a public push.")]


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
    judge: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Have unsure replies judged by the first of these models that is independent.",
        ),
    ] = "",
    push: Annotated[
        str,
        typer.Option(
            metavar="ORG/DATASET", help="Write the run to a dataset on the Hub at its end."
        ),
    ] = "",
    public: Public = False,
    without_replies: WithoutReplies = False,
    yes: Yes = False,
) -> None:
    """Measure how much more models withhold on suppressed topics than on matched controls.

    Asks the probes and controls of the topic packs and some neutral questions, judges every reply
    by the same measure, and writes RUN/report.html, RUN/report.md and RUN/replies.parquet. Each
    answer is kept as it comes: after Ctrl-C or a crash the same command goes on where it stopped,
    and asks nothing twice. Prints first what gap the chosen size can see. Rate limits are waited
    out; a model whose host keeps failing comes out as failed. Only --push talks to the Hub, as
    `audit push` does.

    With --judge a model of another origin decides unsure replies, also of a run that is over, and
    sees a sample of the others: the report tells how far it agrees with the guard. With --provider
    it tells what a model withholds at each host.

    Exits with 0, or 1 where questions stayed without an answer.
    """
    if context.invoked_subcommand:
        return
    if out is None:
        raise InputError("say where the run goes: --out RUN")
    needed()
    if push:
        from .sharing import ready

        ready(push)
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
    refuse_unreachable(scope.models, catalogue, connection)
    questions = plan(scope)
    judging = judging_of(parts(judge), questions, catalogue, connection)
    tell_power(questions)
    from .asking import Audit
    from .record import Record
    from .second_rater import SecondRater

    with Record(out, scope) as record:
        connecting = partial(reached, connection=connection)
        going_on = Audit(catalogue, connecting, record, concurrency=concurrency, budget=budget)
        asyncio.run(followed(going_on.run(questions), len(record.left(questions)), len(questions)))
        if judging:
            rater = SecondRater(
                catalogue, connecting, record, judging, concurrency=concurrency, budget=budget
            )
            asyncio.run(followed(rater.run(), len(rater.left()), rater.total))
        left = len(record.left(questions))
        record.close()
    told(out)
    if push:
        sent(out, push, public=public, replies=not without_replies, yes=yes)
    if left:
        typer.echo(
            f"{left} questions stayed without an answer; run it again to ask them.", err=True
        )
        raise typer.Exit(1)


@app.command()
def report(
    run: Folder,
    from_hub: Annotated[
        str,
        typer.Option(
            metavar="ORG/DATASET",
            help="First read the run from the Hub into RUN, which is made; the newest, unless it "
            "is ORG/DATASET/NAME. @REVISION may follow.",
        ),
    ] = "",
) -> None:
    """Write RUN/report.html and RUN/report.md again, without asking any model.

    A run that is read from the Hub is counted again here; its own report is not read. HF_TOKEN
    opens private datasets.
    """
    needed()
    if from_hub:
        from .record import SUMMARY, figures_alone
        from .sharing import fetched
        from .whole import of_run

        fetched(from_hub, run)
        if figures_alone(run):
            typer.echo(f"It was shared without replies, so no report can be made: {run / SUMMARY}")
        else:
            tell(run, of_run(run))
        return
    told(run)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN1", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN2", help="That of a later one.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
    fail_on_worse: Annotated[
        bool, typer.Option("--fail-on-worse", help="Exit with 1 where a model got worse.")
    ] = False,
) -> None:
    """Tell what changed from one run to another, with a test of each change.

    Compares the gaps on the pairs of both runs, per model, country and language, and says first
    what limits that: other packs or weights, samples or scope. No model is asked, and no reply is
    judged again.

    Exits with 0; with --fail-on-worse 1 where a gap grew beyond chance, or where a model that was
    measured in the first run failed or is void in the second.
    """
    needed()
    from . import comparing

    found = comparing.compare(first, second)
    told = comparing.markdown(found, first, second)
    if out is None:
        typer.echo(told)
    else:
        from ..jsonl import whole_file

        with whole_file(out.resolve()) as stream:
            stream.write(told.encode() + b"\n")
        typer.echo(out, err=True)
    raise typer.Exit(1 if fail_on_worse and found.worse else 0)


@app.command()
def recommend(
    run: Folder,
    *,
    max_gap: Annotated[
        float, typer.Option(min=0, max=100, metavar="POINTS", help="No gap may be larger.")
    ] = 5.0,
    max_price: Annotated[
        float | None,
        typer.Option(min=0, metavar="USD", help="Per million output tokens; any if left out."),
    ] = None,
    languages: Annotated[
        str, typer.Option(metavar="en,zh-Hans", help="Only gaps in these languages.")
    ] = "",
    jurisdictions: Annotated[
        str, typer.Option(metavar="CN,US", help="Only gaps on these countries' topics.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Find the default that fits, with its fallback chain, and edit models.yaml.

    A measured model fits where no gap is larger than --max-gap, and none is beyond chance. Models
    whose whole intervals lie within the bound are preferred, then small gaps, then low prices.
    Prints each model with its reasons, and the edit; writes it once you agree, and never without
    --yes where there is no terminal to ask at.

    Exits with 0, or 1 where no model fits, or no chain of models that fit would do.
    """
    needed()
    from . import proposing

    bounds = proposing.bounds(max_gap, max_price, parts(languages), parts(jurisdictions))
    proposing.propose(run, bounds, yes=yes)


@app.command()
def push(
    run: Folder,
    dataset: Annotated[str, typer.Argument(metavar="ORG/DATASET", help="It is made if need be.")],
    *,
    public: Public = False,
    without_replies: WithoutReplies = False,
    yes: Yes = False,
) -> None:
    """Write a run to a dataset on the Hub, beside the runs that it holds.

    Sends in one commit what was asked, the replies, the figures, the report and a card, and says
    before what its readers will see. Of hosts only the names of known providers are sent. The
    dataset is private unless --public: what has been public once cannot be taken back. Needs
    HF_TOKEN with the scope `write`.
    """
    needed()
    sent(run, dataset, public=public, replies=not without_replies, yes=yes)


def sent(run: Path, dataset: str, *, public: bool, replies: bool, yes: bool) -> None:
    """Push a run, once its operator knows what is sent."""
    from . import sharing

    sharing.ready(dataset)
    with sharing.prepared(run, replies=replies) as parcel:
        typer.echo(f"To the {'public' if public else 'private'} dataset {dataset}:", err=True)
        for line in parcel.told():
            typer.echo(f"  {line}", err=True)
        if public and not yes and sys.stdin.isatty():
            typer.confirm("Push it for all to read?", abort=True, err=True)
        pushed = sharing.push(parcel, dataset, public=public)
    typer.echo(pushed.address)
    if public and pushed.private:
        typer.echo("The dataset was there and is private; its settings make it public.", err=True)


def parts(listed: str) -> tuple[str, ...]:
    """The entries of a comma-separated list."""
    return tuple(part.strip() for part in listed.split(",") if part.strip())


def needed() -> None:
    """Refuse early where the audit's packages are not installed.

    Raises:
        ConfigError: they are not.
    """
    try:
        import matplotlib  # noqa: F401
        import pyarrow  # noqa: F401
        import scipy  # noqa: F401
    except ImportError as error:
        raise ConfigError(NEEDS) from error


def refuse_unreachable(models: Iterable[str], catalogue: Catalogue, connection: Connection) -> None:
    """Refuse models that cannot be asked, and scripted ones, of which nothing can be learned."""
    from ..providers.connect import is_demo

    for model in models:
        spec = catalogue.get(model)
        if is_demo(spec) or not connection.serves(spec):
            raise ConfigError(
                f"nothing is connected that serves {model}; set HF_TOKEN or CANDOR_BASE_URL"
            )


def judging_of(
    judges: Sequence[str],
    questions: Sequence[Question],
    catalogue: Catalogue,
    connection: Connection,
) -> Judging | None:
    """Who is asked for second opinions about whom; None where no judges are named.

    Raises:
        ConfigError: a judge cannot be asked.
        InputError: none of them may judge any of the models.
    """
    from .rating import judging

    if not judges:
        return None
    specs = [catalogue.get(each) for each in judges]
    refuse_unreachable([spec.id for spec in specs], catalogue, connection)
    found = judging(
        [catalogue.get(model) for model in dict.fromkeys(one.model for one in questions)],
        {one.jurisdiction for one in questions},
        specs,
        catalogue.guard.second_opinion.band,
    )
    if not any(each.judge for each in found.assigned):
        raise InputError(
            "none of the judges is of another origin and lineage than the models, without a stake "
            "in the topics; name another with --judge"
        )
    for model, country, judge in found.assigned:
        if judge is None:
            about = f"topics of {country}" if country else "neutral questions"
            typer.echo(f"{model} on {about}: no judge is independent, the guard decides", err=True)
    return found


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


async def followed(asking: AsyncGenerator[Progress, None], left: int, total: int) -> None:
    """Ask what is left of all there is, behind a progress bar."""
    from ..providers.transport import close_shared_client

    with bar(total, total - left) as show:
        async with aclosing(asking) as steps:
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
    """Write the report, and tell what it says."""
    from . import report

    tell(folder, report.write(folder))


def tell(folder: Path, found: RunFindings) -> None:
    """Say where the report is and what it says of each model."""
    from . import agreement, hosts, report

    typer.echo(folder / report.PAGE, err=True)
    typer.echo(folder / report.REPORT, err=True)
    for each in found.models:
        at = f" at {each.host}" if each.host else ""
        typer.echo(f"{each.model}{at}: {report.sentence(each)}")
    for two in found.hosts:
        said = " ".join(hosts.sentences(two))
        typer.echo(f"{two.model} at {two.first.name} and {two.second.name}: {said}")
    if found.agreement:
        typer.echo(" ".join(agreement.sentences(found.agreement)))
        for name, kappa in agreement.rows(found.agreement):
            typer.echo(f"κ on {name}: {agreement.in_words(kappa)}")
