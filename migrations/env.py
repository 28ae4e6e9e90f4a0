"""Runs the migrations on the connection that `kadesk.migrate` hands over."""

from alembic import context

from kadesk.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by copying the table
)
context.run_migrations()
