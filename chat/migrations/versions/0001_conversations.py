"""Conversations, turns and replies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "conversation",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("withheld", sa.Boolean, nullable=False),
        sa.Column("leaf_id", sa.String),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("deleted_at", moment),
    )
    op.create_index("ix_conversation_owner", "conversation", ["owner", "updated_at"])
    op.create_table(
        "turn",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column(
            "conversation_id",
            sa.String,
            sa.ForeignKey("conversation.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("parent_id", sa.String),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("shown_run", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_turn_conversation_id", "turn", ["conversation_id"])
    op.create_table(
        "reply",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column(
            "turn_id", sa.String, sa.ForeignKey("turn.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("model", sa.JSON, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("thoughts", sa.Text),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("finish_reason", sa.String, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("served", sa.JSON),
        sa.Column("verdict", sa.JSON),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("fault", sa.JSON),
        sa.Column("cause", sa.String),
        sa.Column("exhausted", sa.String),
        sa.Column("feedback", sa.String),
        sa.Column("not_withheld", sa.Boolean, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("ix_reply_turn_id", "reply", ["turn_id"])
