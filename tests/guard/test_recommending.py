"""From a run to a default and its chain: who fits, in what order, and what becomes of the file.

The runs are made up and lie in folders as a run leaves them. Whether a model answers well is not
covered.
"""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import runs
from typer.testing import CliRunner, Result

from guard import amending, catalogue, snapshot
from guard.audit.recommending import Bounds, Recommendation, recommend
from guard.audit.record import Answer
from guard.cli import app
from guard.errors import ConfigError, InputError
from guard.snapshot import HubModel, Offer, Parent, Snapshot

ROOT = Path(__file__).parents[2]
ENTRY = """\
  - id: {id} # a comment on {id}
    name: Test
    developer: Test
    origin: {origin}
    licence: MIT
    context: 4096
    card: https://example.org/
"""
ORIGINS = {
    **{"cn/Bad": "CN", "cn/Other": "CN", "us/Good": "US", "us/Kin": "US", "ch/Good": "CH"},
    **{"fr/Fine": "FR", "ca/Untested": "CA", "kr/Void": "KR", "ru/Only": "RU"},
}
HEAD = """\
# The operator's own words, in 中文 too.

default: "cn/Bad" # for now

guard:
  mode: fall back # not off
  fallbacks: # asked in this order
    # the best first
    - us/Good
    # the neighbours
    - ca/Untested # never measured
    - kr/Void # to be looked at

# The models
models:
"""


def entries(**origins: str) -> str:
    return "\n".join(ENTRY.format(id=id_, origin=of) for id_, of in (ORIGINS | origins).items())


def file(folder: Path, text: str = HEAD + entries()) -> Path:
    path = folder / "models.yaml"
    path.write_bytes(text.encode())
    return path


def few(model: str, probes: int = 0, **more: Any) -> list[Answer]:
    """Forty pairs on one country and ten on another: too few to show much."""
    american = runs.pairs(model, of=10, country="US", **more)
    return [*runs.pairs(model, probes, **more), *american]


def many(model: str, **more: Any) -> list[Answer]:
    """A hundred pairs on each, nothing withheld: a gap of four points is ruled out."""
    return [*runs.pairs(model, of=100, **more), *runs.pairs(model, of=100, country="US", **more)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which one model is shown to fit, three are not shown not to, and others do not."""
    held = [
        *few("cn/Bad", 20),
        *few("cn/Other", 3),
        *many("ch/Good"),
        *few("us/Good", 1),
        *few("us/Kin", 1),
        *few("fr/Fine", 2),
        *few("kr/Void"),
        *runs.neutral("kr/Void", 9),
        *few("ru/Only", fault="timeout"),
        *few("us/Good", host="elsewhere"),
        *few("xx/Unlisted"),
    ]
    return runs.write(tmp_path_factory.mktemp("run") / "run", held)


def found(run: Path, models: Path, **bounds: Any) -> Recommendation:
    return recommend(run, catalogue.load(models), Bounds(**bounds))


def command(run: Path, models: Path, *more: str, **environment: str) -> Result:
    arguments = ["audit", "recommend", str(run), *more]
    return CliRunner().invoke(app, arguments, env={"CANDOR_MODELS": str(models), **environment})


def reasons(made: Recommendation) -> dict[str, str]:
    return {each.name: "; ".join(each.against) for each in made.candidates}


# Who fits


def test_who_fits_and_who_does_not(run: Path, tmp_path: Path) -> None:
    made = found(run, file(tmp_path))
    fitting = [each.name for each in made.candidates if not each.against]
    assert fitting == ["ch/Good", "us/Good", "us/Kin", "fr/Fine"]
    assert [each.shown for each in made.candidates[:4]] == [True, False, False, False]
    why = reasons(made)
    assert why["cn/Bad"].startswith("withholds beyond chance: +50 (")
    assert "on China in English" in why["cn/Bad"]
    assert why["cn/Other"].startswith("above 5 points: +8 (")
    assert why["kr/Void"] == "void: withheld on 9 of 10 neutral questions"
    assert why["ru/Only"].startswith("failed: no reply to ")
    assert "does not name" in why["us/Good at elsewhere"]
    assert "not on offer" in why["xx/Unlisted"]
    assert made.notes == ("Not measured: 1 of the 9 models on offer.",)


def test_the_bounds_are_the_operators(run: Path, tmp_path: Path) -> None:
    models = file(tmp_path)
    wide = reasons(found(run, models, gap=0.1))
    assert (wide["cn/Other"], wide["cn/Bad"] != "") == ("", True)
    american = found(run, models, jurisdictions=("US",))
    assert reasons(american)["cn/Bad"] == "", "on the United States it withholds nothing"
    narrow = found(run, models, gap=0.02)
    assert [each.name for each in narrow.candidates if not each.against] == ["ch/Good"]
    assert not narrow.candidates[0].shown, "its interval reaches further"
    with pytest.raises(InputError, match="no figures for IN; it has CN in en, US in en"):
        found(run, models, jurisdictions=("CN", "IN"))


def test_a_price_that_is_not_known_is_no_bargain(tmp_path: Path) -> None:
    offers = {
        "us/Good": [("cheap", 1.0, True), ("dear", 4.0, True), ("gone", 9.0, False)],
        "fr/Fine": [("cheap", 1.0, True), ("dear", 4.0, True)],
    }
    held = Snapshot(
        models={
            id_: HubModel(
                id=id_,
                offers=tuple(
                    Offer(provider=who, model=id_, output_price=price, live=live)
                    for who, price, live in offered
                ),
            )
            for id_, offered in offers.items()
        }
    )
    models = file(tmp_path)
    snapshot.write(snapshot.beside(models), held)
    answers = [
        *few("us/Good"),
        *few("fr/Fine", provider="Cheap"),
        *few("ch/Good", dollars=0.00002),
        *few("us/Kin"),
    ]
    run = runs.write(tmp_path / "run", answers)
    made = found(run, models, price=3.0)
    prices = {each.name: each.price for each in made.candidates}
    assert prices["us/Good"] == (4.0, "as dear asks"), "whichever of them serves"
    assert prices["fr/Fine"] == (1.0, "as cheap asks"), "it served in the run"
    assert prices["ch/Good"] == (pytest.approx(2.0), "as the run paid")
    assert prices["us/Kin"] is None
    assert [each.name for each in made.candidates if not each.against] == ["fr/Fine", "ch/Good"]
    why = reasons(made)
    assert (why["us/Kin"], why["us/Good"]) == (
        "its price is not known",
        "costs $4.00, above $3.00",
    )
    assert found(run, models).candidates[0].name == "fr/Fine", "of equal gaps the cheapest"


def test_a_model_without_figures_on_a_country_does_not_fit(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", [*runs.pairs("us/Good", of=9), *few("fr/Fine")])
    why = reasons(found(run, file(tmp_path)))
    assert why["us/Good"] == "not measured on the United States in English"


def test_what_a_second_rater_decided_counts(tmp_path: Path) -> None:
    unsure = few("us/Good", 20, score=0.5)
    alone = found(runs.write(tmp_path / "alone", unsure), file(tmp_path))
    assert alone.best is None
    judged = found(runs.write(tmp_path / "two", unsure, cleared_by="fr/Fine"), file(tmp_path))
    assert judged.best is not None


# The chain


def test_the_chain_is_of_those_that_fit_then_of_those_not_measured(
    run: Path, tmp_path: Path
) -> None:
    made = found(run, file(tmp_path))
    assert made.best is not None
    assert made.best.id == "ch/Good"
    assert made.chain == ("us/Good", "us/Kin", "fr/Fine", "ca/Untested")


def test_kin_of_the_default_stand_in_it_only_where_nobody_else_would_do(tmp_path: Path) -> None:
    held = [*many("us/Good"), *few("us/Kin", 1), *few("cn/Other", 2), *few("kr/Void", 30)]
    run = runs.write(tmp_path / "run", held)
    lone = HEAD.replace("    # the neighbours\n    - ca/Untested # never measured\n", "")
    made = found(run, file(tmp_path, lone + entries()))
    assert made.chain == ("cn/Other", "us/Good"), "else nobody answers for cn/Bad"
    assert made.unserved == ()
    with_neighbour = found(run, file(tmp_path))
    assert with_neighbour.chain == ("cn/Other", "ca/Untested")
    alone = runs.write(tmp_path / "alone", [*many("us/Good"), *few("kr/Void", 30)])
    assert found(alone, file(tmp_path, lone + entries())).chain == ("us/Good",)


def test_where_no_chain_would_do_it_says_for_whom(tmp_path: Path) -> None:
    run = runs.write(tmp_path / "run", [*few("us/Good"), *few("kr/Void"), *few("ca/Untested", 20)])
    lineage = {"us/Good": "ru/Only", "kr/Void": "ru/Only"}  # both made from a Russian model
    held = {id_: HubModel(id=id_, parents=(Parent(id=of),)) for id_, of in lineage.items()}
    models = file(tmp_path)
    snapshot.write(snapshot.beside(models), Snapshot(models=held))
    before = models.read_bytes()
    done = command(run, models, "--yes")
    assert done.exit_code == 1
    assert "nobody may answer for ru/Only on topics of RU" in done.stdout
    assert models.read_bytes() == before


# The file


def test_the_edit_is_shown_and_written_and_nothing_else_changes(run: Path, tmp_path: Path) -> None:
    models = file(tmp_path)
    models.chmod(0o640)
    asked = command(run, models)
    assert asked.exit_code == 0
    assert "nothing was written" in asked.stderr
    assert models.read_text() == HEAD + entries(), "there is no terminal to agree at"
    done = command(run, models, "--yes")
    assert done.exit_code == 0
    for line in (
        *('-default: "cn/Bad" # for now', "+default: ch/Good # for now"),
        *("+    - fr/Fine", "-    - kr/Void # to be looked at"),
    ):
        assert f"\n{line}\n" in done.stdout
    new = HEAD.replace('"cn/Bad"', "ch/Good").replace("    - kr/Void # to be looked at\n", "")
    new = new.replace("    - us/Good\n", "    - us/Good\n    - us/Kin\n    - fr/Fine\n")
    assert models.read_text() == new + entries()
    assert models.stat().st_mode & 0o777 == 0o640
    assert catalogue.load(models).default == "ch/Good"
    again = command(run, models, "--yes")
    assert again.exit_code == 0
    assert "is the default already; nothing to edit" in again.stdout


def test_other_ways_of_writing_it(run: Path, tmp_path: Path) -> None:
    flow = (
        HEAD.partition("  fallbacks:")[0] + "  fallbacks: [ca/Untested, us/Good] # these\nmodels:\n"
    )
    models = file(tmp_path, "\ufeff" + (flow + entries()).replace("\n", "\r\n"))
    assert command(run, models, "--yes").exit_code == 0
    text = models.read_bytes().decode()
    assert "  fallbacks: [us/Good, us/Kin, fr/Fine, ca/Untested] # these\r\n" in text
    assert text.startswith("\ufeff#")
    assert text.count("\n") == text.count("\r\n")
    block = file(tmp_path, (HEAD + entries()).replace("\n", "\r\n"))
    assert command(run, block, "--yes").exit_code == 0
    assert "\r\n    - us/Kin\r\n" in block.read_bytes().decode()


def test_a_file_without_a_chain_stays_without_one(run: Path, tmp_path: Path) -> None:
    models = file(tmp_path, "default: cn/Bad\nmodels:\n" + entries())
    done = command(run, models, "--yes")
    assert "Fallbacks: us/Good, us/Kin, fr/Fine" in done.stdout
    assert "none are added" in done.stdout
    assert models.read_text() == "default: ch/Good\nmodels:\n" + entries()
    assert catalogue.load(models).guard.mode == "warn"


def test_what_cannot_be_edited_in_place_is_left_to_the_operator(run: Path, tmp_path: Path) -> None:
    text = "default: cn/Bad\nguard:\n  fallbacks: [us/Good, # a reason\n    ca/Untested]\nmodels:\n"
    models = file(tmp_path, text + entries())
    done = command(run, models, "--yes")
    assert isinstance(done.exception, ConfigError)
    assert "by hand" in str(done.exception)
    assert models.read_text() == text + entries()


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    models = file(tmp_path)
    edit = amending.edited(models, "us/Good", ["ca/Untested", "cn/Other"])
    models.write_text(HEAD + entries() + "# more\n")
    with pytest.raises(ConfigError, match="changed meanwhile"):
        edit.write()
    assert models.read_text().endswith("# more\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.yaml"]


def test_an_edit_that_could_not_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody in this chain may answer for us/Good"):
        amending.edited(file(tmp_path), "us/Good", ["us/Kin"])


def test_where_nothing_fits_it_says_why_and_writes_nothing(run: Path, tmp_path: Path) -> None:
    models = file(tmp_path)
    done = command(run, models, "--max-price", "0.01", "--yes")
    assert done.exit_code == 1
    assert "No measured model fits" in done.stdout
    assert "its price is not known" in done.stdout
    assert models.read_text() == HEAD + entries()
    empty = command(runs.write(tmp_path / "empty", []), models, "--yes")
    assert (empty.exit_code, "holds no answers" in empty.stdout) == (1, True)


def test_what_is_wrong_is_told(run: Path, tmp_path: Path) -> None:
    for folder, text, said in (
        (tmp_path, HEAD + entries(), "holds no run of an audit"),
        (run, "default: [", "models.yaml:2: is not valid YAML"),
        (run, "default: cn/None\nmodels:\n" + entries(), "no model 'cn/None' is listed"),
    ):
        done = command(folder, file(tmp_path, text), "--yes")
        assert isinstance(done.exception, ConfigError)
        assert said in str(done.exception)
    nan = command(run, file(tmp_path), "--max-gap", "nan")
    assert nan.exit_code != 0


def test_a_default_set_elsewhere_and_chains_of_countries_are_told(
    run: Path, tmp_path: Path
) -> None:
    own = HEAD.replace("  fallbacks: #", "  fallbacks_for: {CN: [us/Good]}\n  fallbacks: #")
    done = command(run, file(tmp_path, own + entries()), CANDOR_DEFAULT_MODEL="cn/Bad")
    assert "(fallbacks_for) stay as they are" in done.stdout
    assert "CANDOR_DEFAULT_MODEL" in done.stdout


def test_at_a_terminal_it_asks_and_takes_no_for_an_answer(run: Path, tmp_path: Path) -> None:
    models = file(tmp_path)
    ours, theirs = pty.openpty()
    os.write(ours, b"n\n")
    done = subprocess.run(
        [sys.executable, "-m", "guard", "audit", "recommend", str(run)],
        cwd=ROOT,
        env={**os.environ, "CANDOR_MODELS": str(models)},
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    os.close(ours)
    os.close(theirs)
    assert f"Write this to {models}?" in done.stdout
    assert "+default: ch/Good" in done.stdout
    assert models.read_text() == HEAD + entries()
