"""Chat completions of a host, handed on as they come.

Whoever asks in OpenAI's protocol wants what the host has to say in it, to the letter: calls of
tools, probabilities, several choices. A `Relay` stands where the guard's pipeline has a chat model;
what is put to the host is the body that it was given. aiohttp takes less than half of the
processor's time that the hub's client takes for a request.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, Never
from weakref import WeakKeyDictionary

import aiohttp
import orjson

from ..errors import ProviderError
from ..piece import Piece
from .faults import of_report, of_status
from .faults import words_of as words_said
from .host import LAST_WAIT, LINE_LIMIT, PROVIDER_HEADER, Host

PROXIES = ("http_proxy", "https_proxy", "all_proxy")
CONNECT = 15.0  # seconds
IDLE = 30.0  # seconds that a connection is kept for the next request
TOLD = {400, 404, 409, 413, 415, 422}  # statuses whose body says what is wrong with the request
WORDS = 20_000  # bytes of it
OURS = "guard"  # a key of what the guard says: no host's word may pass for it

_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


class Relay:
    """One request to a host.

    Args:
        host: where the model is served.
        body: the request in OpenAI's protocol, with the model's id; `stream` says how it is asked.
        timeout: seconds, for each silence.
        quoting: whether an error tells the host's own words about the request.
    """

    def __init__(
        self, host: Host, body: Mapping[str, Any], timeout: float, *, quoting: bool = True
    ) -> None:
        self.host, self.body, self.timeout, self.quoting = host, body, timeout, quoting

    async def astream(self, _: Any, **__: Any) -> AsyncGenerator[Piece, None]:
        """The reply, piece by piece; one piece where it was not asked to be streamed.

        What goes wrong once the reply has ended is of no matter.

        Raises:
            ProviderError: the host failed, or the stream ended before the reply did.
        """
        ended = False
        try:
            with faults():
                async with self._posted() as response:
                    if response.status != 200:
                        raise await self._refusal(response)
                    provider = response.headers.get(PROVIDER_HEADER, "") or self.host.provider
                    pieces = self._pieces(response.content)
                    async with aclosing(pieces):
                        async for piece in pieces:
                            ended = ended or "finish_reason" in piece.response_metadata
                            piece.response_metadata["provider"] = provider
                            yield piece
        except ProviderError:
            if not ended:
                raise
        if not ended:
            raise ProviderError("interrupted", "the stream ended before the reply did")

    def bind_tools(self, _: Any) -> Never:
        """None but the caller's, which are in the body."""
        raise NotImplementedError

    def _posted(self) -> Any:
        authorization = self.host.authorization
        return shared_session().post(
            f"{self.host.base_url}/chat/completions",
            data=orjson.dumps(self.body),
            headers={"Authorization": authorization} if authorization else {},
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT, sock_read=self.timeout),
            allow_redirects=False,
        )

    async def _refusal(self, response: aiohttp.ClientResponse) -> ProviderError:
        """The error behind a status, with the host's words where they are about the request."""
        fault = of_status(response.status, response.headers.get("retry-after", ""))
        if not self.quoting or response.status not in TOLD:
            return fault
        words = words_said(reported(await response.content.read(WORDS)), self.host.token)
        return ProviderError(fault.kind, f"{fault}: {words}", retry_after=fault.retry_after)

    async def _pieces(self, content: aiohttp.StreamReader) -> AsyncGenerator[Piece, None]:
        if not self.body.get("stream"):
            yield piece_of([self._sound(read(await whole(content)))])
            return
        async for lines in complete_lines(content):
            data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
            over = b"[DONE]" in data
            told = data[: data.index(b"[DONE]")] if over else data
            chunks = []
            try:
                for one in filter(None, told):
                    chunks.append(self._sound(read(one)))
            finally:  # what came along with a chunk that is not sound was said before it
                if chunks:
                    yield piece_of(chunks)
            if over:
                await read_out(content)
                return

    def _sound(self, chunk: Any) -> dict[str, Any]:
        """A chunk without anything that passes for the guard's.

        Raises:
            ProviderError: it is none, or reports an error.
        """
        if not isinstance(chunk, dict):
            raise ProviderError("malformed", "the host sent something that is no chunk of a reply")
        if chunk.get("error") is not None:
            raise of_report(chunk["error"], self.host.token)
        chunk.pop(OURS, None)
        return chunk


def piece_of(chunks: list[dict[str, Any]]) -> Piece:
    """The chunks with what the guard reads of them: the first choice's words.

    Raises:
        LookupError, TypeError, AttributeError: they are not as OpenAI has them.
    """
    text, thoughts, calls = [], [], False
    metadata: dict[str, str] = {}
    usage = None
    for chunk in chunks:
        metadata["model_name"] = str(chunk.get("model") or "")
        usage = usage_of(chunk.get("usage")) or usage
        for choice in chunk.get("choices") or ():
            said = message_of(choice)
            if choice.get("index"):
                continue
            text.append(words_of(said))
            thoughts.append(said.get("reasoning_content") or said.get("reasoning") or "")
            calls = calls or bool(said.get("tool_calls") or said.get("function_call"))
            if choice.get("finish_reason"):
                metadata["finish_reason"] = str(choice["finish_reason"])
    thought = "".join(one for one in thoughts if isinstance(one, str))
    reasoning = {"reasoning_content": thought} if thought else {}
    words = tuple(filter(None, text))
    return Piece(tuple(chunks), "".join(words), reasoning, metadata, usage, calls, words)


def message_of(choice: dict[str, Any]) -> dict[str, Any]:
    """What a choice holds; those behind the first are handed on too, so they must be sound."""
    parts = [choice.get("delta") or {}, choice.get("message") or {}]
    if not all(isinstance(part, dict) for part in parts):
        raise TypeError("the message of a choice is no object")
    return parts[0] or parts[1]


def words_of(said: dict[str, Any]) -> str:
    """What a message says; a model that declines to answer in a schema does so in `refusal`."""
    told = said.get("content") or said.get("refusal") or ""
    if not isinstance(told, str):
        raise TypeError("the content of a reply is not text")
    return told


def usage_of(usage: Any) -> dict[str, int] | None:
    """The host's count of tokens, as langchain-core names them."""
    if not usage:
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    return {"input_tokens": prompt, "output_tokens": completion}


def read(data: bytes) -> Any:
    """JSON, also with half characters, which some hosts send where they cut one in two."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data.decode().encode("utf-8", "replace"))


def reported(data: bytes) -> Any:
    """What an answer's body says of an error."""
    try:
        told = read(data)
    except (ValueError, RecursionError):
        return data.decode(errors="replace")
    if isinstance(told, dict):
        return told.get("error") or told.get("detail") or told.get("message") or told
    return told


async def complete_lines(content: aiohttp.StreamReader) -> AsyncIterator[list[bytes]]:
    """The lines that have come whole, as many as came together.

    Raises:
        ProviderError: one has no end.
    """
    rest = b""
    async for data in content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise ProviderError("too_long", f"the host sent over {LINE_LIMIT} bytes at once")
        if lines:
            yield lines


async def whole(content: aiohttp.StreamReader) -> bytes:
    """All of an answer.

    Raises:
        ProviderError: it has no end.
    """
    parts, length = [], 0
    async for data in content.iter_any():
        parts.append(data)
        length += len(data)
        if length > LINE_LIMIT:
            raise ProviderError("too_long", f"the host sent over {LINE_LIMIT} bytes at once")
    return b"".join(parts)


async def read_out(content: aiohttp.StreamReader) -> None:
    """Read the few bytes behind the last event, so that the connection can be used again."""
    try:
        async with asyncio.timeout(LAST_WAIT):
            async for _ in content.iter_any():
                pass
    except (TimeoutError, aiohttp.ClientError):
        pass  # then the connection is closed, not kept


@contextmanager
def faults() -> Iterator[None]:
    """Turn every way in which a host fails into a `ProviderError` that says which it was."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise ProviderError("unavailable", f"the host cannot be reached: {error}") from error
    except TimeoutError as error:
        raise ProviderError("timeout", "the host did not answer in time") from error
    except aiohttp.InvalidURL as error:
        raise ProviderError("unavailable", "the host's address is wrong") from error
    except aiohttp.ClientError as error:
        raise ProviderError("interrupted", f"the connection broke: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ProviderError("malformed", "the host sent something that cannot be read") from error


def shared_session() -> aiohttp.ClientSession:
    """The running event loop's connections."""
    loop = asyncio.get_running_loop()
    if loop not in _sessions or _sessions[loop].closed:
        _sessions[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "candor",
            },
            trust_env=any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES),
        )
    return _sessions[loop]


async def close_shared_session() -> None:
    """Close the running event loop's connections; the next request opens new ones."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()
