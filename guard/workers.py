"""Work on chunks in processes: in their order, a bounded number ahead, none lost where one dies."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, NamedTuple

from .errors import CandorError
from .scan import Broken, Part, Work, part_of
from .sources import Chunk, Position

log = logging.getLogger(__name__)

AHEAD = 2  # chunks for each worker that are read before their turn
MOST_DEATHS = 20  # of workers, before something else than a row must be wrong
DIED = "The process that judged this row ended unexpectedly; it may have run out of memory."


class Done(NamedTuple):
    """What a chunk came to, and how far the source is read with it."""

    after: Position
    part: Part


def here(work: Work[Any], chunks: Iterable[Chunk]) -> Iterator[Done]:
    """Each chunk in this process."""
    return (Done(chunk.after, work(chunk)) for chunk in chunks)


def spread(work: Work[Any], chunks: Iterable[Chunk], workers: int) -> Iterator[Done]:
    """Each chunk in one of several processes.

    Raises:
        CandorError: processes end unexpectedly again and again.
    """
    pool = Pool(work, workers)
    ahead: deque[tuple[Chunk, Future[Part]]] = deque()
    try:
        for chunk in chunks:
            ahead.append((chunk, pool.submit(chunk)))
            if len(ahead) >= AHEAD * workers:
                yield from first_of(ahead, pool)
        while ahead:
            yield from first_of(ahead, pool)
    finally:
        pool.end()


def first_of(ahead: deque[tuple[Chunk, Future[Part]]], pool: Pool) -> Iterator[Done]:
    """The chunk whose turn it is; where a process died, all that were under way, one by one."""
    try:
        part = ahead[0][1].result()
    except BrokenProcessPool:
        pool.renew()
        waiting = [chunk for chunk, _ in ahead]
        ahead.clear()
        yield from (Done(chunk.after, pool.tried(chunk)) for chunk in waiting)
    else:
        yield Done(ahead.popleft()[0].after, part)


class Pool:
    """Worker processes for one kind of work, made anew where one dies."""

    def __init__(self, work: Work[Any], workers: int) -> None:
        self.work, self.workers, self.deaths = work, workers, 0
        self.executor = self.begun()

    def begun(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers,
            mp_context=get_context("spawn"),
            initializer=begin,
            initargs=(self.work.prepare,),
        )

    def submit(self, chunk: Chunk) -> Future[Part]:
        try:
            return self.executor.submit(self.work, chunk)
        except BrokenProcessPool as error:  # told when its turn comes
            broken: Future[Part] = Future()
            broken.set_exception(error)
            return broken

    def renew(self) -> None:
        """Begin other processes.

        Raises:
            CandorError: that has been done too often.
        """
        self.end()
        self.deaths += 1
        if self.deaths > MOST_DEATHS:
            raise CandorError(
                f"worker processes ended unexpectedly {self.deaths} times; is memory short? Fewer "
                "--workers need less"
            )
        self.executor = self.begun()

    def tried(self, chunk: Chunk) -> Part:
        """A chunk alone, and where a process dies of it, each of its rows alone."""
        try:
            return self.submit(chunk).result()
        except BrokenProcessPool:
            log.warning("a worker process ended unexpectedly; its rows are tried one by one")
            self.renew()
            return sum_of([self.tried_row(row) for row in chunk.alone()])

    def tried_row(self, row: Chunk) -> Part:
        try:
            return self.submit(row).result()
        except BrokenProcessPool:
            self.renew()
            (given,) = self.work.rows(row)
            log.warning("a worker process ended unexpectedly on the row %r", given.id)
            return part_of([Broken(id=given.id, error=DIED)])

    def end(self) -> None:
        self.executor.shutdown(cancel_futures=True)


def sum_of(parts: list[Part]) -> Part:
    """Parts one after the other."""
    lines, rows, broken, numbered = zip(*parts, strict=True)
    return Part(b"".join(lines), sum(rows), sum(broken), all(numbered))


def begin(prepare: Callable[[], object]) -> None:
    """Leave Ctrl-C to the parent, which ends its workers; end where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    prepare()


def end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
