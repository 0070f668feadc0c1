"""ChatGPT's export: a list of conversations, each a `mapping` of nodes with a `current_node`.

A node holds an author's role and a content of one of many types. Text, code and reasoning are
taken; system and tool messages and calls of tools are left out and counted; an image becomes a
placeholder. Citation marks, which only their page can resolve, are dropped.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ..foreign import ForeignModel
from .tree import Chat, Node, moment, named, taken

CHATGPT = ForeignModel(id="chatgpt", name="ChatGPT")  # where the export names no model
CITATION = re.compile("\ue200[^\ue200\ue201]{0,1000}\ue201|[\ue200-\ue202]")
HIDDEN = "is_visually_hidden_from_conversation"


def is_one(value: dict[str, Any]) -> bool:
    return isinstance(value.get("mapping"), dict)


def chat(value: dict[str, Any], pieces: Counter[str], placeholder: str) -> Chat:
    """A conversation of the export; `pieces` is told what is left out."""
    default = named(value.get("default_model_slug")) or CHATGPT
    nodes = {
        id_: node(found, pieces, placeholder)
        for id_, found in value["mapping"].items()
        if isinstance(found, dict)
    }
    return Chat(
        source="chatgpt",
        title=taken(value.get("title"), str) or "",
        nodes=nodes,
        current=taken(value.get("current_node"), str),
        begun=moment(value.get("create_time")),
        changed=moment(value.get("update_time")),
        model=default,
    )


def node(found: dict[str, Any], pieces: Counter[str], placeholder: str) -> Node:
    """A node; what is not to be read stays as one that only holds the tree together."""
    parent = taken(found.get("parent"), str)
    message = taken(found.get("message"), dict) or {}
    content = taken(message.get("content"), dict) or {}
    metadata = taken(message.get("metadata"), dict) or {}
    role = (taken(message.get("author"), dict) or {}).get("role")
    at = moment(message.get("create_time"))
    if not content or metadata.get(HIDDEN) is True:
        return Node(parent)
    if role == "user":
        text = words(content, pieces, placeholder)
        return Node(parent, "user", text, at=at) if text.strip() else Node(parent)
    if role != "assistant" or message.get("recipient", "all") != "all":
        left_out(role, content, pieces)
        return Node(parent)
    model = named(metadata.get("model_slug"))
    whole = message.get("status") != "in_progress"
    thoughts = reasoning(content)
    text = "" if thoughts else words(content, pieces, placeholder)
    return Node(parent, "assistant", text, thoughts, model, at, whole)


def left_out(role: Any, content: dict[str, Any], pieces: Counter[str]) -> None:
    """Count a message that is not taken, unless there is nothing in it."""
    parts = taken(content.get("parts"), list)
    if parts is not None and not any(parts):
        return
    pieces["system" if role == "system" else "tools"] += 1


def words(content: dict[str, Any], pieces: Counter[str], placeholder: str) -> str:
    """The text of a content; code in a fence, an image or other file as a placeholder."""
    text = taken(content.get("text"), str) or ""
    if content.get("content_type") == "code":
        return f"```\n{text}\n```" if text.strip() else ""
    parts = taken(content.get("parts"), list)
    if parts is None:
        return ""
    said = [part_of(part, pieces, placeholder) for part in parts]
    return CITATION.sub("", "\n".join(one for one in said if one.strip()))


def part_of(part: Any, pieces: Counter[str], placeholder: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])  # what was said aloud
    pieces["images"] += 1
    return placeholder


def reasoning(content: dict[str, Any]) -> str:
    """A model's reasoning, where the content is that."""
    if content.get("content_type") != "thoughts":
        return ""
    steps = taken(content.get("thoughts"), list) or []
    found = [taken(step.get("content"), str) for step in steps if isinstance(step, dict)]
    return "\n\n".join(one for one in found if one)
