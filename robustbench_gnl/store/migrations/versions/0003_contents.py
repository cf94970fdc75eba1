"""Which files a run read: digests of cells, and the clean files that a tree was made from."""

from __future__ import annotations

import hashlib
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("pieces", sa.Column("made_from", sa.Text()))
    op.add_column("cells", sa.Column("digest", sa.Text()))
    op.add_column("cells", sa.Column("made_from", sa.Text()))
    _fill_digests()


def _fill_digests() -> None:
    place = ("run", "corruption", "severity")
    pieces = sa.table("pieces", *map(sa.column, (*place, "block", "digest")))
    cells = sa.table("cells", *map(sa.column, (*place, "digest")))
    ordered = sa.select(*(pieces.c[name] for name in (*place, "digest"))).order_by(
        *(pieces.c[name] for name in (*place, "block"))
    )
    connection = op.get_bind()
    values = []
    for cell, rows in groupby(connection.execute(ordered), key=itemgetter(0, 1, 2)):
        try:
            parts = b"".join(bytes.fromhex(row[3]) for row in rows)
        except (TypeError, ValueError):
            continue  # a damaged piece; the run says so when it is read
        digest = hashlib.sha256(parts).hexdigest()
        values.append(dict(zip(("a_run", "a_name", "a_severity"), cell, strict=True), to=digest))
    if values:
        statement = (
            sa.update(cells)
            .where(
                cells.c.run == sa.bindparam("a_run"),
                cells.c.corruption == sa.bindparam("a_name"),
                cells.c.severity == sa.bindparam("a_severity"),
            )
            .values(digest=sa.bindparam("to"))
        )
        connection.execute(statement, values)
