"""`python -m guard serve`: the API alone, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import replies
from scraping import scraped
from served import LLAMA, QWEN, SOUP, TIANANMEN, free_port, settles
from serving import answers

ROOT = Path(__file__).parents[2]
HEAVY = {
    "gradio",
    "fastapi",
    "sqlalchemy",
    "langchain_core",
    "huggingface_hub",
    "mcp",
    "chat.store",
}
LOADED = """
import asyncio, json, sys
sys.argv = ["guard", "serve"]
import uvicorn
def served(app, **options):
    print(json.dumps(sorted(sys.modules)))
uvicorn.run = served
from chat.commands import serve
serve(host="127.0.0.1", port=0, workers=1)
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1", **more}


@contextmanager
def served(*options: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    command = [sys.executable, "-m", "guard", "serve", "--port", str(port), *options]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(**variables), stderr=subprocess.PIPE, text=True
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            assert settles(lambda: answers(url) or process.poll() is not None, 60)
            yield url, process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def completion(url: str, question: str, **more: Any) -> httpx2.Response:
    body = {"model": QWEN, "messages": [{"role": "user", "content": question}], **more}
    return httpx2.post(f"{url}/v1/chat/completions", json=body, trust_env=False, timeout=60)


def test_it_serves_guarded_models_alone_and_ends_when_told(host: replies.Host) -> None:
    variables = {"CANDOR_BASE_URL": host.base_url, "CANDOR_API_KEYS": "open"}
    with served(**variables) as (url, process):
        told = completion(url, TIANANMEN).raise_for_status().json()
        assert told["model"] == LLAMA
        assert httpx2.get(f"{url}/", trust_env=False).status_code == 404, "there is no page"
    assert process.returncode == 0


def test_several_processes_serve_together(host: replies.Host) -> None:
    variables = {"CANDOR_BASE_URL": host.base_url, "CANDOR_API_KEYS": "open"}
    with served("--workers", "2", **variables) as (url, _):
        for _ in range(6):
            completion(url, SOUP).raise_for_status()
        told = [scraped(url) for _ in range(6)]
    for one in told:  # whichever process answers, it tells the sums of both
        assert one.sum("candor_questions_total", mode="fall back") == 6
        assert one.sum("candor_replies_total", model=QWEN, outcome="done") == 6
        assert one.sum("candor_running_replies") == 0


def test_processes_on_one_redis_count_a_key_s_quota_together(
    host: replies.Host, tmp_path: Path, redis_url: str
) -> None:
    stored = environment(CANDOR_DATA=str(tmp_path))
    create = [sys.executable, "-m", "guard", "keys", "create", "me", "--per-minute", "3"]
    made = subprocess.run(
        create, cwd=ROOT, env=stored, check=True, capture_output=True, text=True
    ).stdout.strip()
    variables = {
        "CANDOR_BASE_URL": host.base_url,
        "CANDOR_API_KEYS": "",
        "CANDOR_REDIS_URL": redis_url,
    }
    variables |= {"CANDOR_DATA": str(tmp_path)}
    with served(**variables) as (one, _), served(**variables) as (other, _):
        headers = {"authorization": f"Bearer {made}"}
        answers = [
            httpx2.get(f"{url}/v1/models", headers=headers, trust_env=False, timeout=30)
            for url in (one, other, one, other, one)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert "3 requests a minute" in answers[-1].json()["error"]["message"]


def test_an_address_is_bounded_where_that_is_asked_for(host: replies.Host) -> None:
    variables = {"CANDOR_BASE_URL": host.base_url, "CANDOR_API_KEYS": "open,a-key"}
    with served(CANDOR_LIMITS_ADDRESS="3 requests/minute", **variables) as (url, _):
        models = partial(httpx2.get, f"{url}/v1/models", trust_env=False, timeout=30)
        assert [models().status_code for _ in range(4)] == [200, 200, 200, 429]
        assert int(models().headers["retry-after"]) <= 60
        elsewhere = {"x-forwarded-for": "203.0.113.7"}  # as a proxy on this machine tells it
        assert models(headers=elsewhere).status_code == 200
        assert models(headers={"authorization": "Bearer a-key"}).status_code == 200


def test_a_wrong_limit_or_address_of_redis_stops_the_start(tmp_path: Path) -> None:
    for name in ("CANDOR_LIMITS_ADDRESS", "CANDOR_REDIS_URL"):
        told = subprocess.run(
            [sys.executable, "-m", "guard", "serve"],
            cwd=ROOT,
            env=environment(**{"CANDOR_DATA": str(tmp_path), name: "3 wishes"}),
            check=False,
            capture_output=True,
            text=True,
        )
        assert told.returncode == 2
        assert name in told.stderr


def test_it_is_watched_as_the_page_s_app_is_and_logs_in_json_where_that_is_set(
    host: replies.Host, tmp_path: Path
) -> None:
    variables = {"CANDOR_BASE_URL": host.base_url, "CANDOR_API_KEYS": ""}
    logged = {"CANDOR_DATA": str(tmp_path), "CANDOR_LOG_FORMAT": "json"}
    with served(**variables, **logged) as (url, process):
        assert httpx2.get(f"{url}/health/live", trust_env=False).status_code == 200
        ready = partial(httpx2.get, f"{url}/health/ready", trust_env=False, timeout=30)
        assert settles(lambda: ready().status_code == 200), "the store opens with the first look"
        assert ready().json()["parts"].keys() == {"providers", "store"}
        assert completion(url, SOUP).status_code == 401
        assert scraped(url).sum("candor_http_requests_total", status="401") == 1
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines[0]["message"] == f"Serving at {url}/v1"
    (request,) = (line for line in lines if line["logger"] == "candor.requests")
    assert (request["route"], request["status"]) == ("/v1/chat/completions", 401)


def test_without_a_host_the_scripted_personas_answer_anyone() -> None:
    variables = dict.fromkeys(("HF_TOKEN", "CANDOR_BASE_URL", "CANDOR_API_KEYS"), "")
    with served(**variables) as (url, _):
        body = {"model": "demo/evasive-cn", "guard": {"hold": 2000}}
        whole = completion(url, TIANANMEN, **body).raise_for_status().json()
        assert whole["guard"]["action"] == "fall back"
        answer = completion(url, TIANANMEN, **body, stream=True)
        events = re.findall("data: ({.*})\n", answer.text)
        chunks = [json.loads(event) for event in events]
        said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert said == whole["choices"][0]["message"]["content"]
        assert chunks[-1]["guard"]["action"] == "fall back"
        refused = completion(url, SOUP)
        assert refused.status_code == 503
        assert refused.json()["error"]["message"]


def test_no_key_is_needed_by_default_only_where_nothing_costs(host: replies.Host) -> None:
    with served(CANDOR_BASE_URL=host.base_url, CANDOR_API_KEYS="") as (url, _):
        assert completion(url, SOUP).status_code == 401
    assert not host.asked


def test_nothing_is_loaded_that_it_does_not_use(host: replies.Host) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        env=environment(CANDOR_BASE_URL=host.base_url, CANDOR_API_KEYS="open"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert not HEAVY & {*json.loads(ran.stdout)}


@pytest.mark.parametrize(
    ("variable", "value"), [("CANDOR_BASE_URL", "ftp://x"), ("CANDOR_MODELS", "/no/such/file.yaml")]
)
def test_what_is_wrong_is_told_in_a_sentence(variable: str, value: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "guard", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment(**{variable: value}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("Error: ")
    assert "Traceback" not in ran.stderr
