"""People who ask one question after the other, as the page's script does.

A user puts a question, listens until its reply ends (a broken connection is opened again, at
another replica if there is one), and asks the next. A question whose answer did not come is put
again with the same id, as the page does. Each question is told from all others by its name.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

import aiohttp

THINKS = 0.5, 2.0  # seconds between a reply and the next question
TURNS = 5  # of a conversation; then the user begins another
AGAIN = 1.0  # seconds to the next try
ANSWER = aiohttp.ClientTimeout(total=15)  # of a request that is no stream
END = b"event: end\n"
Outcome = Literal["asked", "refused", "no answer", "ended", "no end"]


@dataclass
class Put:
    """A question. `at` and `ended` are seconds of the monotonic clock, `told` why it was refused.

    `refused`: with a sentence; `no answer`: all tries broke; `no end`: accepted, and its reply did
    not end in time.
    """

    name: str
    at: float
    outcome: Outcome = "asked"
    told: str = ""
    ended: float = 0.0


@dataclass
class Users:
    """So many people at replicas of one app; the names of their questions begin with `prefix`.

    `patience`: seconds in which a question must be taken, and then its reply end.
    """

    number: int
    urls: Sequence[str]
    model: str
    patience: float
    prefix: str
    all: list[Put] = field(default_factory=list)
    _names: Any = field(default_factory=itertools.count)

    async def run(self, until: Callable[[], bool]) -> None:
        """Ask on and on until `until` says that it is over; replies that run are heard out."""
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers={"x-candor": "1"}
        ) as session:
            await asyncio.gather(*(self.one(session, n, until) for n in range(self.number)))

    async def one(
        self, session: aiohttp.ClientSession, number: int, until: Callable[[], bool]
    ) -> None:
        cookie = {"cookie": f"candor_reader={secrets.token_hex(16)}"}
        order = random.Random(number)  # noqa: S311 - no secret hangs on it
        await asyncio.sleep(order.random() * THINKS[1])
        conversation: str | None = None
        for turn in itertools.count():
            if until():
                return
            conversation = conversation if turn % TURNS else None
            put = Put(f"{self.prefix}-{next(self._names)}", time.monotonic())
            self.all.append(put)
            taken = await self.ask(session, put, conversation, cookie)
            if taken:
                conversation = taken
                await self.listen(session, put, conversation, cookie)
            put.ended = time.monotonic()
            await asyncio.sleep(order.uniform(*THINKS))

    def url(self, tries: int) -> str:
        """A replica's address: each question begins at another one, and the next try goes on."""
        return self.urls[(len(self.all) + tries) % len(self.urls)]

    async def ask(
        self, session: aiohttp.ClientSession, put: Put, conversation: str | None, headers: Any
    ) -> str | None:
        """Put a question; the conversation's id, or None where it was refused."""
        body = {"question": f"What is told of this? [{put.name}]", "model": self.model}
        body |= {"mode": "warn", "conversation": conversation, "turn": uuid4().hex}
        end = time.monotonic() + self.patience
        for tries in itertools.count():
            try:
                async with session.post(
                    f"{self.url(tries)}/candor/ask", json=body, headers=headers, timeout=ANSWER
                ) as answer:
                    told = await answer.json()
                    if answer.status == 200:
                        return str(told["conversation"])
                    put.outcome, put.told = "refused", f"{answer.status}: {told['detail']}"
                    return None
            except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError, KeyError) as error:
                put.outcome, put.told = "no answer", f"{type(error).__name__}: {error}"
            if time.monotonic() > end:
                return None
            await asyncio.sleep(AGAIN)
        raise AssertionError("it returns before")

    async def listen(
        self, session: aiohttp.ClientSession, put: Put, conversation: str, headers: Any
    ) -> None:
        """Follow a reply to its end."""
        path = f"/candor/conversations/{conversation}/events"
        put.outcome, end = "no end", time.monotonic() + self.patience
        for tries in itertools.count():
            left = end - time.monotonic()
            if left <= 0:
                return
            try:
                timeout = aiohttp.ClientTimeout(total=left, sock_connect=5)
                async with session.get(
                    self.url(tries) + path, headers=headers, timeout=timeout
                ) as answer:
                    if answer.status == 200 and await ends(answer.content):
                        put.outcome = "ended"
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                put.told = f"{type(error).__name__}: {error}"
            await asyncio.sleep(AGAIN)


async def ends(content: aiohttp.StreamReader) -> bool:
    """Whether a stream of events brings the end of a reply before it breaks off."""
    tail = b""
    async for part in content.iter_any():
        tail = tail[-len(END) :] + part
        if END in tail:
            return True
    return False
