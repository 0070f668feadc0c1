"""How often an audit accuses a fair model, and how often it sees that one withholds.

Simulates whole audits with the numbers of pairs, topics and languages of the packs, and tests them
as `guard.audit` does. A simulated question is withheld at chance; how alike chances are is set:

- agreement: how the samples of a question go together (0: each by itself, 1: all alike);
- the languages of a pair go together at 0.5, a probe and its control at 0.2;
- topics: how the probes of a topic go together, and apart from them its controls.

Each is a correlation, made by copying: a draw is that of the wider unit, or one of its own. A fair
model withholds probes and controls at one rate. One that is not withholds the probes of a country,
in one language or in all, at a rate that is 20 points higher, of replies.

    python benchmarks/audit_power.py [--runs 20000] [--workers 2] [--write docs/audit.md]

Prints tables, writes JSON and a plot. Not covered: errors of the guard, and how fair controls are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt
from judgement import proportion
from policy import table, write_into
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from scipy.stats import binom

from guard.audit import statistics
from guard.audit.plan import Scope, plan
from guard.audit.statistics import ALPHA, CONTROL_RATE, VISIBLE, Pair

Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.uint16]
Accused = dict[tuple[str, int], Bools]  # by country and language, of each run
Figures = dict[str, Any]

LANGUAGES, SIDES = 0.5, 0.2  # how alike: a pair's languages, a probe and its control
RATES = (0.0, 0.03, 0.1, 0.3, 0.5)
AGREEMENTS = (0.3, 0.6, 0.9)
SAMPLES = 3
FAMILIES = (("CN",), ("CN", "US"), ("CN", "RU", "US"), ())  # countries of an audit; () is all
TARGETS = ("CN", "RU", "US")
GAPS = (0.1, 0.2, 0.3)
MOST_PAIRS, STEP = 200, 5
WANTED, BOUND = 0.95, 0.01
ALL = 1 << 16  # draws are whole numbers below it
BATCH = 1000  # runs at once, for memory
FEWER = 4  # a power needs less precision than a rate of 1 %
RESULTS = ROOT / "benchmarks" / "results" / "audit_power.json"
PLOT = ROOT / "docs" / "audit" / "power.svg"
MARKERS = ("<!-- power -->", "<!-- /power -->")


class Country(NamedTuple):
    """What the packs hold of a country: pairs, their topics, and languages they are asked in."""

    code: str
    pairs: int
    topics: int
    languages: int


class Temper(NamedTuple):
    """How a simulated model withholds: see the module. `agreement` is of probes, of controls."""

    rate: float
    samples: int = SAMPLES
    agreement: tuple[float, float] = (1.0, 1.0)
    topics: float = 0.0


class Job(NamedTuple):
    """Simulated audits of one kind. `gaps` holds those of a country by language; none is fair."""

    name: str
    countries: tuple[Country, ...]
    temper: Temper
    runs: int
    gaps: tuple[tuple[str, tuple[float, ...]], ...] = ()
    methods: tuple[str, ...] = ("audit",)


class Asked(NamedTuple):
    """What a country's questions brought: withheld or not, by run, pair, language and sample."""

    probes: Bools
    controls: Bools

    @property
    def more(self) -> Counts:
        """In how many more samples the probe was withheld; by run, pair and language."""
        return self.probes.sum(-1, dtype=np.int16) - self.controls.sum(-1, dtype=np.int16)

    @property
    def most(self) -> Counts:
        """The same of questions that count as withheld where most samples are."""
        samples = self.probes.shape[-1]
        sides = [2 * side.sum(-1, dtype=np.int16) > samples for side in self]
        return sides[0].astype(np.int16) - sides[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=20_000, help="simulated audits a row")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, help="page to put the tables in, between markers")
    given = parser.parse_args()
    known = countries()
    refuse_another_test(known)
    families = [family(known, *codes) for codes in FAMILIES]
    jobs = {
        "fair": fair_jobs(families, given.runs),
        "gap": gap_jobs(families, given.runs),
        "methods": method_jobs(family(known, *TARGETS), given.runs),
    }
    found = dict(zip(jobs, studied(list(jobs.values()), given.workers), strict=True))
    document: Figures = {
        "runs": given.runs,
        "pairs": {one.code: one._asdict() for one in known.values()},
        **found,
        "needed": needed(families, given.runs),
        "curves": curves(given.runs),
    }
    document["aims"] = aims(document)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    draw(document["curves"])
    print(shown(document))
    if given.write:
        write_into(given.write, shown(document), MARKERS)


# what is simulated


def countries() -> dict[str, Country]:
    """What an audit of everything asks, by country."""
    pairs: dict[str, set[str]] = {}
    languages: dict[str, set[str]] = {}
    for one in plan(Scope(models=("any",), samples=1)):
        if one.kind == "probe":
            pairs.setdefault(one.jurisdiction, set()).add(one.pair)
            languages.setdefault(one.jurisdiction, set()).add(one.language)
    return {
        code: Country(code, len(held), len({p.split("/")[0] for p in held}), len(languages[code]))
        for code, held in sorted(pairs.items())
    }


def family(known: Mapping[str, Country], *codes: str) -> tuple[Country, ...]:
    """The countries of an audit; all where none is named."""
    return tuple(known[code] for code in codes) or tuple(known.values())


def tests(countries: Sequence[Country]) -> int:
    return sum(country.languages for country in countries)


def named(countries: Sequence[Country]) -> str:
    codes = ", ".join(country.code for country in countries)
    return codes if len(countries) < 5 else f"all {len(countries)} countries"


def fair_jobs(families: Sequence[tuple[Country, ...]], runs: int) -> list[Job]:
    """Models that treat all alike, at several rates and in several ways."""
    tempers = {
        "1 sample": {"samples": 1},
        "3 samples, 0.3": {"agreement": (0.3, 0.3)},
        "3 samples, 0.9": {"agreement": (0.9, 0.9)},
        "3 samples, probes 1, controls 0": {"agreement": (1.0, 0.0)},
        "3 samples, 0.6, topics 0.3": {"agreement": (0.6, 0.6), "topics": 0.3},
    }
    return [
        Job(name, countries, Temper(rate, **temper), runs)
        for countries in families
        for name, temper in tempers.items()
        for rate in RATES
    ]


def gap_jobs(families: Sequence[tuple[Country, ...]], runs: int) -> list[Job]:
    """Models with a gap of 20 points on one country, in its last language or in all."""
    tempers = {
        "1 sample": Temper(CONTROL_RATE, 1),
        **{f"3 samples, {a}": Temper(CONTROL_RATE, agreement=(a, a)) for a in AGREEMENTS},
    }
    return [
        Job(name, countries, temper, runs // FEWER, ((country.code, gaps),))
        for countries in families
        for country in countries
        if country.code in TARGETS
        for gaps in gaps_of(country)
        for name, temper in tempers.items()
    ]


def gaps_of(country: Country) -> Iterator[tuple[float, ...]]:
    yield (VISIBLE,) * country.languages
    if country.languages > 1:
        yield (*(0.0,) * (country.languages - 1), VISIBLE)


def method_jobs(countries: tuple[Country, ...], runs: int) -> list[Job]:
    """The same models under other tests."""
    methods, agreement = tuple(METHODS), (0.6, 0.6)
    temper = Temper(CONTROL_RATE, agreement=agreement)
    fair = [
        Job(f"fair, {rate:.0%}", countries, Temper(rate, agreement=agreement), runs, (), methods)
        for rate in RATES
    ]
    return fair + [
        Job(
            f"{country.code}, {'every language' if all(gaps) else 'one language'}",
            countries,
            temper,
            runs // FEWER,
            ((country.code, gaps),),
            methods,
        )
        for country in countries
        for gaps in gaps_of(country)
    ]


def simulated(
    country: Country,
    temper: Temper,
    gaps: Sequence[float],
    runs: int,
    random: np.random.Generator,
) -> Asked:
    """Audits of a country; `gaps` are by language."""
    pairs, languages = country.pairs, country.languages
    of_pair = draws((runs, pairs, 1, 1), random)
    topic = np.arange(pairs) * country.topics // pairs
    sides = []
    for agreement, more in zip(temper.agreement, (gaps, (0.0,) * languages), strict=True):
        of_topic = draws((runs, country.topics, 1, 1), random)[:, topic]
        drawn = copied(of_topic, (runs, pairs, 1, 1), temper.topics, random)
        drawn = copied(of_pair, drawn, SIDES, random)
        drawn = copied(drawn, (runs, pairs, languages, 1), LANGUAGES, random)
        drawn = copied(drawn, (runs, pairs, languages, temper.samples), agreement, random)
        rates = (temper.rate + np.array(more)) * ALL
        sides.append(drawn < rates.astype(np.uint16)[:, None])
    return Asked(*sides)


def draws(shape: tuple[int, ...], random: np.random.Generator) -> Draws:
    return random.integers(0, ALL, shape, np.uint16)


def copied(
    wider: Draws, own: Draws | tuple[int, ...], alike: float, random: np.random.Generator
) -> Draws:
    """Draws that are the wider unit's so often that any two of a unit correlate at `alike`."""
    shape = own if isinstance(own, tuple) else own.shape
    if alike == 1:
        return np.broadcast_to(wider, shape)
    if isinstance(own, tuple):
        own = draws(shape, random)
    if not alike:
        return own
    return np.where(draws(shape, random) < int(alike**0.5 * ALL), wider, own)


# how it is tested


def p_values(differences: Counts) -> Floats:
    """Of each run (rows) the exact test's p-value on its pairs."""
    sizes = range(1, max(int(np.abs(differences).max(initial=0)), 1) + 1)
    counts = [(np.abs(differences) == size).sum(1) for size in sizes]
    rows = np.column_stack([*counts, np.abs(differences.sum(1, dtype=np.int64))])
    different, where = np.unique(rows, axis=0, return_inverse=True)
    found = [
        statistics.tail(tuple((s, c) for s, c in zip(sizes, row, strict=False) if c), row[-1])
        for row in different.tolist()
    ]
    return np.array(found)[where.ravel()]


def mid_p(differences: Counts) -> Floats:
    """McNemar's test with the half of what was seen left out."""
    discordant, total = np.abs(differences).sum(1), np.abs(differences.sum(1))
    seen = binom.pmf((discordant + total) // 2, discordant, 0.5)
    return np.where(total == 0, 1.0, p_values(differences) - seen)


def flat(p: Mapping[tuple[str, int], Floats], more: Mapping[tuple[str, int], Bools]) -> Accused:
    """What is beyond chance after Holm's correction of all tests of a run."""
    corrected = np.array([statistics.holm(row) for row in np.column_stack(list(p.values()))])
    return {key: (corrected[:, at] < ALPHA) & more[key] for at, key in enumerate(p)}


def by_audit(asked: Mapping[str, Asked]) -> Accused:
    """As the audit does."""
    p, more = {}, {}
    for code, one in asked.items():
        samples, questions = one.more, one.most
        for language in range(samples.shape[2]):
            p[code, language] = p_values(samples[:, :, language])
            sums = samples[:, :, language].sum(1), questions[:, :, language].sum(1)
            more[code, language] = (sums[0] > 0) & (sums[1] > 0)
    return flat(p, more)


def by_most(asked: Mapping[str, Asked], test: Callable[[Counts], Floats] = p_values) -> Accused:
    """A question counts as most of its samples; then McNemar's test."""
    p, more = {}, {}
    for code, one in asked.items():
        for language in range(one.most.shape[2]):
            p[code, language] = test(one.most[:, :, language])
            more[code, language] = one.most[:, :, language].sum(1) > 0
    return flat(p, more)


def by_mid_p(asked: Mapping[str, Asked]) -> Accused:
    return by_most(asked, mid_p)


def by_country_first(asked: Mapping[str, Asked]) -> Accused:
    """All languages of a country together first; each language only where that is beyond chance.

    Languages are then corrected among themselves, at the strictest level of the countries.
    """
    together = {(code, 0): one.more.sum(2) for code, one in asked.items()}
    first = flat(
        {key: p_values(each) for key, each in together.items()},
        {key: each.sum(1) > 0 for key, each in together.items()},
    )
    accused = {}
    for code, one in asked.items():
        of_language = [one.more[:, :, at] for at in range(one.more.shape[2])]
        held = np.column_stack([p_values(each) for each in of_language])
        corrected = np.array([statistics.holm(row) for row in held]) * len(asked)
        for at, each in enumerate(of_language):
            alone = len(of_language) == 1
            beyond = first[code, 0] if alone else first[code, 0] & (corrected[:, at] < ALPHA)
            accused[code, at] = beyond & (each.sum(1) > 0)
        accused[code, -1] = first[code, 0]
    return accused


METHODS: dict[str, Callable[[Mapping[str, Asked]], Accused]] = {
    "audit": by_audit,
    "most of the samples": by_most,
    "most of the samples, mid-p": by_mid_p,
    "country first": by_country_first,
}


def refuse_another_test(known: Mapping[str, Country]) -> None:
    """What is simulated has to be what the audit does.

    Raises:
        SystemExit: it is not.
    """
    chosen, random = family(known, "US", "GB"), np.random.default_rng(5)
    temper = Temper(0.1, agreement=(0.6, 0.3))
    asked = {one.code: simulated(one, temper, (0.3,), 40, random) for one in chosen}
    accused = by_audit(asked)
    for at in range(40):
        pairs = [
            [
                Pair(tuple(p), tuple(c))
                for p, c in zip(*(side[at, :, 0].tolist() for side in each), strict=True)
            ]
            for each in asked.values()
        ]
        gaps = statistics.corrected([statistics.gap(group) for group in pairs])
        if [one.withholds for one in gaps] != [bool(each[at]) for each in accused.values()]:
            raise SystemExit("the audit tests otherwise than this benchmark")


# running it


def studied(groups: Sequence[Sequence[Job]], workers: int) -> list[list[Figures]]:
    """What came of each job, by group."""
    jobs = [job for group in groups for job in group]
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        Progress(console=Console(stderr=True)) as progress,
    ):
        found = list(progress.track(pool.map(study, jobs), total=len(jobs)))
    following = iter(found)
    return [[next(following) for _ in group] for group in groups]


def study(job: Job) -> Figures:
    """Simulate a job's audits, and count who is accused."""
    random = np.random.default_rng(crc32(repr(job).encode()))
    parts: dict[str, list[Accused]] = {method: [] for method in job.methods}
    gaps = dict(job.gaps)
    for begun in range(0, job.runs, BATCH):
        asked = {
            country.code: simulated(
                country,
                job.temper,
                gaps.get(country.code, (0.0,) * country.languages),
                min(BATCH, job.runs - begun),
                random,
            )
            for country in job.countries
        }
        for method in job.methods:
            parts[method].append(METHODS[method](asked))
    return {
        "name": job.name,
        "countries": named(job.countries),
        "tests": tests(job.countries),
        "rate": job.temper.rate,
        "gaps": gaps,
        "methods": {name: counted(job, held) for name, held in parts.items()},
    }


def counted(job: Job, parts: Sequence[Accused]) -> Figures:
    """Of all runs: how many accuse wrongly; how many see the gap, where there is one."""
    accused = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    gaps = dict(job.gaps)
    wrong = [
        runs
        for (code, language), runs in accused.items()
        if language >= 0 and not (code in gaps and gaps[code][language])
    ]
    right = {
        language: runs
        for (code, language), runs in accused.items()
        if language >= 0 and code in gaps and gaps[code][language]
    }
    anywhere = np.any(wrong, axis=0) if wrong else np.zeros(job.runs, np.bool_)
    figures: Figures = {"wrong": share(anywhere)}
    if right:
        whole = [runs for (code, at), runs in accused.items() if at < 0 and code in gaps]
        figures["seen"] = share(list(right.values())[-1])
        figures["seen in any"] = share(np.any([*right.values(), *whole], axis=0))
    return figures


def share(runs: Bools) -> Figures:
    """The share of true ones, with Wilson's 95 % interval."""
    return proportion(runs, np.ones_like(runs))


def curves(runs: int) -> list[Figures]:
    """The power of one test of three, by number of pairs: exactly, and with several samples."""
    pairs = list(range(STEP, MOST_PAIRS + 1, STEP))
    return [
        {
            "gap": gap,
            "pairs": pairs,
            "1 sample": [statistics.power(count, 3, gap=gap) for count in pairs],
            **{
                f"3 samples, {each}": power_of_samples(gap, each, 3, pairs, runs // FEWER)
                for each in AGREEMENTS
            },
        }
        for gap in GAPS
    ]


def power_of_samples(
    gap: float, agreement: float, tests: int, pairs: Sequence[int], runs: int
) -> list[float]:
    """The chance that one test sees a gap at Holm's strictest level, by number of pairs."""
    random, seen = np.random.default_rng(11), np.zeros(len(pairs))
    temper = Temper(CONTROL_RATE, agreement=(agreement, agreement))
    for begun in range(0, runs, BATCH):
        size = min(BATCH, runs - begun)
        most = Country("", pairs[-1], 1, 1)
        asked = simulated(most, temper, (gap,), size, random)
        more, questions = asked.more[:, :, 0], asked.most[:, :, 0]
        for at, count in enumerate(pairs):
            beyond = p_values(more[:, :count]) < ALPHA / tests
            sums = more[:, :count].sum(1), questions[:, :count].sum(1)
            seen[at] += (beyond & (sums[0] > 0) & (sums[1] > 0)).sum()
    return (seen / runs).round(4).tolist()


def needed(families: Sequence[tuple[Country, ...]], runs: int) -> list[Figures]:
    """From how many pairs on a gap of 20 points is seen in 95 of 100 audits, by family."""
    pairs = list(range(20, MOST_PAIRS + 1, 4))
    return [
        {
            "countries": named(each),
            "tests": tests(each),
            **{
                f"1 sample, controls {rate:.0%}": enough(
                    range(10, 400), [exact(n, each, rate) for n in range(10, 400)]
                )
                for rate in (0.0, CONTROL_RATE, 0.1)
            },
            **{
                f"3 samples, {a}": enough(
                    pairs, power_of_samples(VISIBLE, a, tests(each), pairs, runs // FEWER)
                )
                for a in AGREEMENTS
            },
        }
        for each in families
    ]


def exact(pairs: int, countries: Sequence[Country], control: float) -> float:
    return statistics.power(pairs, tests(countries), control=control)


def enough(pairs: Sequence[int], power: Sequence[float]) -> int | None:
    """The first number of pairs from which on the power stays high enough."""
    short = [count for count, each in zip(pairs, power, strict=True) if each < WANTED]
    return next((count for count in pairs if not short or count > short[-1]), None)


# what is shown


def aims(document: Figures) -> Figures:
    """Against what is wanted: no more than one false accusation in a hundred, and the power."""
    fair = [row for row in document["fair"] if "topics" not in row["name"]]
    worst = max(row["methods"]["audit"]["wrong"]["value"] for row in fair)
    found: Figures = {"false accusations, most": {"value": worst, "met": worst <= BOUND}}
    for code in TARGETS:
        rows = [
            row
            for row in document["gap"]
            if row["gaps"].get(code) and row["countries"] == "CN, RU, US" and all(row["gaps"][code])
        ]
        for row in rows:
            value = row["methods"]["audit"]["seen"]["value"]
            name = f"20 points on {code} seen, {row['name']}"
            found[name] = {"value": value, "met": value >= WANTED}
    return found


def shown(document: Figures) -> str:
    """All tables, in Markdown."""
    parts = [
        f"### A fair model is accused\n\nIn {document['runs']:,} simulated audits a cell, by the "
        "share of probes and of controls that are withheld.",
        fair_table(document["fair"]),
        "### A gap of 20 points is seen",
        gap_table(document["gap"], document["pairs"]),
        "### Pairs that are needed",
        needed_table(document["needed"]),
        "### Other tests",
        method_table(document["methods"]),
    ]
    return "\n\n".join(parts)


def fair_table(rows: Sequence[Figures]) -> str:
    cells: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = (f"{row['countries']} ({row['tests']} tests)", row["name"])
        cells.setdefault(key, []).append(percent(row["methods"]["audit"]["wrong"], 2))
    head = ("countries", "samples, agreement", *(f"{rate:.0%}" for rate in RATES))
    return table(head, [(*key, *each) for key, each in cells.items()])


def gap_table(rows: Sequence[Figures], known: Mapping[str, Any]) -> str:
    cells: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        ((code, gaps),) = row["gaps"].items()
        pairs = known[code]["pairs"]
        where = "every language" if all(gaps) else "one language"
        promise = f"{statistics.power(pairs, row['tests']):.1%}"
        key = (row["countries"], f"{code}, {pairs} pairs", where, promise)
        cells.setdefault(key, []).append(percent(row["methods"]["audit"]["seen"], 1))
    samples = ("1 sample", *(f"3 samples, {each}" for each in AGREEMENTS))
    head = ("countries", "gap on", "in", "promised", *samples)
    return table(head, [(*key, *each) for key, each in cells.items()])


def needed_table(rows: Sequence[Figures]) -> str:
    head = tuple(rows[0])
    return table(head, [[f"> {MOST_PAIRS}" if v is None else v for v in r.values()] for r in rows])


def method_table(rows: Sequence[Figures]) -> str:
    fair = [row for row in rows if not row["gaps"]]
    seen = [row for row in rows if row["gaps"]]
    head = ("test", *(f"accused: {r['name']}" for r in fair), *(f"seen: {r['name']}" for r in seen))
    return table(
        head,
        [
            (
                method,
                *(f"{row['methods'][method]['wrong']['value']:.2%}" for row in fair),
                *(f"{row['methods'][method]['seen in any']['value']:.1%}" for row in seen),
            )
            for method in METHODS
        ],
    )


def percent(figure: Figures, digits: int) -> str:
    """A share with its interval, in percent."""
    low, high = (f"{100 * end:.{digits}f}" for end in figure["interval"])
    return f"{100 * figure['value']:.{digits}f} % ({low}–{high})"


def draw(found: Sequence[Figures]) -> None:
    """Power by number of pairs."""
    import matplotlib.pyplot as plt

    PLOT.parent.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"svg.hashsalt": "candor", "font.size": 10})
    figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for curve, colour in zip(found, ("#E69F00", "#0072B2", "#009E73"), strict=True):
        points = f"{100 * curve['gap']:.0f} points"
        axes.plot(curve["pairs"], curve["1 sample"], color=colour, label=f"{points}, 1 sample")
        several = curve["3 samples, 0.6"]
        axes.plot(curve["pairs"], several, "--", color=colour, label=f"{points}, 3 samples")
    axes.axhline(WANTED, color="grey", linewidth=0.8)
    axes.annotate("95 %", (MOST_PAIRS, WANTED), (0, -11), textcoords="offset points", ha="right")
    axes.set(xlabel="pairs", ylabel="chance to see the gap", xlim=(0, MOST_PAIRS), ylim=(0, 1.01))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
