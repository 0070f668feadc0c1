"""A reader who has signed in where no host is connected: real models, on their own account."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.auth import Reader
from chat.routes import Chat, chosen, offered
from chat.store import Store
from guard import catalogue
from guard.providers import Connection
from guard.tools.settings import ToolSettings
from guard.tools.toolbox import ToolServers

VISITOR = Reader(owner="cookie:1", language="en")
SIGNED_IN = Reader(owner="hf:1", language="en", token="hf_theirs", name="ada")


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    store = Store(f"sqlite+aiosqlite:///{tmp_path / 'candor.sqlite3'}")
    none = ToolServers(ToolSettings())
    return Chat(
        store, catalogue.load(), Connection(), none, ways=[("/login/huggingface", "Hugging Face")]
    )


def test_visitors_talk_to_personas(chat: Chat) -> None:
    spec, word = chosen("", chat.view(VISITOR))
    assert spec.id.startswith("demo/")
    assert word is None


def test_a_signed_in_reader_is_offered_the_default_and_no_persona(chat: Chat) -> None:
    view = chat.view(SIGNED_IN)
    assert chosen("", view)[0].id == "Qwen/Qwen2.5-72B-Instruct"
    assert offered("Qwen/QwQ-32B", view).id == "Qwen/QwQ-32B"
    assert not [spec.id for spec in view.models.models if spec.id.startswith("demo/")]
    assert not [spec.id for spec in view.models.chain(None) if spec.id.startswith("demo/")]


def test_a_readers_token_is_not_shown() -> None:
    assert "hf_theirs" not in repr(SIGNED_IN)
