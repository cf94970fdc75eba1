"""Conditions of any suite: which ones there are is no longer written into the tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_CONDITION_CHECK = "severity >= 0"
_COUNTS_CHECK = "0 <= n_top1 AND n_top1 <= n_top5 AND n_top5 <= n_images AND n_images > 0"
_SUMS_CHECK = "negative_log_likelihood_sum >= 0 AND seconds >= 0"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # SQLite cannot drop a constraint: the rows move into a new table. The old one is renamed,
        # not the new one, whose statement then is word for word the one of a new store.
        for name, create in (("pieces", _create_pieces), ("cells", _create_cells)):
            old = f"{name}_before_0004"
            op.rename_table(name, old)
            _copy_rows(old, create())
            op.drop_table(old)
    else:
        for name in ("pieces", "cells"):
            op.drop_constraint(f"{name}_condition", name, type_="check")
            op.create_check_constraint(f"{name}_condition", name, _CONDITION_CHECK)


def _copy_rows(old: str, new: sa.Table) -> None:
    names = [column.name for column in new.columns]
    columns: list[Any] = [sa.column(name) for name in names]
    rows = sa.select(*columns).select_from(sa.table(old))
    op.execute(sa.insert(new).from_select(names, rows))


def _create_pieces() -> sa.Table:
    return op.create_table(
        "pieces",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("corruption", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("n_images", sa.Integer(), nullable=False),
        sa.Column("n_top1", sa.Integer(), nullable=False),
        sa.Column("n_top5", sa.Integer(), nullable=False),
        sa.Column("negative_log_likelihood_sum", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("calibration", sa.LargeBinary(), nullable=False),
        sa.Column("correct", sa.LargeBinary(), nullable=False),
        sa.Column("made_from", sa.Text()),
        sa.PrimaryKeyConstraint("run", "corruption", "severity", "block"),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], ondelete="CASCADE"),
        sa.CheckConstraint(_CONDITION_CHECK, name="pieces_condition"),
        sa.CheckConstraint(_COUNTS_CHECK, name="pieces_counts"),
        sa.CheckConstraint(_SUMS_CHECK, name="pieces_sums"),
        sa.CheckConstraint("block >= 0", name="pieces_block"),
        sa.CheckConstraint("length(digest) = 64", name="pieces_digest"),
        sqlite_with_rowid=False,
    )


def _create_cells() -> sa.Table:
    return op.create_table(
        "cells",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("corruption", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("n_blocks", sa.Integer(), nullable=False),
        sa.Column("n_images", sa.Integer(), nullable=False),
        sa.Column("n_top1", sa.Integer(), nullable=False),
        sa.Column("n_top5", sa.Integer(), nullable=False),
        sa.Column("negative_log_likelihood_sum", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("digest", sa.Text()),
        sa.Column("made_from", sa.Text()),
        sa.PrimaryKeyConstraint("run", "corruption", "severity"),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], ondelete="CASCADE"),
        sa.CheckConstraint(_CONDITION_CHECK, name="cells_condition"),
        sa.CheckConstraint(_COUNTS_CHECK, name="cells_counts"),
        sa.CheckConstraint("n_blocks > 0", name="cells_n_blocks"),
        sqlite_with_rowid=False,
    )
