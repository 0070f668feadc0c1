"""Files of conversations -> records: our own, ChatGPT's export and Open WebUI's.

A file may be hostile. What it says is counted before it is read, read one conversation at a time,
and a conversation is taken whole or not at all. Not covered: what files hold besides text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from guard.types import Mode, ModelSpec

from ..reading import Unreadable
from ..record import FORM, ConversationRecord, imported
from . import chatgpt, open_webui
from .files import values
from .tree import Chat, TooLarge, planted

MOST_CONVERSATIONS = 2_000  # of one file
MOST_TURNS = 1_000
MOST_REPLIES = 200  # of one turn
LONGEST = 5_000_000  # characters of one conversation in its file

__all__ = ["LONGEST", "MOST_CONVERSATIONS", "MOST_TURNS", "Unreadable", "conversations"]


def conversations(
    data: bytes,
    left: Counter[str],
    *,
    known: Callable[[str], ModelSpec | None],
    mode: Mode,
    model: str,
    placeholder: str,
) -> Iterator[ConversationRecord]:
    """The conversations of a file, one by one.

    Args:
        data: the file, JSON, JSON lines or a zip.
        left: is told what was left out, by reason: the texts `import_left_…` name them.
        known: the model on offer of an id.
        mode: what the guard does in a conversation from elsewhere.
        model: the model on offer with which a conversation goes on whose own is not.
        placeholder: stands where an image stood.

    Raises:
        Unreadable: the file is none that can be read, from its beginning or from here on.
    """
    taken = 0
    for value, length in values(data):
        if taken == MOST_CONVERSATIONS:
            left["many"] += 1
            continue
        found = one(value, length, left, mode, placeholder)
        if found is None:
            continue
        taken += 1
        spec = known(found.model)
        yield imported(found, known).model_copy(update={"model": spec.id if spec else model})


def one(
    value: Any, length: int, left: Counter[str], mode: Mode, placeholder: str
) -> ConversationRecord | None:
    """The conversation in one value of a file, or None and a reason in `left`."""
    if length > LONGEST:
        left["large"] += 1
        return None
    pieces: Counter[str] = Counter()
    try:
        found = read(value, pieces, mode, placeholder)
    except TooLarge:
        left["large"] += 1
    except (ValidationError, ValueError, OverflowError):
        left["broken"] += 1
    else:
        if found is None:
            left["unknown"] += 1
        elif not found.turns:
            left["empty"] += 1
        elif too_large(found):
            left["large"] += 1
        else:
            left.update(pieces)
            return found
    return None


def read(
    value: Any, pieces: Counter[str], mode: Mode, placeholder: str
) -> ConversationRecord | None:
    """A conversation of a form that is known, else None."""
    if not isinstance(value, dict):
        return None
    if value.get("form") == FORM:
        return ConversationRecord.model_validate(value)
    chat: Chat | None = None
    if chatgpt.is_one(value):
        chat = chatgpt.chat(value, pieces, placeholder)
    elif open_webui.is_one(value):
        chat = open_webui.chat(value, pieces, placeholder)
    return planted(chat, pieces, mode) if chat else None


def too_large(found: ConversationRecord) -> bool:
    most = max(len(turn.replies) for turn in found.turns)
    return len(found.turns) > MOST_TURNS or most > MOST_REPLIES
