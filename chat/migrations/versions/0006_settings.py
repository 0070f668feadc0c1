"""What readers set for themselves and for each model, what was in force, and their votes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("preferences", sa.Column("theme", sa.String))
    op.add_column("preferences", sa.Column("model", sa.String))
    op.create_table(
        "model_options",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("options", sa.JSON, nullable=False),
    )
    op.add_column("reply", sa.Column("options", sa.JSON))
    op.add_column(
        "reply", sa.Column("prompted", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column("turn", sa.Column("votes", sa.JSON))
