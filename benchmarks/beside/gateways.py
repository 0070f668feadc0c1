"""The gateways that stand before the host of models, each as a process of its own.

`benchmarks/requirements-gateways.txt` says how to install the others. LiteLLM's proxy runs without
keys, callbacks or database; Portkey's gateway takes the host from headers, and is started with a
few lines without which it answers no streamed request here (`MUTABLE`); NeMo Guardrails runs as
its own server (`nemoguardrails server`) with a regex output rail that looks at 40 tokens at a time
and lets none by before it has looked.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beside.servers import Server, free_port, serving

MODEL = "Qwen/Qwen2.5-72B-Instruct"
REQUIREMENTS = "benchmarks/requirements-gateways.txt says how to install it"
PORTKEY_SCRIPT = Path("node_modules/@portkey-ai/gateway/build/start-server.js")
# Portkey 1.15.2 adds headers to what fetch returned; for a stream Node 20 refuses it (status 500)
MUTABLE = """data:text/javascript,
const asked = fetch;
globalThis.fetch = async (...given) => {
  const got = await asked(...given), type = got.headers.get("content-type") || "";
  if (!type.includes("event-stream")) return got;
  return new Response(got.body, {status: got.status, headers: new Headers(got.headers)});
};"""
DECLINING = ["cannot discuss this", "relevant laws and regulations", "consult official sources"]
DIRECT, LITELLM, PORTKEY, NEMO = "direct", "LiteLLM", "Portkey", "NeMo Guardrails"
OFF, ON, TWO = "Candor, guard off", "Candor, guard on", "Candor, guard on, 2 processes"

Start = Callable[[Server, Path], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Gateway:
    """How to start a gateway before a host, its data in a folder, and what its requests hold.

    `missing` says how to install it, where it is not.
    """

    name: str
    start: Start
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Callable[[Server], Mapping[str, str]] = lambda _: {}
    missing: str = ""


def known(litellm_python: Path | None, nemo_python: Path | None, portkey: Path) -> list[Gateway]:
    """All of them, in the order in which they are measured.

    Args:
        litellm_python: of the environment that holds LiteLLM's proxy.
        nemo_python: of the one that holds NeMo Guardrails.
        portkey: folder in which npm installed Portkey's gateway.
    """
    script = portkey / PORTKEY_SCRIPT
    proxy, rails = beside(litellm_python, "litellm"), beside(nemo_python, "nemoguardrails")
    return [
        Gateway(DIRECT, direct),
        Gateway(OFF, candor(1), {"guard": {"mode": "off"}}),
        Gateway(ON, candor(1), {"guard": {"mode": "fallback"}}),
        Gateway(TWO, candor(2), {"guard": {"mode": "fallback"}}),
        Gateway(
            LITELLM, litellm(proxy), missing=missing(proxy, "--litellm-python VENV/bin/python")
        ),
        Gateway(
            PORTKEY,
            portkey_of(script),
            headers=portkey_headers,
            missing=missing(script, "--portkey FOLDER"),
        ),
        Gateway(NEMO, nemo(rails), missing=missing(rails, "--nemo-python VENV/bin/python")),
    ]


def beside(python: Path | None, program: str) -> Path:
    """A program of the environment that a Python belongs to."""
    return (python.absolute().parent if python else Path()) / program


def missing(program: Path, option: str) -> str:
    return "" if program.is_file() else f"{REQUIREMENTS}, then {option}"


@contextmanager
def direct(models: Server, _: Path) -> Iterator[Server]:
    yield models


def candor(workers: int) -> Start:
    """The API as an operator starts it alone."""

    @contextmanager
    def start(models: Server, folder: Path) -> Iterator[Server]:
        port = free_port()
        told = {"CANDOR_BASE_URL": f"{models.url}/v1", "CANDOR_DATA": str(folder)}
        command = [sys.executable, "-m", "guard", "serve", "--port", str(port)]
        command += ["--workers", str(workers)]
        with serving(command, port, "/health", CANDOR_API_KEYS="open", **told) as server:
            yield server

    return start


def litellm(program: Path) -> Start:
    @contextmanager
    def start(models: Server, folder: Path) -> Iterator[Server]:
        given = {"model": f"openai/{MODEL}", "api_base": f"{models.url}/v1", "api_key": "none"}
        config = {"model_list": [{"model_name": MODEL, "litellm_params": given}]}
        path = folder / "litellm.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # YAML reads JSON
        port = free_port()
        command = [str(program), "--config", str(path), "--host", "127.0.0.1", "--port", str(port)]
        told = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }
        command += ["--telemetry", "False"]
        with serving(command, port, "/health/liveliness", **told) as server:
            yield server

    return start


def portkey_of(script: Path) -> Start:
    @contextmanager
    def start(_: Server, __: Path) -> Iterator[Server]:
        port = free_port()
        command = [
            "node",
            "--import",
            MUTABLE,
            str(script.absolute()),
            f"--port={port}",
            "--headless",
        ]
        with serving(command, port, "/") as server:
            yield server

    return start


def portkey_headers(models: Server) -> Mapping[str, str]:
    return {
        "authorization": "Bearer none",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{models.url}/v1",
    }


def nemo(program: Path) -> Start:
    @contextmanager
    def start(models: Server, folder: Path) -> Iterator[Server]:
        given = {"base_url": f"{models.url}/v1", "api_key": "none"}
        streaming = {"enabled": True, "chunk_size": 40, "context_size": 10, "stream_first": False}
        declining = {"patterns": DECLINING, "case_insensitive": True}
        config = {
            "models": [{"type": "main", "engine": "openai", "model": MODEL, "parameters": given}],
            "rails": {
                "config": {"regex_detection": {"output": declining}},
                "output": {"flows": ["regex check output"], "streaming": streaming},
            },
        }
        path = folder / "rails" / "bench" / "config.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config), encoding="utf-8")
        port = free_port()
        command = [str(program), "server", "--config", str(path.parents[1]), "--port", str(port)]
        command += ["--default-config-id", "bench", "--disable-chat-ui"]
        with serving(command, port, "/healthz", OPENAI_API_KEY="none") as server:
            yield server

    return start
