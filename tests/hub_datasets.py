"""A small real host that plays the datasets of the Hugging Face Hub: own-made answers, as recorded.

    with hub_datasets.running() as host: host.hub, host.asked, host.datasets["acme/audits"].files

It answers to what huggingface_hub asks for a commit and a read: `create_repo`, the check of a card,
uploads by Git LFS, commits in NDJSON, listings, and files, whole or a range of bytes, of which the
large ones lie at another address. Every request is kept. Not covered: xet, pull requests, and pages
of a listing.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from guard.hub import Hub

WRITES, READS = "hf_writes_and_is_a_secret", "hf_reads_and_is_a_secret"
REPO = r"(?P<repo>[^/]+/[^/]+)"


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Dataset:
    """`commits` holds the files of each by its hash; `strange` is what else a listing tells."""

    private: bool
    commits: dict[str, dict[str, bytes]]
    strange: list[dict[str, Any]] = field(default_factory=list)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head]

    def commit(self, files: dict[str, bytes]) -> str:
        told = repr((len(self.commits), sorted(files))).encode()
        sha = sha1(told).hexdigest()  # noqa: S324 (as git's)
        self.commits[sha] = files
        return sha


@dataclass
class Host:
    """The running server. `faults` are what to answer instead, by a part of a request's path."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        """Where large files lie: another origin, which must not see the token."""
        return f"http://localhost:{self.port}"

    @property
    def hub(self) -> Hub:
        return Hub(endpoint=self.endpoint)

    def make(self, repo: str, *, private: bool = True, **files: bytes) -> Dataset:
        made = self.datasets[repo] = Dataset(private, {})
        made.commit({".gitattributes": b"*.parquet filter=lfs", **files})
        return made


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.host.asked.append(Asked(self.command, path, headers, body))
        fault = next((f for part, f in self.host.faults.items() if part in path), None)
        if fault:
            self.say({"error": "as told"}, *fault)
            return
        for (method, pattern), answer in ROUTES.items():
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                answer(self, body, **found.groupdict())
                return
        self.say({}, 404)

    do_GET = do_POST = do_PUT = answer  # noqa: N815

    @property
    def token(self) -> str:
        return str(self.headers.get("authorization", "")).removeprefix("Bearer ")

    def may(self, *, write: bool = False, repo: str = "") -> bool:
        """Whether the token is good for that; else it is told."""
        if self.token and self.token not in (WRITES, READS):
            wrong = "Invalid credentials in Authorization header"
            self.say({"error": wrong}, 401, {"x-error-message": wrong})
            return False
        if write and self.token != WRITES:
            self.say({"error": "no"}, 403 if self.token else 401, {"x-error-message": "no"})
            return False
        dataset = self.host.datasets.get(repo)
        if repo and (dataset is None or (dataset.private and not self.token)):
            status = 404 if self.token else 401
            self.say({"error": "Repository not found"}, status, {"x-error-code": "RepoNotFound"})
            return False
        return True

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        if not self.may(write=True):
            return
        address = {"url": f"{self.host.endpoint}/datasets/{repo}"}
        if repo in self.host.datasets:
            self.say({**address, "error": "You already created this dataset repo"}, 409)
            return
        assert asked["type"] == "dataset"
        self.host.make(repo, private=asked.get("visibility") == "private")
        self.say(address)

    def info(self, body: bytes, repo: str, revision: str = "main") -> None:
        if not self.may(repo=repo):
            return
        dataset = self.host.datasets[repo]
        sha = self.commit_at(repo, revision)
        if sha is None:
            self.say({"error": "no revision"}, 404, {"x-error-code": "RevisionNotFound"})
            return
        self.say({"_id": "1", "id": repo, "sha": sha, "private": dataset.private})

    def commit_at(self, repo: str, revision: str) -> str | None:
        dataset = self.host.datasets[repo]
        if revision == "main":
            return dataset.head
        return next((sha for sha in dataset.commits if sha.startswith(revision)), None)

    def check_card(self, body: bytes) -> None:
        assert json.loads(body)["content"].startswith("---\n")
        self.say({"errors": [], "warnings": []})

    def preupload(self, body: bytes, repo: str) -> None:
        if self.may(write=True, repo=repo):
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self.say({"files": files})

    def batch(self, body: bytes, repo: str) -> None:
        if self.may(write=True, repo=repo):
            asked = json.loads(body)["objects"]
            place = self.host.storage
            objects = [
                {**each, "actions": {"upload": {"href": f"{place}/large/{each['oid']}"}}}
                for each in asked
            ]
            self.say({"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> None:
        assert sha256(body).hexdigest() == oid
        self.host.large[oid] = body
        self.say({})

    def stored(self, body: bytes, oid: str) -> None:
        self.send(200, {}, self.host.large[oid])

    def commit(self, body: bytes, repo: str) -> None:
        if not self.may(write=True, repo=repo):
            return
        dataset = self.host.datasets[repo]
        head, *changes = [json.loads(line) for line in body.splitlines()]
        if head["value"].get("parentCommit", dataset.head) != dataset.head:
            self.say({"error": "A commit has happened since"}, 412)
            return
        files = dict(dataset.files)
        for change in changes:
            told, path = change["value"], change["value"]["path"]
            if change["key"] == "file":
                files[path] = base64.b64decode(told["content"])
            elif change["key"] == "lfsFile":
                files[path] = self.host.large[told["oid"]]
            else:
                assert change["key"] == "deletedFile"
                del files[path]
        sha = dataset.commit(files)
        address = f"{self.host.endpoint}/datasets/{repo}/commit/{sha}"
        self.say({"success": True, "commitOid": sha, "commitUrl": address})

    def tree(self, body: bytes, repo: str, revision: str, folder: str = "") -> None:
        if self.may(repo=repo):
            files = self.host.datasets[repo].commits[revision]
            listed = [
                listing(path, content)
                for path, content in files.items()
                if path.startswith(f"{folder}/" if folder else "")
            ]
            self.say([*listed, *self.host.datasets[repo].strange])

    def resolve(self, body: bytes, repo: str, revision: str, path: str) -> None:
        if not self.may(repo=repo):
            return
        content = self.host.datasets[repo].commits[revision].get(path)
        if content is None:
            self.say({"error": "Entry not found"}, 404, {"x-error-code": "EntryNotFound"})
        elif path.endswith(".parquet"):
            oid = sha256(content).hexdigest()
            self.host.large[oid] = content
            self.say({}, 302, {"location": f"{self.host.storage}/large/{oid}"})
        else:
            self.send(200, {}, content)

    def say(self, told: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send(status, {"content-type": "application/json", **(headers or {})}, told)

    def send(self, status: int, headers: dict[str, str], content: Any) -> None:
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        if status == HTTPStatus.OK and asked:
            status, content = HTTPStatus.PARTIAL_CONTENT, content[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""


ROUTES = {
    ("POST", "/api/repos/create"): Answering.create,
    ("POST", "/api/validate-yaml"): Answering.check_card,
    ("GET", f"/api/datasets/{REPO}"): Answering.info,
    ("GET", f"/api/datasets/{REPO}/revision/(?P<revision>.+)"): Answering.info,
    ("GET", f"/api/datasets/{REPO}/tree/(?P<revision>[0-9a-f]+)"): Answering.tree,
    ("GET", f"/api/datasets/{REPO}/tree/(?P<revision>[0-9a-f]+)/(?P<folder>.+)"): Answering.tree,
    ("POST", f"/api/datasets/{REPO}/preupload/main"): Answering.preupload,
    ("POST", f"/api/datasets/{REPO}/commit/main"): Answering.commit,
    ("POST", rf"/datasets/{REPO}\.git/info/lfs/objects/batch"): Answering.batch,
    ("PUT", "/large/(?P<oid>[0-9a-f]+)"): Answering.store,
    ("GET", "/large/(?P<oid>[0-9a-f]+)"): Answering.stored,
    ("GET", f"/datasets/{REPO}/resolve/(?P<revision>[0-9a-f]+)/(?P<path>.+)"): Answering.resolve,
}


def listing(path: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "oid": "0" * 40, "size": len(content), "path": path}


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
