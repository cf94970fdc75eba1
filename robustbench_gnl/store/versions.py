"""Which revision of the schema a store has, and bringing an older one up to date.

Alembic takes longer to import than a leaderboard takes to print, so it is loaded only when
there is something to migrate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from robustbench_gnl.errors import StoreError

REVISIONS = ("0001", "0002", "0003")
"""Every revision that this program knows, oldest first."""

READ_AS_THEY_ARE = frozenset(REVISIONS)
"""Revisions that are read without bringing the store up to date, since it may lie on a read-only
disk: 0002 adds a cache, and what 0003 adds to cells is computed from their pieces."""
WITH_CACHE = frozenset({"0002", "0003"})
WITH_CONTENTS = frozenset({"0003"})

_SCRIPTS = Path(__file__).parent / "migrations"


def revision_of(connection: Connection, where: str) -> str | None:
    """The store's revision; None for a database that holds nothing yet.

    Raises:
        StoreError: The database is another program's, or a newer gnlbench's.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        # A server's database may be shared with others, a file is one program's.
        if tables and connection.dialect.name == "sqlite":
            raise StoreError(
                f"the store {where} is a database of another program (its tables: "
                f"{', '.join(sorted(tables)[:5])}); name another file with --db",
                location=where,
                reason="foreign",
            )
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"the store {where} was written by a newer gnlbench: it has schema {revision!r}, "
            f"this one knows up to {REVISIONS[-1]!r}; upgrade with `pip install -U gnlbench`, "
            "or name another store with --db",
            location=where,
            reason="newer",
        )
    return str(revision) if revision is not None else None


def is_current(revision: str | None) -> bool:
    return revision == REVISIONS[-1]


def is_readable(revision: str | None) -> bool:
    return revision in READ_AS_THEY_ARE


def upgrade(connection: Connection, target: str = "head") -> None:
    """Apply the missing migrations inside the connection's transaction: all, or nothing."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_SCRIPTS))

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(target, revision)

    with EnvironmentContext(Config(), scripts, fn=steps, destination_rev=target) as environment:
        # The caller's transaction holds: SQLite and PostgreSQL roll DDL back like the rest.
        environment.configure(connection=connection)
        environment.run_migrations()
