"""Writes runs to a dataset on the Hub, and reads them from there; nothing else of the audit does.

Each run lies in a folder of its own, `runs/<begun>-<hash>`, and comes in one commit with the card.
What is sent is made anew from the redacted answers. What is read is checked value by value; reports
and pictures are never read, as they could hold anything.

Not covered: what a push has replaced stays in the dataset's history; a dataset's files other than
these.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256
from itertools import islice
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from ..errors import ConfigError, HubError, InputError
from ..hub import MALFORMED, SECONDS, Hub, patiently, wait_of
from ..plain import one_line
from .record import (
    JOURNAL,
    OPINIONS,
    RUN,
    SUMMARY,
    TABLE,
    Run,
    Summary,
    keep_run,
    keep_whole,
    latest,
    read,
    read_ratings,
    run_of,
)
from .redaction import Redacted, redacted
from .untrusted import parsed, ratings, rows, sound
from .whole import RunFindings

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, DatasetInfo, HfApi
    from huggingface_hub.errors import HfHubHTTPError

README = "README.md"
NAME = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
PART = r"\w(?:[\w.-]{0,94}\w)?"
PLACE = re.compile(
    rf"(?![^@]*(?:--|\.\.))({PART}/{PART})(?:/({NAME}))?(?:@([\w./-]{{1,200}}))?", re.ASCII
)
FILE = (
    r"(?:run|summary)\.json|replies\.parquet|opinions\.jsonl|report\.(?:md|html)"
    r"|pictures/[\w-]{1,80}\.(?:png|svg)"
)
IN_RUN = re.compile(rf"runs/({NAME})/({FILE})", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
WITHOUT_REPLIES = (RUN, SUMMARY)
SMALL = 64 * 10**6
MOST = {RUN: SMALL, SUMMARY: SMALL, OPINIONS: SMALL, TABLE: 2 * 10**9}  # bytes that are read
MOST_FILES = 20_000  # of a dataset's listing that are read
BEGUN = TypeAdapter(AwareDatetime)
TOKENS = "https://huggingface.co/settings/tokens"
Runs = dict[str, dict[str, int]]  # by name, the bytes of each known file


class Place(NamedTuple):
    """A run on the Hub: the newest where none is named, of the latest commit."""

    dataset: str
    run: str = ""
    revision: str | None = None

    @classmethod
    def of(cls, given: str) -> Self:
        """`ORG/DATASET`, `ORG/DATASET/RUN`, either with `@REVISION`.

        Raises:
            InputError: it is neither.
        """
        found = PLACE.fullmatch(given)
        if not found:
            raise InputError(
                f"{one_line(given)!r} is no dataset: write ORG/DATASET[/RUN][@REVISION]"
            )
        return cls(found[1], found[2] or "", found[3])


@dataclass(frozen=True)
class Parcel:
    """What of a run is to be sent: the files of `folder`; `source` is the run's own."""

    source: Path
    folder: Path
    shared: Redacted
    found: RunFindings

    @property
    def name(self) -> str:
        return name_of(self.shared.run)

    @property
    def files(self) -> list[str]:
        inside = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return sorted(path for path in inside if re.fullmatch(FILE, path, re.ASCII))

    def told(self) -> Iterator[str]:
        """What its reader will see, a line each."""
        replies = f"{len(self.shared.answers)} answers" if TABLE in self.files else "no replies"
        yield f"{self.name}: {replies}, {len(self.found.models)} models; {', '.join(self.files)}"
        yield f"hosts and providers named: {', '.join(self.shared.named) or 'none'}"
        if self.shared.unnamed:
            yield f"not named, as they are no providers that are known: {self.shared.unnamed}"
        if self.shared.run.note:
            yield f"its note: {one_line(self.shared.run.note, 300)}"


def name_of(run: Run) -> str:
    """A run's name in a dataset, by which the newest is the last: it stays the same as it goes on.

    Raises:
        InputError: it does not say when it was begun.
    """
    try:
        begun = BEGUN.validate_strings(run.begun).astimezone(UTC)
    except ValidationError as error:
        raise InputError(f"{RUN} does not say when the run was begun") from error
    told = run.model_dump_json(include={"scope", "versions", "begun"})
    return f"{begun:%Y%m%dT%H%M%SZ}-{sha256(told.encode()).hexdigest()[:8]}"


@contextmanager
def prepared(source: Path, *, replies: bool = True) -> Iterator[Parcel]:
    """A run made ready to be sent; the run itself stays as it is.

    Args:
        replies: whether the replies are sent, and the report, which quotes some.

    Raises:
        ConfigError, InputError: the folder holds no run that has ended, or no replies.
        HubError: it holds what nobody could read back, such as a model's id with markup in it.
    """
    from . import report

    run = run_of(source)
    if not run.ended:
        raise InputError(f"the run in {source} has not ended; go on with the same command first")
    if not (source / JOURNAL).exists():
        raise InputError(f"{source} holds no replies, so it cannot be shared")
    shared = redacted(run, latest(read(source)), read_ratings(source))
    for value in (shared.run, *shared.answers, *shared.ratings):
        sound(value, f"{source}, which cannot be shared as it is,")
    with TemporaryDirectory() as kept:
        folder = Path(kept)
        keep_whole(folder, *shared[:3])
        found = report.write(folder)
        if not replies:
            keep_only(folder, WITHOUT_REPLIES)
        yield Parcel(source, folder, shared, found)


def keep_only(folder: Path, names: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()


def ready(dataset: str) -> str:
    """The token to write to a dataset with.

    Raises:
        InputError: it is no name of a dataset.
        ConfigError: there is no token.
    """
    if Place.of(dataset).dataset != dataset:
        raise InputError(f"push to ORG/DATASET, not to {one_line(dataset)!r}: a run names itself")
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise ConfigError(
            f"set HF_TOKEN to a token with the scope 'write' to push to {dataset}: {TOKENS}",
            key="HF_TOKEN",
        )
    return token


class Pushed(NamedTuple):
    """Where a run is, and whether only those may see it whom its owner lets."""

    address: str
    private: bool


def push(parcel: Parcel, dataset: str, *, public: bool = False, hub: Hub | None = None) -> Pushed:
    """Write a run to a dataset, which is made where it is not there.

    Args:
        public: whether all may read a dataset that is made; one that is public already is refused
            otherwise.

    Raises:
        InputError, ConfigError: as `ready`.
        HubError: the Hub did not take it, or the dataset is another's or public. The run on disk
            is as it was.
    """
    from huggingface_hub import HfApi

    token = ready(dataset)
    api = HfApi(endpoint=hub.endpoint if hub else None, token=token)
    again = f"python -m guard audit push {quote(str(parcel.source))} {dataset}"
    advice = f"The run in {parcel.source} is as it was; to push it again: {again}"
    with told_faults(f"{dataset} could not be written", advice):
        head = there_or_made(api, dataset, public)
        if not public and head.private is not True:
            raise HubError(
                f"{dataset} is public: say --public to push there, or name another dataset"
            )
        commit = commit_of(head.sha, dataset)
        held = patiently(lambda: listed(api, dataset, commit, writing=True))
        done = api.create_commit(
            dataset,
            operations(parcel, dataset, held),
            commit_message=f"Audit {parcel.name}",
            repo_type="dataset",
            parent_commit=commit,  # else two pushes at once would make a card that leaves one out
        )
    return Pushed(str(done.repo_url), head.private is True)


def there_or_made(api: HfApi, dataset: str, public: bool) -> DatasetInfo:
    """The dataset; a token that may write to it need not be allowed to make any."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return patiently(lambda: api.dataset_info(dataset, timeout=SECONDS))
    except RepositoryNotFoundError:
        patiently(
            lambda: api.create_repo(dataset, repo_type="dataset", private=not public, exist_ok=True)
        )
        return patiently(lambda: api.dataset_info(dataset, timeout=SECONDS))


def operations(
    parcel: Parcel, dataset: str, held: Runs
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """A run's files and the card; what was there of an earlier push of the run goes."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    from .card import card

    name = parcel.name
    tables = {each: TABLE in files for each, files in held.items()} | {name: TABLE in parcel.files}
    readme = card(dataset, parcel.found, name, tables)
    gone = held.get(name, {}).keys() - set(parcel.files)
    return [
        CommitOperationAdd(README, readme.encode()),
        *(CommitOperationAdd(f"runs/{name}/{f}", parcel.folder / f) for f in parcel.files),
        *(CommitOperationDelete(f"runs/{name}/{f}") for f in sorted(gone)),
    ]


def listed(api: HfApi, dataset: str, commit: str, *, writing: bool = False) -> Runs:
    """The runs of a dataset; files of other names are passed over.

    Raises:
        HubError: it is too long, or holds no runs but other things where it is written to.
    """
    from huggingface_hub import RepoFile

    tree = api.list_repo_tree(dataset, recursive=True, revision=commit, repo_type="dataset")
    entries = list(islice(tree, MOST_FILES + 1))
    if len(entries) > MOST_FILES:
        raise HubError(f"{dataset} holds more than {MOST_FILES} files; name another dataset")
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    runs: Runs = {}
    for file in files:
        if found := IN_RUN.fullmatch(file.path):
            runs.setdefault(found[1], {})[found[2]] = int(file.size)
    if writing and not runs and {file.path for file in files} - {".gitattributes"}:
        raise HubError(
            f"{dataset} holds other things than audits, and its card would be written over; name "
            "another dataset, which is made for you"
        )
    return runs


def fetched(place: str, folder: Path, *, hub: Hub | None = None) -> Path:
    """Read a run from the Hub into a folder, and hand the folder back.

    It then holds all that a run of one's own does, the report made here; of a run that was shared
    without replies, `run.json` and `summary.json` as its publisher made them.

    Args:
        place: `ORG/DATASET[/RUN][@REVISION]`; the newest run where none is named.
        folder: not there yet, or empty.

    Raises:
        InputError: `place` is no dataset, or the folder holds something.
        HubError: the run cannot be read, or is none.
    """
    from huggingface_hub import HfApi

    wanted = Place.of(place)
    refuse_occupied(folder)
    token = os.environ.get("HF_TOKEN", "").strip() or False
    api = HfApi(endpoint=hub.endpoint if hub else None, token=token)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as kept:
        with told_faults(f"{place} could not be read"):
            read_into(Path(kept), api, wanted)
        folder.mkdir(exist_ok=True)
        for path in Path(kept).iterdir():
            path.replace(folder / path.name)
    return folder


def refuse_occupied(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something; choose another folder for the run")


def read_into(folder: Path, api: HfApi, wanted: Place) -> None:
    """Read a run, all of one commit."""
    dataset = wanted.dataset
    head = patiently(lambda: api.dataset_info(dataset, revision=wanted.revision, timeout=SECONDS))
    commit = commit_of(head.sha, dataset)
    held = patiently(lambda: listed(api, dataset, commit))
    runs = {name: files for name, files in held.items() if RUN in files}
    if not runs:
        raise HubError(f"{dataset} holds no run of an audit")
    name = wanted.run or max(runs)
    if name not in runs:
        raise HubError(f"{dataset} holds no run {name}; it has {', '.join(sorted(runs)[-5:])}")
    files = runs[name]
    source = Source(api, dataset, commit, name)
    run = parsed(source.content(RUN, files), Run, f"{RUN} of {name}")
    if name_of(run) != name:
        raise HubError(f"{RUN} of {name} is of another run; it may be of another version of Candor")
    run = run.model_copy(update={"note": note_of(run, dataset, commit)})
    if TABLE in files:
        counted_here(folder, source, files, run)
        return
    summary = parsed(source.content(SUMMARY, files), Summary, f"{SUMMARY} of {name}")
    summary = summary.model_copy(update={"note": run.note})
    keep_run(folder, run)
    (folder / SUMMARY).write_text(summary.model_dump_json(indent=1), encoding="utf-8")


def counted_here(folder: Path, source: Source, files: dict[str, int], run: Run) -> None:
    """Keep a run's answers, and count and tell them, so that a run that cannot be told is none."""
    from . import report

    with TemporaryDirectory(dir=folder) as kept:
        table, opinions = Path(kept) / TABLE, Path(kept) / OPINIONS
        source.download(TABLE, files, table)
        if OPINIONS in files:
            source.download(OPINIONS, files, opinions)
        held = ratings(opinions, f"{OPINIONS} of {source.name}") if OPINIONS in files else ()
        keep_whole(folder, run, rows(table, f"{TABLE} of {source.name}"), held)
    report.write(folder)


def note_of(run: Run, dataset: str, commit: str) -> str:
    """What a reader must know: who says all this; the publisher's note as a quotation."""
    from .report import quoted

    note = (
        f"Read from the dataset {dataset}, commit {commit[:12]}: its figures are its publisher's."
    )
    return f"{note} Its note: {quoted(run.note)}" if run.note else note


class Source(NamedTuple):
    """One run of a dataset at one commit."""

    api: HfApi
    dataset: str
    commit: str
    name: str

    def content(self, file: str, files: dict[str, int]) -> bytes:
        with TemporaryDirectory() as kept:
            place = Path(kept) / file
            self.download(file, files, place)
            return place.read_bytes()

    def download(self, file: str, files: dict[str, int], target: Path) -> None:
        """Write one file of the run, of which no more is read than the listing tells.

        Raises:
            HubError: it is not there, too large, or not as large as it is listed.
        """
        if file not in files:
            raise HubError(f"the run {self.name} of {self.dataset} has no {file}")
        size = files[file]
        if size > MOST[file]:
            raise HubError(f"{file} of {self.name} has {size} bytes; at most {MOST[file]} are read")
        patiently(lambda: self.stream(file, size, target))
        if target.stat().st_size != size:
            raise HubError(f"{file} of {self.name} is not as large as it is listed; try again")

    def stream(self, file: str, size: int, target: Path) -> None:
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

        address = hf_hub_url(
            self.dataset,
            f"runs/{self.name}/{file}",
            repo_type="dataset",
            revision=self.commit,
            endpoint=self.api.endpoint,
        )
        token = self.api.token
        headers = {"authorization": f"Bearer {token}"} if isinstance(token, str) else {}
        asking = get_session().stream("GET", address, headers=headers, timeout=SECONDS)
        with asking as response, target.open("wb") as kept:
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            for part in response.iter_bytes(2**16):
                kept.write(part)
                if kept.tell() > size:
                    return


def commit_of(sha: str | None, dataset: str) -> str:
    """A commit's hash as the Hub tells it."""
    if not sha or not COMMIT.fullmatch(sha):
        raise HubError(f"the Hub does not say which commit {dataset} is at; try again")
    return sha


WRONG = {
    401: f"the Hub does not take HF_TOKEN; make one with the scope 'write': {TOKENS}",
    402: "the account's storage is full, or has to be paid for",
    403: f"HF_TOKEN may not do that; it needs the scope 'write' for this name: {TOKENS}",
    404: "it is not there, or HF_TOKEN may not see it",
    409: "something else is being written there at the same time; try again in a minute",
    412: "something else was written there in the meantime; try again in a minute",
    413: "the Hub takes no files as large as these",
    429: "the Hub asks for patience",
}


@contextmanager
def told_faults(what: str, advice: str = "") -> Iterator[None]:
    """Whatever goes wrong with the Hub, in a sentence that says what to do next."""
    import httpx2

    try:
        yield
    except HubError as error:
        raise HubError(". ".join(filter(None, (str(error), advice)))) from error
    except (httpx2.HTTPError, OSError, RuntimeError, *MALFORMED) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the disk's, not the Hub's
        said = f"{what}: {reason(error)}"
        raise HubError(". ".join(filter(None, (said, advice)))) from error


def reason(error: BaseException) -> str:
    """Why the Hub did not do as it was asked; its own words are not repeated."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    for cause in causes(error):
        if isinstance(cause, HfHubHTTPError):
            return by_status(cause)
        if isinstance(cause, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE is set; unset it to reach the Hub"
        if isinstance(cause, httpx2.TransportError):
            return "the Hub cannot be reached; look to the network and to HF_ENDPOINT"
    return f"what came of it cannot be used ({type(error).__name__})"


def by_status(error: HfHubHTTPError) -> str:
    from huggingface_hub.errors import RepositoryNotFoundError

    hidden = isinstance(error, RepositoryNotFoundError)  # 401 as well, where no token is sent
    status = 404 if hidden else error.response.status_code
    seconds = wait_of(error)
    later = f"; try again in {seconds:g} seconds" if seconds else "; try again later"
    if status == 429 or status not in WRONG:
        return WRONG.get(status, f"the Hub is out of order, status {status}") + later
    return WRONG[status]


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
