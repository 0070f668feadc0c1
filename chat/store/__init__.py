"""Conversations in a database: SQLite by default, PostgreSQL by URL.

`tables` are the rows and `tree` is what a conversation's turns say of each other; `database` reads
and writes in transactions; each further module keeps one kind of row, and `store` is all of them.
"""

from __future__ import annotations

from .errors import UNREACHABLE, NotFound, Taken, TooMany, fault_of
from .store import Store, migrated, ready
from .tables import Attachment, Conversation, Preferences, Reply, Share, Turn, new_id, now

__all__ = [
    "UNREACHABLE",
    "Attachment",
    "Conversation",
    "NotFound",
    "Preferences",
    "Reply",
    "Share",
    "Store",
    "Taken",
    "TooMany",
    "Turn",
    "fault_of",
    "migrated",
    "new_id",
    "now",
    "ready",
]
