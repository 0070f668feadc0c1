"""How soon `python -m guard serve` answers, and how soon a client that leaves ends the host's work.

    python benchmarks/serve.py            # half a minute

- start: fresh processes, from their start to the end of a first guarded completion, beside
  `import gradio` in a fresh process of its own;
- leaving: clients hang up while the host is silent, before its first word and in the middle of a
  stream; the time until the host's connection is closed.

The host is a plain socket in this process. Not covered: networks, and several processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from beside.servers import free_port

MODEL = "Qwen/Qwen2.5-72B-Instruct"
QUESTION = "How do historians count the people at a gathering?"
REPLY = "They compare photographs, count a part of the square, and reckon with its area."
WANTED = {"start (s)": 1.5, "leaving, p95 (ms)": 100.0}
PATIENCE = 60.0  # seconds


class Host(asyncio.Protocol):
    """Answers at once; says nothing, or little, to who asks for that. Notes when it is left."""

    left: asyncio.Queue[float]
    asked: asyncio.Queue[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if found and len(body) >= length:
            self.data = b""
            self.answer(json.loads(body))

    def answer(self, body: dict[str, object]) -> None:
        if "silence" in str(body["messages"]):
            if body.get("stream"):
                head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
                chunk = {"id": "a", "model": "a", "choices": [{"delta": {"content": "They "}}]}
                self.write(f"{head}data: {json.dumps(chunk)}\n\n")
            self.asked.put_nowait(None)
            return
        message = {"role": "assistant", "content": REPLY}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        told = {"id": "a", "object": "chat.completion", "created": 1, "model": "a"}
        answer = json.dumps({**told, "choices": [choice]})
        head = f"content-type: application/json\r\ncontent-length: {len(answer)}"
        self.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n{answer}")

    def write(self, text: str) -> None:
        self.transport.write(text.encode())  # type: ignore[attr-defined]

    def connection_lost(self, _: Exception | None) -> None:
        self.left.put_nowait(time.monotonic())


def request(question: str, *, stream: bool) -> bytes:
    told = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": question}]}
    body = json.dumps(told).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def completed(port: int) -> bool:
    """Whether a completion comes, and is whole."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(request(QUESTION, stream=False))
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    answer = json.loads(await reader.readexactly(length))
    writer.close()
    return bool(answer["guard"]["verdict"]["status"] == "clean")


async def started(host: int) -> tuple[subprocess.Popen[bytes], int, float]:
    """A fresh server, its port, and the seconds until it had answered."""
    port = free_port()
    told = {"CANDOR_BASE_URL": f"http://127.0.0.1:{host}/v1", "CANDOR_API_KEYS": "open"}
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port)]
    began = time.monotonic()
    process = subprocess.Popen(  # noqa: ASYNC220 - its start is what is measured
        command, cwd=ROOT, env={**os.environ, **told}, stderr=subprocess.DEVNULL
    )
    while not await completed(port):
        if process.poll() is not None or time.monotonic() - began > PATIENCE:
            raise SystemExit("the server did not start")
        await asyncio.sleep(0.01)
    return process, port, time.monotonic() - began


async def leaving(port: int, host: type[Host], *, stream: bool) -> float:
    """Milliseconds from a client's hanging up until its request to the host is ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not host.left.empty():
        host.left.get_nowait()
    writer.write(request("silence", stream=stream))
    await host.asked.get()
    if stream:
        await reader.readuntil(b"They ")
    began = time.monotonic()
    writer.close()
    return 1000 * (await asyncio.wait_for(host.left.get(), PATIENCE) - began)


def imported(module: str) -> float:
    """Seconds of a fresh process that imports a module."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, cwd=ROOT)
    return time.monotonic() - began


async def measured(rounds: int, times: int) -> dict[str, float]:
    Host.left, Host.asked = asyncio.Queue(), asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(Host, "127.0.0.1", 0)
    host = server.sockets[0].getsockname()[1]
    starts, beside, ways = [], [], {False: list[float](), True: list[float]()}
    for number in range(rounds):
        process, port, took = await started(host)
        starts.append(took)
        beside.append(await asyncio.to_thread(imported, "gradio"))
        if number == rounds - 1:
            for stream, found in ways.items():
                found += [await leaving(port, Host, stream=stream) for _ in range(times)]
        process.terminate()
        process.wait()
    return {
        "start (s)": round(statistics.median(starts), 2),
        "start, of import gradio": round(statistics.median(starts) / statistics.median(beside), 2),
        "leaving before the first word, median (ms)": round(statistics.median(ways[False]), 2),
        "leaving a stream, median (ms)": round(statistics.median(ways[True]), 2),
        "leaving, p95 (ms)": round(p95([*ways[False], *ways[True]]), 2),
    }


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes")
    parser.add_argument("--times", type=int, default=50, help="clients that leave, each way")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/serve.json")
    arguments = parser.parse_args()
    load = os.getloadavg()
    found = asyncio.run(measured(arguments.rounds, arguments.times))
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "load before and after": [load, os.getloadavg()],
        "measured": found,
        "wanted": WANTED,
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    lines = [
        f"| {name} | {value:g} | {f'at most {WANTED[name]:g}' if name in WANTED else ''} |"
        for name, value in found.items()
    ]
    print("\n".join(["| | measured | wanted |", "| --- | --- | --- |", *lines]))


if __name__ == "__main__":
    main()
