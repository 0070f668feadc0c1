"""compose.yaml, and its proxy: the real Caddy with that very configuration before real replicas.

Containers are not started: what their images do with these settings is not covered.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
import yaml
from databases import address
from ports import free_port, missing, settles
from served import API_KEY, SOUP, Page, Site, page_of, serving

from chat.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CADDYFILE = (ROOT / "deploy/Caddyfile").read_text()
UPSTREAMS = "app-1:7860 app-2:7860"
REPLICAS = ("app-1", "app-2")


class Echo(BaseHTTPRequestHandler):
    """Answers with the port it listens at and the headers that reached it."""

    def do_GET(self) -> None:
        body = json.dumps({"port": self.server.server_port, **self.headers}).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def echoing() -> Iterator[int]:
    """A server that echoes; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(20)


@contextmanager
def proxied(folder: Path, *upstreams: str) -> Iterator[str]:
    """The address of Caddy before these, with the configuration of compose.yaml."""
    program = shutil.which("caddy")
    if program is None:
        missing("Caddy")
    assert CADDYFILE.count(UPSTREAMS) == 1
    file, port = folder / "Caddyfile", free_port()
    file.write_text(CADDYFILE.replace(UPSTREAMS, " ".join(upstreams)))
    own = {"CANDOR_SITE": f":{port}", "CANDOR_SECRET": "secret", "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "run", "--config", str(file), "--adapter", "caddyfile"],
            env=os.environ | own,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        assert settles(lambda: answers(url)), (folder / "log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False, timeout=20).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
def both(
    shared_host: replies.Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Site]]]:
    """The proxy before two apps that share a database."""
    folder = tmp_path_factory.mktemp("both")
    settings = Settings(
        base_url=shared_host.base_url,
        api_key=API_KEY,
        database_url=address(folder / "candor.sqlite3"),
        timeout=20,
    )
    with ExitStack() as stack:
        sites = [stack.enter_context(serving(settings)) for _ in range(2)]
        at = [site.url.removeprefix("http://") for site in sites]
        yield stack.enter_context(proxied(folder, *at)), sites


@pytest.fixture
def through(both: tuple[str, list[Site]]) -> Iterator[Page]:
    with page_of(both[0]) as page:
        page.http.timeout = httpx2.Timeout(60)  # the first question waits for libraries, in both
        yield page


def test_a_reply_is_streamed_through_the_proxy(through: Page) -> None:
    id_ = str(through.ask(f"{SOUP} fault:slow")["conversation"])
    heard = through.listen(id_)
    first, _ = next(heard)
    assert first != "end"
    assert through.post(f"/conversations/{id_}/stop").status_code < 300  # while it comes in
    assert [name for name, _ in heard][-1] == "end"


def test_a_temporary_chat_stays_with_its_replica(through: Page) -> None:
    asked = through.ask(SOUP, temporary=True)
    id_ = str(asked["conversation"])
    assert through.whole(id_)[-1][0] == "end"
    for _ in range(4):
        assert "lentil" in through.state(id_)["thread"]


def test_how_the_replicas_are_is_not_told_outside(both: tuple[str, list[Site]]) -> None:
    url, sites = both
    for path in ("/health/ready", "/health/live", "/metrics"):
        assert httpx2.get(sites[0].url + path, trust_env=False).status_code == 200
        assert httpx2.get(url + path, trust_env=False).status_code == 404


def test_who_asks_cannot_say_that_they_are_another(tmp_path: Path) -> None:
    forged = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with echoing() as port, proxied(tmp_path, f"127.0.0.1:{port}") as url:
        told = httpx2.get(url, headers=forged, trust_env=False).json()
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert told["X-Forwarded-Proto"] == "http"


def test_a_reader_stays_with_a_replica_until_it_is_gone(tmp_path: Path) -> None:
    with ExitStack() as stack:
        running = {}
        for _ in range(2):
            apart = stack.enter_context(ExitStack())
            running[apart.enter_context(echoing())] = apart
        upstreams = [f"127.0.0.1:{port}" for port in running]
        url = stack.enter_context(proxied(tmp_path, *upstreams))
        with httpx2.Client(base_url=url, trust_env=False, timeout=20) as http:
            mine = http.get("/").json()["port"]
            assert {http.get("/").json()["port"] for _ in range(10)} == {mine}
            running[mine].close()
            others = {http.get("/") for _ in range(5)}
        assert {answer.status_code for answer in others} == {200}
        assert {answer.json()["port"] for answer in others} == {*running} - {mine}


# --- compose.yaml -------------------------------------------------------------------------------


def environment(service: str) -> dict[str, str]:
    return dict(COMPOSE["services"][service].get("environment", {}))


def test_there_are_two_replicas_and_the_proxy_knows_both() -> None:
    ours = {name for name, one in COMPOSE["services"].items() if one["image"].startswith("candor")}
    assert ours == {*REPLICAS, "migrate"}
    (listed,) = re.findall(r"reverse_proxy (.*) \{", CADDYFILE)
    assert listed.split() == [f"{name}:7860" for name in REPLICAS]


def test_replicas_believe_the_proxy_alone() -> None:
    networks = COMPOSE["services"]["proxy"]["networks"]
    for replica in REPLICAS:
        assert environment(replica)["CANDOR_TRUSTED_PROXIES"] == networks["front"]["ipv4_address"]
    assert all("ports" not in one for name, one in COMPOSE["services"].items() if name != "proxy")
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert "front" not in COMPOSE["services"]["postgres"]["networks"]


def test_everything_runs_with_few_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name


def test_passwords_come_from_outside_and_must_be_there() -> None:
    shown = (ROOT / "compose.yaml").read_text()
    secrets = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "CANDOR_SECRET"}
    for name in secrets:
        assert re.search(rf"\$\{{{name}:\?set it in \.env", shown), name
        assert not re.search(rf"\$\{{{name}(:-|\}})", shown), name
    offered = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / "deploy/env.example").read_text(), re.M))
    assert set(re.findall(r"\$\{([A-Z_]+)", shown)) == offered


def test_what_replicas_are_told_they_know() -> None:
    aliases = names_of_settings()
    for service in (*REPLICAS, "migrate"):
        assert environment(service).keys() <= aliases
    assert environment("migrate") == environment("app-1")


def names_of_settings() -> set[str]:
    """The environment variables that settings are read from."""
    names: set[str] = set()
    for field in Settings.model_fields.values():
        given = field.validation_alias
        names |= {given} if isinstance(given, str) else set(getattr(given, "choices", ()))
    return names


def test_what_a_name_refers_to_is_there() -> None:
    for name, service in COMPOSE["services"].items():
        assert {*service.get("depends_on", {})} <= COMPOSE["services"].keys(), name
        assert {*service["networks"]} <= COMPOSE["networks"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source[0] == "." else source in COMPOSE["volumes"]
    for waited_for in ("postgres", "redis", *REPLICAS):
        assert "healthcheck" in COMPOSE["services"][waited_for]
