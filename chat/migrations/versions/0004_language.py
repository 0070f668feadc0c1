"""The language that a reader chose for the page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("preferences", sa.Column("language", sa.String))
