"""Open WebUI's export: a list of chats, each with `history.messages` by id and a `currentId`.

Reasoning and calls of tools stand in a message as `<details type="…">`: the first becomes the
reply's thoughts, the others are left out and counted, as are files.
"""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

from ..foreign import ForeignModel
from .tree import Chat, Node, Role, moment, named, taken

UNNAMED = ForeignModel(id="open-webui", name="Open WebUI")  # where the export names no model
OPENED, SUMMARY, CLOSED = '<details type="', "</summary>", "</details>"
ROLES: dict[Any, Role] = {"user": "user", "assistant": "assistant"}


def is_one(value: dict[str, Any]) -> bool:
    return messages(value) is not None


def messages(value: dict[str, Any]) -> dict[str, Any] | None:
    history = taken(inner(value).get("history"), dict) or {}
    return taken(history.get("messages"), dict)


def inner(value: dict[str, Any]) -> dict[str, Any]:
    """The chat within its row of the export; old exports have no row around it."""
    return taken(value.get("chat"), dict) or value


def chat(value: dict[str, Any], pieces: Counter[str], placeholder: str) -> Chat:
    """A conversation of the export; `pieces` is told what is left out."""
    held = inner(value)
    picked = taken(held.get("models"), list) or [None]
    title = taken(value.get("title"), str) or taken(held.get("title"), str) or ""
    nodes = {
        id_: node(found, pieces, placeholder)
        for id_, found in (messages(value) or {}).items()
        if isinstance(found, dict)
    }
    return Chat(
        source="open-webui",
        title=title,
        nodes=nodes,
        current=taken((taken(held.get("history"), dict) or {}).get("currentId"), str),
        begun=moment(value.get("created_at")) or moment(held.get("timestamp")),
        changed=moment(value.get("updated_at")),
        model=named(picked[0] if picked else None) or UNNAMED,
    )


def node(found: dict[str, Any], pieces: Counter[str], placeholder: str) -> Node:
    parent = taken(found.get("parentId"), str)
    role = ROLES.get(taken(found.get("role"), str), "none")
    if role == "none":
        pieces["system"] += 1
        return Node(parent)
    text, thoughts = parted(taken(found.get("content"), str) or "", pieces)
    files = taken(found.get("files"), list) or []
    pieces["images"] += len(files)
    text = "\n".join([*([text] if text else []), *[placeholder] * min(len(files), 20)])
    if role == "user" and not text.strip():
        return Node(parent)
    model = named(found.get("model"), found.get("modelName"))
    at = moment(found.get("timestamp"))
    return Node(parent, role, text, thoughts, model, at, found.get("done") is not False)


def parted(content: str, pieces: Counter[str]) -> tuple[str, str]:
    """A message's own words, and its reasoning."""
    text, thoughts = [], []
    place = 0
    while (begin := content.find(OPENED, place)) >= 0:
        end = content.find(CLOSED, begin)
        if end < 0:
            break
        text.append(content[place:begin])
        block = content[begin:end]
        if block.startswith(f'{OPENED}reasoning"'):
            thoughts.append(unquoted(block.partition(SUMMARY)[2]))
        else:
            pieces["tools"] += 1
        place = end + len(CLOSED)
    text.append(content[place:])
    return "".join(text).strip(), "\n\n".join(one for one in thoughts if one)


def unquoted(block: str) -> str:
    """Reasoning as the model wrote it: it is kept escaped, and each line as a quotation."""
    lines = html.unescape(block).strip().split("\n")
    return "\n".join(line.removeprefix("> ").removeprefix(">") for line in lines).strip()
