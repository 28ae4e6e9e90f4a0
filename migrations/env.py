"""Runs the migrations on the connection that `kadesk db upgrade` hands over."""

from alembic import context

import tickets.tables  # noqa: F401  # the imports register the tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by copying the table
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
