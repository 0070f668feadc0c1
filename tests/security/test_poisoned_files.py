"""Poisoned files of operators and strangers: models.yaml, the snapshot, topic packs, Hub cards.

They are refused in words, or read as the words they are, in little time and memory. Defences:
guard/yaml_file.py, frozen values with `extra="forbid"` (guard/types.py), guard/card.py, which
leaves out what is odd, and Aho-Corasick in place of patterns and `MOST_ALTERNATIVES`
(guard/phrases.py).
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import replies
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from guard import catalogue, topics
from guard.errors import ConfigError
from guard.hub import Hub, refresh
from guard.snapshot import Snapshot

ROOT = Path(__file__).parents[2]
PACK = topics.FOLDER / "CN" / "tiananmen-1989.yaml"
CHILD_SECONDS, CHILD_BYTES = 30, 2_000_000_000


def bomb(width: int = 12, levels: int = 12) -> str:
    rows = ["a0: &a0 [boom, boom]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(rows)


ALIAS, TAG = "an alias may only stand for a plain value", "tags are not allowed"
DEEP, INVALID = "is nested too deeply", "is not valid YAML"
POISON = {  # and what is told of it, since a file may be wrong in several ways
    "a bomb of aliases": (bomb(), ALIAS),
    "a circle": ("models: &a [*a]", ALIAS),
    "merged anchors": ("guard: &g {mode: warn}\nmodels:\n  - {<<: *g}", ALIAS),
    "a tag that runs": ("default: !!python/object/apply:os.system ['touch harmed']", TAG),
    "a tag of its own": ("default: !run {a: 1}", TAG),
    "a Python name": ("default: !!python/name:os.system", TAG),
    "a module": ("default: !!python/module:harmed", TAG),
    "twin keys": ("default: a/b\ndefault: c/d", "stands twice"),
    "deep brackets": ("default: " + "[" * 100_000, DEEP),
    "deep lines": ("".join(f"{' ' * n}a:\n" for n in range(3000)), DEEP),
    "another key": ("default: a/b\n__class__: x", "unknown key"),
    "a number without end": ("default: " + "9" * 1_000_000, "cannot be read"),
    "a date that is none": ("default: 2024-13-45", "cannot be read"),
    "control characters": ("default: a\x00b", INVALID),
    "half a file": ("default: [a", INVALID),
    "no UTF-8": ("default: \udcff", "cannot be read"),
    "another document": ("default: a\n---\ndefault: b", INVALID),
    "an include": ("default: !include /etc/passwd", TAG),
}


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_models_yaml_is_refused_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text, wrong = POISON[poison]
    file = written(tmp_path / "models.yaml", text)
    with pytest.raises(ConfigError, match=wrong) as told:
        catalogue.load(file)
    assert "models.yaml" in str(told.value)
    assert len(str(told.value)) < 1_000
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_topic_pack_is_refused_with_its_name(tmp_path: Path, poison: str) -> None:
    folder = tmp_path / "CN"
    folder.mkdir()
    text, wrong = POISON[poison]
    file = written(folder / "poisoned.yaml", text)
    with pytest.raises(ConfigError, match=wrong) as told:
        topics.parse([file])
    assert "poisoned.yaml" in str(told.value)
    assert len(str(told.value)) < 1_000


FIELDS = {
    "default": "no/such",
    "base_url": "javascript:alert(1)",
    "card": "javascript:alert(1)",
    "origin": "<b>",
    "id": "../../etc/passwd",
    "name": "",
    "context": -1,
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_model_with_a_poisoned_field_is_refused(tmp_path: Path, field: str) -> None:
    """A card that runs a script would do so for every reader who opens the picker."""
    told = yaml.safe_load((ROOT / "models.yaml").read_text(encoding="utf-8"))
    (told if field == "default" else told["models"][0])[field] = FIELDS[field]
    file = written(tmp_path / "models.yaml", json.dumps(told))
    shutil.copy(ROOT / "models.snapshot.json", tmp_path)
    with pytest.raises(ConfigError) as told_of:
        catalogue.load(file)
    assert told_of.value.key == field  # not that the default is gone, where it is an id


SNAPSHOTS = {
    "deep": "[" * 100_000,
    "half": '{"taken": "2026-01-01", "models": {',
    "other": '{"__proto__": {"x": 1}}',
    "a list": "[]",
    "a number": '{"taken": ' + "9" * 10_000 + "}",
    "nothing": "",
}


@pytest.mark.parametrize("poison", SNAPSHOTS)
def test_a_poisoned_snapshot_is_refused_with_its_name(tmp_path: Path, poison: str) -> None:
    shutil.copy(ROOT / "models.yaml", tmp_path)
    written(tmp_path / "models.snapshot.json", SNAPSHOTS[poison])
    with pytest.raises(ConfigError, match=r"models\.snapshot\.json"):
        _ = catalogue.load(tmp_path / "models.yaml").snapshot


# what would cost exponential or quadratic time, were it a pattern or tried at each place
COSTLY = [
    "(a|b)" * 40,
    "(a+)+$",
    "(.*){20}",
    "a" * 5_000,
    "\\",
    "[",
    ".*" * 200,
    "天" * 2_000,
    "a b " * 800,
]
MATCH = """
import json, sys
from pathlib import Path
from guard import matching, topics
from guard.phrases import PhraseIndex
from guard.text import fold_question
file = Path(sys.argv[1])
(pack,) = topics.parse([file])
index = PhraseIndex([*matching.pack_words(pack, 0)], fold_question)
for text in (sys.argv[2] * 200, "a" * 100_000 + "!", "a b " * 25_000, "天" * 50_000):
    found = list(index.spans(fold_question(text[:100_000])))
print("read")
"""


@pytest.mark.parametrize("term", COSTLY, ids=range(len(COSTLY)))
def test_a_term_of_catastrophic_cost_costs_nothing(tmp_path: Path, term: str) -> None:
    """In a process of its own, whose time and memory are bounded by the system."""
    told = yaml.safe_load(PACK.read_text(encoding="utf-8"))
    told["terms"]["en"] = [*told["terms"]["en"], term]
    (tmp_path / "CN").mkdir()
    file = written(tmp_path / "CN" / PACK.name, json.dumps(told))

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CHILD_SECONDS, CHILD_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (CHILD_BYTES, CHILD_BYTES))

    ran = subprocess.run(
        [sys.executable, "-c", MATCH, file, term[:200]],
        cwd=ROOT,
        preexec_fn=bounded,
        capture_output=True,
        text=True,
        check=False,
    )
    refused = "ConfigError" in ran.stderr and PACK.name in ran.stderr
    assert ran.stdout == "read\n" or refused, ran.stderr[-2000:]


# --- cards ----------------------------------------------------------------------------------------

SCRIPT = '"><script>alert(1)</script>'
CARDS: dict[str, dict[str, Any]] = {
    "a script": {"license": SCRIPT, "license_name": SCRIPT, "license_link": "javascript:alert(1)"},
    "an address within": {"license_link": "http://169.254.169.254/latest/meta-data"},
    "a file": {"license_link": "file:///etc/passwd"},
    "control characters": {"license_name": "a\x1b[2J\u202eb\nERROR x"},
    "long": {"license_name": "x" * 1_000_000},
    "deep": {"license": json.loads("[" * 200 + "]" * 200)},
    "many parents": {"base_model": [f"a/b{n}" for n in range(5_000)]},
    "parents elsewhere": {"base_model": ["../../etc", "http://x", "a/b/c", "-", "a--b/c", 5, None]},
    "keys": {"__class__": "x", "__init__": 1, "to_dict": "x", "__proto__": {}},
    "another kind": {"license": {"a": 1}, "base_model": {"a": 1}, "datasets": 5},
}


@pytest.fixture(scope="module")
def strange_hub() -> Iterator[str]:
    """A Hub on which the name of a model says which card it has."""

    async def model(request: Request) -> JSONResponse:
        id_ = request.path_params["id_"]
        if not id_.startswith("stranger/card-"):
            return JSONResponse({"error": "Repository not found"}, 404)
        data = [*CARDS.values()][int(id_.rpartition("-")[2])]
        tags = [f"license:{SCRIPT}", "base_model:finetune:../../etc/passwd"]
        told = {"_id": "1", "id": id_, "author": SCRIPT, "tags": tags}
        return JSONResponse(told | {"cardData": data})

    async def listed(_: Request) -> JSONResponse:
        return JSONResponse({"data": []})

    routes = [Route("/api/models/{id_:path}", model), Route("/v1/models", listed)]
    config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("number", range(len(CARDS)), ids=CARDS)
def test_a_poisoned_card_becomes_plain_words_or_is_left_out(strange_hub: str, number: int) -> None:
    hub = Hub(endpoint=strange_hub, router=f"{strange_hub}/v1")
    id_ = f"stranger/card-{number}"
    today = date(2026, 11, 23)
    told = refresh([id_], Snapshot(taken=today, models={}), hub=hub, today=today)
    model = told.snapshot.models[id_]
    dumped = model.model_dump_json()
    assert len(dumped) < 30_000
    assert not set(dumped) & set("\x1b\u202e\n")
    assert (model.licence_link or "https://").startswith(("http://", "https://"))  # a link to click
    assert all(".." not in parent.id and ":" not in parent.id for parent in model.parents)
    assert all("\n" not in said and "\x1b" not in said for said in told.snapshot.warnings)
    assert Snapshot.model_validate_json(told.snapshot.model_dump_json()) == told.snapshot
