"""The run of the turn above that a turn follows.

Until now a turn was shown under every run of its parent. What was asked followed the run that was
shown then, which no row tells; the one that is shown now is taken, so that nobody's page changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("turn", sa.Column("parent_run", sa.Integer))
    op.execute(
        "UPDATE turn SET parent_run ="
        " (SELECT above.shown_run FROM turn AS above WHERE above.id = turn.parent_id)"
    )
