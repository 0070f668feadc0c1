"""`python app.py` as a process of its own: what it refuses to start with, and how it goes down."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import pytest
import replies
from served import API_KEY, HF_TOKEN, LLAMA, QWEN, SOUP, Page, page_of, settles
from serving import ROOT, Server

from chat.pages.chat import page

MODELS = (ROOT / "models.yaml").read_text()
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Server] = []

    def starting(root: Path = ROOT, **environment: str) -> Server:
        started.append(Server(tmp_path, root, **environment).start())
        return started[-1]

    yield starting
    for each in started:
        each.end(signal.SIGKILL)


def refused(server: Server) -> str:
    """What the app says as it does not start; nothing is ever served."""
    assert server.process is not None
    assert server.process.wait(120) == 2, server.log.read_text()
    said = server.log.read_text()
    assert "Traceback" not in said
    assert "Candor is at" not in said
    assert said.startswith("Candor did not start. ")
    assert said.count("\n") == 1
    return said


def test_an_unknown_default_model_is_refused(start: Start) -> None:
    said = refused(start(CANDOR_DEFAULT_MODEL="Qwen/Qwen2.5-72B-Instuct"))
    assert "CANDOR_DEFAULT_MODEL" in said
    assert QWEN in said


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (MODELS.replace("fallbacks:", "falbacks:"), ("falbacks", "fallbacks")),
        (MODELS.replace("mode: fall back", "mode: fal back"), ("mode", "fall back")),
        (MODELS.replace(f"default: {QWEN}", f"default: {QWEN}x"), ("default", QWEN)),
    ],
)
def test_a_wrong_catalogue_is_refused_with_line_key_and_the_nearest_word(
    start: Start, tmp_path: Path, wrong: str, told: tuple[str, str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(wrong)
    line = next(
        n
        for n, (a, b) in enumerate(zip(MODELS.split("\n"), wrong.split("\n"), strict=True), 1)
        if a != b
    )
    said = refused(start(CANDOR_MODELS=str(file)))
    assert f"{file}:{line}:" in said
    for word in told:
        assert repr(word) in said or f"{word}:" in said


def test_a_wrong_topic_pack_is_refused_with_line_key_and_the_nearest_word(
    start: Start, tmp_path: Path
) -> None:
    root = tmp_path / "candor"
    for name in ("guard", "chat"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "models.yaml"):
        shutil.copy(ROOT / name, root / name)
    pack = next((root / "guard/data/topics/CN").glob("tiananmen*.yaml"))
    lines = pack.read_text().split("\n")
    number = next(n for n, line in enumerate(lines) if line.startswith("facts:"))
    lines[number] = "fact:"
    pack.write_text("\n".join(lines))
    said = refused(start(root))
    assert f"{pack.name}:{number + 1}:" in said
    assert "'fact'" in said
    assert "'facts'" in said


def test_a_wrong_port_is_refused(start: Start) -> None:
    assert "PORT" in refused(start(PORT="http"))


def test_a_database_that_cannot_be_used_is_refused(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    said = refused(start(CANDOR_DATA=str(tmp_path / "data")))
    assert "database" in said
    assert "CANDOR_DATA" in said


def begun(page: Page, host: replies.Host) -> str:
    """A conversation whose reply has begun to come in, is on disk in part, and stalls."""
    id_ = str(page.ask(f"{SOUP} fault:late-stall")["conversation"])
    assert settles(lambda: host.asked and host.asked[-1].sent > 3 and host.answering)
    return id_


def kept(folder: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(folder / "candor.sqlite3") as connection:
        rows = connection.execute("SELECT state, text FROM reply ORDER BY created_at")
        return [(state, text) for state, text in rows]


@pytest.fixture
def slow_host() -> Iterator[replies.Host]:
    """A host at a pace at which half a reply takes longer than what may be lost of it."""
    with replies.running(pace=0.06) as host:
        yield host


def test_what_streams_when_the_app_goes_down_is_kept_and_called_interrupted(
    start: Start, slow_host: replies.Host, tmp_path: Path
) -> None:
    """Killed (out of memory), started again, then told to stop (a deployment)."""
    environment = {
        "CANDOR_BASE_URL": slow_host.base_url,
        "CANDOR_DEFAULT_MODEL": LLAMA,
        "CANDOR_API_KEY": API_KEY,
        "HF_TOKEN": HF_TOKEN,
    }
    first = start(**environment)
    first.ready()
    with page_of(first.url) as page:
        assert page.state()["model"] == LLAMA
        id_ = begun(page, slow_host)
        assert settles(lambda: kept(tmp_path)[0][1])
        first.end(signal.SIGKILL)
        cookies = page.http.cookies
    assert kept(tmp_path)[0][0] == "streaming"
    logs = first.log.read_text()

    second = start(**environment)
    second.ready()
    with page_of(second.url) as page:
        page.http.cookies = cookies
        state = page.state(id_)
        assert SOUP in state["thread"]
        assert "Here is" in state["thread"]
        assert "was interrupted" in state["thread"]
        assert not state["running"]
        begun(page, slow_host)
        assert second.end(signal.SIGTERM) in {0, -signal.SIGTERM}
    assert [how for how, _ in kept(tmp_path)] == ["interrupted", "interrupted"]
    assert kept(tmp_path)[1][1].startswith("Here is a short")
    assert slow_host.settles(lambda: slow_host.answering == 0)
    logs += second.log.read_text()
    assert f"http://localhost:{second.port}" in logs
    for secret in (API_KEY, HF_TOKEN):
        assert secret not in logs
    assert "Traceback" not in logs


def test_gradio_seldom_looks_for_events_of_its_own() -> None:
    blocks = page()
    assert not blocks.fns, "nobody waits for them"
    assert gr.Blocks()._queue.sleep_when_free < 0.1 < blocks._queue.sleep_when_free
