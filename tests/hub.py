"""A small real host that plays the Hugging Face Hub and its router: own-made answers, as recorded.

    with hub.running() as host: host.hub, host.asked

`tests/data/hub/ORG__NAME.json` lists the answers to the requests for one model, in their order; the
last one is given to all that follow. Like the Hub, it sends only the fields of `expand`, whatever
the case of an id. Models that are too large for a file are made up here. Not
covered: tokens, and the pages of the Hub.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from guard.hub import Hub

FOLDER = Path(__file__).parent / "data" / "hub"
FILES = {path.stem.casefold(): path for path in FOLDER.glob("*.json")}
ALWAYS = {"_id", "id"}
CONFIGS = json.loads((FOLDER / "configs.json").read_text(encoding="utf-8"))
LARGE = 10 * 2**20  # characters


@dataclass
class Host:
    """The running server; `asked` counts the requests for each model."""

    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hub(self) -> Hub:
        return Hub(endpoint=self.endpoint, router=f"{self.endpoint}/v1")

    def answer(self, model: str) -> dict[str, Any]:
        with self.lock:
            turn = self.asked[model]
            self.asked[model] += 1
        answers = recorded(model)
        return answers[min(turn, len(answers) - 1)]


def recorded(model: str) -> list[dict[str, Any]]:
    path = FILES.get(model.replace("/", "__").casefold())
    if path:
        return list(json.loads(path.read_text(encoding="utf-8")))
    made = made_up(model)
    return [{"status": 200, "body": made}] if made else recorded("acme/Gone")


def made_up(model: str) -> dict[str, Any] | None:
    """A lineage without an end, a thousand parents, and a card of ten megabytes."""
    name, _, number = model.rpartition("-")
    if name == "deep/Model":
        return with_parents(model, f"{name}-{int(number) + 1}")
    if model == "acme/Hydra":
        return with_parents(model, *(f"heads/Head-{n}" for n in range(1000)))
    if name == "heads/Head":
        return with_parents(model)
    if model == "acme/Large":
        return {**with_parents(model), "cardData": {"license": "mit", "notes": "n" * LARGE}}
    return None


def with_parents(model: str, *parents: str) -> dict[str, Any]:
    listed = [{"_id": parent, "id": parent} for parent in parents]
    bases = {"relation": "merge" if len(parents) > 1 else "finetune", "models": listed}
    return {
        "id": model,
        "tags": [],
        "cardData": {"language": ["en"]},
        "baseModels": bases if parents else None,
    }


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/v1/models":
            self.host.asked["router"] += 1
            self.say(200, {}, (FOLDER / "router.json").read_bytes())
        elif address.path.endswith("/resolve/main/config.json"):
            self.config(address.path.removesuffix("/resolve/main/config.json").strip("/"))
        elif address.path.startswith("/api/models/"):
            self.model(address.path.removeprefix("/api/models/"), parse_qs(address.query))
        else:
            self.say(404, {}, b"{}")

    def config(self, model: str) -> None:
        found = model in CONFIGS
        self.say(200 if found else 404, {}, json.dumps(CONFIGS.get(model, {})).encode())

    def model(self, model: str, query: dict[str, list[str]]) -> None:
        answer = self.host.answer(model)
        body = answer.get("body", {})
        if answer["status"] == 200 and isinstance(body, dict):
            shown = {*ALWAYS, *query.get("expand", body)}
            body = {name: value for name, value in body.items() if name in shown}
        content = answer["text"] if "text" in answer else json.dumps(body)
        self.say(answer["status"], answer.get("headers", {}), content.encode())

    def say(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""


@contextmanager
def running() -> Iterator[Host]:
    """The host, until the block ends."""
    host = Host()
    handler = type("Handler", (Answering,), {"host": host})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        host.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()
