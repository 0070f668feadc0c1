"""uvicorn's HTTP protocol with a clock: whoever sends a request too slowly is told so and let go.

A connection costs little, but a client that sends a byte a second would hold one for ever, and with
it the memory of what has come. Not covered: a client that reads slowly, for which nothing is kept
(the stream waits), and how many connections one address opens, which is for a proxy to bound.
"""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .api.errors import INVALID

PROTOCOL = "chat.timely:Timely"  # for `uvicorn.run(http=…)`
SAID = "the request came too slowly"
TOO_SLOW = json.dumps(  # as the page reads errors, and as clients of `/v1` do
    {"detail": SAID, "error": {"message": SAID, "type": INVALID, "param": None, "code": "timeout"}}
).encode()
ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(TOO_SLOW), TOO_SLOW)
)


class Timely(HttpToolsProtocol):
    """A request's head and body may take `SECONDS`, and one more for each `RATE` bytes of them."""

    SECONDS: ClassVar[float] = 20.0
    RATE: ClassVar[float] = 10_000.0  # bytes a second; 20 MB are over half an hour

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._clock is None:
            self._begin()
        self._came += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._clock is None:  # behind another one that came in the same piece
            self._begin()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop()

    def handle_websocket_upgrade(self) -> None:
        self._stop()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._begun, self._came = self.loop.time(), 0
        self._clock = self.loop.call_at(self._begun + self.SECONDS, self._look)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _look(self) -> None:
        """End the connection where the time is up; look again later where more has come."""
        due = self._begun + self.SECONDS + self._came / self.RATE
        if self.flow.read_paused:  # it is us who do not read
            due = self.loop.time() + self.SECONDS
        if due > self.loop.time():
            self._clock = self.loop.call_at(due, self._look)
            return
        self._clock = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if not (answering and self.cycle.response_started):
            self.transport.write(ANSWER)
        self.transport.close()
