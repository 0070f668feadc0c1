"""Pinned conversations, and the words that the search looks in.

FTS5 reads the words from their table and follows it by triggers; PostgreSQL has them as a tsvector.
Messages that are there already are indexed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from chat.words import WordList, words
from guard.text import split_thinking

revision = "0003"
down_revision = "0002"

BATCH = 500
FTS5 = (
    "CREATE VIRTUAL TABLE indexed_words USING fts5"
    "(words, content='indexed', content_rowid='id', tokenize='ascii')",
    "CREATE TRIGGER indexed_added AFTER INSERT ON indexed BEGIN"
    " INSERT INTO indexed_words(rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER indexed_removed AFTER DELETE ON indexed BEGIN"
    " INSERT INTO indexed_words(indexed_words, rowid, words)"
    " VALUES ('delete', old.id, old.words); END",
)


def upgrade() -> None:
    on_postgresql = op.get_context().dialect.name == "postgresql"
    op.add_column(
        "conversation", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.drop_index("ix_conversation_owner", "conversation")
    op.create_index(
        "ix_conversation_place", "conversation", ["owner", "pinned", "updated_at", "id"]
    )
    indexed = op.create_table(
        "indexed",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column(
            "conversation_id",
            sa.String,
            sa.ForeignKey("conversation.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("turn_id", sa.String),
        sa.Column("words", WordList, nullable=False),
    )
    op.create_index("ix_indexed_source", "indexed", ["source"])
    op.create_index("ix_indexed_conversation_id", "indexed", ["conversation_id"])
    if on_postgresql:
        op.create_index("ix_indexed_words", "indexed", ["words"], postgresql_using="gin")
    else:
        for statement in FTS5:
            op.execute(statement)
    for rows in there():
        op.bulk_insert(indexed, rows)


def there() -> Iterator[list[dict[str, Any]]]:
    """What is to be indexed, in batches: titles, questions, replies."""
    yield from batches("SELECT id, id, NULL, title FROM conversation WHERE id IN :ids", str)
    yield from batches("SELECT id, conversation_id, id, question FROM turn WHERE id IN :ids", str)
    yield from batches(
        "SELECT reply.id, conversation_id, turn_id, text FROM reply"
        " JOIN turn ON turn.id = turn_id WHERE reply.id IN :ids",
        lambda text: split_thinking(text).answer,
    )


def batches(query: str, said: Callable[[str], str]) -> Iterator[list[dict[str, Any]]]:
    connection = op.get_bind()
    table = query.partition(" FROM ")[2].partition(" ")[0]
    ids = connection.scalars(sa.text(f"SELECT id FROM {table}")).all()  # noqa: S608
    wanted = sa.text(query).bindparams(sa.bindparam("ids", expanding=True))
    for n in range(0, len(ids), BATCH):
        rows = connection.execute(wanted, {"ids": ids[n : n + BATCH]})
        yield [
            {"source": source, "conversation_id": conversation, "turn_id": turn}
            | {"words": [word.text for word in words(said(text))]}
            for source, conversation, turn, text in rows
        ]
