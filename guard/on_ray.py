"""Work on chunks on a cluster of Ray: the same rows in the same order as by processes here.

Ray Data reads each file in a task of its own, and judges chunks in others, as many at a time as
there are cores; results stream back in order, and no faster than they are taken. RAY_ADDRESS names
the cluster; without it Ray starts on this machine.

Not covered: a row on which a process dies ends the scan, after Ray's own tries (it can be resumed
with `--engine local`). Every node needs the same installation, the files and models.yaml at the
same paths, and the same HF_TOKEN.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import CandorError, ConfigError, InputError
from .plain import one_line
from .scan import Part, Work
from .sources import Position, Source
from .workers import Done

if TYPE_CHECKING:
    from types import ModuleType

    from pyarrow import Table

BLOCK = 2**20  # bytes that go from task to task
READING = 0.01  # of a core: a task that waits for those who judge must not take their place
MOST_TOLD = 400  # characters of a fault
NO_RAY = "--engine ray needs Ray: pip install -r requirements-ray.txt"


def spread(work: Work[Any], source: Source, at: Position, workers: int | None) -> Iterator[Done]:
    """Each chunk behind a position, in their order.

    Args:
        workers: at most so many at a time; as many as the cluster has cores where None.

    Raises:
        ConfigError: Ray is not installed.
        InputError: the source is no file.
        CandorError: Ray failed.
    """
    if not source.again:
        raise InputError("--engine ray needs rows from files, as other machines read them")
    ray = begun()
    places = [at, *(Position(file=n) for n in range(at.file + 1, len(source.files)))]
    asked = [{"at": place.model_dump_json()} for place in places]
    try:
        chunks = ray.data.from_items(asked, override_num_blocks=len(asked)).map_batches(
            partial(read, source), batch_size=1, batch_format="pyarrow", num_cpus=READING
        )
        parts = chunks.map_batches(
            partial(judge, work), batch_size=None, batch_format="pyarrow", concurrency=workers
        )
        for table in parts.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from map(done_of, table.to_pylist())
    except ray.exceptions.RayError as error:
        raise CandorError(f"Ray failed: {cause_of(error)}") from error
    finally:
        ray.shutdown()


def begun() -> ModuleType:
    """Ray, connected to its cluster, and set to keep the order of rows.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(NO_RAY) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is raised as well
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.target_max_block_size = BLOCK
    context.enable_progress_bars = False
    connected: ModuleType = ray
    return connected


def read(source: Source, asked: Table) -> Iterator[Table]:
    """The chunks of one file."""
    from pyarrow import table

    for place in asked["at"].to_pylist():
        for chunk in source.chunks_of(Position.model_validate_json(place)):
            yield table({"chunk": [pickle.dumps(chunk)]})


def judge(work: Work[Any], chunks: Table) -> Iterator[Table]:
    """What some chunks come to."""
    from pyarrow import table

    work.prepare()
    for packed in chunks["chunk"].to_pylist():
        chunk = pickle.loads(packed)  # noqa: S301 - as `read` made it
        part = work(chunk)
        after = chunk.after.model_dump_json()
        yield table({name: [value] for name, value in {**part._asdict(), "after": after}.items()})


def done_of(row: dict[str, Any]) -> Done:
    after = Position.model_validate_json(row.pop("after"))
    return Done(after, Part(**row))


def cause_of(error: BaseException) -> str:
    """The fault at the bottom of those that Ray wraps it in, in a line."""
    while below := getattr(error, "cause", None) or error.__cause__:
        error = below
    return f"{type(error).__name__}: {one_line(str(error), MOST_TOLD)}"
