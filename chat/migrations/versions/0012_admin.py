"""What admins see and set: times of replies, disputes, settings of all processes, their actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
works_with = "0010"


def upgrade() -> None:
    op.add_column("reply", sa.Column("first_seconds", sa.Float))
    op.add_column("reply", sa.Column("guard_seconds", sa.Float))
    op.add_column(
        "reply", sa.Column("copied", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_index("ix_reply_created_at", "reply", ["created_at"])
    op.add_column("preferences", sa.Column("share_rated", sa.Boolean))
    op.create_table(
        "dispute",
        sa.Column(
            "reply_id", sa.String, sa.ForeignKey("reply.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("decision", sa.String),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_dispute_sent_at", "dispute", ["sent_at"])
    op.create_table(
        "setting",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
    op.create_table(
        "admin_action",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("admin", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_admin_action_created_at", "admin_action", ["created_at"])
