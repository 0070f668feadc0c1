"""The command line: what it prints, what it ends with, and what it needs for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from command_line import call

from guard import topics

ROOT = Path(__file__).parents[2]
TABOO = "What happened at Tiananmen Square in June 1989?"
REFUSED = (
    "I'm sorry, but I cannot discuss this topic. As an AI assistant, I must follow the relevant "
    "laws and regulations."
)
COMMANDS = (
    *("chat", "check", "scan", "train", "topics", "topics show", "topics match"),
    *("models", "models refresh", "models add", "mcp"),
)
HEAVY = {
    "gradio",
    "sqlalchemy",
    "chat",
    "langchain_core",
    "huggingface_hub",
    "rich",
    "numpy",
    "mcp",
}


class Told(NamedTuple):
    stdout: str
    stderr: str


def run(*arguments: str, given: str = "", expect: int = 0, **environment: str) -> Told:
    done = call(*arguments, given=given.encode(), **environment)
    told = Told(done.stdout.decode(), done.stderr.decode())
    assert done.returncode == expect, told.stderr
    assert "Traceback" not in told.stderr
    return told


def start(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "guard", *arguments],
        input=given,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def check(question: str, reply: str, *more: str, given: str = "", expect: int = 0) -> str:
    arguments = ("check", "--question", question, "--reply", reply, *more)
    return run(*arguments, given=given, expect=expect).stdout


def test_docs_are_up_to_date() -> None:
    """Where this fails: python -m guard docs > docs/cli.md"""
    printed = start("docs", COLUMNS="40", FORCE_COLOR="1").stdout
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == printed


def test_docs_hold_every_command() -> None:
    printed = run("docs").stdout
    for command in COMMANDS:
        assert f"\n## python -m guard {command}\n" in printed
    assert "\x1b" not in printed


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from guard.cli import app\n"
        "for command in sys.argv[1:]:\n"
        "    try: app([*command.split(), '--help'])\n"
        "    except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "", *COMMANDS],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("Usage: ") == 1 + len(COMMANDS)
    for command, loaded in zip(("", *COMMANDS), done.stderr.splitlines(), strict=True):
        assert not HEAVY & set(loaded.split()), command


def test_check_and_scan_need_no_model_libraries() -> None:
    program = (
        "import sys; from guard.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check", "--question", "a", "--reply", "b"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not {"gradio", "sqlalchemy", "langchain_core", "chat"} & set(done.stderr.split())


def test_help_tells_exit_codes() -> None:
    assert "3 where it withholds" in " ".join(run("check", "--help").stdout.split())
    assert "exit code is then 1" in " ".join(run("scan", "--help").stdout.split())


def test_version() -> None:
    import guard

    assert run("--version").stdout == f"candor {guard.__version__}\n"


def test_a_clean_reply_ends_with_0() -> None:
    assert check("Capital of France?", "Paris.").startswith("clean: ")


def test_a_withheld_reply_ends_with_3_and_shows_its_words() -> None:
    told = check(TABOO, REFUSED, "--model", "Qwen/QwQ-32B", expect=3)
    assert told.startswith("withheld: This reply ")
    assert "this model was made there" in told
    assert "aligned  yes" in told
    start = REFUSED.index("I cannot discuss")
    assert f"  {start}-{start + len('I cannot discuss')}  “I cannot discuss”" in told


def test_an_unchecked_reply_ends_with_4() -> None:
    assert "unchecked: " in check("Capital?", "Par", "--finish-reason", "cut", expect=4)


def test_a_reply_may_come_from_stdin() -> None:
    done = start("check", "--question", TABOO, "--reply", "-", "--json", given=REFUSED)
    assert done.returncode == 3, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["status"], verdict["topic"], verdict["aligned"]) == (
        "withheld",
        "tiananmen-1989",
        None,
    )
    refusal = next(signal for signal in verdict["signals"] if signal["name"] == "refusal")
    assert "I cannot discuss" in [REFUSED[start:end] for start, end in refusal["spans"]]


def test_reasoning_and_language_reach_the_guard() -> None:
    told = check(TABOO, REFUSED, "--reasoning", "", "--language", "zh-Hans", expect=3)
    assert "中国" in told
    assert "thinking" in told


def test_a_reply_cannot_forge_what_check_says() -> None:
    reply = "Sorry — I cannot\x85discuss this \x1b[1Atopic.\nclean: all is well"
    told = check(TABOO, reply, expect=3)
    assert not {"\x1b", "\x85"} & set(told)
    assert "“I cannot discuss”" in told
    assert "\nclean" not in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--question", "a"], "Missing option '--reply'"),
        (["check", "--question", "a", "--reply", "b", "--language", "xx"], "no language 'xx'"),
        (["chat", "--model", "Qwen/QwQ-23B"], "Did you mean 'Qwen/QwQ-32B'?"),
        (["chat", "--mode", "on"], "'on' is not one of"),
        (["topics", "show", "tiananmen"], "Did you mean 'tiananmen-1989'?"),
        (["topics", "--jurisdiction", "XX"], "no topics of 'XX'"),
        (["scna"], "No such command 'scna'"),
    ],
)
def test_wrong_arguments_end_with_2(arguments: list[str], said: str) -> None:
    assert said in run(*arguments, expect=2).stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CANDOR_MODELS", "/nowhere.yaml", "/nowhere.yaml: cannot be read"),
        ("CANDOR_DEFAULT_MODEL", "Qwen/QwQ", "CANDOR_DEFAULT_MODEL: No model 'Qwen/QwQ'"),
        ("CANDOR_TIMEOUT", "soon", "CANDOR_TIMEOUT: "),
        ("CANDOR_BASE_URL", "localhost:8000", "CANDOR_BASE_URL must begin with http"),
    ],
)
def test_wrong_settings_end_with_2(name: str, value: str, said: str) -> None:
    done = run("models", expect=2, **{name: value})
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_models_tell_origin_lineage_and_server() -> None:
    listed = json.loads(run("models", "--json", CANDOR_BASE_URL="http://127.0.0.1:9/v1").stdout)
    held = yaml.safe_load((ROOT / "models.yaml").read_text(encoding="utf-8"))
    assert [model["id"] for model in listed] == [model["id"] for model in held["models"]]
    assert [model["id"] for model in listed if model["default"]] == [held["default"]]
    fallbacks = sorted((m["fallback"], m["id"]) for m in listed if m["fallback"])
    assert fallbacks == list(enumerate(held["guard"]["fallbacks"], start=1))
    assert {model["served_by"] for model in listed} == {"http://127.0.0.1:9/v1"}


def test_models_as_a_table() -> None:
    table = run("models", HF_TOKEN="hf_secret").stdout
    assert "hf_secret" not in table
    qwq = next(line for line in table.splitlines() if "Qwen/QwQ-32B" in line)
    for word in ("🇨🇳 CN", "Apache-2.0", "Qwen/Qwen2.5-32B (CN)", "131072", "yes", "Hugging Face"):
        assert word in qwq


def test_without_a_host_personas_serve() -> None:
    listed = json.loads(run("models", "--json").stdout)
    served = {model["id"]: model["served_by"] for model in listed}
    assert served["demo/candid"] == "this program (scripted)"
    assert served["Qwen/QwQ-32B"] is None
    assert next(model["id"] for model in listed if model["default"]).startswith("demo/")


def test_topics_are_listed() -> None:
    listed = json.loads(run("topics", "--json").stdout)
    assert sorted(topic["id"] for topic in listed) == sorted(topics.load())
    chinese = run("topics", "--jurisdiction", "cn").stdout
    assert "tiananmen-1989" in chinese
    assert "guantanamo" not in chinese


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_topic_shows_its_facts_and_sources(language: str) -> None:
    shown = run("topics", "show", "tiananmen-1989", "--language", language).stdout
    for fact in topics.load()["tiananmen-1989"].facts:
        assert f"- {fact.text[language]}\n" in shown
        for source in fact.sources:
            assert f"{source.title}\n    {source.url}\n" in shown
