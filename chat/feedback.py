"""Readers' ratings, as rows of the operator's data set on the Hub, where one is configured.

A row tells a rating and the model. The question, the reply and the verdict are in it only where the
reader has said so in the settings. No row names a reader: `reply` is a digest by which a later row
on the same reply takes the place of an earlier one. Rows lie in a folder of `CANDOR_DATA`, one file
a process, and `CommitScheduler` commits them now and then; without the Hub they wait there. What is
on the Hub stays there when a reader deletes their data here. Temporary conversations give no rows.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import select

from guard.text import split_thinking
from guard.types import Value, Verdict

from .record import verdict_moved
from .store import Preferences, Reply, Store, Turn

if TYPE_CHECKING:
    from huggingface_hub import CommitScheduler

log = logging.getLogger(__name__)

EVERY = 5.0  # minutes between two commits
AGAIN = 60.0  # seconds until a Hub that could not be reached is tried again
LAST = 5.0  # seconds in which ratings may still go there as the server goes down
DIGITS = 24  # of the digest that names a reply


class Rated(Value):
    """What a reader holds of a reply now; both None and false: they took it back.

    `question`, `answer` and `verdict` are None without the reader's consent.
    """

    reply: str
    day: date
    model: str
    feedback: Literal["good", "bad"] | None
    not_withheld: bool
    question: str | None = None
    answer: str | None = None
    verdict: Verdict | None = None


class Feedback:
    """Keeps rows, and has them committed while `pushing` runs.

    Args:
        dataset: `owner/name` on the Hub.
        folder: of the rows.
        token: that may write to the data set.
        endpoint: another address of the Hub.
        every: minutes between two commits.
        again: seconds after which a Hub that could not be reached is tried again.
    """

    def __init__(
        self,
        dataset: str,
        folder: Path,
        token: SecretStr,
        *,
        endpoint: str | None = None,
        every: float = EVERY,
        again: float = AGAIN,
    ) -> None:
        self.dataset, self.folder, self.every, self.again = dataset, folder, every, again
        self._token, self._endpoint = token, endpoint
        self._file = folder / f"{datetime.now(UTC).date()}-{uuid4().hex}.jsonl"
        self._lock = Lock()
        self._scheduler: CommitScheduler | None = None

    async def note(self, store: Store, owner: str, reply_id: str) -> None:
        """Keep a row on a reply that the reader has just rated. A disk that fails is logged."""
        row = await rated(store, owner, reply_id)
        try:
            await asyncio.to_thread(self.append, row)
        except OSError as error:
            log.error("a rating was not kept for the data set: %s", error)  # noqa: TRY400

    def append(self, row: Rated) -> None:
        """Write a row under the scheduler's lock.

        Raises:
            OSError: the folder cannot be written.
        """
        line = row.model_dump_json().encode() + b"\n"
        with self._scheduler.lock if self._scheduler else self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab") as file:
                file.write(line)

    async def pushing(self) -> None:
        """Commit now and then, as soon as the Hub is there; once more when this is cancelled."""
        try:
            await self._begin()
            await asyncio.Event().wait()
        finally:
            await self._end()

    async def _begin(self) -> None:
        told = False
        while self._scheduler is None:
            try:
                self._scheduler = await asyncio.to_thread(self._schedule)
            except Exception as error:  # whatever the Hub or its client says, ratings wait
                if not told:
                    log.warning(
                        "ratings wait in %s, the data set %s cannot be written: %s",
                        *(self.folder, self.dataset, error),
                    )
                told = True
                await asyncio.sleep(self.again)

    def _schedule(self) -> CommitScheduler:
        from huggingface_hub import CommitScheduler, HfApi

        token = self._token.get_secret_value()
        return CommitScheduler(
            repo_id=self.dataset,
            repo_type="dataset",
            folder_path=self.folder,
            path_in_repo="data",
            every=self.every,
            private=True,
            hf_api=HfApi(endpoint=self._endpoint, token=token),
        )

    async def _end(self) -> None:
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is None:
            return
        try:
            async with asyncio.timeout(LAST):
                await asyncio.wrap_future(scheduler.trigger())
        except Exception as error:
            log.warning("ratings wait in %s: %s", self.folder, str(error) or type(error).__name__)
        scheduler.stop()


async def rated(store: Store, owner: str, reply_id: str) -> Rated:
    """The row of a reply as it is rated now."""
    query = (
        select(Reply, Turn.question, Preferences.share_rated)
        .join(Turn, Turn.id == Reply.turn_id)
        .outerjoin(Preferences, Preferences.owner == owner)
        .where(Reply.id == reply_id)
    )
    reply, question, consents = await store.read(lambda session: session.execute(query).one())
    return row_of(reply, question if consents else None)


def row_of(reply: Reply, question: str | None) -> Rated:
    """The row of a reply; without its question it holds no words."""
    said = split_thinking(reply.text)
    held = Verdict.model_validate(reply.verdict) if reply.verdict and question is not None else None
    return Rated(
        reply=hashlib.sha256(reply.id.encode()).hexdigest()[:DIGITS],
        day=datetime.now(UTC).date(),
        model=reply.model["id"],
        feedback=reply.feedback,
        not_withheld=reply.not_withheld,
        question=question,
        answer=said.answer if question is not None else None,
        verdict=verdict_moved(held, said.start) if held else None,
    )
