"""Files that readers attach to their questions, and what of them a reply's model was not told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("turn", sa.Column("files", sa.JSON, nullable=False, server_default="[]"))
    op.add_column("reply", sa.Column("omitted", sa.JSON))
    op.create_table(
        "attachment",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column(
            "conversation_id", sa.String, sa.ForeignKey("conversation.id", ondelete="CASCADE")
        ),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("media_type", sa.String),
        sa.Column("characters", sa.Integer),
        sa.Column("read", sa.Integer, nullable=False, server_default="0"),
        sa.Column("pages", sa.Integer),
        sa.Column("pages_read", sa.Integer),
        sa.Column("pages_empty", sa.Integer),
        sa.Column("text", sa.Text),
        sa.Column("content", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_attachment_conversation_id", "attachment", ["conversation_id"])
    op.create_index("ix_attachment_owner", "attachment", ["owner"])
