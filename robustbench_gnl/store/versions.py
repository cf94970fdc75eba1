"""Schema revisions of stores, and the migration of older ones.

Alembic takes longer to import than a leaderboard takes to print, so it is loaded only when
there is something to migrate.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from robustbench_gnl.errors import StoreError
from robustbench_gnl.text import some_of

REVISIONS = ("0001", "0002", "0003", "0004")
"""Every revision that this program knows, oldest first."""

READABLE = frozenset(REVISIONS)
"""Revisions that are read without bringing the store up to date, since it may lie on a read-only
disk: 0002 adds a cache, what 0003 adds to cells is computed from their pieces, and 0004 only
allows what the earlier ones did not."""
WITH_CACHE = READABLE - {"0001"}
WITH_CONTENTS = READABLE - {"0001", "0002"}

_REVISION = re.compile(r"[0-9]{4}")
_SCRIPTS = Path(__file__).parent / "migrations"

_OUR_TABLES = frozenset({"image_sets", "protocols", "runs", "tags", "pieces", "cells"})
"""Those of the first revision, which every later one has too."""

REVISION_QUERY = "SELECT version_num FROM alembic_version"


def is_store(tables: Collection[str]) -> bool:
    """Whether these are the tables of a store. Alembic's own makes none: many programs have it,
    and some of them a table `runs` too."""
    return {"alembic_version", *_OUR_TABLES} <= set(tables)


def check_tables(tables: Collection[str], where: str, *, is_shared: bool = False) -> bool:
    """Whether these are the tables of a store; False for a database that holds none yet.

    Args:
        is_shared: A server's database may be shared with others, a file is one program's.

    Raises:
        StoreError: The database is another program's.
    """
    if is_store(tables):
        return True
    if tables and ("alembic_version" in tables or not is_shared):
        names = [name for name in sorted(tables) if name != "alembic_version"]
        listed = some_of(names, 5)
        raise foreign(f"its tables: {listed or 'alembic_version'}", where)
    return False


def check_revision(revisions: Sequence[object], where: str) -> str:
    """The revision that the table of Alembic holds.

    Raises:
        StoreError: It is another program's, or a newer gnlbench's.
    """
    revision = str(revisions[0]) if len(revisions) == 1 else ""
    if not _REVISION.fullmatch(revision):
        raise foreign(f"its schema: {', '.join(map(str, revisions)) or 'none'}", where)
    if revision not in REVISIONS:
        raise StoreError(
            f"the store {where} was written by a newer gnlbench: it has schema {revision!r}, "
            f"this one knows up to {REVISIONS[-1]!r}; upgrade with `pip install -U gnlbench`, "
            "or name another store with --db",
            location=where,
            reason="newer",
        )
    return revision


def foreign(what: str, where: str) -> StoreError:
    """The error for a database of another program."""
    return StoreError(
        f"the store {where} is a database of another program ({what}); nothing was changed; "
        "name another one with --db",
        location=where,
        reason="foreign",
    )


def revision_of(connection: Connection, where: str) -> str | None:
    """The store's revision; None for a database that holds nothing yet.

    Raises:
        StoreError: The database is another program's, or a newer gnlbench's.
    """
    tables = inspect(connection).get_table_names()
    if not check_tables(tables, where, is_shared=connection.dialect.name != "sqlite"):
        return None
    return check_revision(connection.execute(text(REVISION_QUERY)).scalars().all(), where)


def is_current(revision: str | None) -> bool:
    return revision == REVISIONS[-1]


def is_readable(revision: str | None) -> bool:
    return revision in READABLE


def upgrade(connection: Connection, target: str = "head") -> None:
    """Apply the missing migrations inside the connection's transaction: all, or nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection  # for migrations/env.py
    command.upgrade(config, target)
