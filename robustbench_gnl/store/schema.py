"""The tables, as the newest migration leaves them.

`pieces` has the results of blocks. `cells` has their sums by condition, which the transaction that
adds a piece updates: SQLite takes two seconds to sum the 745,000 pieces of 100 runs anew (0.3
from an index made for it), and a twentieth of that to read their 7,600 cells. `replicates`
is a cache, and may be emptied at any time.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

WITHOUT_CONTENTS = "gnlbench_without_contents"
"""Execution option of a connection to a store of a revision before 0003, which is read as it is:
it lacks the columns `made_from` of pieces, and `digest` and `made_from` of cells."""

_CONDITION_CHECK = "severity >= 0"
"""Which conditions there are is up to the suite of the run: `checks.check_condition`."""
_COUNTS_CHECK = "0 <= n_top1 AND n_top1 <= n_top5 AND n_top5 <= n_images AND n_images > 0"
_SUMS_CHECK = "negative_log_likelihood_sum >= 0 AND seconds >= 0"

image_sets = Table(
    "image_sets",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("label_set", Text, nullable=False),
    Column("n_images", Integer, nullable=False),
    # zlib over the JSON of [keys, labels]: 50,000 images in about 250 kB.
    Column("content", LargeBinary, nullable=False),
    CheckConstraint("length(fingerprint) = 64", name="image_sets_fingerprint"),
    CheckConstraint("n_images > 0", name="image_sets_n_images"),
)

protocols = Table(
    "protocols",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("fields", Text, nullable=False),  # JSON
    CheckConstraint("length(fingerprint) = 64", name="protocols_fingerprint"),
)

runs = Table(
    "runs",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("model_fingerprint", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("checkpoint_sha256", Text, nullable=False),
    Column("weights", Text, nullable=False),
    Column("n_params", BigInteger, nullable=False),
    Column("n_classes", Integer, nullable=False),
    Column("mean", Text, nullable=False),  # JSON
    Column("std", Text, nullable=False),  # JSON
    Column("protocol", Text, ForeignKey("protocols.fingerprint"), nullable=False),
    Column("image_set", Text, ForeignKey("image_sets.fingerprint"), nullable=False),
    Column("block_size", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("environment", Text, nullable=False),  # JSON
    Column("skipped", Text, nullable=False),  # JSON
    CheckConstraint("length(model_fingerprint) = 64", name="runs_model_fingerprint"),
    CheckConstraint("n_params >= 0 AND n_classes > 0 AND block_size > 0", name="runs_numbers"),
    Index("runs_by_model_and_protocol", "model_fingerprint", "protocol"),
    Index("runs_by_model_name", "model_name"),
)

tags = Table(
    "tags",
    metadata,
    Column("run", Integer, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("tag", Text, primary_key=True),
    CheckConstraint("length(tag) > 0", name="tags_tag"),
    Index("tags_by_tag", "tag"),
    sqlite_with_rowid=False,
)

pieces = Table(
    "pieces",
    metadata,
    Column("run", Integer, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("corruption", Text, primary_key=True),
    Column("severity", Integer, primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("n_images", Integer, nullable=False),
    Column("n_top1", Integer, nullable=False),
    Column("n_top5", Integer, nullable=False),
    Column("negative_log_likelihood_sum", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("digest", Text, nullable=False),
    Column("calibration", LargeBinary, nullable=False),
    Column("correct", LargeBinary, nullable=False),
    Column("made_from", Text),
    CheckConstraint(_CONDITION_CHECK, name="pieces_condition"),
    CheckConstraint(_COUNTS_CHECK, name="pieces_counts"),
    CheckConstraint(_SUMS_CHECK, name="pieces_sums"),
    CheckConstraint("block >= 0", name="pieces_block"),
    CheckConstraint("length(digest) = 64", name="pieces_digest"),
    sqlite_with_rowid=False,
)

cells = Table(
    "cells",
    metadata,
    Column("run", Integer, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("corruption", Text, primary_key=True),
    Column("severity", Integer, primary_key=True),
    Column("n_blocks", Integer, nullable=False),
    Column("n_images", Integer, nullable=False),
    Column("n_top1", Integer, nullable=False),
    Column("n_top5", Integer, nullable=False),
    Column("negative_log_likelihood_sum", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    CheckConstraint(_CONDITION_CHECK, name="cells_condition"),
    Column("digest", Text),
    Column("made_from", Text),
    CheckConstraint(_COUNTS_CHECK, name="cells_counts"),
    CheckConstraint("n_blocks > 0", name="cells_n_blocks"),
    sqlite_with_rowid=False,
)

replicates = Table(
    "replicates",
    metadata,
    Column("run", Integer, ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    Column("seed", BigInteger, primary_key=True),
    Column("n_resamples", Integer, primary_key=True),
    # Fingerprint of the cells and of the way to draw: other cells, other replicates.
    Column("cells", Text, nullable=False),
    # (n_resamples, n_cells) whole numbers, 150 kB for 76 cells of 50,000 images: too much for
    # a table without rowid, whose rows lie in its index.
    Column("counts", LargeBinary, nullable=False),
    CheckConstraint("length(cells) = 64", name="replicates_cells"),
)
