"""Who runs a reply that comes in, and a way to those that do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
works_with = "0010"

STREAMING = sa.text("state = 'streaming'")


def upgrade() -> None:
    op.add_column("reply", sa.Column("runner", sa.String))
    op.create_index(
        "ix_reply_streaming",
        "reply",
        ["turn_id"],
        sqlite_where=STREAMING,
        postgresql_where=STREAMING,
    )
