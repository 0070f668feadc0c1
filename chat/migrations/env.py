"""Alembic's entry: migrations run on the connection that the store hands in."""

from __future__ import annotations

from alembic import context

from chat.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
