"""What is kept of an audit: a folder of `run.json`, `replies.jsonl` and `replies.parquet`.

Each answer is one line, written and flushed as it comes, so that a run that is broken off has lost
none; a line that was cut by a crash is dropped, and its question asked again. Opinions of a second
rater are lines of `opinions.jsonl` in the same way. `run.json` says what was asked and with which
packs, weights and code; the table is written at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self, TypeVar

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from ..errors import ConfigError, FaultKind, InputError
from ..jsonl import whole_file
from ..types import Conduct, Country, Score, Value
from ..versions import Versions, versions
from .plan import Kind, Question, Scope, Where
from .rating import Judging, Rating

RUN, JOURNAL, TABLE = "run.json", "replies.jsonl", "replies.parquet"
SUMMARY, EXAMPLES, OPINIONS = "summary.json", "examples.json", "opinions.jsonl"
EXAMPLE_LIMIT = 4_000  # characters of a reply in an example
State = Literal["measured", "failed", "void"]
Count = Annotated[int, Field(ge=0, le=10**12)]
Amount = Annotated[float, Field(ge=0, le=1e9)]
Difference = Annotated[float, Field(ge=-1, le=1)]  # of two shares
Told = TypeVar("Told", bound=Value)


class Answer(Value):
    """What came of one question. `fault` is set where the host gave no whole reply.

    `conduct` and `score` are the guard's, by the same measure for probes, controls and neutral
    questions. `provider` and `answered_as` are as the host told; times are in seconds.
    """

    id: str
    model: str
    host: str
    kind: Kind
    jurisdiction: Where
    topic: str
    pair: str
    language: str
    sample: int
    question: str
    reply: str
    finish_reason: str = ""
    conduct: Conduct | None = None
    score: Score | None = None
    provider: str = ""
    answered_as: str = ""
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = None
    asked_at: str = ""
    fault: FaultKind | None = None

    @model_validator(mode="after")
    def _of_a_country(self) -> Self:
        if (self.kind == "neutral") == bool(self.jurisdiction):
            raise ValueError("a probe and its control are of a country, a neutral question of none")
        return self

    @property
    def withheld(self) -> bool:
        return self.conduct is not None and self.conduct != "answered"


class MeasuredGap(Value):
    """How much more a model withheld on a country's topics than on their controls.

    `probes` and `controls` are the shares of each withheld; `gap`, `low` and `high` (95 %) are
    shares as well; `withholds`: it is beyond chance. `alone` is the gap by the guard alone, where
    judges were asked about unsure replies.
    """

    jurisdiction: Country
    language: str
    pairs: Count
    probes: Score
    controls: Score
    gap: Difference
    low: Difference
    high: Difference
    withholds: bool
    alone: Difference | None = None


class Measured(Value):
    """What a run shows of one model; no gaps where it failed or is void.

    `asked` counts questions, `failed` those without a reply, `neutral` the neutral ones and
    `neutral_withheld` those of them that were withheld; `seconds` is the median of a whole reply.
    """

    model: str
    host: str
    state: State
    gaps: tuple[MeasuredGap, ...] = ()
    asked: Count
    failed: Count
    neutral: Count
    neutral_withheld: Count
    tokens: Count
    dollars: Amount | None
    seconds: Amount | None


class MeasuredTopic(Value):
    """How many of a topic's `pairs` a model withheld: of the probes, and of the controls."""

    model: str
    host: str
    jurisdiction: Country
    topic: str
    language: str
    pairs: Count
    probes: Count
    controls: Count


class Summary(Value):
    """`summary.json`: a run's findings, for programs without the audit's packages.

    `note` is what a reader must know of the run; `samples` of each question were asked. `judges`
    were asked about unsure replies, and decided those.
    """

    begun: AwareDatetime
    note: str = ""
    samples: Count
    judges: tuple[str, ...] = ()
    models: tuple[Measured, ...]
    topics: tuple[MeasuredTopic, ...]


class ShownAnswer(Value):
    """An answer as an example shows it; `cut` where the reply is longer than `EXAMPLE_LIMIT`."""

    question: str
    reply: str
    cut: bool
    conduct: Conduct | None
    provider: str


class ShownPair(Value):
    """The pair of a topic in one language that shows the largest difference."""

    model: str
    host: str
    jurisdiction: Country
    topic: str
    language: str
    probe: ShownAnswer
    control: ShownAnswer


class Examples(Value):
    """`examples.json`: for each model, topic and language one pair; those that show most first."""

    pairs: tuple[ShownPair, ...]


class Run(Value):
    """`run.json`. `note` is what a reader must know of the run, and stands above its report.

    `judging` says who was asked for second opinions last; None where nobody was.
    """

    scope: Scope
    judging: Judging | None = None
    note: str = ""
    versions: Versions
    begun: str
    ended: str | None = None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Record:
    """A run's folder, open for more answers.

    Args:
        folder: made where it is not there.
        scope: what the run asks.
        note: what a reader must know of the run.

    Raises:
        InputError: the folder holds another run, or one made with other packs or weights.
    """

    def __init__(self, folder: Path, scope: Scope, note: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.run = begin(folder, scope, note)
        self.done = {answer.id: answer for answer in read(folder) if answer.fault is None}
        self.ratings = {(each.answer, each.judge): each for each in read_ratings(folder)}
        self._answers, self._opinions = Journal(folder / JOURNAL), Journal(folder / OPINIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._opinions.close()

    @property
    def spent(self) -> float:
        """US dollars for answers and opinions, as far as they are known."""
        answers = sum(answer.dollars or 0.0 for answer in self.done.values())
        return answers + sum(rating.dollars or 0.0 for rating in self.ratings.values())

    def keep(self, answer: Answer) -> None:
        """Write an answer, so that not even a crash can lose it."""
        self._answers.add(answer)
        if answer.fault is None:
            self.done[answer.id] = answer

    def judged_by(self, judging: Judging) -> None:
        """Note who is asked for second opinions; those of other judges are kept, and not used."""
        if judging != self.run.judging:
            self.run = self.run.model_copy(update={"judging": judging})
            keep_run(self.folder, self.run)

    def keep_rating(self, rating: Rating) -> None:
        """Write a second opinion as answers are written."""
        self._opinions.add(rating)
        self.ratings[rating.answer, rating.judge] = rating

    def left(self, questions: Iterable[Question]) -> list[Question]:
        """The questions that have no answer yet; those whose host failed are asked again."""
        return [question for question in questions if question.id not in self.done]

    def close(self) -> None:
        """Note that the run is over, and write its table."""
        self._answers.close()
        self._opinions.close()
        self.run = self.run.model_copy(update={"ended": now()})
        keep_run(self.folder, self.run)
        answers = latest(read(self.folder))
        write_table(self.folder / TABLE, answers, rated(self.run, answers, self.ratings))


class Journal:
    """Lines that are added one by one, each on the disk before the next.

    The file is there from its first line on; a last line that a crash has cut is ended first.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._file: IO[bytes] | None = None

    def add(self, value: Value) -> None:
        if self._file is None:
            mend(self.place)
            self._file = self.place.open("ab")
        self._file.write(line(value))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def keep_run(folder: Path, run: Run) -> None:
    with whole_file(folder / RUN) as file:
        file.write(run.model_dump_json(indent=1).encode())


def keep_whole(
    folder: Path, run: Run, answers: Iterable[Answer], ratings: Iterable[Rating] = ()
) -> None:
    """Write a run that has ended, in a folder that is there and holds none."""
    keep_run(folder, run)
    opinions = {(each.answer, each.judge): each for each in ratings}
    with (folder / JOURNAL).open("wb") as journal:
        journal.writelines(map(line, answers))
    if opinions:
        (folder / OPINIONS).write_bytes(b"".join(map(line, opinions.values())))
    kept = latest(read(folder))
    write_table(folder / TABLE, kept, rated(run, kept, opinions))


def line(value: Value) -> bytes:
    """A value as a journal holds it."""
    return value.model_dump_json(exclude_defaults=True).encode() + b"\n"


def begin(folder: Path, scope: Scope, note: str) -> Run:
    """The run of the folder, which is begun where there is none."""
    place = folder / RUN
    if not place.exists():
        run = Run(scope=scope, note=note, versions=versions(), begun=now())
        keep_run(folder, run)
        return run
    run = run_of(folder)
    if run.scope != scope:
        raise InputError(f"{folder} holds a run of another scope; choose another folder for --out")
    if run.versions != versions():
        raise InputError(
            f"{folder} was begun with other packs, weights or phrases, so its answers would not "
            "compare; choose another folder for --out"
        )
    return run


def run_of(folder: Path) -> Run:
    """What a folder's `run.json` says.

    Raises:
        ConfigError: it is missing or broken.
    """
    place = folder / RUN
    try:
        return Run.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"holds no run of an audit: {error}", file=place) from error


def summary_of(folder: Path) -> Summary:
    """A run's findings.

    Raises:
        ConfigError: they are missing or broken.
    """
    return told(folder / SUMMARY, Summary)


def examples_of(folder: Path) -> Examples:
    """A run's examples; none where it keeps no replies.

    Raises:
        ConfigError: they are broken.
    """
    place = folder / EXAMPLES
    return told(place, Examples) if place.exists() else Examples(pairs=())


def figures_alone(folder: Path) -> bool:
    """Whether a run was shared without its replies: there is nothing to count its figures from."""
    unanswered = not (folder / JOURNAL).exists() and (folder / SUMMARY).exists()
    return unanswered and bool(summary_of(folder).models)


def told(place: Path, kind: type[Told]) -> Told:
    try:
        return kind.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        advice = f"run `python -m guard audit report {place.parent}` to write it"
        raise ConfigError(f"holds no findings of an audit; {advice}", file=place) from error


def mend(journal: Path) -> None:
    """End a last line that a crash has cut, so that the next answer begins one of its own."""
    if journal.exists() and journal.stat().st_size:
        with journal.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def read(folder: Path) -> Iterator[Answer]:
    """The answers of a run, in the order in which they came; a line that was cut is passed over."""
    return lines_of(folder / JOURNAL, Answer)


def read_ratings(folder: Path) -> Iterator[Rating]:
    """The second opinions of a run, as they came; the last of a judge on an answer counts."""
    return lines_of(folder / OPINIONS, Rating)


def lines_of(journal: Path, kind: type[Told]) -> Iterator[Told]:
    """The values of a journal; lines that are none are passed over."""
    if not journal.exists():
        return
    with journal.open("rb") as lines:
        for line in lines:
            try:
                yield kind.model_validate(json.loads(line))
            except ValueError:
                continue


def rated(
    run: Run, answers: Iterable[Answer], ratings: Mapping[tuple[str, str], Rating]
) -> dict[str, Rating]:
    """The opinion on each answer that has one, by its id: that of the judge who is assigned."""
    if run.judging is None:
        return {}
    assigned = run.judging.by_subject
    found = (
        ratings.get((answer.id, assigned.get((answer.model, answer.jurisdiction)) or ""))
        for answer in answers
    )
    return {each.answer: each for each in found if each}


def latest(answers: Iterable[Answer]) -> list[Answer]:
    """One answer a question: a whole reply rather than a fault, else the last there is."""
    by_id: dict[str, Answer] = {}
    for answer in answers:
        if answer.id not in by_id or by_id[answer.id].fault is not None:
            by_id[answer.id] = answer
    return list(by_id.values())


def write_table(
    place: Path, answers: Iterable[Answer], ratings: Mapping[str, Rating] | None = None
) -> None:
    """Write the answers as Parquet, for those who would count for themselves.

    Where a second rater was asked, `judge`, `judge_conduct`, `judge_reason` and `judge_fault` stand
    beside each answer, empty where it was not asked about that one.
    """
    from pyarrow import Table, parquet

    rows = [answer.model_dump(mode="json") for answer in answers]
    if ratings:
        rows = [row | beside(ratings.get(row["id"])) for row in rows]
    parquet.write_table(Table.from_pylist(rows), place, compression="zstd")


def beside(rating: Rating | None) -> dict[str, Any]:
    """The columns of a second opinion."""
    return {
        "judge": rating.judge if rating else None,
        "judge_conduct": rating.conduct if rating else None,
        "judge_reason": rating.reason if rating else None,
        "judge_fault": rating.fault if rating else None,
    }
