"""The chosen reply, lanes, what a reply took, and what a reader prefers.

New columns have defaults of the database's own, so that the code before this still writes rows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("turn", sa.Column("chosen", sa.String))
    op.add_column("reply", sa.Column("lane", sa.Integer, nullable=False, server_default="0"))
    op.add_column("reply", sa.Column("tokens", sa.Integer))
    op.add_column("reply", sa.Column("dollars", sa.Float))
    op.add_column("reply", sa.Column("bound", sa.String))
    op.create_table(
        "preferences",
        sa.Column("owner", sa.String, primary_key=True),
        sa.Column("mode", sa.String),
    )
