"""A moment of what `make fuzz` does for long: every target meets its seeds, and random input.

hypothesis makes the input here, and the same one each time; atheris follows coverage there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import SEEDS, TARGETS

ROOT = Path(__file__).parents[2]
SEEDED = [(name, seed) for name, seeds in SEEDS.items() for seed in seeds]
NAMED = [f"{name}-{at}" for name, seeds in SEEDS.items() for at in range(len(seeds))]
WORDS = [
    line.strip()[1:-1].encode().decode("unicode_escape").encode("latin-1")
    for line in (ROOT / "fuzz" / "words.dict").read_text().splitlines()
    if line.startswith('"')
]
short = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SIGNS = [b"\n", b"\x1b[2J", b"\x00", b"\xff", b"\xed\xa0\x80", "\u202e\u200b天".encode()]
pieces = st.lists(
    st.sampled_from([*SIGNS, *WORDS]) | st.binary(max_size=20), min_size=3, max_size=30
).map(b"".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)
deltas = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("content", "reasoning", "tool_calls", "refusal"), json_values)
)
chunks = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "choices": st.lists(st.fixed_dictionaries({"delta": deltas | json_values})),
            "usage": json_values,
            "error": json_values,
            "guard": json_values,
            "id": json_values,
            "model": json_values,
        },
    ),
    max_size=4,
)


@pytest.mark.parametrize(("name", "seed"), SEEDED, ids=NAMED)
def test_a_seed_passes(name: str, seed: bytes) -> None:
    TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@short
@given(pieces | st.binary(max_size=300))
def test_random_bytes_pass(name: str, data: bytes) -> None:
    TARGETS[name](data)


@short
@given(st.integers(0, 255), chunks)
def test_random_chunks_of_a_host_pass(how: int, told: list[object]) -> None:
    lines = [f"data: {json.dumps(one)}\n\n" for one in told]
    TARGETS["stream"](bytes([how]) + b"\n" + "".join(lines).encode() + b"data: [DONE]\n\n")


@pytest.mark.parametrize("seed", [seed for name, seed in SEEDED if name == "body"])
@short
@given(st.data())
def test_a_body_with_one_value_replaced_passes(seed: bytes, data: st.DataObject) -> None:
    told = json.loads(seed[1:])
    inner = told
    while isinstance(inner, dict | list) and inner:
        at = data.draw(st.sampled_from([*inner] if isinstance(inner, dict) else range(len(inner))))
        if not isinstance(inner[at], dict | list) or data.draw(st.booleans()):
            inner[at] = data.draw(json_values)
            break
        inner = inner[at]
    TARGETS["body"](seed[:1] + json.dumps(told).encode())


def test_a_target_that_breaks_its_promise_is_found(tmp_path: Path) -> None:
    """The program itself: with a guard that folds a letter away, atheris says so and keeps it."""
    pytest.importorskip("atheris", reason="requirements-fuzz.txt is not installed")
    broken = (
        "import sys, fuzz.__main__ as program, guard.text as text\n"
        "real = text.fold\n"
        "text.fold = lambda words, *_: real(words).replace('a', '')\n"
        f"program.HERE = __import__('pathlib').Path({str(tmp_path)!r})\n"
        "sys.argv = ['fuzz', 'text', '--seconds', '60']\n"
        "program.main()\n"
    )
    (tmp_path / "words.dict").write_text('"a"\n')
    command = [sys.executable, "-c", broken]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=100, check=False)
    assert ran.returncode != 0
    assert b"folding keeps places" in ran.stderr + ran.stdout
    assert [one.name[:5] for one in (tmp_path / "found").iterdir()] == ["text-"]
