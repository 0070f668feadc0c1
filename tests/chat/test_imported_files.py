"""Importers: each front end's form, and files that mean harm. Routes are in `test_travel.py`."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chat import imports
from chat.foreign import ForeignModel
from chat.imports.files import MOST_SIGNS, UNPACKED
from chat.record import ConversationRecord
from guard import catalogue
from guard.types import ModelSpec

FILES = Path(__file__).parents[1] / "data" / "imports"
MODELS = catalogue.load()


def known(model: str) -> ModelSpec | None:
    return MODELS.by_id.get(model)


def read(data: bytes | Any) -> tuple[list[ConversationRecord], Counter[str]]:
    """The conversations of a file and what was left out."""
    whole = data if isinstance(data, bytes) else json.dumps(data).encode()
    left: Counter[str] = Counter()
    found = imports.conversations(
        whole, left, known=known, mode="warn", model=MODELS.default, placeholder="[left out]"
    )
    return list(found), +left


def example(name: str) -> Any:
    return json.loads((FILES / name).read_text())


def zipped(**files: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), data)
    return held.getvalue()


def outline(record: ConversationRecord) -> list[tuple[int | None, str, list[str]]]:
    return [
        (turn.parent, turn.question, [reply.text for reply in turn.replies])
        for turn in record.turns
    ]


# --- each form ------------------------------------------------------------------------------------


def test_chatgpts_tree_becomes_turns_runs_and_branches() -> None:
    (record,), left = read((FILES / "chatgpt.json").read_bytes())
    assert record.title == "Lighthouses"
    lighthouse, why, picture = outline(record)
    assert lighthouse == (
        None,
        "How tall is the old lighthouse?",
        ["I would guess forty metres.", "It is 38 metres tall."],
    )
    assert why == (0, "Why do you guess?", ["Because I have no plan of it."])
    assert picture == (0, "[left out]\nAnd this one?", ["About 52 metres, by its lamp room."])
    assert (record.shown, record.turns[0].shown_run) == (2, 1)
    last = record.turns[2].replies[0]
    assert last.thoughts == "The lamp room tells the scale."
    assert last.model == ForeignModel(id="o4-mini", name="o4-mini")
    assert last.source == "chatgpt"
    assert (record.model, record.mode) == (MODELS.default, "warn")
    assert record.begun.isoformat() == "2025-06-15T15:06:40+00:00"
    assert left == {"system": 1, "tools": 2, "images": 1, "empty": 1}


def test_chatgpts_zip_is_read_wherever_its_conversations_lie() -> None:
    data = (FILES / "chatgpt.json").read_bytes()
    for found in (
        zipped(conversations_json=data, user_json=b"{}"),
        zipped(**{"export__conversations-000_json": data}),
    ):
        assert [record.title for record in read(found)[0]] == ["Lighthouses"]


def test_open_webuis_siblings_become_runs_and_reasoning_thoughts() -> None:
    (record,), left = read((FILES / "open_webui.json").read_bytes())
    tea, coffee = record.turns
    assert outline(record)[0][2] == ["Rooibos has none at all.", "Among true teas, white tea."]
    assert tea.replies[0].model == ForeignModel(id="llama3.1:8b", name="Llama 3.1 8B")
    assert tea.replies[1].thoughts == "Herbal & true teas differ."
    assert (coffee.parent, coffee.question) == (0, "And coffee?\n[left out]")
    assert coffee.replies[0].text == "About 95 mg a cup."
    assert (record.shown, tea.shown_run) == (1, 1)
    assert left == {"images": 1, "tools": 1}


def test_a_model_on_offer_keeps_its_origin_and_no_other_gets_one() -> None:
    (record,), _ = read(example("open_webui.json"))
    qwen, llama = record.turns[0].replies[1].model, record.turns[0].replies[0].model
    assert isinstance(qwen, ModelSpec)
    assert qwen.origin == "CN"
    assert not hasattr(llama, "origin")


def test_lists_lines_and_single_values_are_read_alike() -> None:
    one, _ = read(example("open_webui.json"))
    text = one[0].model_dump_json()
    for many in (f"[{text},{text}]", f"{text}\n{text}\n", f"\ufeff {text}{text}"):
        assert read(many.encode())[0] == [one[0], one[0]]


# --- files that mean harm -------------------------------------------------------------------------

CIRCLE = {
    "mapping": {
        "a": {"parent": "b", "children": ["b"], "message": None},
        "b": {"parent": "a", "children": ["a"], "message": None},
    },
    "current_node": "a",
}
WRONG: list[tuple[Any, str]] = [
    (7, "unknown"),
    ("words", "unknown"),
    ([[]], "unknown"),
    ({}, "unknown"),
    ({"mapping": []}, "unknown"),
    ({"mapping": {}}, "empty"),
    ({"mapping": {"a": 1, "b": None}, "current_node": ["a"]}, "empty"),
    (
        {"mapping": {"a": {"message": {"author": [], "content": {"parts": 4}}, "parent": {}}}},
        "empty",
    ),
    (CIRCLE, "empty"),
    ({"chat": {"history": {"messages": {"a": {"role": {}, "content": 3}}}}}, "empty"),
    ({"history": {"messages": {"a": {"role": "user", "parentId": "a"}}}}, "empty"),
    ({"form": "candor-conversation-1"}, "broken"),
    ({"form": "candor-conversation-2", "turns": []}, "unknown"),
]


@pytest.mark.parametrize(("value", "reason"), WRONG, ids=range(len(WRONG)))
def test_what_has_a_wrong_shape_is_left_out_and_counted(value: Any, reason: str) -> None:
    good = example("open_webui.json")[0]
    found, left = read([value, good])
    assert [record.title for record in found] == ["Tea"]
    assert left[reason] == 1


def message(role: str, content: Any, **rest: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **rest}


def chat(messages: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"chat": {"history": {"messages": messages, **rest}}}


def test_a_long_chain_and_a_circle_are_walked_without_end() -> None:
    chain = {
        str(n): message("user" if n % 2 == 0 else "assistant", f"m{n}", parentId=str(n - 1))
        for n in range(1_900)
    }
    circle = {"x": message("user", "x", parentId="y"), "y": message("user", "y", parentId="x")}
    (record,), left = read([chat({**chain, **circle}, currentId="1899")])
    assert len(record.turns) == 950
    assert record.shown == 949
    assert left == {"tree": 2}


@pytest.mark.parametrize(
    "messages",
    [
        {str(n): message("user", "m", parentId=str(n - 1)) for n in range(1_001)},
        {str(n): message("assistant", "m", parentId="u") for n in range(201)}
        | {"u": message("user", "?")},
        {str(n): message("user", "m") for n in range(20_001)},
        {"u": message("user", "x" * 5_000_001)},
    ],
    ids=["turns", "runs", "messages", "text"],
)
def test_what_is_too_much_is_left_out(messages: dict[str, Any]) -> None:
    found, left = read([chat(messages)])
    assert (found, left) == ([], {"large": 1})


def test_answers_that_share_a_long_beginning_cannot_multiply_it() -> None:
    stem = {
        str(n): message("assistant", "x" * 2_000, parentId=str(n - 1) if n else "u")
        for n in range(190)
    }
    leaves = {f"l{n}": message("assistant", "y", parentId=str(n)) for n in range(190)}
    found, left = read([chat({"u": message("user", "?"), **stem, **leaves})])
    assert (found, left) == ([], {"large": 1})


def test_nul_half_characters_and_odd_times_do_no_harm() -> None:
    odd = message("user", "a\x00b\ud800", timestamp=1e300)
    (record,), _ = read([chat({"u": odd}) | {"title": "\ud800", "created_at": -5}])
    assert record.turns[0].question == "a\ufffdb\ufffd"
    record.model_dump_json()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", None),
        (b"\xff\xfe\x00", "broken"),
        (b"not json", "broken"),
        (b"[" * 100_000, "broken"),
        (b'[{"a": NaN}]', "broken"),
        (b"[" + b"1" * 5_000 + b"]", "broken"),
        (b"[" + b"[]," * MOST_SIGNS, "large"),
        (b"PK\x03\x04 and no more", "broken"),
        (zipped(user_json=b"{}"), "no_conversations"),
        (zipped(conversations_json=b" " * (UNPACKED + 1)), "large"),
        (zipped(conversations_json=b"[]" * 500)[:-60], "broken"),
    ],
    ids=range(11),  # by place: a zip holds the time
)
def test_what_is_no_file_of_conversations_is_refused(data: bytes, reason: str | None) -> None:
    if reason is None:
        assert read(data) == ([], {})
        return
    with pytest.raises(imports.Unreadable) as error:
        read(data)
    assert error.value.reason == reason


def test_what_stands_before_a_break_is_given() -> None:
    good = json.dumps(example("open_webui.json")[0])
    left: Counter[str] = Counter()
    found = imports.conversations(
        f"[{good}, {{".encode(), left, known=known, mode="warn", model="m", placeholder=""
    )
    assert next(found).title == "Tea"
    with pytest.raises(imports.Unreadable):
        next(found)
