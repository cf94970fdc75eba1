"""The first schema: image sets, protocols, runs, tags, pieces and the sums of cells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_CONDITION_CHECK = "severity BETWEEN 0 AND 5 AND (corruption = 'clean') = (severity = 0)"
_COUNTS_CHECK = "0 <= n_top1 AND n_top1 <= n_top5 AND n_top5 <= n_images AND n_images > 0"
_SUMS_CHECK = "negative_log_likelihood_sum >= 0 AND seconds >= 0"


def upgrade() -> None:
    _create_image_sets_and_protocols()
    _create_runs()
    _create_tags()
    _create_pieces()
    _create_cells()


def _create_image_sets_and_protocols() -> None:
    op.create_table(
        "image_sets",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label_set", sa.Text(), nullable=False),
        sa.Column("n_images", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
        sa.CheckConstraint("length(fingerprint) = 64", name="image_sets_fingerprint"),
        sa.CheckConstraint("n_images > 0", name="image_sets_n_images"),
    )
    op.create_table(
        "protocols",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
        sa.CheckConstraint("length(fingerprint) = 64", name="protocols_fingerprint"),
    )


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("checkpoint_sha256", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("n_params", sa.BigInteger(), nullable=False),
        sa.Column("n_classes", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Text(), nullable=False),
        sa.Column("std", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("image_set", sa.Text(), nullable=False),
        sa.Column("block_size", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.Text()),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("skipped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
        sa.ForeignKeyConstraint(["protocol"], ["protocols.fingerprint"]),
        sa.ForeignKeyConstraint(["image_set"], ["image_sets.fingerprint"]),
        sa.CheckConstraint("length(model_fingerprint) = 64", name="runs_model_fingerprint"),
        sa.CheckConstraint(
            "n_params >= 0 AND n_classes > 0 AND block_size > 0", name="runs_numbers"
        ),
    )
    op.create_index("runs_by_model_and_protocol", "runs", ["model_fingerprint", "protocol"])
    op.create_index("runs_by_model_name", "runs", ["model_name"])


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "tag"),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], ondelete="CASCADE"),
        sa.CheckConstraint("length(tag) > 0", name="tags_tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("tags_by_tag", "tags", ["tag"])


def _create_pieces() -> None:
    op.create_table(
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
        sa.PrimaryKeyConstraint("run", "corruption", "severity", "block"),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], ondelete="CASCADE"),
        sa.CheckConstraint(_CONDITION_CHECK, name="pieces_condition"),
        sa.CheckConstraint(_COUNTS_CHECK, name="pieces_counts"),
        sa.CheckConstraint(_SUMS_CHECK, name="pieces_sums"),
        sa.CheckConstraint("block >= 0", name="pieces_block"),
        sa.CheckConstraint("length(digest) = 64", name="pieces_digest"),
        sqlite_with_rowid=False,
    )


def _create_cells() -> None:
    op.create_table(
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
        sa.PrimaryKeyConstraint("run", "corruption", "severity"),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], ondelete="CASCADE"),
        sa.CheckConstraint(_CONDITION_CHECK, name="cells_condition"),
        sa.CheckConstraint(_COUNTS_CHECK, name="cells_counts"),
        sa.CheckConstraint("n_blocks > 0", name="cells_n_blocks"),
        sqlite_with_rowid=False,
    )
