"""The tools that a conversation may use, and the calls that a reply made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("conversation", sa.Column("tools", sa.JSON))
    op.add_column("reply", sa.Column("calls", sa.JSON))
