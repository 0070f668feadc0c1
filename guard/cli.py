"""The command line, `python -m guard`.

Results go to standard output, everything else to standard error. What a command needs is imported
when it runs, so that `--help` is quick. Nothing here judges.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from .audit.commands import app as audit_app
from .deployment import models_file, on_offer
from .errors import CandorError, ConfigError, InputError, nearest
from .types import Mode

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from .catalogue import Catalogue
    from .checkpoint import Checkpoint
    from .hub import Hub
    from .providers import Connection
    from .scanning import Advance, Scan
    from .sources import Source as Rows
    from .topics import Pack
    from .types import ModelSpec, Status, Verdict

EXIT_CODES: dict[Status, int] = {"clean": 0, "withheld": 3, "unchecked": 4}
WRONG, INTERRUPTED = 2, 130
LARGE = 4 * 2**20  # bytes; a larger file is worth the start of worker processes
WIDE = 200  # columns of a table that no terminal bounds
DOCS_WIDTH = 92
CONNECT = "set HF_TOKEN or CANDOR_BASE_URL for real models"

app = typer.Typer(
    name="python -m guard",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(rich_markup_mode=None)
topics_app = typer.Typer(rich_markup_mode=None)
app.add_typer(models_app, name="models")
app.add_typer(topics_app, name="topics")
app.add_typer(audit_app, name="audit")

Language = Annotated[
    str, typer.Option("--language", metavar="TAG", help="Language of what the guard says.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Source = Annotated[
    str, typer.Argument(metavar="IN", help="A file, a folder, a glob, a dataset; `-` for stdin.")
]
Target = Annotated[
    str,
    typer.Option(
        *("--output", "-o"),
        metavar="OUT",
        help="Where to: .jsonl, .jsonl.gz, .jsonl.zst or .parquet; `-` for stdout.",
    ),
]
Split = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only files of this split, as `train`.")
]
Engine = Literal["local", "ray"]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes; as many as cores for large files where left out."),
]


def column(field: str) -> Any:
    """An option that says in which column a field of a row is."""
    return typer.Option(
        f"--{field}-column", metavar="NAME", help=f"That holds the {field.replace('-', ' ')}."
    )


def main() -> None:
    """Run the command line; what is wrong is told in a sentence, and ends with 2."""
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # it asks the Hub what runs it
    try:
        app()
    except CandorError as error:
        fail(str(error))
    except BrokenPipeError:
        leave_pipe()
    except OSError as error:
        fail(f"{error.filename or 'input or output'}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def fail(message: str) -> NoReturn:
    typer.echo(f"Error: {message}", err=True)
    sys.exit(WRONG)


def leave_pipe() -> NoReturn:
    """Nobody reads on: end quietly, and let Python flush what is left to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def show_version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        typer.echo(f"candor {__version__}")
        raise typer.Exit


@app.callback()
def candor(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Candor's guard: tells when a model will not tell you.

    Settings come from the environment: HF_TOKEN, or CANDOR_BASE_URL with CANDOR_API_KEY, to reach
    models; CANDOR_MODELS for another models.yaml; CANDOR_DEFAULT_MODEL and CANDOR_TIMEOUT.

    A wrong argument, setting or file ends any command with 2.
    """


@app.command()
def chat(
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="A model on offer; else the default.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="What the guard does; else as models.yaml says.")
    ] = None,
    language: Language = "en",
) -> None:
    """Chat with a guarded model.

    The model's words stand behind a bar. Ctrl-C stops a reply, Ctrl-D leaves. Questions may come
    from a pipe as well, one a line; the exit code is then 1 where a host failed.
    """
    checked_language(language)
    from .pipeline import Guard
    from .terminal import Chat

    models, connection = on_offer()
    spec = models.get(model or models.default)
    if not connection.serves(spec):
        raise ConfigError(f"nothing is connected that serves {spec.id}; {CONNECT}")
    console = console_for(sys.stdout)
    chatting = Chat(
        Guard(models, connection), console, spec.id, mode or models.guard.mode, language
    )
    greet(chatting.mode, spec, connection)
    chatting.run()
    if chatting.failures and not sys.stdin.isatty():
        raise typer.Exit(1)


def greet(mode: Mode, spec: ModelSpec, connection: Connection) -> None:
    """Say whom one talks to, on a terminal."""
    if not sys.stdin.isatty():
        return
    if connection.kind == "demo":
        typer.echo(f"No host is connected, so scripted personas answer; {CONNECT}.")
    typer.echo(f"{spec.name}; guard: {mode}. Ctrl-C stops a reply, Ctrl-D leaves.")


@app.command()
def check(
    *,
    question: Annotated[str, typer.Option(help="What the model was asked.")],
    reply: Annotated[str, typer.Option(help="What it said; `-` reads it from stdin.")],
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="Its id, from which its origin is known.")
    ] = None,
    reasoning: Annotated[str | None, typer.Option(help="What it thought.")] = None,
    finish_reason: Annotated[
        str | None, typer.Option(help="Why it ended, as its host says.")
    ] = None,
    language: Language = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Check one finished reply.

    Exits with 0 where the reply is clean, 3 where it withholds on a suppressed topic, 4 where it
    could not be checked.
    """
    checked_language(language)
    from . import scan as scanning

    given = {
        "id": 1,
        "question": question,
        "reply": stdin_text() if reply == "-" else reply,
        "model": model,
        "reasoning": reasoning,
        "finish_reason": finish_reason,
    }
    row = scanning.row_from(given)
    verdict = scanning.judge(row, language, models_file())
    if as_json:
        typer.echo(verdict.model_dump_json(indent=2))
    else:
        print_verdict(verdict, row.reply)
    raise typer.Exit(EXIT_CODES[verdict.status])


def stdin_text() -> str:
    """All of standard input.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"the reply on stdin is not valid UTF-8 (byte {error.start + 1})"
        ) from error


def print_verdict(verdict: Verdict, reply: str) -> None:
    """A verdict for people: what, why, and on which words it rests."""
    from .plain import one_line

    aligned = {True: "yes", False: "no", None: "not known"}[verdict.aligned]
    topic = f"{verdict.topic} ({verdict.jurisdiction})" if verdict.topic else "none"
    typer.echo(f"{verdict.status}: {verdict.explanation}\n")
    typer.echo(f"conduct  {verdict.conduct}\nscore    {verdict.score:.2f}\ntopic    {topic}")
    typer.echo(f"aligned  {aligned if verdict.topic else 'no topic'}")
    for signal in sorted(verdict.signals, key=lambda s: -s.score):
        typer.echo(f"\n{signal.name}  {signal.score:.2f}  {signal.reason}")
        for start, end in signal.spans:
            typer.echo(f"  {start}-{end}  “{one_line(reply[start:end])}”")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """The models on offer: list them, read what the Hub says of them, or propose another.

    The list says whence they are and who would serve them. `*` marks the default; fallbacks are
    numbered in the order in which they are asked.
    """
    if context.invoked_subcommand:
        return
    catalogue, connection = on_offer()
    if as_json:
        entries = [model_entry(spec, catalogue, connection) for spec in catalogue.models]
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
    else:
        console_for(sys.stdout, WIDE).print(models_table(catalogue, connection))


def model_entry(spec: ModelSpec, catalogue: Catalogue, connection: Connection) -> dict[str, Any]:
    """A model as the catalogue holds it, with its part in this deployment."""
    fallbacks = catalogue.guard.fallbacks
    return {
        **spec.model_dump(mode="json"),
        "served_by": server(spec, connection),
        "default": spec.id == catalogue.default,
        "fallback": fallbacks.index(spec.id) + 1 if spec.id in fallbacks else None,
    }


def server(spec: ModelSpec, connection: Connection) -> str | None:
    """Who would serve a model; None where nothing that could is connected."""
    from .providers.connect import is_demo

    if is_demo(spec):
        return "this program (scripted)"
    if spec.base_url or connection.base_url:
        return spec.base_url or connection.base_url
    return "Hugging Face Inference Providers" if connection.token else None


def models_table(catalogue: Catalogue, connection: Connection) -> Table:
    from rich.table import Table

    from .plain import flag

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("", "model", "developer", "origin", "licence", "made from", "context"):
        table.add_column(head, justify="right" if head == "context" else "left")
    table.add_column("thinks")
    table.add_column("served by")
    for spec in catalogue.models:
        entry = model_entry(spec, catalogue, connection)
        table.add_row(
            "*" if entry["default"] else str(entry["fallback"] or ""),
            spec.id,
            spec.developer,
            f"{flag(spec.origin)} {spec.origin}",
            spec.licence,
            "\n".join(f"{parent.id} ({parent.origin or '?'})" for parent in spec.base),
            str(spec.context),
            "yes" if spec.reasoning else "",
            entry["served_by"] or "not connected",
        )
    return table


@models_app.command("refresh")
def refresh_models(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Only these, and parents that are new; else all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read from the Hub what the models are made from, and write it down to be reviewed.

    Reads the models of models.yaml and all their ancestors: lineage, licence, gating, dates, size,
    training data, and who serves them at what price. Writes models.snapshot.json beside
    models.yaml, and prints what is otherwise than before; the app itself needs no network for it.

    HF_TOKEN opens gated models; HF_ENDPOINT and CANDOR_ROUTER are other addresses of the Hub and
    of its router. A model that cannot be read stays as it was; the exit code is then 1, else 0.
    """
    from . import renewal

    path = models_file()
    asked = renewal.chosen(path, ids or [])
    with counting("models") as advance:
        done = renewal.renew(path, asked, hub_address(), advance, whole=not ids)
    for warning in done.after.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(done.facts(), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n".join(map(str, done.changes)) or "nothing has changed")
    typer.echo(done.summary, err=True)
    raise typer.Exit(1 if done.unread else 0)


@models_app.command("add")
def add_model(
    model: Annotated[str, typer.Argument(metavar="ID", help="A model on the Hub.")],
    write: Annotated[
        bool, typer.Option("--write", help="Add it to models.yaml and to the snapshot.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Propose an entry for models.yaml, from what the Hub says of a model.

    What is not known is left empty, with a comment. What to check is told on standard error.
    """
    from . import entry, renewal

    proposed = entry.propose(model, hub_address(), renewal.today())
    shown = json.dumps(proposed.values(), indent=2, ensure_ascii=False)
    typer.echo(shown if as_json else proposed.yaml(), nl=as_json)
    for check in proposed.checks:
        typer.echo(f"check {check}", err=True)
    if write:
        entry.append(proposed, models_file())
        renewal.keep(models_file(), proposed.read)
        typer.echo(f"added to {models_file()}", err=True)


def hub_address() -> Hub:
    """The Hub and its router, as the environment says."""
    from .hub import ROUTER, Hub

    return Hub(router=(os.environ.get("CANDOR_ROUTER") or ROUTER).rstrip("/"))


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal that tells how many of how many are done; the number may grow."""
    if not sys.stderr.isatty():
        yield lambda done, known: None
        return
    from rich.progress import MofNCompleteColumn, Progress, TextColumn

    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TextColumn(what))
    with Progress(*columns, console=console_for(sys.stderr)) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, known: int) -> None:
            bar.update(task, completed=done, total=known)

        yield advance


@topics_app.callback(invoke_without_command=True)
def topics(
    context: typer.Context,
    jurisdiction: Annotated[
        str | None, typer.Option(metavar="CN", help="Only the topics of this country.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The topics the guard knows: list them, show one, or match questions."""
    if context.invoked_subcommand:
        return
    packs = packs_of(jurisdiction)
    if as_json:
        entries = [pack.model_dump(include=PACK_HEAD, mode="json") for pack in packs]
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table("topic", "of", "about", box=None, pad_edge=False, header_style="bold")
    for pack in packs:
        table.add_row(pack.id, pack.jurisdiction, pack.about["en"])
    console_for(sys.stdout, WIDE).print(table)


PACK_HEAD = {"id", "jurisdiction", "names", "about"}


def packs_of(jurisdiction: str | None) -> list[Pack]:
    """The packs of a country, or all, by country and id.

    Raises:
        InputError: there is none of that country.
    """
    from . import topics as packs

    held = sorted(packs.load().values(), key=lambda pack: (pack.jurisdiction, pack.id))
    if jurisdiction is None:
        return held
    known = sorted({pack.jurisdiction for pack in held})
    if jurisdiction.upper() not in known:
        raise InputError(f"no topics of {jurisdiction!r}; there are some of {', '.join(known)}")
    return [pack for pack in held if pack.jurisdiction == jurisdiction.upper()]


@topics_app.command("show")
def show_topic(
    topic: Annotated[str, typer.Argument(metavar="ID", help="A topic, as `topics` lists it.")],
    language: Language = "en",
) -> None:
    """Print what independent sources hold of a topic."""
    checked_language(language)
    from . import explain
    from . import topics as packs

    held = packs.load()
    if topic not in held:
        raise InputError(f"no topic {topic!r}.{nearest(topic, held)}")
    pack = held[topic]
    typer.echo(f"{explain.in_language(pack.names, language)} ({pack.jurisdiction})")
    typer.echo(explain.in_language(pack.about, language))
    for fact in pack.facts:
        typer.echo(f"\n- {explain.in_language(fact.text, language)}")
        for source in fact.sources:
            typer.echo(f"    {source.title}\n    {source.url}")


@topics_app.command("match")
def match_topics(
    source: Source,
    *,
    output: Target = "-",
    split: Split = None,
    workers: Workers = None,
    question: Annotated[str, column("question")] = "question",
    id_: Annotated[str, column("id")] = "id",
) -> None:
    """Match questions to topics.

    Reads rows with `question` (and `id`); writes `id` (else the row's number), `topic`,
    `jurisdiction`, `score` and `ordinary` (the words stand there, the subject does not). What may
    be read and written, broken rows, memory and exit codes are as for `scan`.
    """
    from . import scan as looks
    from .scanning import Scan
    from .sources import Columns, find

    columns = Columns(id=id_, question=question, reply="", model="", reasoning="", finish_reason="")
    found = find(source, columns, split, Path(output).resolve())
    work_through(Scan(found, output, looks.match(columns), workers=busy(found, workers)))


@app.command()
def scan(
    source: Source,
    *,
    output: Target = "-",
    split: Split = None,
    question: Annotated[str, column("question")] = "question",
    reply: Annotated[str, column("reply")] = "reply",
    id_: Annotated[str, column("id")] = "id",
    model: Annotated[str, column("model")] = "model",
    reasoning: Annotated[str, column("reasoning")] = "reasoning",
    finish_reason: Annotated[str, column("finish-reason")] = "finish_reason",
    language: Language = "en",
    engine: Annotated[
        Engine, typer.Option(help="Processes of this machine, or a cluster of Ray.")
    ] = "local",
    workers: Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a scan that broke off.")
    ] = False,
) -> None:
    """Check many finished replies.

    Reads rows with `question` and `reply`, and `id`, `model`, `reasoning`, `finish_reason` where
    there are any, from the columns that the options name ('' for none); other fields are let be,
    blank lines passed over. Writes one row for each, in the same order: `id` (else the row's
    number, behind the file's name where there are several), `conduct`, `status`, `score` (that the
    reply withholds, whatever the topic), `topic`, `jurisdiction`, `aligned` (whether the topic is a
    taboo of the model's origin or lineage), `at_char` (how long the reply would have been,
    streaming, when the guard was first certain that it withholds, whatever the topic), `signals`
    and `explanation`.

    IN is a file of JSON lines (.jsonl, also .gz and .zst) or Parquet, a folder or a glob of such
    files, which are read in the order of their names, `hf://datasets/OWNER/NAME[@REVISION][/PATH]`,
    or `-` for stdin. HF_TOKEN opens private datasets. OUT is Parquet or JSON lines, by its name.

    A row that cannot be read becomes a row with `id` and `error`; the exit code is then 1, else 0.
    A row may be 16 MiB long, the source as long as it likes. A file that is written takes its name
    when all of it is there; until then, a scan of files that is killed goes on with `--resume`.
    """
    checked_language(language)
    from . import scan as looks
    from .scanning import Scan, made_with
    from .sources import Columns, find

    columns = Columns(
        id=id_,
        question=question,
        reply=reply,
        model=model,
        reasoning=reasoning,
        finish_reason=finish_reason,
    )
    found = find(source, columns, split, Path(output).resolve())
    models = models_file()
    work_through(
        Scan(
            found,
            output,
            looks.scan(columns, language, models),
            made_with(found, models, language=language),
            engine,
            workers if engine == "ray" else busy(found, workers),
            resume,
        )
    )


def work_through(scan: Scan) -> None:
    """Do a scan; exits with 1 where rows were broken."""
    with progress(scan) as advance:
        done = scan.run(advance)
    if done.broken:
        told = f"{done.broken} of {done.rows} rows are broken; their `error` says why."
        typer.echo(told, err=True)
        raise typer.Exit(1)


def busy(source: Rows, workers: int | None) -> int:
    """How many processes: as asked for, else one, or one a core where the source is large."""
    if workers is not None:
        return workers
    large = (source.size or 0) > LARGE
    return len(os.sched_getaffinity(0)) if large and hasattr(os, "sched_getaffinity") else 1


@contextmanager
def progress(scan: Scan) -> Iterator[Advance]:
    """A bar on a terminal that shows nothing else: share, rows, rows a second, time left."""
    if not sys.stderr.isatty() or (scan.target == "-" and sys.stdout.isatty()):
        yield lambda at, passed: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    rows = TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f}/s")
    columns = (BarColumn(), TaskProgressColumn(), rows, Left(elapsed_when_finished=True))
    with Progress(*columns, console=console_for(sys.stderr)) as bar:
        task = bar.add_task("", total=scan.source.size, rows=0, speed=0)
        before: list[int] = []  # rows of the scan that is gone on with

        def advance(at: Checkpoint, passed: int) -> None:
            before[:] = before or [at.rows]
            seconds = bar.tasks[0].elapsed or 0
            speed = (at.rows - before[0]) / seconds if seconds else 0
            completed = passed if scan.source.size else None
            bar.update(task, completed=completed, rows=at.rows, speed=speed)

        yield advance


@app.command()
def train(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="JSON lines; `.gz` by name.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT.npz", help="Else the guard's own weights."),
    ] = None,
) -> None:
    """Learn the weights of the learned signal from labelled replies, and from the guard's own.

    Reads rows with `question`, `reply`, `label_a` and `label_b` (`complete`, `evasive` or `denial`,
    by two judges), and `model` and `question_no` where there are any. The same rows give the same
    file. Needs scikit-learn.
    """
    from .learned import WEIGHTS
    from .train import OWN
    from .train import train as learn

    report = learn([*data, OWN], output or WEIGHTS)
    typer.echo(json.dumps(report._asdict(), indent=2))


@app.command()
def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Streamable HTTP at /mcp, in place of stdio.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http: the port.")] = 8765,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="With --http: another name that it is reached by."),
    ] = None,
) -> None:
    """Serve the guard to MCP clients: check_reply, ask_guarded, model_provenance, topic_facts.

    A client starts this itself and speaks to it over stdin and stdout. With --http it serves many,
    without a key: elsewhere than at a loopback address ask_guarded is therefore left out, and a
    request whose Host header is neither HOST nor the address is refused.
    """
    import asyncio
    import signal

    from .pipeline import Guard

    guard = Guard(*on_offer())
    if guard.connection.kind == "demo":
        typer.echo(f"No host is connected, so scripted personas answer; {CONNECT}.", err=True)
    from . import mcp_server

    if http:
        mcp_server.refuse_taken(host, port)
        typer.echo(f"MCP at http://{mcp_server.bracketed(host)}:{port}{mcp_server.PATH}", err=True)
        asyncio.run(mcp_server.over_http(guard, host, port, name or ()))
    else:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing else ends a thread that reads stdin
        asyncio.run(mcp_server.over_stdio(guard))


@app.command(hidden=True)
def docs() -> None:
    """Print this help of all commands as Markdown."""
    typer.echo(markdown_help(), nl=False)


def markdown_help() -> str:
    """`docs/cli.md`: every command's help, of a fixed width."""
    parts = ["# The command line\n\nWritten by `python -m guard docs > docs/cli.md`.\n"]
    parts += [f"## {name}\n\n```\n{words}\n```\n" for name, words in helps(app, "python -m guard")]
    return "\n".join(parts)


def helps(cli: typer.Typer, name: str) -> Iterator[tuple[str, str]]:
    """The help of a command and of those below it, each by its whole name."""
    pending: list[tuple[Any, Any, str]] = [(typer.main.get_command(cli), None, name)]
    while pending:
        command, parent, called = pending.pop(0)
        if command.hidden:
            continue
        context = type(command).context_class(
            command,
            info_name=called.rpartition(" ")[2] if parent else called,
            parent=parent,
            terminal_width=DOCS_WIDTH,
            max_content_width=DOCS_WIDTH,
        )
        yield called, command.get_help(context).rstrip()
        below = getattr(command, "commands", {})
        pending = [(c, context, f"{called} {n}") for n, c in below.items()] + pending


def console_for(stream: Any, wide: int | None = None) -> Console:
    """A console; `wide` is its width where no terminal has one."""
    from rich.console import Console

    return Console(file=stream, highlight=False, width=None if stream.isatty() else wide)


def checked_language(language: str) -> None:
    """Refuse what is no language before any work is done.

    Raises:
        InputError: no such language is known.
    """
    from . import explain

    explain.refuse_unknown(language)
