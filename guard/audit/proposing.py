"""Shows a recommendation at the terminal, and writes its edit of `models.yaml` once agreed to."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import typer
from pydantic import ValidationError

from .. import catalogue
from ..amending import edited
from ..catalogue import Catalogue
from ..deployment import models_file
from ..errors import InputError
from .recommending import HEADS, Bounds, Candidate, Recommendation, recommend, row

WIDE = 240  # columns of a table that no terminal bounds


def bounds(
    gap: float, price: float | None, languages: tuple[str, ...], jurisdictions: tuple[str, ...]
) -> Bounds:
    """What was asked for; `gap` is in points.

    Raises:
        InputError: a number is none.
    """
    countries = tuple(code.upper() for code in jurisdictions)
    try:
        return Bounds(gap=gap / 100, price=price, jurisdictions=countries, languages=languages)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise InputError(f"--max-{wrong['loc'][0]}: {wrong['msg']}") from error


def propose(run: Path, asked: Bounds, *, yes: bool) -> None:
    """Tell what fits, show the edit, and write it where that is agreed to.

    Raises:
        ConfigError: the run or `models.yaml` is wrong, or cannot be edited in place.
        InputError: the run has no figures on what was asked for.
        typer.Exit: with 1; nothing fits.
    """
    path = models_file()
    models = catalogue.load(path)
    found = recommend(run, models, asked)
    for note in found.notes:
        typer.echo(note)
    show(found.candidates)
    if found.best is not None and found.best.id == models.default:
        typer.echo(f"\n{models.default} fits best and is the default already; nothing to edit.")
        tell_unfit_steps(found, models)
        return
    default = fit(found)
    typer.echo(f"\nDefault: {default}\nFallbacks: {', '.join(found.chain)}\n")
    tell_what_stays(models)
    edit = edited(path, default, found.chain)
    typer.echo(edit.diff())
    if not (yes or agreed(path)):
        typer.echo("nothing was written", err=True)
        return
    edit.write()
    typer.echo(f"written to {path}", err=True)


def agreed(path: Path) -> bool:
    """Whether somebody at a terminal says so."""
    return sys.stdin.isatty() and typer.confirm(f"Write this to {path}?")


def show(candidates: Iterable[Candidate]) -> None:
    """The candidates as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*HEADS, box=None, pad_edge=False, header_style="bold")
    for each in candidates:
        table.add_row(*map(Text, row(each)))
    wide = None if sys.stdout.isatty() else WIDE
    Console(file=sys.stdout, highlight=False, width=wide).print(table)


def fit(found: Recommendation) -> str:
    """The model to make the default; where there is none, why not.

    Raises:
        typer.Exit: with 1; nothing can be recommended.
    """
    if found.best and not found.unserved:
        return found.best.id
    if not found.candidates:
        typer.echo("\nThe run holds no answers.")
    elif found.best is None:
        typer.echo("\nNo measured model fits; the last column says what keeps each out.")
    else:
        typer.echo(f"\n{found.best.id} fits, but no chain of models that fit would do:")
        for model, country in found.unserved:
            typer.echo(f"- nobody may answer for {model} on topics of {country}")
        typer.echo("Measure more models of other origins.")
    typer.echo("nothing was written", err=True)
    raise typer.Exit(1)


def tell_unfit_steps(found: Recommendation, models: Catalogue) -> None:
    """The steps of the chain as it stands that were measured and do not fit."""
    served = [each for each in found.candidates if each.spec and not each.measured.host]
    unfit = {each.measured.model for each in served if each.against}
    steps = [id_ for id_ in models.guard.fallbacks if id_ in unfit]
    if steps:
        typer.echo(f"Its fallbacks hold models that do not fit: {', '.join(steps)}.")


def tell_what_stays(models: Catalogue) -> None:
    """What the edit leaves as it is, though it bears on what is served."""
    if not models.guard.fallbacks:
        typer.echo("models.yaml has no fallbacks; none are added, so that the mode stays.")
    if models.guard.fallbacks_for:
        typer.echo("The chains of single countries (fallbacks_for) stay as they are.")
    if os.environ.get("CANDOR_DEFAULT_MODEL"):
        typer.echo("CANDOR_DEFAULT_MODEL is set here and goes before the default of the file.")
