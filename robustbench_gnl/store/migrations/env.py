"""Run by Alembic: applies revisions on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

# No `context.begin_transaction()`: the caller's transaction holds, so that a migration is applied
# whole or not at all. SQLite and PostgreSQL roll back changes of tables like the rest.
context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
