"""Serialization of bootstrap replicates for the store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from robustbench_gnl.records import Cell, Condition
from robustbench_gnl.statistics.bootstrap import N_RESAMPLES, SEED, Replicates


def to_bytes(replicates: Replicates) -> bytes:
    """The counts row by row, little-endian, in two bytes each where those hold n_images."""
    return replicates.counts.astype(_dtype(replicates.n_images)).tobytes()


def from_bytes(
    content: bytes,
    cells: Mapping[Condition, Cell],
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = SEED,
) -> Replicates | None:
    """The replicates of a run's complete cells; None where the bytes are not theirs."""
    conditions = tuple(cells)
    n_images = next((cell.n_images for cell in cells.values()), 0)
    dtype = _dtype(n_images)
    # The cache may be damaged or of another version; then it is computed again.
    if not conditions or len(content) != n_resamples * len(conditions) * dtype.itemsize:
        return None
    counts = np.frombuffer(content, dtype).reshape(n_resamples, len(conditions))
    if counts.max() > n_images:
        return None
    observed = np.array([cell.n_images - cell.n_top1 for cell in cells.values()], np.int64)
    return Replicates(conditions, n_images, seed, observed, counts.astype(np.int64))


def _dtype(n_images: int) -> np.dtype[np.unsignedinteger]:
    # Two bytes halve the cache for image sets up to 65,535; ImageNet has 50,000.
    return np.dtype("<u2" if n_images < 2**16 else "<u4")
